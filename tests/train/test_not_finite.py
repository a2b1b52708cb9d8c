"""A descent that cannot begin says where the model stops being finite."""

import numpy as np
import pytest

import descend
from descend.errors import DivergedWarning

X = np.linspace(0.0, 1.0, 8)


def singular(x, a, b):
    return x * np.linalg.solve(np.array([[a, b], [a, b]]), np.array([1.0, 2.0]))[0]


def indefinite(x, a, b):
    return x * np.linalg.cholesky(np.array([[a, 2.0], [2.0, b]]))[1, 1]


def logarithm(x, a, b):
    return a * np.log(x - 0.6 + b)


@pytest.mark.parametrize(
    ("model", "start", "words"),
    [
        (singular, (1.0, 1.0), "a singular matrix, at test_not_finite.py:13"),
        (indefinite, (1.0, 1.0), "a matrix that is not positive definite, at test_not_finite"),
        (logarithm, (1.0, 0.0), "not positive, first in row 0, at test_not_finite.py:21: np.log"),
        ("y = a*sqrt(x - 0.6*b)", (1.0, 1.0), "the root of a negative number, first in row 0"),
        ("y = a*sqrt(b - x)", (1.0, 0.8), "the root of a negative number, first in row 6"),
    ],
)
def test_the_place_is_told(model, start, words) -> None:
    begin = dict(zip("ab", start, strict=True))
    data = ({"x": X, "y": X},) if isinstance(model, str) else (X, X)
    with pytest.warns(DivergedWarning):
        fit = descend.fit(model, *data, start=begin)
    assert fit.status == "diverged"
    assert "not finite at the start" in fit.message and words in fit.message
    with pytest.warns(DivergedWarning):
        fit = descend.fit(model, *data, start=begin, optimizer="adam")
    assert words in fit.message


def test_nothing_is_said_where_the_model_is_finite() -> None:
    data = {"x": X * 10, "y": X}
    with pytest.warns(DivergedWarning):
        fit = descend.fit("y = a*x", data, start={"a": 1.0}, optimizer="sgd", lr=1e3)
    assert "diverged in epoch" in fit.message and ", at " not in fit.message


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_leaves_in_its_first_epoch_has_no_records(times: int) -> None:
    """Also where it goes by its plan, as the second time."""
    x = np.linspace(0, 1, 20)
    for _ in range(times):
        with pytest.warns(descend.DivergedWarning):
            fit = descend.fit(
                "y = a*x + b", {"x": x, "y": np.arange(20.0)}, start=dict(a=0, b=0), lr=0.1,
                loss="poisson", optimizer="sgd", record=["params", "gradient"],
            )  # fmt: skip
        assert (fit.status, fit.epochs) == ("diverged", 0)
        assert all(len(column) == 0 for column in fit.history.params.values())
