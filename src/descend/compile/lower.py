"""Graph and schedule → the loop language: nests for the groups, scalars for the small arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.cells import Cells, cells_of, object_array
from descend.compile.evaluation import COMBINE, RULES, At, Evaluator, operand
from descend.compile.kinds import BITS
from descend.compile.lapack import workspace
from descend.compile.legalise import legalise
from descend.compile.loops import (
    Address,
    Axis,
    Block,
    Call,
    Copy,
    Index,
    Let,
    Nest,
    Place,
    Product,
    Reduction,
    Scan,
    Statement,
    Store,
)
from descend.compile.native import NotNative
from descend.compile.schedule import (
    BY_CALL,
    IN_TILES,
    Group,
    Rows,
    is_small,
    make_schedule,
    makes_a_nest,
    seen,
    tiling_of,
)
from descend.compile.sound_solve import sound_workspace
from descend.compile.vectors import lane_stride
from descend.errors import InternalError
from descend.graph.linear import transpose
from descend.graph.node import Dim, Node, Shape, sizes
from descend.graph.source import CONST, ROW_COUNT, value_of

__all__ = ["Lowering", "lower"]


MOST_TERMS = 512  # of a sum, whose right operand is turned panel by panel


class Lowering:
    """Turns one graph into one block.

    Args:
        leaves: the nodes that have a place from the start (state, data, fixed inputs).
        scratch_from: number of the first scratch place, so that two blocks can share an arena.
        known: symbolic extents that are one number in this block.
        rows: how the rows of a batch come, and how products are worked out.
    """

    def __init__(
        self,
        leaves: Mapping[Node, Place],
        scratch_from: int = 0,
        known: Mapping[Dim, int] | None = None,
        rows: Rows = IN_TILES,
    ) -> None:
        self.known = dict(known or {})
        self.rows = rows
        self.places: dict[Node, Place] = dict(leaves)
        self.leaves = set(leaves)
        self.cells: dict[Node, Cells] = {}
        self.block = Block()
        self.scratch_from = scratch_from
        self.top = Evaluator(self, (), set())
        self.top.lets = self.block.statements  # type: ignore[assignment]
        self.prefix: dict[Node, At] = {}
        self._spilled: dict[Node, Place] = {}
        self._constants: dict[Node, Place] = {}

    def axes(self, extents: Sequence[int | Dim]) -> tuple[Axis, ...]:
        """A fresh loop axis for every extent."""
        return tuple(
            Axis("ijklmnpqrs"[i % 10], self.known.get(n, n), self.rows.most.get(n))
            if isinstance(n, Dim)
            else Axis("ijklmnpqrs"[i % 10], n)
            for i, n in enumerate(extents)
        )

    # Places

    def scratch(self, shape: Shape, dtype: np.dtype[Any]) -> Place:
        number = self.scratch_from + len(self.block.scratch)
        place = Place("scratch", number, shape, dtype)
        self.block.scratch.append(place)
        return place

    def constant(self, node: Node) -> Place:
        place = self._constants.get(node)
        if place is None:
            number = self.scratch_from + len(self._constants)
            place = Place("constant", number, node.shape, node.dtype)
            self._constants[node] = place
            self.block.constants.append((place, value_of(node)))
        return place

    def spilled(self, node: Node) -> Place:
        """A small array written to memory, for a nest that walks along it."""
        place = self.places.get(node) or self._spilled.get(node)
        if place is not None and (place.role == "state" or node in self.prefix):
            place = self._spilled.get(node)
        if place is None:
            place = self._spilled[node] = self.scratch(node.shape, node.dtype)
            for at in np.ndindex(*sizes(node.shape)):
                address = Address(place, tuple(Index(i) for i in at))
                self.block.statements.append(Store(address, self.cells[node][at]))
        return place

    def place_of(self, node: Node) -> Place:
        """Where an array lies in memory; small ones are written there first."""
        if node.op is CONST and not is_small(node):
            return self.constant(node)
        if is_small(node):
            return self.spilled(node)
        place = self.places.get(node)
        if place is None:
            raise InternalError(f"{node} should have a place")
        if node in self.prefix:
            place = self.scratch(node.shape, node.dtype)
            self.write(place, node, (0,) * node.ndim, (1,) * node.ndim)
        return place

    # Work

    def run(self, outputs: Sequence[Node], wanted: Sequence[Node]) -> None:
        plan = make_schedule(outputs, self.leaves, wanted, self.rows.by_tiles)
        for node in plan.order:
            if not node.op.native:
                raise NotNative(node.op.name)
            if node.dtype.kind != "b" and f"{node.dtype.kind}{8 * node.dtype.itemsize}" not in BITS:
                raise NotNative(f"{node.op.name} in {node.dtype}")
        by_level: list[list[Node]] = [[] for _ in range(plan.depth + 1)]
        from_nests = {root for group in plan.groups for root in group.roots}
        for node in plan.order:
            if is_small(node):
                by_level[plan.level[node] + (node in from_nests)].append(node)
        groups = iter([*plan.groups, None])
        group = next(groups)
        for level in range(plan.depth + 1):
            for node in by_level[level]:
                self.make_cells(node)
            while group is not None and group.level == level:
                self.make_group(group)
                group = next(groups)

    def make_cells(self, node: Node) -> None:
        if node in self.cells:
            return
        if node in self.places:
            self.cells[node] = self.loaded(node)
        elif node.op is ROW_COUNT:
            let = self.top.let("rows", (), node.attrs["dim"], node.dtype)
            self.cells[node] = np.array(let, object)
        elif node.args and not all(is_small(a) for a in node.args):
            each = [self.corner(node, at) for at in np.ndindex(*sizes(node.shape))]
            self.cells[node] = object_array(each, node.shape)
        else:
            self.cells[node] = cells_of(node, [self.cells[a] for a in node.args], self.top.let)

    def corner(self, node: Node, at: tuple[int, ...]) -> Let:
        """One element of a small node that looks into a large one."""
        rule = RULES.get(node.op.name)
        if rule is None:
            raise NotNative(node.op.name)
        return rule(self.top, node, tuple(Index(i) for i in at))

    def loaded(self, node: Node) -> Cells:
        place = self.places[node]
        prefix = self.prefix.get(node, ())
        lets = [
            self.top.load(place, (*prefix, *(Index(i) for i in at)))
            for at in np.ndindex(*sizes(node.shape))
        ]
        return object_array(lets, node.shape)

    def make_group(self, group: Group) -> None:
        if group.kept < 0:
            name = group.roots[0].op.name
            if name == "shared":
                self.make_shared(group.roots)
            elif group.roots[0].op.native == "loop":
                self.make_scan(group.roots)
            else:
                self.make_special(group.roots[0])
            return
        if group.product is not None:
            self.make_product(group, group.product)
            return
        axes = self.axes(group.extents)
        nest = Nest(axes, group.kept)
        e = Evaluator(self, axes, set(group.roots))
        e.lets = nest.lets
        at = tuple(Index(0, ((a, 1),)) for a in axes)
        tops: list[Let] = []
        made: dict[Node, Place] = {}
        for root in group.roots:
            if makes_a_nest(root):
                tops += self.reduce(e, nest, root, at)
            else:
                value = e(root, at)
                place = self.scratch(root.shape, root.dtype)
                nest.stores.append(Store(Address(place, at), value, len(axes)))
                made[root] = place
        self.block.statements.append(nest)
        self.block.statements.extend(tops)
        self.places |= made

    def make_product(self, group: Group, product: Node) -> None:
        """A matrix product, and what is made of it while it is in registers."""
        tiling = tiling_of(product)
        assert tiling is not None
        for arg in product.args:
            self.bring(seen(arg))
        pairs = [(arg, product.attrs[k]) for arg, k in zip(product.args, ("la", "lb"), strict=True)]
        extents = {x: n for arg, own in pairs for x, n in zip(own, arg.shape, strict=True)}
        order = (*tiling.kept, *tiling[:3], *tiling.gone)
        axis = dict(zip(order, self.axes([extents[x] for x in order]), strict=True))
        where = {x: Index(0, ((own, 1),)) for x, own in axis.items()}
        at = tuple(where[x] for x in product.attrs["lo"])
        (a, of_left), (b, of_right) = reversed(pairs) if tiling.turned else pairs
        row, column, inner = (axis[x] for x in tiling[:3])
        left = self.address(a, [where[x] for x in of_left])
        right = self.address(b, [where[x] for x in of_right])
        terms = inner.extent if isinstance(inner.extent, int) else MOST_TERMS + 1
        across = lane_stride(right, inner, False) == 1 and terms <= MOST_TERMS
        if lane_stride(right, column, False) != 1 and not across:
            last = sorted(range(b.ndim), key=lambda n: of_right[n] == tiling.column)
            turned = transpose(b, tuple(last))
            copied = self.scratch(turned.shape, turned.dtype)
            self.write(copied, turned, (0,) * b.ndim, (1,) * b.ndim)
            right = Address(copied, tuple(where[of_right[n]] for n in last))
        result = Let("product", (), None, product.dtype, 2)
        nest = Product(
            (row, column), 2, [result], inner=inner, left=left, right=right, result=result
        )
        e = Evaluator(self, (row, column), set(group.roots))
        e.lets = nest.lets
        e.memo[product, at] = result
        made: dict[Node, Place] = {}
        for root in group.roots:
            if root is product and not group.kept_apart:
                continue
            value = e(root, at)
            place = made[root] = self.scratch(root.shape, root.dtype)
            if tiling.gone:
                self.fill(place)
                value = e.let("add", (e.load(place, at), value), None, root.dtype)
            nest.stores.append(Store(Address(place, at), value, 2))
        statement: Statement = nest
        for x in (*tiling.gone, *tiling.kept):
            statement = Scan(axis[x], Block([statement]), apart=x in tiling.kept)
        self.block.statements.append(statement)
        self.places |= made

    def bring(self, node: Node) -> None:
        """Put the rows of a batch side by side, where they would be fetched one by one."""
        place = self.places.get(node)
        if not self.rows.ordered or place is None or not place.batched or node.shape[0] == 1:
            return
        beside = self.scratch(node.shape, node.dtype)
        self.write(beside, node, (0,) * node.ndim, (1,) * node.ndim)
        self.places[node] = beside

    def address(self, node: Node, at: Sequence[Index]) -> Address:
        """Where the elements of a product's operand lie."""
        let = Evaluator(self, (), set())(node, tuple(at))
        if let.op != "load":
            raise InternalError(f"{node} should have a place")
        found: Address = let.attr
        return found

    def reduce(self, e: Evaluator, nest: Nest, root: Node, at: At) -> list[Let]:
        op = COMBINE[root.op.name]
        if nest.kept or not is_small(root):
            place = self.scratch(root.shape, root.dtype)
            value = operand(e, root, at[: nest.kept], at[nest.kept :])
            nest.reductions.append(Reduction(op, value, Address(place, at[: nest.kept])))
            self.places[root] = place
            return []
        tops = []
        for corner in np.ndindex(*sizes(root.shape)):
            value = operand(e, root, tuple(Index(c) for c in corner), at)
            top = Let("reduced", (), None, root.dtype)
            nest.reductions.append(Reduction(op, value, top))
            tops.append(top)
        self.cells[root] = object_array(tops, root.shape)
        return tops

    # Roots that are no nest of their own

    def make_special(self, node: Node) -> None:
        name = node.op.name
        if name == "reshape":
            source = self.place_of(node.args[0])
            self.places[node] = Place(
                source.role, source.number, node.shape, node.dtype, source.batched
            )
        elif node.op.native == "assembled":
            self.places[node] = self.assemble(node)
        elif node.op.native in BY_CALL:
            place = self.scratch(node.shape, node.dtype)
            sources = [self.place_of(a) for a in node.args]
            if name == "argsort":
                line = (node.shape[node.attrs["axis"]],)
                sources += [self.scratch(line, node.dtype), self.scratch(line, node.dtype)]
            elif node.op.native == "lapack":
                sources += [self.scratch(*array) for array in workspace(node)]
            elif name == "sound_solve":
                sources += [self.scratch(*array) for array in sound_workspace(node)]
            self.block.statements.append(Call(name, place, tuple(sources), dict(node.attrs)))
            self.places[node] = place
        else:
            raise NotNative(name)

    def make_shared(self, roots: Sequence[Node]) -> None:
        """A call of what is compiled by itself: all of its results are written."""
        body = roots[0].attrs["body"]
        sources = tuple([self.handed(arg) for arg in roots[0].args])
        results = tuple([self.scratch(o.shape, o.dtype) for o in body.outputs])
        attrs = {"body": body, "results": results}
        self.block.statements.append(Call("shared", results[0], sources, attrs))
        self.places |= {root: results[root.attrs["index"]] for root in roots}

    def handed(self, arg: Node) -> Place:
        """Where another function finds an argument: what is data of this module is copied."""
        place = self.place_of(arg)
        if place.role != "constant":
            return place
        aside = self.scratch(arg.shape, arg.dtype)
        self.copy(aside, place)
        return aside

    def make_scan(self, roots: Sequence[Node]) -> None:
        """A loop over the slices: carries lie in memory, stacked results are written in place."""
        model = roots[0]
        body, carries, slices = (model.attrs[k] for k in ("body", "carries", "slices"))
        length = model.attrs["length"]
        axis = Axis("t", self.known.get(length, length))
        forward = Index(0, ((axis, 1),))
        inner = Lowering({}, self.scratch_from, self.known, self.rows)
        inner.block.scratch, inner.block.constants = self.block.scratch, self.block.constants
        inner._constants = self._constants
        counter = forward if not model.attrs["backward"] else _from_the_end(axis)
        carried = []
        for number, (arg, leaf) in enumerate(zip(model.args, body.inputs, strict=True)):
            if number < carries:
                place = self.scratch(leaf.shape, leaf.dtype)
                self.write(place, arg, (0,) * arg.ndim, (1,) * arg.ndim)
                carried.append(place)
                inner.places[leaf] = place
            elif number < carries + slices:
                inner.places[leaf] = self.place_of(arg)
                inner.prefix[leaf] = (counter,)
            elif is_small(arg):
                inner.cells[leaf] = self.cells[arg]
            else:
                inner.places[leaf] = self.place_of(arg)
            inner.leaves.add(leaf)
        outputs = legalise(body.outputs)
        inner.run(outputs, outputs)
        for root in roots:
            index = root.attrs["index"]
            if index >= carries:
                place = self.scratch(root.shape, root.dtype)
                inner.write_slice(place, counter, outputs[index])
                self.places[root] = place
            else:
                self.places[root] = carried[index]
        inner.update(carried, outputs[:carries])
        self.block.statements.append(Scan(axis, inner.block))

    def write_slice(self, place: Place, counter: Index, part: Node) -> None:
        """Write one iteration's result into its slice of the stacked array."""
        if is_small(part):
            for at in np.ndindex(*sizes(part.shape)):
                address = Address(place, (counter, *(Index(i) for i in at)))
                self.block.statements.append(Store(address, self.cells[part][at]))
            return
        self.write(place, part, (0,) * part.ndim, (1,) * part.ndim, (counter,))

    def update(self, carried: Sequence[Place], new: Sequence[Node]) -> None:
        """Put the new carries in place of the old ones, after everything that reads those."""
        parked = []
        for place, node in zip(carried, new, strict=True):
            if not is_small(node) and self.places.get(node) in carried:
                aside = self.scratch(node.shape, node.dtype)
                self.copy(aside, self.places[node])
                parked.append((place, aside))
            elif not is_small(node):
                parked.append((place, self.place_of(node)))
        for place, source in parked:
            self.copy(place, source)
        for place, node in zip(carried, new, strict=True):
            if is_small(node):
                for at in np.ndindex(*sizes(node.shape)):
                    address = Address(place, tuple(Index(i) for i in at))
                    self.block.statements.append(Store(address, self.cells[node][at]))

    def assemble(self, node: Node) -> Place:
        """Write the pieces of a concatenation, padding or partial update into one array."""
        place = self.scratch(node.shape, node.dtype)
        name, a = node.op.name, node.attrs
        if name == "concatenate":
            offset = 0
            for part in node.args:
                starts = tuple(offset if i == a["axis"] else 0 for i in range(node.ndim))
                self.write(place, part, starts, (1,) * node.ndim)
                offset += int(part.shape[a["axis"]])
        elif name == "pad":
            self.fill(place)
            self.write(place, node.args[0], a["low"], tuple(i + 1 for i in a["inner"]))
        else:
            whole = node.args[0]
            self.write(place, whole, (0,) * node.ndim, (1,) * node.ndim)
            self.write(place, node.args[1], a["starts"], a["steps"])
        return place

    def fill(self, place: Place) -> None:
        axes = self.axes(place.shape)
        nest = Nest(axes, len(axes))
        zero = Let("const", (), np.zeros((), place.dtype), place.dtype)
        nest.lets.append(zero)
        at = tuple(Index(0, ((a, 1),)) for a in axes)
        nest.stores.append(Store(Address(place, at), zero, len(axes)))
        self.block.statements.append(nest)

    def write(
        self,
        place: Place,
        part: Node,
        starts: Sequence[int],
        steps: Sequence[int],
        prefix: At = (),
    ) -> None:
        """Store a node into a regular block of an array."""
        if is_small(part) and part not in self.places:
            for at in np.ndindex(*sizes(part.shape)):
                rows = zip(at, starts, steps, strict=True)
                index = (*prefix, *(Index(o + i * s) for i, o, s in rows))
                self.block.statements.append(Store(Address(place, index), self.cells[part][at]))
            return
        axes = self.axes(part.shape)
        nest = Nest(axes, len(axes))
        e = Evaluator(self, axes, set())
        e.lets = nest.lets
        at = tuple(Index(0, ((a, 1),)) for a in axes)
        value = e(part, at)
        rows = zip(at, starts, steps, strict=True)
        inside = tuple(i.scaled(s).shifted(o) for i, o, s in rows)
        target = Address(place, (*prefix, *inside))
        nest.stores.append(Store(target, value, len(axes)))
        self.block.statements.append(nest)

    def copy(self, target: Place, source: Place) -> None:
        self.block.statements.append(Copy(target, source))


def _from_the_end(axis: Axis) -> Index:
    back = ((axis, -1),)
    if isinstance(axis.extent, Dim):
        return Index(-1, back, ((axis.extent, 1),))
    return Index(axis.extent - 1, back)


def lower(
    outputs: Sequence[Node],
    leaves: Mapping[Node, Place],
    scratch_from: int = 0,
    known: Mapping[Dim, int] | None = None,
    rows: Rows = IN_TILES,
) -> Lowering:
    """Lower a graph; afterwards `cells` and `places` tell where each output is."""
    lowering = Lowering(leaves, scratch_from, known, rows)
    lowering.run(outputs, outputs)
    lowering.block.outputs = [x for n in outputs if is_small(n) for x in lowering.cells[n].flat]
    for node in outputs:
        if not is_small(node) and node.op is CONST:
            lowering.places[node] = lowering.constant(node)
    return lowering
