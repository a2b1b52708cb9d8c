"""The forms in which parameters may be given: trees, arrays, defaults, earlier fits."""

import numpy as np
import pytest

import descend
from descend import Parameter, UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + 1.0
LAYER = dict(W=np.ones(3), b=0.0)


def network(x, layer, v):
    return x @ layer["W"] + layer["b"] + x @ v


def test_trees_are_bound_as_a_whole_or_by_their_leaves():
    start = dict(layer=LAYER, v=np.zeros(3))
    fit = descend.fit(network, X, Y, start=start, fixed=["layer.W"], bounds={"layer.b": (-1, 0.5)})
    assert fit.fixed == ("layer.W",) and fit.params["layer"]["b"] == 0.5
    np.testing.assert_array_equal(fit.params["layer"]["W"], 1.0)
    assert np.isnan(fit.stderr["layer"]["W"]).all() and np.isfinite(fit.stderr["v"]).all()
    whole = descend.fit(network, X, Y, start=start, fixed="layer")
    assert whole.fixed == ("layer.W", "layer.b")
    np.testing.assert_allclose(whole.params["v"], np.linalg.lstsq(X, Y - X.sum(1))[0])
    with pytest.raises(UsageError, match=r"fixed gives layer.W the value 1, and it is a part of"):
        descend.fit(network, X, Y, start=start, fixed={"layer.W": 1})
    with pytest.raises(UsageError, match=r"fixed gives layer as 3.0, and its start is of another"):
        descend.fit(network, X, Y, start=start, fixed={"layer": 3.0})
    with pytest.raises(UsageError, match="uses layer, which is a tree of parameters"):
        descend.fit(network, X, Y, start=dict(layer=LAYER), ties={"v": "layer"})


def test_arrays_may_be_tied():
    model = lambda x, w, v: x @ w + x**2 @ v  # noqa: E731
    fit = descend.fit(model, X, Y, start=dict(w=np.zeros(3)), ties={"v": "w/10 + 1"})
    design = X + X**2 / 10
    expected = np.linalg.lstsq(design, Y - (X**2).sum(1))[0]
    np.testing.assert_allclose(fit.params["w"], expected, rtol=1e-8)
    np.testing.assert_allclose(fit.params["v"], expected / 10 + 1, rtol=1e-8)
    np.testing.assert_allclose(fit.stderr["v"], np.array(fit.stderr["w"]) / 10, rtol=1e-9)


def test_default_arguments_may_be_declared():
    def line(x, a=Parameter(1.0, min=0, max=3), b=Parameter(2.0, fixed=True)):  # noqa: B008
        return a * x + b

    x = np.linspace(0.0, 1.0, 9)
    fit = descend.fit(line, x, 4 * x + 2.5)
    assert fit.params == {"a": 3.0, "b": 2.0} and fit.bounds == {"a": (0.0, 3.0)}
    assert descend.fit(line, x, 4 * x + 2.5, start=dict(b=1.0)).params["b"] == 1.0


def test_an_earlier_fit_gives_its_parameters_only():
    line = lambda x, a, b: a * x + b  # noqa: E731
    x = np.linspace(0.0, 1.0, 9)
    first = descend.fit(line, x, 4 * x + 2.5, start=dict(a=1.0), ties={"b": "a"})
    second = descend.fit(line, x, 4 * x + 2.5, start=first)
    assert second.ties == {} and second.params["a"] == pytest.approx(4.0)
    tied = descend.fit(line, x, 4 * x + 2.5, start=second, ties={"b": "2*a"})
    assert tied.params["b"] == 2 * tied.params["a"]
    with pytest.raises(UsageError, match="a starts at 4, outside its bounds 0 to 1"):
        descend.fit(line, x, 4 * x + 2.5, start=second, bounds={"a": (0, 1)})


def test_explained_updates_leave_out_what_is_fixed_and_keep_within_bounds():
    line = lambda x, a, b, c: a * x + b + c  # noqa: E731
    x = np.linspace(1.0, 2.0, 9)
    fit = descend.fit(
        line, x, 4 * x, start=dict(a=1.0, c=0.5), fixed={"b": 1.0}, bounds={"c": (0, 0.6)},
        optimizer="sgd", lr=0.1, epochs=1,
    )  # fmt: skip
    told = fit.explain(row=0)
    assert [u.name for u in told.updates] == ["a", "c"]
    assert float(told.updates[0].new) == pytest.approx(1.0 + 0.1 * 2 * 1.5)
    assert float(told.updates[1].new) == 0.6


@pytest.mark.parametrize("name", ["confidence_band", "propagate"])
def test_uncertainties_follow_ties(name):
    """As if the tie were written into the model."""
    x = np.linspace(0.0, 4.0, 40)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.03 * np.cos(9.0 * x)
    free = descend.fit(
        lambda x, a, k: a * np.exp(-k * x) + a / 5, x, y, start=dict(a=1.0, k=1.0)
    )
    tied = descend.fit(
        lambda x, a, k, c: a * np.exp(-k * x) + c, x, y, start=dict(a=1.0, k=1.0), ties={"c": "a/5"}
    )
    if name == "propagate":
        one = free.propagate(lambda a, k: a * k + a / 5)
        other = tied.propagate(lambda a, k, c: a * k + c)
    else:
        one, other = free.confidence_band([1.0, 2.0]), tied.confidence_band([1.0, 2.0])
    np.testing.assert_allclose(other.stderr, one.stderr, rtol=1e-7)
    assert other.stderr is not None
    low = tied.confidence(kind="profile").entries["a"].low
    assert low == pytest.approx(free.confidence(kind="profile").entries["a"].low, rel=1e-6)
