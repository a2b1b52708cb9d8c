"""Tracebacks end at the user's line and show none of descend's own, whoever raises the error."""

import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import descend
from descend.errors import InternalError, ends_at_users_line
from descend.trace.table import implementation

X = np.arange(5.0)
Y = 2 * X + 1
PACKAGE = str(Path(descend.__file__).parent)


def branch(x: Any, a: Any, b: Any) -> Any:
    if a > 0:
        return a * x
    return b * x


def unknown(x: Any, a: Any, b: Any) -> Any:
    return a * x + no_such_name  # type: ignore[name-defined]  # noqa: F821


def shapes(x: Any, a: Any, b: Any) -> Any:
    return a * x + b * np.ones(3)


def attribute(x: Any, a: Any, b: Any) -> Any:
    return a * x.foo + b


def arguments(x: Any, a: Any, b: Any) -> Any:
    return np.exp(a, b, 1, 2, 3) * x  # type: ignore[call-overload]


def keyword(x: Any, a: Any, b: Any) -> Any:
    return np.sum(a * x, axs=0) + b * x  # type: ignore[call-overload]


def own(x: Any, a: Any, b: Any) -> Any:
    raise RuntimeError("of the model's own")


def inner(x: Any, a: Any, b: Any) -> Any:
    return descend.grad(lambda q: np.sum(branch(x, q, b)))(a) * x


CALLS = {
    "fit": lambda m: descend.fit(m, X, Y),
    "fit from a start": lambda m: descend.fit(m, X, Y, start=dict(a=1.0, b=1.0)),
    "fit_many": lambda m: descend.fit_many(m, X, np.stack([Y, Y]), start=dict(a=1.0, b=1.0)),
    "minimize": lambda m: descend.minimize(lambda a: np.sum(m(X, a, 1.0)), start=1.0),
    "grad": lambda m: descend.grad(lambda a: np.sum(m(X, a, 1.0)))(1.0),
    "hessian": lambda m: descend.hessian(lambda a: np.sum(m(X, a, 1.0)))(1.0),
    "vjp": lambda m: descend.vjp(lambda a: np.sum(m(X, a, 1.0)), 1.0),
    "explain": lambda m: descend.explain(lambda a: np.sum(m(X, a, 1.0)), 1.0),
    "check_grad": lambda m: descend.check_grad(lambda a: np.sum(m(X, a, 1.0)), 1.0),
}


@pytest.mark.parametrize("model", [branch, unknown, shapes, attribute, arguments, keyword, own])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_traceback_ends_in_the_model(call: Any, model: Any) -> None:
    with pytest.raises(Exception) as caught:
        call(model)
    error = caught.value
    frames = traceback.extract_tb(error.__traceback__)
    shown = "".join(traceback.format_exception(error))
    assert frames[-1].name == model.__name__
    # Plain Python shows this test, the call, and the model; one frame may be descend's own.
    assert shown.count('  File "') <= 5
    assert shown.count(PACKAGE) <= 1


def test_a_derivative_in_a_model() -> None:
    with pytest.raises(descend.TraceError) as caught:
        descend.fit(inner, X, Y, start=dict(a=1.0, b=1.0))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "branch"
    assert "".join(traceback.format_exception(caught.value)).count('  File "') <= 8


def chain_of(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        assert error not in found, f"{error!r} is its own cause"
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("model", [branch, shapes, attribute, arguments, keyword])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_error_is_its_own_cause(call: Any, model: Any) -> None:
    with pytest.raises(Exception) as caught:
        call(model)
    assert chain_of(caught.value)


def test_mistakes_in_the_call_itself_show_the_call_alone() -> None:
    fit = descend.fit("y = a*x + b", {"x": X, "y": Y}, start=dict(a=1, b=0))
    for call in (
        lambda: descend.fit(branch, X, Y, lrr=1),  # type: ignore[call-arg]
        lambda: descend.fit("y = a*x +* b", {"x": X, "y": Y}),
        lambda: fit.predict("text"),
        lambda: fit.plot("picture.foo"),
        lambda: descend.load("no such file"),
    ):
        with pytest.raises((descend.DescendError, OSError)) as caught:
            call()
        shown = "".join(traceback.format_exception(caught.value))
        assert shown.count(PACKAGE) == 0


def test_bugs_keep_every_frame() -> None:
    @ends_at_users_line
    def wrong() -> None:
        implementation("no.such.name")

    with pytest.raises(InternalError) as caught:
        wrong()
    assert any(PACKAGE in f.filename for f in traceback.extract_tb(caught.value.__traceback__))


def test_a_script_shows_its_own_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, descend\n"
        "def model(x, a, b):\n"
        "    if a > 0:\n"
        "        return a * x\n"
        "    return b * x\n"
        "descend.fit(model, np.arange(5.0), np.arange(5.0))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert [line for line in lines if line.startswith("File ")] == [
        f'File "{script}", line 6, in <module>',
        f'File "{script}", line 3, in model',
    ]
    assert any("np.where(condition, a, b)" in line for line in lines)


def test_a_librarys_code_that_calls_numpy_is_not_the_line_that_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(descend.TraceError) as caught:
        descend.grad(lambda v: pandas.Series(v).rolling(2).mean().sum())(X)
    assert "test_tracebacks.py:" in str(caught.value)
    assert "site-packages" not in str(caught.value)


def of_everything() -> dict[str, Any]:
    """Wrong calls of what results and the package offer."""
    fit = descend.fit(lambda x, a, b: a * x + b, X, Y + np.cos(9 * X), start=dict(a=1.0, b=1.0))
    many = descend.fit_many(lambda x, a: a * x, X, np.stack([Y, Y]), start=dict(a=1.0))
    both = descend.fit_global(lambda x, a: a * x, [X, X], [Y, Y], local="a", start=dict(a=1.0))
    found = descend.minimize(lambda p: np.sum((p - 1) ** 2), start=[0.0, 0.0])
    return {
        "fit.predict": lambda: fit.predict({"z": X}),
        "fit.confidence": lambda: fit.confidence(level=3.0),
        "fit.profile": lambda: fit.profile("c"),
        "fit.contour": lambda: fit.contour("a", "c"),
        "fit.bootstrap": lambda: fit.bootstrap(n=-1),
        "fit.confidence_band": lambda: fit.confidence_band("x"),
        "fit.prediction_band": lambda: fit.prediction_band({"z": X}),
        "fit.propagate": lambda: fit.propagate("a/c"),
        "fit.explain": lambda: fit.explain(row=77),
        "fit.plot": lambda: fit.plot("picture"),
        "fit.save": lambda: fit.save("nowhere/at/all.descend"),
        "many.save": lambda: many.save("table"),
        "many.where": lambda: many.where("happy"),
        "both.predict": lambda: both.predict(X),
        "both.plot": lambda: both.plot("picture"),
        "both[0].predict": lambda: both[0].predict({"z": X}),
        "found.plot": lambda: found.plot("picture"),
        "load": lambda: descend.load("nothing.descend"),
        "read": lambda: descend.read("nothing.csv"),
        "grad": lambda: descend.grad(3),
        "hessian": lambda: descend.hessian(3),
        "SGD": lambda: descend.SGD(lr=-1.0),
        "Huber": lambda: descend.Huber(delta="wide"),
    }


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_wrong_calls_of_everything_show_the_call_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name, call in of_everything().items():
        with pytest.raises(descend.DescendError) as caught:
            call()
        files = [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]
        ours = [file for file in files if file.startswith(PACKAGE)]
        assert not ours, f"{name} shows {ours}"
        assert caught.value.__cause__ is None, name
