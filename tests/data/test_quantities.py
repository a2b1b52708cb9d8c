"""Units and indices are not lost: what carries them is refused, with what to write."""

import numpy as np
import pandas as pd
import pytest

import descend


class Length:
    """As much of a pint quantity as is looked at."""

    def __init__(self, numbers, units="meter") -> None:
        self._numbers, self.units = numbers, units

    @property
    def magnitude(self):
        return self._numbers

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._numbers, dtype)

    def __float__(self) -> float:
        return float(self._numbers)

    def to(self, units):
        return Length(self._numbers, units)


class Flux(np.ndarray):
    """As much of an astropy quantity."""

    unit = "Jy"

    def to_value(self, unit):
        return np.asarray(self)


X, Y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0, 8.5])


def line(x, a, b):
    return a * x + b


DOORS = {
    "x": lambda q: descend.fit(line, q(X), Y),
    "y": lambda q: descend.fit(line, X, q(Y)),
    "a column": lambda q: descend.fit("y = a*x + b", {"x": q(X), "y": Y}),
    "sigma": lambda q: descend.fit(line, X, Y, sigma=q(0.1 * Y)),
    "a start": lambda q: descend.fit(line, X, Y, start={"a": q(np.array(1.0)), "b": 0.0}),
    "a constant": lambda q: descend.fit(
        lambda x, a, b, c: line(x, a, b) + c, X, Y, constants={"c": q(np.array(1.0))}
    ),
    "what is captured": lambda q: descend.fit(lambda x, a, b: line(x, a, b) + q(Y), X, Y),
    "a bound": lambda q: descend.fit(line, X, Y, bounds={"a": (0, q(np.array(5.0)))}),
    "many": lambda q: descend.fit_many(line, X, [q(Y)][0]),
    "a minimum's start": lambda q: descend.minimize(lambda x: x * x, start=q(np.array(1.0))),
    "an argument of a derivative": lambda q: descend.grad(lambda x: x * x)(q(np.array(1.0))),
    "rows to predict": lambda q: descend.fit(line, X, Y).predict(q(X)),
}  # fmt: skip


@pytest.mark.parametrize("make", [Length, lambda a: a.view(Flux)], ids=["pint", "astropy"])
@pytest.mark.parametrize("door", DOORS)
def test_a_quantity_is_refused_at_every_door(door, make) -> None:
    words = r"a number without a unit|plain numbers"
    with pytest.raises(descend.DescendError, match=words) as told:
        DOORS[door](make)
    assert "Jy" in str(told.value) or "meter" in str(told.value)


def test_a_remedy_for_a_quantity_works() -> None:
    with pytest.raises(descend.DataError, match=r'the unit you mean: \.to\("meter"\)\.magnitude'):
        descend.fit(line, Length(X), Y)
    plain = descend.fit(line, Length(X).to("meter").magnitude, Y)
    assert plain.params == descend.fit(line, X, Y).params


def test_a_number_without_dimension_is_a_number() -> None:
    assert descend.fit(line, Length(X, "dimensionless"), Y).success


def test_pint_itself() -> None:
    pint = pytest.importorskip("pint")
    with pytest.raises(descend.DataError, match="x is in meter"):
        descend.fit(line, X * pint.UnitRegistry().meter, Y)


def test_series_with_other_indices_are_refused() -> None:
    x = pd.Series(X, index=[0, 1, 2, 3])
    turned = pd.Series(Y, index=[3, 2, 1, 0])
    with pytest.raises(descend.DataError, match="row 0 is 0 in x, and 3 in y") as told:
        descend.fit(line, x, turned)
    assert told.match(r"y\.reindex\(x\.index\), or take them by their places, y\.to_numpy\(\)")
    by_label = descend.fit(line, x, turned.reindex(x.index))
    assert by_label.params == descend.fit(line, X, Y[::-1].copy()).params
    assert descend.fit(line, x, turned.to_numpy()).params == descend.fit(line, X, Y).params
    with pytest.raises(descend.DataError, match='row 0 is 0 in x, and "p" in sigma'):
        descend.fit(line, x, Y, sigma=pd.Series(np.ones(4), index=[*"pqrs"]))
    with pytest.raises(descend.DataError, match="in x, and 3 in y"):
        descend.fit(line, pd.DataFrame({"x": x}), turned)
    assert descend.fit(line, x, pd.Series(Y, index=x.index)).success


def test_series_with_other_indices_are_refused_in_every_entry() -> None:
    x = pd.Series(X, index=[0, 1, 2, 3])
    turned = pd.Series(Y, index=[3, 2, 1, 0])
    other = pd.Series(Y, index=[*"pqrs"])
    with pytest.raises(descend.DataError, match="dataset 1: x and y have different indices"):
        descend.fit_global(line, [x, x], [pd.Series(Y), turned], local="b")
    with pytest.raises(descend.DataError, match="dataset 0: x and sigma have different indices"):
        descend.fit_global(line, [x, x], [Y, Y], sigma=[turned, pd.Series(Y)], local="b")
    with pytest.raises(descend.DataError, match="y and sigma have different indices"):
        descend.fit_many(line, X, pd.Series(Y), sigma=turned)
    plane = descend.fit(lambda u, v, a, b: a * u + b * v, (X, X**2), Y)
    with pytest.raises(descend.DataError, match=r"x\[0\] and x\[1\] have different indices"):
        plane.predict((x, turned))
    with pytest.raises(descend.DataError) as told:
        descend.fit(line, x, other)
    assert "reindex" not in told.value.remedy and "to_numpy" in told.value.remedy


@pytest.mark.parametrize("transform", [descend.hvp, descend.jvp])
def test_a_tangent_with_a_unit_is_refused(transform) -> None:
    with pytest.raises(descend.UsageError, match="tangent 0 is in meter"):
        transform(lambda p: np.sum(p**2), (np.ones(4),), (Length(X),))
