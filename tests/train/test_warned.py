"""Data that cannot tell what is asked of them, and parameters without use: said, once and again."""

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 1.0, 8)
Y = 2 * np.exp(-3 * X) + 0.01 * np.sin(30 * X)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


WARNED = {
    "more parameters than points": (
        lambda: descend.fit(decay, X[:2], Y[:2]),
        "There are 3 parameters and only 2 values of y: more than one set of parameters fits them",
    ),
    "identical x": (
        lambda: descend.fit(lambda x, a, b: a * x + b, np.ones(8), Y),
        r"All rows have the same x \(1\): they tell nothing of how y depends on it",
    ),
    "identical x, a table": (
        lambda: descend.fit("speed = a*t + b*u", {"t": [3, 3, 3], "u": [1, 1, 1], "speed": Y[:3]}),
        r"All rows have the same t and u \(3, 1\): they tell nothing of how speed",
    ),
    "all-equal y": (
        lambda: descend.fit(lambda x, a, b: a * x + b, X, np.full(8, 4.5)),
        "y is 4.5 in every row: there is nothing that a model could explain",
    ),
    "without use": (
        lambda: descend.fit(lambda x, a, z: a * x, X, Y),
        "The model does not use z: its start is returned as it is. Leave it out of the model",
    ),
    "two without use": (
        lambda: descend.fit(lambda x, a, z, w: a * x, X, Y, start=dict(a=1, z=2, w=np.ones(2))),
        "The model does not use z, w: their starts are returned as they are. Leave them out",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_it_is_said_in_a_warning_and_in_the_report(name):
    call, words = WARNED[name]
    with pytest.warns(descend.DescendWarning, match=words):
        fit = call()
    assert " ".join(words.split()[:3]) in " ".join(fit.report().split())


def test_ordinary_data_are_not_suspected():
    """A column of ones beside another, parameters that are fixed, as many as there are points."""
    ones = np.ones(8)
    descend.fit(lambda one, x, a, b: a * one + b * x, (ones, X), Y)
    descend.fit(decay, X[:2], Y[:2], start=dict(a=1, k=3, c=0), fixed=["c"])
    descend.fit(decay, X[:3], Y[:3])
    network = dict(w=np.full((1, 9), 0.1), v=np.full(9, 0.1))
    descend.fit(
        lambda x, w, v: np.tanh(x[:, None] @ w) @ v, X, Y, start=network, optimizer="adam", epochs=2
    )


def test_a_repeated_fit_is_looked_at_again():
    """After three fits alike the plan of the third serves; other data are judged all the same."""
    start = dict(a=1.0, k=1.0, c=0.0)
    for _ in range(3):
        descend.fit(decay, X, Y, start=start)
    with pytest.warns(descend.DescendWarning, match="y is 0.5 in every row"):
        descend.fit(decay, X, np.full(8, 0.5), start=start)
    assert "in every row" not in descend.fit(decay, X, Y, start=start).report()


SHAPES = {
    "a column": (lambda x, a: (a * x)[:, None], r"shape \(8, 1\), and y has the shape \(8,\)"),
    "another number": (lambda x, a: a * x[:3], r"shape \(3,\), and y has the shape \(8,\)"),
    "a pair": (lambda x, a: (a * x, a * x), "the model returns 2 arrays, and y is one"),
    "nothing": (lambda x, a: None, "returns None"),
}
SIGMAS = {
    "zero": (np.r_[0.0, np.ones(7)], "sigma must be positive, and is not in row 0"),
    "missing": (np.r_[np.nan, np.ones(7)], r"sigma is missing \(NaN\) in row 0"),
    "one zero for all": (0, "sigma must be positive"),
    "of another length": (np.ones(7), "sigma has 7 rows, y has 8"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_is_refused(name):
    model, words = SHAPES[name]
    with pytest.raises(descend.UsageError, match=words):
        descend.fit(model, X, Y)


@pytest.mark.parametrize("name", SIGMAS)
def test_a_wrong_sigma_is_refused(name):
    sigma, words = SIGMAS[name]
    with pytest.raises(descend.DataError, match=words):
        descend.fit(decay, X, Y, sigma=sigma)
