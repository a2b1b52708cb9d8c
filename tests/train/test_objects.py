"""Results travel: a pickle, a copy and another process give back every public field."""

import copy
import io
import multiprocessing
import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import joblib
import numpy as np
import pytest

import descend
from descend import errors, models
from descend.graph.elementwise import call
from descend.graph.node import Dim
from descend.graph.source import input_node
from descend.methods.base import Optimizer
from descend.methods.losses import Loss
from descend.records.record import History
from descend.result.evidence import FromFile
from descend.run.predictor import Predictor
from whole import WHOLE

X = np.linspace(0.1, 2.0, 40)
Y = 2.5 * np.exp(-1.3 * X) + 0.01 * np.sin(30 * X)
START = {"a": 1.0, "k": 1.0}
TABLE = {"x": X, "y": Y, "id": np.repeat(["low", "high"], 20)}


def decay(x, a, k):
    return a * np.exp(-k * x)


def bowl(x, y):
    return (x - 1) ** 2 + 2 * (y + 1) ** 2


def fit(**more):
    return descend.fit(decay, X, Y, start=START, **more)


def together():
    sets = [descend.Dataset(decay, X, Y, name="u"), descend.Dataset(decay, X[:30], 2 * Y[:30])]
    return descend.fit_global(sets, shared=["k"], start=START, names=["u", "v"])


ADAM = {"optimizer": "adam", "lr": 0.05, "epochs": 20, "batch_size": 8}
RESULTS = {
    "fit": fit,
    "formula": lambda: descend.fit("y = gaussian(x) + linear(x)", TABLE),
    "steps": lambda: fit(**ADAM, record=["params", "gradient"], validation_split=0.25),
    "everything": lambda: fit(
        sigma=np.full(40, 0.1), absolute_sigma=True, bounds={"k": (0, 1.2)}, fixed={"a": 2.5}
    ),
    "scaled": lambda: fit(standardize=True),
    "tree": lambda: descend.fit(
        lambda x, w: w["a"] * np.exp(-w["k"][0] * x), X, Y, start={"w": {"a": 1.0, "k": [1.0]}}
    ),
    "minimum": lambda: descend.minimize(bowl, start={"x": 3.0, "y": 1.0}, record=["params"]),
    "bare minimum": lambda: descend.minimize(lambda v: np.sum((v - 1) ** 4), start=np.ones(3)),
    "maximum": lambda: descend.maximize("3 - x**2", start={"x": 2.0}),
    "likelihood": lambda: descend.minimize(
        lambda m, s: np.sum((Y - m) ** 2) / (2 * s**2) + 40 * np.log(s), start={"m": 1.0, "s": 1.0},
        likelihood=True,
    ),
    "many": lambda: descend.fit_many(decay, X, np.stack([Y, 2 * Y]), start=START),
    "groups": lambda: descend.fit_many("y = a + b*x", TABLE, by="id"),
    "one of many": lambda: descend.fit_many(decay, X, np.stack([Y, 2 * Y]), start=START)[1],
    "together": together,
    "one dataset": lambda: together()["v"],
    "explanation": lambda: descend.explain(bowl, 2.0, 3.0, lr=0.1),
    "explained row": lambda: fit().explain(row=3),
    "history": lambda: fit(**ADAM).history,
    "confidence": lambda: fit().confidence(),
    "profile": lambda: fit().profile("k"),
    "contour": lambda: fit().contour("a", "k"),
    "bootstrap": lambda: fit().bootstrap(n=20),
    "band": lambda: fit().confidence_band(X),
    "propagated": lambda: fit().propagate("a/k"),
    "diagnostics": lambda: fit().diagnostics(),
    "method": lambda: descend.Adam(lr=0.1),
    "schedule": lambda: descend.SGD(lr=descend.step(0.1, 10, 0.5)),
    "loss": lambda: descend.Huber(2.0),
    "parameter": lambda: descend.Parameter(1.0, min=0.0, scale="log"),
    "dataset": lambda: descend.Dataset(decay, X, Y, sigma=0.1, name="u"),
    "ready model": lambda: models.gaussian() + models.linear(),
}  # fmt: skip
WITHOUT_FUNCTIONS = [name for name in RESULTS if name not in ("dataset", "ready model")]


def public(value):
    """The public fields and properties of an object; methods aside."""
    names = [name for name in dir(value) if not name.startswith("_")]
    return [name for name in names if not callable(getattr(value, name))]


def assert_same(one, other, place):
    """Check that two values are the same through and through."""
    assert type(one) is type(other), place
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape, place
        exact = one.dtype.kind not in "fc"
        assert np.array_equal(one, other, equal_nan=not exact), place
    elif isinstance(one, Mapping) and not isinstance(one, History):
        assert list(one) == list(other), place
        for key in one:
            assert_same(one[key], other[key], f"{place}[{key!r}]")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for k, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{place}[{k}]")
    elif is_dataclass(one) or isinstance(one, descend.GlobalFit | descend.ManyFits):
        for name in public(one):
            assert_same(getattr(one, name), getattr(other, name), f"{place}.{name}")
    elif isinstance(one, float):
        assert one == other or (one != one and other != other), place
    elif isinstance(one, Optimizer | Loss | descend.Parameter | models.model.Model):
        assert repr(one) == repr(other), place
    else:
        assert one == other, place


def through_joblib(value, folder):
    joblib.dump(value, folder / "value.joblib")
    return joblib.load(folder / "value.joblib")


WAYS = {
    "copy": lambda value, _folder: copy.copy(value),
    "deep copy": lambda value, _folder: copy.deepcopy(value),
    "pickle": lambda value, _folder: pickle.loads(pickle.dumps(value)),
    "old pickle": lambda value, _folder: pickle.loads(pickle.dumps(value, protocol=2)),
    "twice": lambda value, _folder: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(value)))),
    "joblib": through_joblib,
}


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@pytest.mark.parametrize("name", RESULTS)
def test_a_copy_has_every_public_field(name, tmp_path):
    value = RESULTS[name]()
    for way, copied in WAYS.items():
        assert_same(value, copied(value, tmp_path), f"{name} by {way}")


class Recorder(pickle.Unpickler):
    """Remembers the classes and functions that a pickle names."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.named = []

    def find_class(self, module, name):
        self.named.append((module.split(".")[0], name))
        return super().find_class(module, name)


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@pytest.mark.parametrize("name", WITHOUT_FUNCTIONS)
def test_a_pickle_holds_no_function_of_the_users_and_no_native_code(name):
    content = pickle.dumps(RESULTS[name]())
    reader = Recorder(content)
    reader.load()
    foreign = [n for n in reader.named if n[0] not in ("descend", "numpy", "copyreg", "builtins")]
    assert reader.named and not foreign
    assert not [n for n in reader.named if n[0] == "builtins" and n[1] in ("eval", "exec")]
    assert b"\x7fELF" not in content and b"test_objects" not in content


PREDICTING = {"fit": fit, "together": lambda: together()["v"], "steps": RESULTS["steps"]}


def looked_at(value):
    """What another process says of a result that it was handed, and the result back."""
    return value, value.predict(X), repr(value)


def fitted(scale):
    return descend.fit(decay, X, scale * Y, start=START)


def failing(_number):
    return descend.fit(decay, X, Y, start={"q": 1.0})


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_results_and_errors_come_back_from_other_processes(method):
    here = [make() for make in PREDICTING.values()]
    with multiprocessing.get_context(method).Pool(2) as pool:
        for value, found in zip(here, pool.map(looked_at, here), strict=True):
            assert_same(value, found[0], method)
            assert np.array_equal(found[1], value.predict(X)) and found[2] == repr(value)
        there = pool.map(fitted, [1.0, 2.0, 3.0])
        assert [f.params for f in there] == [fitted(s).params for s in (1.0, 2.0, 3.0)]
        with pytest.raises(descend.UsageError, match='start names "q", which is no parameter') as e:
            pool.map(failing, [0])
        assert e.value.remedy.startswith("the parameters are")


@pytest.mark.slow
def test_joblib_fits_in_its_workers():
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(fitted)(s) for s in (1.0, 2.0))
    assert [f.params for f in there] == [fitted(s).params for s in (1.0, 2.0)]


@pytest.mark.parametrize("kind", [getattr(errors, n) for n in errors.__all__ if n[0].isupper()
                                  and isinstance(getattr(errors, n), type)])  # fmt: skip
def test_errors_are_pickled_with_their_place_and_remedy(kind):
    more = {} if issubclass(kind, Warning) else {"where": "m.py:3: x", "remedy": "write y"}
    error = kind("it went wrong", **more)
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is kind and str(other) == str(error)
        assert vars(other) == vars(error)


def test_a_pickled_minimum_is_drawn_over_its_function_as_before(tmp_path):
    shift = np.array([0.5, -0.25])

    def valley(x, y):
        return (x - shift[0]) ** 2 + 3 * (y - shift[1]) ** 2

    for found in (
        descend.minimize(valley, start={"x": 3.0, "y": 1.0}, record=["params"]),
        descend.maximize("a - x**2", start={"x": 2.0}, ties={"a": "-x"}, record=["params"]),
    ):  # fmt: skip
        other = pickle.loads(pickle.dumps(found))
        twice = pickle.loads(pickle.dumps(other))
        pictures = []
        for each in (found, other, twice):
            figure = each.plot()
            pictures.append([
                np.asarray(line.get_xydata()) for axes in figure.axes for line in axes.lines
            ] + [len(axes.collections) for axes in figure.axes])  # fmt: skip
        assert_same(pictures[0], pictures[1], "pickled")
        assert_same(pictures[0], pictures[2], "pickled twice")
        assert found._evidence.graph is not None and other._evidence.graph is not None


def test_a_minimum_of_a_black_box_is_pickled_without_it(tmp_path):
    outside = descend.black_box(lambda v: np.sum(v**2), shape=())
    found = descend.minimize(lambda v: outside(v), start=np.ones(2), optimizer="nelder_mead")
    other = pickle.loads(pickle.dumps(found))
    assert_same(found, other, "black box")
    other.plot(tmp_path / "way.png")


@pytest.mark.fuzz
def test_deep_graphs_are_copied_without_recursion(tmp_path):
    links = 50_000 if WHOLE else 5_000  # of two nodes; Python goes a thousand calls deep
    node = x = input_node("x", (Dim("rows"),), np.dtype(float))
    a = input_node("a", (), np.dtype(float))
    for _ in range(links):
        node = call("neg", call("sin", node))
    deep = Predictor((node,), {"x": x}, {"a": a}, [], x.shape[0])
    simple = descend.fit(lambda x, a: np.sin(a * x), X, np.sin(0.9 * X), start={"a": 1.0})
    evidence = FromFile(deep, {"a": np.array(0.9)})
    values = {f.name: getattr(simple, f.name) for f in fields(simple) if f.init}
    found = type(simple)(evidence, **values)
    found.save(tmp_path / "deep.descend")
    expected = X
    for _ in range(links):
        expected = -np.sin(expected)
    for other in (
        pickle.loads(pickle.dumps(found)), copy.deepcopy(found),
        descend.load(tmp_path / "deep.descend"),
    ):  # fmt: skip
        assert np.array_equal(other.predict(X), expected)
