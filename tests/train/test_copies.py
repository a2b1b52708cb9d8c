"""Results are copied and pickled as whole as they are."""

import copy
import pickle

import numpy as np
import pytest

import descend

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


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("function", ["(x - 1)**2 + y**2", lambda x, y: (x - 1) ** 2 + y**2])
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


def test_a_global_fit_is_copied_and_not_pickled():
    found = descend.fit_global(decay, [X, X], [Y, 2 * Y], shared=["k"], start=START)
    for other in (copy.copy(found), copy.deepcopy(found)):
        assert other.report() == found.report()
        assert np.array_equal(other[1].predict(X), found[1].predict(X))
    with pytest.raises(descend.UsageError, match="a global fit is not pickled as a whole"):
        pickle.dumps(found)
    assert pickled(found.fit).params["k"] == found.params["k"]
