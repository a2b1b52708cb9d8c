"""The triangle of a factorisation, against mpmath and against what must not change it."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.compile.native import Aim, aimed, architecture
from descend.compile.triangle import triangle
from descend.errors import InternalError


def matrix(rows: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, width))


def found(a: Any) -> Any:
    """R with a diagonal that is not negative."""
    r = triangle([*a.T])
    np.testing.assert_array_equal(r, np.triu(r))
    return r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]


@given(
    st.integers(1, 300), st.integers(1, 14), st.integers(0, 99),
    st.lists(st.integers(-300, 300), min_size=14, max_size=14),
)  # fmt: skip
def test_it_is_that_of_the_whole(rows: int, width: int, seed: int, sizes: list[int]) -> None:
    """Of columns of any lengths that float64 has, each to its own rounding."""
    a = matrix(rows + width, width, seed)
    unit = 10.0 ** np.array(sizes[:width])
    wanted = np.linalg.qr(a, mode="r")
    wanted *= np.where(np.diag(wanted) < 0, -1.0, 1.0)[:, None]
    length = np.linalg.norm(a, axis=0)
    r = found(a * unit)
    inverse = np.linalg.norm(np.linalg.inv(wanted / length))
    np.testing.assert_allclose(r / unit / length, wanted / length, rtol=0, atol=1e-14 * inverse)
    np.testing.assert_array_equal(np.isfinite(r), True)


@pytest.mark.parametrize("near", [1e-4, 1e-9, 1e-14])
def test_nearly_parallel_columns_keep_their_digits(near: float) -> None:
    """What is left of the second one, by mpmath: squares of such numbers would have lost it."""
    x = np.linspace(1, 2, 1000)
    a = np.stack([x, x + near * np.sin(9 * x), np.cos(x)], 1)
    with mpmath.workdps(60):
        first, second = (mpmath.matrix(column.tolist()) for column in a.T[:2])
        share = (first.T * second)[0] / (first.T * first)[0]
        wanted = float(mpmath.norm(second - share * first))
    off = abs(found(a)[1, 1] - wanted) / wanted
    assert off < 20 * np.finfo(float).eps / near


def test_columns_of_zeros_and_tiny_numbers_stay() -> None:
    a = matrix(500, 5)
    a[:, 1] = 0
    a[:, 3] = 0
    a[7, 3] = 5e-324
    a[:, 4] *= 1e-310
    r = found(a)
    np.testing.assert_array_equal(r[:, 1], 0)
    assert np.linalg.norm(r[:, 3] / 5e-324) == 1
    np.testing.assert_allclose(
        np.linalg.norm(r[:, 4] * 2.0**1000), np.linalg.norm(a[:, 4] * 2.0**1000), rtol=1e-12
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 64, 499])
def test_what_is_not_finite_is_seen(bad: float, row: int) -> None:
    a = matrix(500, 4)
    a[row, 2] = bad
    assert not np.isfinite(triangle([*a.T])).all()


def test_columns_may_be_views_and_of_other_kinds() -> None:
    a = np.arange(300).reshape(100, 3) % 7
    np.testing.assert_array_equal(triangle([*a.T]), triangle([*a.T.astype(float)]))
    wide = matrix(200, 6)[::2, ::2]
    np.testing.assert_array_equal(triangle([*wide.T]), triangle([c.copy() for c in wide.T]))


@pytest.mark.skipif(architecture() != "x86_64", reason="names processors of x86-64")
def test_the_bits_are_those_of_other_processors() -> None:
    columns = [*matrix(10_000, 9).T]
    own = triangle(columns)
    for features in ("+avx,+avx2,+fma,-avx512f", "-avx,-avx2,-fma,-avx512f"):
        with aimed(Aim("x86-64", features)):
            np.testing.assert_array_equal(triangle(columns), own)


def test_columns_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(InternalError, match=r"columns of unequal lengths: \[3, 2\]"):
        triangle([np.ones(3), np.ones(2)])
