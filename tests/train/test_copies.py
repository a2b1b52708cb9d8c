"""Results are copied and pickled as whole as they are."""

import copy
import pickle

import numpy as np
import pytest

import descend
from whole import covered

X = np.linspace(0.1, 2.0, 40)
Y = 2.5 * np.exp(-1.3 * X) + 0.01 * np.sin(30 * X)
START = {"a": 1.0, "k": 1.0}


def decay(x, a, k):
    return a * np.exp(-k * x)


def pickled(result):
    return pickle.loads(pickle.dumps(result))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("model", [lambda x, a, k: a * np.exp(-k * x), "y = a*exp(-k*x)"])
@pytest.mark.parametrize("calls", [1, 3])
def test_a_copy_of_a_fit_is_the_fit(model, again, calls):
    data = {"x": X, "y": Y} if isinstance(model, str) else X
    for _ in range(calls):
        fit = descend.fit(model, data, None if isinstance(model, str) else Y, start=START)
    other = again(fit)
    assert other.report() == fit.report()
    assert other.to_json_dict() == fit.to_json_dict()
    assert np.array_equal(other.residuals, fit.residuals) and np.array_equal(other.y, Y)
    new = {"x": np.linspace(-1.0, 3.0, 7)}
    assert np.array_equal(other.predict(new), fit.predict(new))
    assert descend.fit(model, data, None if isinstance(model, str) else Y, start=other).success


def test_a_deep_copy_has_arrays_of_its_own():
    fit = descend.fit(decay, X, Y, start=START)
    other = copy.deepcopy(fit)
    other.residuals[:] = 0.0
    assert fit.residuals.any()


def test_a_pickled_run_is_resumed_to_the_same_bits():
    def run(epochs, **more):
        rate = descend.Adam(lr=0.05)
        return descend.fit(
            decay, X, Y, start=START, optimizer=rate, batch_size=8, epochs=epochs, **more
        )

    whole, half = run(20), run(10)
    assert run(20, resume=pickled(half)).params == whole.params


FUNCTIONS = ["(x - 1)**2 + y**2", lambda x, y: (x - 1) ** 2 + y**2]


@covered("again, function", [copy.copy, copy.deepcopy, pickled], FUNCTIONS)
def test_a_copy_of_a_minimum_is_the_minimum(function, again, tmp_path):
    found = descend.minimize(function, start={"x": 3.0, "y": 1.0})
    other = again(found)
    assert other.report() == found.report() and other.to_json_dict() == found.to_json_dict()
    other.plot(tmp_path / "way.svg")


def test_many_fits_are_copied_whole():
    found = descend.fit_many(decay, X, np.stack([Y, 2 * Y]), start=START)
    for other in (copy.deepcopy(found), pickled(found)):
        assert np.array_equal(other.params["k"], found.params["k"])
        assert other.report() == found.report()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_a_global_fit_is_the_global_fit(again, tmp_path):
    found = descend.fit_global(decay, [X, X], [Y, 2 * Y], shared=["k"], start=START)
    other = again(found)
    assert other.report() == found.report() and other.to_json_dict() == found.to_json_dict()
    assert np.array_equal(other[1].predict(X), found[1].predict(X))
    assert repr(other[1]) == repr(found[1])
    other.plot(tmp_path / "sets.png")


def test_a_saved_global_fit_predicts_for_each_dataset_and_can_be_started_from(tmp_path):
    path, sets = tmp_path / "two.descend", {"names": ["u", "v"], "shared": ["k"]}
    found = descend.fit_global(decay, [X, X], [Y, 2 * Y], start=START, **sets)
    found.save(path)
    other = descend.load(path)
    assert isinstance(other, descend.GlobalFit) and other.report() == found.report()
    for name in ("u", "v"):
        expected = decay(X + 1, **found[name].params)
        np.testing.assert_allclose(other[name].predict(X + 1), expected, rtol=1e-14)
    assert other["u"].y is None and found["u"].y is not None
    with pytest.raises(descend.UsageError, match="a saved global fit has no rows to draw"):
        other.plot()
    again = descend.fit_global(decay, [X, X], [Y, 2 * Y], start=other, **sets)
    assert again.start_source == "from an earlier fit" and again.success
    with pytest.raises(descend.UsageError, match="give those of one dataset"):
        descend.fit(decay, X, Y, start=other)
    assert descend.fit(decay, X, Y, start=other["u"]).start["a"] == found["u"].params["a"]


def test_datasets_of_different_models_are_saved_with_their_own_columns(tmp_path):
    factor = np.array([2.0, 1.0])
    sets = [
        descend.Dataset("y = a*exp(-k*t)", {"t": X, "y": Y}, name="text"),
        descend.Dataset(lambda q, r, k: factor[0] * q * np.exp(-k * r), (np.ones(40), X), Y),
        descend.Dataset(
            lambda x, a, k, i: a * np.exp(-k * x) * np.take(factor, i.astype(int)),
            {"x": X, "i": 0 * X},
            Y,
        ),
    ]
    found = descend.fit_global(sets, shared=["k", "a"], start=START)
    found.save(tmp_path / "three.descend")
    for other in (descend.load(tmp_path / "three.descend"), pickled(found)):
        assert [one.inputs for one in other] == [("t",), ("q", "r"), ("x", "i")]
        for one, expected in zip(other, found, strict=True):
            rows = expected.x
            assert np.array_equal(one.predict(rows), expected.predict(rows))
            np.testing.assert_allclose(one.predict(rows), expected.fitted, rtol=1e-12)


def test_a_dataset_whose_model_couples_rows_warns_of_others():
    def scaled(x, a, k):
        return a * np.exp(-k * x / x.mean())

    found = descend.fit_global(scaled, [X, X], [Y, 2 * Y], shared=["k"], start=START)
    for each in (found, pickled(found)):
        np.testing.assert_allclose(each[1].predict(X), found[1].fitted, rtol=1e-12)
        with pytest.warns(descend.DescendWarning, match="couples the rows"):
            each[1].predict(X[:5])


@pytest.mark.parametrize(
    "model",
    [
        lambda x, a, k: a * np.exp(-k * x / x.mean()),
        lambda x, a, k: a * np.exp(-k * x) * len(x) / 40,
        lambda x, a, k: a * np.exp(-k * x) + 0 * np.arange(float(len(x))),
        lambda x, a, k: a * np.exp(-k * np.cumsum(x) / 20) * np.ones(x.shape[0]),
    ],
)
def test_models_whose_rows_know_of_one_another_are_drawn_at_their_rows(model, tmp_path):
    start = {"a": 1.0, "k": 1.0}
    descend.fit(model, X, Y, start=start).plot(tmp_path / "one.png")
    descend.fit_global(model, [X, X], [Y, 2 * Y], shared="k", start=start).plot(
        tmp_path / "two.png"
    )
