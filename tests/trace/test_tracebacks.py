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
