"""Sums of blocks that come in pieces, in any order: the tree of one process, to the last bit."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from descend.compile.pieces import NEUTRAL
from descend.graph.blocks import combined, in_tree, subtrees


def spelled(one: str, other: str) -> str:
    return f"({one}{other})" if one and other else one + other


@given(st.integers(1, 60), st.sets(st.integers(1, 59)))
def test_subtrees_are_those_of_the_whole_tree(count: int, cuts: set[int]) -> None:
    ends = [0, *sorted(c for c in cuts if c < count), count]
    leaves = [""] * count
    for first, end in itertools.pairwise(ends):
        found = subtrees(first, end, count)
        assert found[0][0] == first
        assert sum(length for _, length in found) == end - first
        for begin, length in found:
            own = [f"{i}." for i in range(begin, begin + length)]
            leaves[begin] = in_tree(own, spelled)
    assert in_tree(leaves, spelled) == in_tree([f"{i}." for i in range(count)], spelled)


@given(st.floats(allow_nan=True), st.sampled_from(["add", "max", "min"]))
def test_what_fills_the_places_leaves_every_number_as_it_is(number: float, op: str) -> None:
    value, fill = np.float64(number), np.float64(NEUTRAL[op])
    for pair in ([value, fill], [fill, value]):
        found = np.float64(combined(pair, op))
        assert found.tobytes() == value.tobytes() or (np.isnan(found) and np.isnan(value))
