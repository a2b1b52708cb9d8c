"""Decide what becomes a loop nest, what is stored, and what is computed where it is used.

Small arrays (up to `SMALL` elements of known number) are scalars of the program, one per element:
they need no loop and no memory. Of the large ones, reductions and what must lie in memory are
roots of nests; elementwise work between them is computed inside the nests that use it, unless
several nests would repeat something expensive: then it is stored once. Roots of the same level,
extents and reduced axes share one nest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import NamedTuple

from descend.compile.operations import BESIDE
from descend.errors import InternalError
from descend.graph.node import ONCE, Dim, Node, postorder
from descend.graph.source import CONST, INPUT, IOTA
from descend.graph.subgraph import group_key
from descend.lean import dataclass

__all__ = [
    "IN_TILES", "Group", "Rows", "Schedule", "is_product", "is_small", "make_schedule",
    "makes_a_nest", "reduced_labels", "seen", "tiling_of",
]  # fmt: skip

SMALL = 16
UNROLLED_SUM = 8
RECOMPUTE = 10
CHEAP = 3
SIDE = 8  # of each of many products, which are done one by one
COLUMNS = 4  # from which on their sums are formed side by side
NEST_LIMIT = ONCE - 1

EXTREMA = frozenset({"reduce_max", "reduce_min"})
BY_CALL = ("call", "lapack", "algorithm")
LOOKS_UP = (*BY_CALL, "gather", "loop")


class Rows(NamedTuple):
    """What is known of a batch beside its graph.

    Attributes:
        by_tiles: whether matrix products are statements of their own.
        ordered: whether the rows are fetched through their order in this epoch.
        most: what an extent that is no number is at most, and often.
    """

    by_tiles: bool = True
    ordered: bool = False
    most: Mapping[Dim, int] = MappingProxyType({})


IN_TILES = Rows()


def is_small(node: Node, limit: int = SMALL) -> bool:
    """Whether the node is kept as scalars: a known number of elements, and few."""
    total = 1
    for extent in node.shape:
        if isinstance(extent, Dim):
            return False
        total *= extent
    return total <= limit


def is_trivial_reshape(node: Node) -> bool:
    """A reshape that only adds or removes axes of extent 1."""
    before = [n for n in node.args[0].shape if n != 1]
    return before == [n for n in node.shape if n != 1]


def reduced_labels(node: Node) -> tuple[list[int | Dim], list[int | Dim]]:
    """The kept and the reduced extents of a reduction, in the order of the nest's axes."""
    if node.op.name == "contract":
        la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
        a, b = node.args
        extents = dict(zip(lb, b.shape, strict=True)) | dict(zip(la, a.shape, strict=True))
        gone = [x for x in la if x not in lo]
        return list(node.shape), [extents[x] for x in gone]
    (x,), axes = node.args, node.attrs["axes"]
    return list(node.shape), [x.shape[i] for i in sorted(axes)]


def is_unrolled(node: Node) -> bool:
    """A reduction over so few known elements that it is written out where it is used."""
    _, gone = reduced_labels(node)
    if any(isinstance(n, Dim) for n in gone):
        return False
    return math.prod(n for n in gone if not isinstance(n, Dim)) <= UNROLLED_SUM


class Tiling(NamedTuple):
    """How a contraction is products of matrices, by its labels.

    Attributes:
        row, column, inner: of one product.
        kept, gone: those over which the products go; whether they are kept in the result, or
            their products are added up.
        turned: whether rows are of the second operand.
    """

    row: int
    column: int
    inner: int
    kept: tuple[int, ...]
    gone: tuple[int, ...]
    turned: bool


def tiling_of(node: Node) -> Tiling | None:
    """How a contraction is one product of matrices or many, or None: these have own kernels."""
    if node.op.name != "contract" or node.dtype.kind != "f" or is_small(node):
        return None
    la, lb, lo = node.attrs["la"], node.attrs["lb"], node.attrs["lo"]
    if is_unrolled(node) or any(is_small(a) for a in node.args):
        return None
    extents = dict(zip(lb, node.args[1].shape, strict=True))
    extents |= dict(zip(la, node.args[0].shape, strict=True))
    column, turned = lo[-1], lo[-1] in la
    left, right = (lb, la) if turned else (la, lb)
    rows = [x for x in left if x in lo and x not in right]
    inners = [x for x in left if x in right and x not in lo]
    if column in left or isinstance(extents[column], Dim) or not rows or not inners:
        return None

    def length(label: int, unknown: float) -> tuple[float, int]:
        """How well an axis serves; one of unknown length is placed among long and short ones."""
        n = extents[label]
        return (unknown, 0) if isinstance(n, Dim) else (n >= SIDE, n)

    row = max(rows, key=lambda x: length(x, 0.5))
    inner = max(inners, key=lambda x: length(x, 2))  # whose long sums are made of parts
    kept = tuple(x for x in lo if x not in (row, column))
    gone = tuple(x for x in inners if x is not inner)
    if (kept or gone) and not (length(row, 1)[0] and length(inner, 1)[0]):
        return None
    return Tiling(row, column, inner, kept, gone, turned)


def is_product(node: Node) -> bool:
    """A contraction that is worked out as products of matrices."""
    return tiling_of(node) is not None


def makes_a_nest(node: Node) -> bool:
    """A reduction that is not written out: its operands are combined in loops."""
    return node.op.native == "reduction" and (is_small(node) or not is_unrolled(node))


def is_inline(node: Node) -> bool:
    """Whether a large node can be computed where it is used."""
    if node.op.name == "reshape":
        return is_trivial_reshape(node)
    native = node.op.native
    if node.op.kind == "elementwise" or native in ("view", "gather") or node.op is IOTA:
        return True
    return native == "reduction" and is_unrolled(node)


def seen(node: Node) -> Node:
    """What a transposed view looks at."""
    while node.op.name == "transpose":
        node = node.args[0]
    return node


def must_store(node: Node, cost: Mapping[Node, int], products: set[Node]) -> list[Node]:
    """The arguments that a node needs in memory."""
    name = node.op.name
    if name == "reshape" and not is_trivial_reshape(node):
        return [node.args[0]]
    if name == "take":
        return [node.args[0]]
    if node.op.native in BY_CALL or node.op.native == "loop":
        return list(node.args)
    if node in products:
        return [seen(a) for a in node.args]
    if name == "contract":
        return [a for a in node.args if cost.get(a, 0) > 2]
    # An extremum is compared with its operand afterwards: both must be the very same bits, and
    # computing the operand twice may fuse its products differently.
    if name in EXTREMA:
        return [a for a in node.args if cost.get(a, 0) > 1]
    if name == "broadcast" and cost.get(node.args[0], 0) > 2 * RECOMPUTE:
        return [node.args[0]]
    return []


@dataclass(eq=False)
class Group:
    """Roots that share a nest: extents from the outside in, the first `kept` not reduced.

    Attributes:
        product: the root that is a matrix product; the others are made of it, tile by tile.
        kept_apart: whether the product is needed elsewhere, too.
    """

    level: int
    extents: tuple[int | Dim, ...]
    kept: int
    roots: list[Node] = field(default_factory=list)
    product: Node | None = None
    kept_apart: bool = True


@dataclass(eq=False)
class Schedule:
    """The order of work: nodes by level, and the groups of each level.

    Attributes:
        order: all nodes, each after its arguments.
        level: how many rounds of nests must have run before the node can be computed.
        stored: large nodes that get memory (leaves excluded).
        groups: nests to be made, by level.
    """

    order: list[Node]
    level: dict[Node, int]
    stored: set[Node]
    groups: list[Group]
    depth: int


def _costs(
    order: Sequence[Node], leaves: set[Node], products: set[Node]
) -> tuple[dict[Node, int], set[Node]]:
    """The inline cost of every large node, and those stored because the cost ran too high."""
    cost: dict[Node, int] = {}
    stored: set[Node] = set()
    mates = {(n.op.name, n.args) for n in order if n.op.name in BESIDE.values()}
    for node in order:
        cost[node] = 1
        if node in leaves or node.op in (CONST, INPUT):
            continue
        if is_small(node) and not (node.op.native in LOOKS_UP or node.op.name in EXTREMA):
            continue
        for arg in must_store(node, cost, products):
            if not is_small(arg) and arg not in leaves and arg.op is not CONST:
                stored.add(arg)
                cost[arg] = 1
        if is_small(node):
            continue
        if not is_inline(node):
            stored.add(node)
            cost[node] = 1
            continue
        times = 1
        if node.op.native == "reduction":
            _, gone = reduced_labels(node)
            times = math.prod(n for n in gone if not isinstance(n, Dim))
        total = times * (_own_cost(node, mates) + sum(cost[a] for a in set(node.args)))
        if total > NEST_LIMIT and times == 1:
            total = _distinct(node, cost, mates)
        if total > NEST_LIMIT:
            stored.add(node)
            total = 1
        cost[node] = total
    return cost, stored


def _own_cost(node: Node, mates: set[tuple[str, tuple[Node, ...]]]) -> int:
    """What a node adds to what its arguments cost: little where its work is done beside it."""
    beside = BESIDE.get(node.op.name)
    return CHEAP if beside and (beside, node.args) in mates else node.op.cost


def _distinct(
    node: Node, cost: Mapping[Node, int], mates: set[tuple[str, tuple[Node, ...]]]
) -> int:
    """The inline cost where what is used several times counts once; any number above the limit.

    A nest computes a shared operand once, so that a sum over a tree may count it far too often.
    """
    total, seen, left = _own_cost(node, mates), {node}, list(node.args)
    while left and total <= NEST_LIMIT:
        arg = left.pop()
        if arg in seen:
            continue
        seen.add(arg)
        if cost[arg] == 1 or arg.op.native == "reduction":
            total += cost[arg]
        else:
            total += _own_cost(arg, mates)
            left.extend(arg.args)
    return total


def _levels(
    order: Sequence[Node], leaves: set[Node], stored: set[Node]
) -> dict[Node, int]:
    """The round in which a node can be computed; what was stored is one round older."""
    level: dict[Node, int] = {}
    for node in order:
        here = 0
        for arg in node.args:
            ready = level[arg]
            if arg in stored or _large_reduction(arg):
                ready += 1
            here = max(here, ready)
        level[node] = 0 if node in leaves else here
    return level


def _large_reduction(node: Node) -> bool:
    """A small result made from something large, or by a loop: it comes out of a nest or a call."""
    if node.op.native in ("loop", "lapack", "algorithm"):
        return True
    if not is_small(node) or node.op.native not in ("reduction", "call"):
        return False
    return any(not is_small(a) for a in node.args)


def _sums_of_columns(node: Node, stored: set[Node]) -> bool:
    """Whether a small result is sums over rows of what lies in memory: a vector of them at once."""
    if node.op.name != "sum" or node.args[0] not in stored or not is_small(node):
        return False
    last = node.args[0].ndim - 1
    columns = 1 if last in node.attrs["axes"] else node.shape[-1]
    return isinstance(columns, int) and columns >= COLUMNS


def _group_key(
    node: Node, level: int, stored: set[Node]
) -> tuple[int, tuple[int | Dim, ...], int]:
    if makes_a_nest(node):
        kept, gone = reduced_labels(node)
        if is_small(node) and not _sums_of_columns(node, stored):
            kept = []
        return level, (*kept, *gone), len(kept)
    return level, node.shape, len(node.shape)


def _is_root(node: Node, stored: set[Node]) -> bool:
    return node in stored or _large_reduction(node)


def _spread(order: Sequence[Node], leaves: set[Node], stored: set[Node],
            cost: Mapping[Node, int], level: Mapping[Node, int]) -> set[Node]:  # fmt: skip
    """Inline nodes that more than one nest would compute at a price: store them instead."""
    many = object()
    used_by: dict[Node, object] = {}
    more: set[Node] = set()
    whole = {(n.op.name, n.args): n for n in stored if n.op.name in BESIDE.values()}
    for node in reversed(order):
        if node in leaves or (is_small(node) and not _large_reduction(node)):
            continue
        root = _is_root(node, stored) or node in more
        if root:
            tag: object = _group_key(node, level[node], stored)
        else:
            tag = used_by.get(node)
            mate = whole.get((BESIDE.get(node.op.name, ""), node.args))
            apart = mate is not None and tag != _group_key(mate, level[mate], stored)
            if apart or (tag is many and max(cost[node], node.op.cost) > RECOMPUTE):
                more.add(node)
                tag = _group_key(node, level[node], stored)
        for arg in node.args:
            if not is_small(arg):
                before = used_by.get(arg)
                used_by[arg] = tag if before is None or before == tag else many
    return more


def make_schedule(
    outputs: Sequence[Node], leaves: set[Node], wanted: Sequence[Node], by_tiles: bool = True
) -> Schedule:
    """Plan the work for the outputs; `wanted` large outputs are stored whatever they are.

    Args:
        by_tiles: whether matrix products are worked out in tiles, or as nests like any sum.
    """
    order = postorder(outputs, stop=lambda n: n in leaves)
    for node in order:
        if node.op is INPUT and node not in leaves:
            raise InternalError(f"input {node.attrs['name']} has no place")
    products = {n for n in order if is_product(n)} if by_tiles else set()
    cost, stored = _costs(order, leaves, products)
    stored |= {n for n in wanted if not is_small(n) and n not in leaves and n.op is not CONST}
    level = _levels(order, leaves, stored)
    # Twice where something is to be stored beside what the first round stores.
    for _ in range(2 if any(n.op.name in BESIDE for n in order) else 1):
        stored |= _spread(order, leaves, stored, cost, level)
        level = _levels(order, leaves, stored)
    groups: dict[object, Group] = {}
    late: list[Node] = []
    for node in order:
        if node in leaves or not _is_root(node, stored):
            continue
        if node in products:
            key = _group_key(node, level[node], stored)
            groups[node] = Group(*key, [node], node)
        elif makes_a_nest(node):
            key = _group_key(node, level[node], stored)
            groups.setdefault(key, Group(*key)).roots.append(node)
        elif is_inline(node):
            late.append(node)
        elif node.op.native == "loop":
            siblings = groups.setdefault(group_key(node), Group(level[node], (), -1))
            siblings.roots.append(node)
        else:
            groups[node] = Group(level[node], node.shape, -1, [node])
    if products:
        late = _follow(late, groups, level, leaves, stored, order, set(outputs) | set(wanted))
    mates: dict[object, Group] = {}
    for group in groups.values():
        if group.kept >= 0 and group.product is None:
            mates.setdefault((group.level, group.extents), group)
    for node in late:
        key = _group_key(node, level[node], stored)
        mate = mates.get((level[node], node.shape))
        if mate is None:
            mate = groups.setdefault(key, Group(*key))
            mates.setdefault((mate.level, mate.extents), mate)
        mate.roots.append(node)
    plan = sorted(groups.values(), key=lambda g: g.level)
    return Schedule(order, level, stored, plan, 1 + max(level.values(), default=0))


def _follow(late: list[Node], groups: Mapping[object, Group], level: Mapping[Node, int],
            leaves: set[Node], stored: set[Node], order: Sequence[Node],
            wanted: set[Node]) -> list[Node]:  # fmt: skip
    """Let each product be followed by what is made of it and of what is there by then.

    Returns:
        The roots that are left.
    """
    left = list(late)
    users: dict[Node, list[Node]] = {}
    for node in order:
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    for group in groups.values():
        product = group.product
        tiling = None if product is None else tiling_of(product)
        if product is None or tiling is None or tiling.gone:
            continue
        inside: set[Node] = set()
        for root in left:
            if root.shape == product.shape and level[root] > level[product]:
                seen = _made_of(root, group.roots, level, leaves, stored)
                if not seen.isdisjoint(group.roots):
                    group.roots.append(root)
                    inside |= seen
        left = [root for root in left if root not in group.roots]
        made = {product}  # and what is made of it
        made.update(node for node in order if node in inside and not made.isdisjoint(node.args))
        known = inside | set(group.roots)
        group.kept_apart = product in wanted or any(
            user not in known
            for node in made
            if node is product or node not in group.roots
            for user in users.get(node, ())
        )
    return left


def _made_of(root: Node, roots: Sequence[Node], level: Mapping[Node, int], leaves: set[Node],
             stored: set[Node]) -> set[Node]:  # fmt: skip
    """What is computed on the way to a root; nothing if some of it comes after the product."""
    seen: set[Node] = set()
    stack = list(root.args)
    latest = level[roots[0]]
    while stack:
        node = stack.pop()
        if node in seen or node in leaves or node.op is CONST:
            continue
        if node in roots:
            seen.add(node)
            continue
        if is_small(node):
            if level[node] + _large_reduction(node) > latest:
                return set()
            continue
        if node in stored:
            if level[node] >= latest:
                return set()
            continue
        if node.op.kind != "elementwise" and _reaches(node, roots, leaves, stored):
            return set()
        seen.add(node)
        stack.extend(node.args)
    return seen


def _reaches(node: Node, roots: Sequence[Node], leaves: set[Node], stored: set[Node]) -> bool:
    """Whether a view shows one of the roots, at other places than its own."""
    return any(
        n in roots for n in postorder([node], stop=lambda n: n in leaves or n in stored)
    )
