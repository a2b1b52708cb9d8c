"""What a survey tells: moments that do not depend on how rows come, a fair sample, exact counts."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.streamed import numbers
from descend.data.streams.opened import open_stream
from descend.data.streams.survey import Moments, _joined, sample_rows
from descend.errors import DataError
from descend.graph.blocks import Tree

ROWS = 20_000


def surveyed(columns, length, block=1000, **options):
    """By blocks of any length that an iterator gives."""

    def given():
        for first in range(0, len(columns["x"]), length):
            yield {name: column[first : first + length] for name, column in columns.items()}

    with open_stream(given, [*columns], block=block) as stream:
        return stream.survey(**options)


def test_moments_are_those_of_the_whole():
    columns = numbers(ROWS)
    columns["y"] += 1e9  # far from zero: squares of the numbers themselves would lose all digits
    found = surveyed(columns, 777)
    for name, column in columns.items():
        exact = [Fraction(v) for v in column.tolist()]
        mean = sum(exact) / ROWS
        squares = sum((v - mean) ** 2 for v in exact)
        moments = found.columns[name]
        assert (moments.n, moments.min, moments.max) == (ROWS, column.min(), column.max())
        assert moments.mean == pytest.approx(float(mean), rel=1e-14)
        assert moments.squares == pytest.approx(float(squares), rel=1e-12)


def test_moments_are_the_same_bits_however_rows_come():
    columns = numbers(ROWS)
    found = [surveyed(columns, length).columns for length in (1, 999, 1000, 4321, ROWS)]
    assert all(each == found[0] for each in found)


@given(st.integers(1, 70))
def test_blocks_are_joined_as_the_sums_of_a_step_are(count):
    """Seen by the bits of sums, which tell the order."""
    rng = np.random.default_rng(count)
    values = rng.normal(size=count) * 10.0 ** rng.integers(-9, 9, count)
    tree = Tree(_joined)
    for number, value in enumerate(values, 1):
        tree.add([_Sum(value)])
        assert len(tree._held) == number.bit_count()
    assert tree.root()[0].total == by_levels([np.float64(v) for v in values])


def by_levels(parts):
    """Neighbours, then neighbouring pairs, and so on, with all of a level at hand."""
    while len(parts) > 1:
        pairs = [parts[i] + parts[i + 1] for i in range(0, len(parts) - 1, 2)]
        parts = pairs + parts[len(parts) - len(parts) % 2 :]
    return parts[0]


class _Sum:
    """What is joined by adding."""

    def __init__(self, total):
        self.total = total

    def joined(self, other):
        return _Sum(self.total + other.total)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 29))
def test_two_parts_make_the_whole(values, at):
    whole = np.array(values)
    parts = [Moments.of(part) for part in np.split(whole, [at]) if len(part)]
    joined = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
    assert (joined.n, joined.min, joined.max) == (len(whole), whole.min(), whole.max())
    assert joined.mean == pytest.approx(whole.mean(), abs=1e-9)
    assert joined.squares == pytest.approx(len(whole) * whole.var(), rel=1e-9, abs=1e-6)


# --- the sample


def test_all_of_few_rows():
    columns = numbers(50)
    found = surveyed(columns, 7, block=13)
    np.testing.assert_array_equal(found.rows, np.arange(50))
    for name, column in columns.items():
        np.testing.assert_array_equal(found.sample[name], column)


@pytest.mark.parametrize("most", [1, 37, 5000])
@pytest.mark.parametrize("drop", [False, True])
def test_sampled_rows_depend_on_seed_and_number_alone(most, drop):
    columns = numbers(ROWS)
    if drop:
        columns["x"][::5] = np.nan
    kept = np.flatnonzero(np.isfinite(columns["x"]))
    missing = "drop" if drop else "raise"
    seen = set()
    for seed in (0, 1):
        rows = sample_rows(len(kept), seed, most)
        assert len(rows) == most and (np.diff(rows) > 0).all()
        for length, block in ((333, 1000), (ROWS, 77)):
            found = surveyed(columns, length, block, missing=missing, seed=seed, most=most)
            np.testing.assert_array_equal(found.rows, rows)
            for name, column in columns.items():
                np.testing.assert_array_equal(found.sample[name], column[kept][rows])
        seen.add(tuple(rows))
    assert len(seen) == 2


def test_every_row_is_as_likely():
    """Counts over many seeds, against the binomial's standard deviation."""
    rows, most, seeds = 300, 30, 2000
    counts = np.zeros(rows)
    for seed in range(seeds):
        counts[sample_rows(rows, seed, most)] += 1
    share = most / rows
    z = (counts - seeds * share) / np.sqrt(seeds * share * (1 - share))
    assert abs(z).max() < 4.5 and 0.8 < (z**2).mean() < 1.2


def test_a_survey_is_made_once_and_anew_where_it_is_asked_otherwise():
    calls = []

    def given():
        calls.append(1)
        yield numbers(3000)

    for source, passes in ((given, 3), (given(), 4)):
        with open_stream(source, ["x", "s"], block=1000) as stream:
            first = stream.survey()
            assert stream.survey() is first
            other = stream.survey(seed=1, most=9)
            np.testing.assert_array_equal(other.rows, sample_rows(3000, 1, 9))
            assert other.columns == first.columns and stream.n_rows == 3000
            with pytest.raises(DataError, match="x must be positive"):
                stream.survey(seed=1, most=9, positive={"x": False})
        assert len(calls) == passes


def test_counts_of_rows_that_are_left_out():
    columns = numbers(ROWS)
    columns["s"][[3, 19_999]] = np.inf
    found = surveyed(columns, 999, missing="drop")
    assert (found.n_rows, found.n_dropped) == (ROWS - 2, 2)
    assert found.columns["s"].max == np.delete(columns["s"], [3, 19_999]).max()


@pytest.mark.parametrize("length", [700, ROWS])
def test_rows_that_weigh_nothing_are_chosen_last(length):
    weight = np.zeros(ROWS)
    weight[7::1000] = 2.0
    columns = {"x": np.arange(ROWS) / 4, "w": weight}
    few = surveyed(columns, length, most=15, positive={"w": True})
    assert len(few.rows) == 15 and (few.sample["w"] == 2.0).all()
    more = surveyed(columns, length, most=50, positive={"w": True})
    assert len(more.rows) == 50 and np.count_nonzero(more.sample["w"]) == 20
    assert {*few.rows} < {*more.rows}
    np.testing.assert_array_equal(more.sample["x"], more.rows / 4)
    all_weigh = surveyed({**columns, "w": weight + 1}, length, most=15, positive={"w": True})
    np.testing.assert_array_equal(all_weigh.rows, sample_rows(ROWS, most=15))
