"""Sums and products of ready models as trees, and what the parts are called in them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from descend.lean import dataclass
from descend.models.kind import Kind

__all__ = ["Single", "Term", "labels_of", "prefixes_of", "relabelled", "singles_of", "written"]


@dataclass(frozen=True)
class Single:
    """One ready model in a composition, with the prefix that was given to it, or None."""

    kind: Kind
    prefix: str | None = None


@dataclass(frozen=True)
class Term:
    """A sum or a product of models.

    Attributes:
        sign: `+` or `*`.
        parts: two or more; a part of a sum is no sum, and a part of a product is no product.
    """

    sign: str
    parts: tuple[Any, ...]


def singles_of(tree: Any) -> Iterable[Single]:
    """The ready models of a tree from left to right."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, Single):
            yield node
        else:
            todo.extend(reversed(node.parts))


def relabelled(tree: Any, singles: Iterable[Single]) -> Any:
    """The same tree over other ready models."""
    leaves = iter(singles)
    if isinstance(tree, Single):
        return next(leaves)
    return Term(tree.sign, tuple(relabelled(part, leaves) for part in tree.parts))


def written(tree: Any, leaf: Callable[[Single], str]) -> str:
    """A tree as text, with brackets around the sums in a product."""
    if isinstance(tree, Single):
        return leaf(tree)
    inside = [written(part, leaf) for part in tree.parts]
    if tree.sign == "*":
        pairs = zip(inside, tree.parts, strict=True)
        inside = [f"({text})" if isinstance(part, Term) else text for text, part in pairs]
    return f" {tree.sign} ".join(inside)


@functools.lru_cache(maxsize=256)
def prefixes_of(
    singles: tuple[Single, ...], taken: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """What stands before the names of each one's parameters.

    Nothing where its names are its own; else its kind, with a number where there are more of it.

    Args:
        taken: names that mean something else already.
    """
    bare = [s for s in singles if s.prefix is None]
    uses = Counter(name for s in bare for name in s.kind.parameters)
    kinds = Counter(s.kind.name for s in bare)
    numbers: Counter[str] = Counter()
    found = []
    for s in singles:
        if s.prefix is not None:
            found.append(s.prefix)
            continue
        clash = any(uses[name] > 1 or name in taken for name in s.kind.parameters)
        numbers[s.kind.name] += 1
        number = str(numbers[s.kind.name]) if kinds[s.kind.name] > 1 else ""
        found.append(f"{s.kind.name}{number}_" if clash else "")
    return tuple(found)


def labels_of(singles: tuple[Single, ...]) -> tuple[str, ...]:
    """What each is called: its prefix, or its kind."""
    named = zip(prefixes_of(singles), singles, strict=True)
    return tuple(prefix.rstrip("_") or s.kind.name for prefix, s in named)
