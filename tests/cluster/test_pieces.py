"""Sums of blocks that come in pieces, in any order: the tree of one process, to the last bit."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from descend.graph.blocks import Tree, in_tree, subtrees


def spelled(one: str, other: str) -> str:
    return f"({one}{other})"


@given(st.integers(1, 60), st.sets(st.integers(1, 59)))
def test_subtrees_are_those_of_the_whole_tree(count: int, cuts: set[int]) -> None:
    ends = [0, *sorted(c for c in cuts if c < count), count]
    tree = Tree(spelled)
    for first, end in itertools.pairwise(ends):
        found = subtrees(first, end, count)
        assert found[0][0] == first
        assert sum(length for _, length in found) == end - first
        for begin, length in found:
            own = [f"{i}." for i in range(begin, begin + length)]
            tree.add(in_tree(own, spelled), length)
    assert tree.root() == in_tree([f"{i}." for i in range(count)], spelled)
