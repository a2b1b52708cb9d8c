"""Models whose rows know of one another: other rows are another company, and that is said."""

import warnings

import numpy as np
import pytest

import descend

X = np.stack([np.cos(np.arange(40.0)), np.sin(1.3 * np.arange(40))], 1)
Y = np.sin(X[:, 0])
START = {"w": np.array([0.5, -0.2]), "b": 0.1}


def normed(x, w, b):
    h = x @ w
    return np.tanh((h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)) * b


def apart(x, w, b):
    return np.tanh(x @ w) * b


def test_other_rows_than_those_of_the_fit_are_warned_of(tmp_path) -> None:
    fit = descend.fit(normed, X, Y, start=START)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.predict(X)
    with pytest.warns(descend.DescendWarning, match="a row depends on the company it is in"):
        fit.predict(X[:3])
    fit.save(tmp_path / "f.descend")
    with pytest.warns(descend.DescendWarning, match="couples the rows"):
        descend.load(tmp_path / "f.descend").predict(X)


def test_rows_that_are_held_back_are_told_of() -> None:
    with pytest.warns(descend.DescendWarning, match="of the rows held back is that of their own"):
        fit = descend.fit(normed, X, Y, start=START, validation_split=0.25)
    assert any("their own company" in note for note in fit.warnings)


def test_a_model_whose_rows_stand_alone_predicts_in_silence() -> None:
    fit = descend.fit(apart, X, Y, start=START)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = fit.predict(X[:1])
    np.testing.assert_allclose(one, fit.predict(X)[:1], rtol=1e-15)


PAIRS = {
    "distances": lambda x, w, b: np.exp(-((x[:, None] - x[None, :]) ** 2)).sum(1) * w + b,
    "kernel": lambda x, w, b: np.exp(-np.subtract.outer(x, x) ** 2) @ (w * x) + b,
    "attention": lambda x, w, b: np.exp(np.outer(x, x) * w) @ x * b,
    "ranks": lambda x, w, b: w * (x[:, None] > x).sum(1) + b * x,
    "products": lambda x, w, b: (x[:, None] @ x[None, :]).max(axis=1) * w + b,
}


@pytest.mark.parametrize("model", PAIRS.values(), ids=PAIRS)
def test_rows_that_meet_in_pairs_know_of_one_another(model) -> None:
    start = {"w": 0.1, "b": 0.2}
    fit = descend.fit(model, X[:, 0], Y, start=start)
    with pytest.warns(descend.DescendWarning, match="a row depends on the company it is in"):
        alone = fit.predict(X[:3, 0])
    assert not np.allclose(alone, fit.predict(X[:, 0])[:3])
    with pytest.raises(descend.UsageError, match="rows"):
        descend.fit(model, X[:, 0], Y, start=start, optimizer="adam", batch_size=8, epochs=2)
