"""Saved fits: they predict without the source, carry everything, and refuse what is damaged."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import descend

X = np.linspace(0.1, 2.0, 40)
Y = 2.5 * np.exp(-1.3 * X) + 0.5
TABLE = np.linspace(1.0, 2.0, 40)


def test_a_saved_fit_is_the_fit(tmp_path):
    path = tmp_path / "a.descend"
    fit = descend.fit(lambda x, a, k, c: a * np.exp(-k * x) + c, X, Y + 0.01 * np.sin(30 * X))
    fit.save(path)
    back = descend.load(path)
    new = np.linspace(-1, 3, 7)
    assert np.array_equal(back.predict(new), fit.predict(new))
    assert back.params == fit.params and back.stderr == fit.stderr
    assert back.report() == fit.report()
    mine, theirs = fit.to_json_dict(rows=False), back.to_json_dict(rows=False)
    assert mine == theirs
    assert np.array_equal(back.covariance, fit.covariance)
    with pytest.raises(descend.UsageError, match="a loaded fit has no rows to explain"):
        back.explain(0)


MODELS = {
    "matrix": (
        lambda X, W, b: np.tanh(X @ W) @ b,
        np.stack([X, X**2], 1), {"W": np.full((2, 3), 0.1), "b": np.ones(3)},
    ),
    "where": (lambda x, a: np.where(x > 1, a * x, np.sin(a * x)), X, {"a": 1.0}),
    "sorted": (lambda x, w: np.sum(np.sort(w) * x[:, None], axis=1), X, {"w": np.ones(3)}),
    "index": (lambda x, w: w[np.array([0, 2])].sum() * x + w[1], X, {"w": np.ones(3)}),
    "small constant": (lambda x, a: a * x + np.array([1.0, 2.0]).sum(), X, {"a": 1.0}),
    "tree": (
        lambda x, p: p["l"][0] * x + p["l"][1]["b"], X, {"p": {"l": [1.0, {"b": np.array(2.0)}]}}
    ),
    "half pair": (lambda x, a, s: (a * x, s + 0 * x), X, {"a": 1.0, "s": 0.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds(name, tmp_path):
    model, x, start = MODELS[name]
    loss = "gaussian_nll" if name == "half pair" else "mse"
    fit = descend.fit(model, x, Y, start=start, loss=loss, optimizer="adam", epochs=3)
    fit.save(tmp_path / "m.descend")
    back = descend.load(tmp_path / "m.descend")
    for rows in (x, x[:1], np.concatenate([x, x])):
        np.testing.assert_array_equal(np.asarray(back.predict(rows)), np.asarray(fit.predict(rows)))


def test_captured_arrays_go_along(tmp_path):
    basis = np.linspace(0, 1, 40)
    fit = descend.fit(lambda x, a: a * x + basis.sum(), X, Y, start={"a": 1.0})
    fit.save(tmp_path / "m.descend")
    expected = fit.predict(X[:3])
    basis[:] = 0
    np.testing.assert_array_equal(descend.load(tmp_path / "m.descend").predict(X[:3]), expected)


def test_it_predicts_in_another_process_without_the_source(tmp_path):
    path = tmp_path / "f.descend"
    fit = descend.fit("y = a*exp(-k*x) + c", {"x": X, "y": Y}, start={"a": 1, "k": 1, "c": 0})
    fit.save(path)
    code = (
        "import descend, numpy, sys; "
        f"print(repr(descend.load({str(path)!r}).predict({{'x': numpy.array([0.5])}})[0].item()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == fit.predict({"x": np.array([0.5])})[0]


def rewritten(path, change):
    """The file with another fit.json."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    described = json.loads(content["fit.json"])
    change(described)
    content["fit.json"] = json.dumps(described).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
    path.write_bytes(buffer.getvalue())


def set_node(described):
    described["model"]["graph"]["nodes"][-1] = {"op": "system", "args": [], "attrs": {}}


DAMAGE = {
    "truncated": lambda p: p.write_bytes(p.read_bytes()[:200]),
    "text": lambda p: p.write_text("x,y\n1,2\n"),
    "other format": lambda p: rewritten(p, lambda d: d.update(format="other")),
    "unknown op": lambda p: rewritten(p, set_node),
    "no model": lambda p: rewritten(p, lambda d: d.pop("model")),
    "shapes": lambda p: rewritten(
        p, lambda d: d["model"]["graph"]["nodes"][0].update(shape=[3, 4, 5])
    ),
    "fields": lambda p: rewritten(p, lambda d: d["record"].update(bogus=1)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_are_refused(how, tmp_path):
    path = tmp_path / "m.descend"
    descend.fit("y = a*x + 0*c*x**2", {"x": X, "y": Y}, start={"a": 1, "c": 1}).save(path)
    DAMAGE[how](path)
    with pytest.raises(descend.DataError, match="no saved fit, or it is damaged"):
        descend.load(path)


def test_a_later_version_is_said(tmp_path):
    path = tmp_path / "m.descend"
    descend.fit("y = a*x", {"x": X, "y": Y}, start={"a": 1}).save(path)
    rewritten(path, lambda d: d.update(version=99))
    with pytest.raises(descend.DataError, match="later version"):
        descend.load(path)


def test_arrays_with_objects_are_not_read(tmp_path):
    path = tmp_path / "m.descend"
    descend.fit("y = a*x", {"x": X, "y": Y}, start={"a": 1}).save(path)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in content.items():
            file.writestr(name, buffer.getvalue() if name == "0.npy" else data)
    with pytest.raises(descend.DataError, match="damaged"):
        descend.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.descend"
    fit = descend.fit("y = a*x", {"x": X, "y": Y}, start={"a": 1})
    fit.save(path)
    before = path.read_bytes()
    with pytest.raises(descend.UsageError, match="the saved fit cannot be written"):
        fit.save(tmp_path / "no" / "m.descend")
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
