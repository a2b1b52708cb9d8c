"""Start values from data, for one ready model or for sums and products of them.

Every ready model proposes values for the parameters in which it is not linear; the others follow
by linear least squares, as in variable projection (Golub and Pereyra, SIAM Journal on Numerical
Analysis 10, 1973). What leaves the smallest sum of squares is taken. In a sum the background is
found first, on the rows that no peak disturbs, then feature after feature on what is left; then
each part is found once more with the others in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.models.kind import Array, Values
from descend.models.tree import Single, Term, singles_of

__all__ = ["guess_tree"]

MOST_SEEN = 20_000  # rows that proposals are read from
MOST_JUDGED = 500  # rows that proposals are judged on
CLIPPINGS = 6
SWEEPS = 3


class Rows(NamedTuple):
    """Columns of data, sorted by the first, with the target."""

    data: tuple[Array, ...]
    y: Array

    def where(self, kept: Any) -> Rows:
        return Rows(tuple(column[kept] for column in self.data), self.y[kept])

    def thinned(self, most: int) -> Rows:
        """At most so many rows, evenly spread."""
        n = self.y.size
        return self if n <= most else self.where(np.linspace(0, n - 1, most).astype(np.intp))


class Leaf(NamedTuple):
    """One ready model with its prefix."""

    single: Single
    prefix: str

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.single.kind.linear)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in self.single.kind.parameters)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        """What each linear parameter is multiplied with."""
        kind, found = self.single.kind, []
        for own in kind.linear:
            given = [
                float(name == own) if name in kind.linear else values[self.prefix + name]
                for name in kind.parameters
            ]
            found.append(kind.function(*data, *given))
        return found

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return self.single.kind.function(*data, *(values[name] for name in self.names))

    def proposals(self, rows: Rows) -> list[Values]:
        own = self.single.kind.candidates(rows.data, rows.y)
        return [{self.prefix + name: v for name, v in entry.items()} for entry in own]


class Product(NamedTuple):
    """Parts that are multiplied; the first one's linear parameters carry the height."""

    factors: tuple[Any, ...]

    @property
    def linear(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.factors[0].linear
        return found

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for factor in self.factors for name in factor.names)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        others = _multiplied(self.factors[1:], data, values)
        return [column * others for column in self.factors[0].columns(data, values)]

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return _multiplied(self.factors, data, values)

    def proposals(self, rows: Rows) -> list[Values]:
        """Each factor in turn from the target itself, the others from what then remains."""
        return [_guess_product(self.factors, first, rows) for first in range(len(self.factors))]


class Sum(NamedTuple):
    """Parts that are added."""

    parts: tuple[Any, ...]

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.linear)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.names)

    def columns(self, data: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
        return [column for part in self.parts for column in part.columns(data, values)]

    def value(self, data: Sequence[Any], values: Mapping[str, Any]) -> Any:
        return sum(part.value(data, values) for part in self.parts)

    def proposals(self, rows: Rows) -> list[Values]:
        return [_guess_sum(self.parts, rows, {})]


def _multiplied(factors: Iterable[Any], data: Sequence[Any], values: Mapping[str, Any]) -> Any:
    total: Any = 1.0
    for factor in factors:
        total = total * factor.value(data, values)
    return total


def guess_tree(
    tree: Any, prefixes: tuple[str, ...], x: Sequence[Any], y: Any, given: Mapping[str, float]
) -> Values:
    """Values for every parameter of a tree of models; see `Model.guess`."""
    rows = _rows(x, y)
    leaves = iter(Leaf(s, p) for s, p in zip(singles_of(tree), prefixes, strict=True))
    whole = _parts(tree, leaves)
    for name in given:
        if name not in whole.names:
            raise UsageError(
                f'"{name}" is no parameter{suggest(name, whole.names)}',
                remedy=f"the parameters are {', '.join(whole.names)}",
            )
    parts = whole.parts if isinstance(whole, Sum) else (whole,)
    known = {name: float(value) for name, value in given.items()}
    with np.errstate(all="ignore"):
        found = _guess_sum(parts, rows, known)
        found = found if given else _in_order(parts, found)
    return {name: float(found[name]) for name in whole.names}


def _rows(x: Sequence[Any], y: Any) -> Rows:
    columns = [np.asarray(column, np.float64).ravel() for column in (*x, y)]
    if len({column.size for column in columns}) > 1:
        sizes = " and ".join(str(column.size) for column in columns)
        raise UsageError(f"x and y have different lengths: {sizes}")
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
    if not finite.any():
        raise UsageError("there is no row with finite numbers to guess from")
    columns = [column[finite] for column in columns]
    order = np.argsort(columns[0], kind="stable")
    *data, target = (column[order] for column in columns)
    return Rows(tuple(data), target).thinned(MOST_SEEN)


def _parts(tree: Any, leaves: Any) -> Any:
    if isinstance(tree, Term):
        parts = tuple(_parts(part, leaves) for part in tree.parts)
        return Sum(parts) if tree.sign == "+" else Product(parts)
    return next(leaves)


# --- judging proposals


def _solve(columns: list[Array], y: Array) -> Array:
    """The linear least-squares coefficients, with columns of any scale."""
    table = np.stack([np.broadcast_to(c, y.shape) for c in columns], axis=1)
    scale = np.linalg.norm(table, axis=0)
    usable = np.isfinite(scale) & (scale > 0)
    best = np.zeros(len(columns))
    if usable.any():
        solved, *_ = np.linalg.lstsq(table[:, usable] / scale[usable], y, rcond=1e-10)
        best[usable] = solved / scale[usable]
    return best


def _projected(parts: Sequence[Any], rows: Rows, values: Values, known: Values) -> Values:
    """The values with the linear parameters of all parts solved for together."""
    linear = [name for part in parts for name in part.linear]
    columns = [c for part in parts for c in part.columns(rows.data, values)]
    free = [k for k, name in enumerate(linear) if name not in known]
    rest = rows.y - sum(
        known[name] * columns[k] for k, name in enumerate(linear) if name in known
    )
    if free:
        solved = _solve([columns[k] for k in free], np.asarray(rest))
        values = values | {linear[k]: float(v) for k, v in zip(free, solved, strict=True)}
    return values | known


def _squares(parts: Sequence[Any], rows: Rows, values: Values) -> float:
    residual = rows.y - sum(part.value(rows.data, values) for part in parts)
    total = float(np.sum(residual**2))
    return total if np.isfinite(total) else np.inf


def _judged(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, tried: list[Values]
) -> Values:
    """The best of the proposals for a part, the linear parameters of all parts being free.

    What the others can describe is taken out of the target and of every proposal's columns.
    """
    columns = [c for other in others for c in other.columns(rows.data, values)]
    basis = _orthonormal(columns, rows.y)
    target = rows.y - basis @ (basis.T @ rows.y)
    tables = _tables(part, rows, values, tried)
    size = np.linalg.norm(tables, axis=2, keepdims=True)
    tables = tables / np.where(size > 0, size, 1)
    tables = tables - (tables @ basis) @ basis.T
    usable = np.isfinite(tables).all(axis=(1, 2)) & np.isfinite(size).all(axis=(1, 2))
    tables = np.where(usable[:, None, None], tables, 0.0)
    gram = tables @ tables.transpose(0, 2, 1) + 1e-10 * np.eye(tables.shape[1])
    right = tables @ target
    gain = np.sum(right * np.linalg.solve(gram, right[:, :, None])[:, :, 0], axis=1)
    return tried[int(np.argmax(np.where(usable, gain, -np.inf)))]


def _orthonormal(columns: list[Array], y: Array) -> Array:
    if not columns:
        return np.zeros((y.size, 0))
    table = np.stack([np.broadcast_to(c, y.shape) for c in columns], axis=1)
    scale = np.linalg.norm(table, axis=0)
    table = table[:, np.isfinite(scale) & (scale > 0)]
    if not table.shape[1]:
        return table
    left, sizes, _ = np.linalg.svd(table / np.linalg.norm(table, axis=0), full_matrices=False)
    return left[:, sizes > 1e-10 * sizes[0]]


def _tables(part: Any, rows: Rows, values: Values, tried: list[Values]) -> Array:
    """(proposals, linear parameters, rows): the columns of every proposal."""
    if isinstance(part, Leaf):
        names = tried[0].keys()
        stacked = {name: np.array([entry[name] for entry in tried])[:, None] for name in names}
        found = part.columns(rows.data, values | stacked)
        shape = (len(tried), rows.y.size)
        return np.stack([np.broadcast_to(column, shape) for column in found], axis=1)
    one = [part.columns(rows.data, values | entry) for entry in tried]
    return np.stack([[np.broadcast_to(c, rows.y.shape) for c in own] for own in one])


def _place(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, known: Values, keep: bool = False
) -> Values:
    """The values with those of one part found anew, the other parts being where they are."""
    left = rows.y - sum(other.value(rows.data, values) for other in others)
    tried = [entry | {n: v for n, v in known.items() if n in entry}
             for entry in part.proposals(Rows(rows.data, np.asarray(left)))]
    if not tried:
        tried = [{}]
    if keep:
        tried.append({name: values[name] for name in tried[0]})
    few = rows.thinned(MOST_JUDGED)
    best = tried[0] if len(tried) == 1 else _judged(part, others, few, values, tried)
    return _projected([*others, part], rows, values | best, known)


# --- sums


def _guess_sum(parts: Sequence[Any], rows: Rows, known: Values) -> Values:
    """The best of several orders in which the parts of a sum are found."""
    background = [part for part in parts if _is_background(part)]
    features = [part for part in parts if not _is_background(part)]
    if not (background and features):
        starts = [_placed(parts, [], rows, {}, known)]
    else:
        clipped = _placed(background, [], _undisturbed(background, rows, known), {}, known)
        n = rows.y.size
        ends = rows.where(np.r_[0 : -(-n // 5), n - -(-n // 5) : n])
        starts = [
            _placed(features, background, rows, clipped, known),
            _placed(features, background, rows, _placed(background, [], ends, {}, known), known),
            _placed(background, features, rows, _placed(features, [], rows, {}, known), known),
        ]
    few = rows.thinned(MOST_JUDGED)
    best = min(starts, key=lambda values: _squares(parts, few, values))
    return _swept(parts, rows, best, known)


def _is_background(part: Any) -> bool:
    return isinstance(part, Leaf) and part.single.kind.background


def _placed(
    parts: Sequence[Any], others: Sequence[Any], rows: Rows, values: Values, known: Values
) -> Values:
    """The parts found one after the other; those that are linear throughout come first."""
    there = list(others)
    for part in sorted(parts, key=lambda part: set(part.names) != set(part.linear)):
        values = _place(part, there, rows, values, known)
        there.append(part)
    return values


def _undisturbed(background: Sequence[Any], rows: Rows, known: Values) -> Rows:
    """The rows that the background describes, by leaving out the others again and again."""
    kept = rows
    least = max(4, rows.y.size // 5)
    for _ in range(CLIPPINGS):
        values = _placed(background, [], kept, {}, known)
        off = np.abs(kept.y - sum(part.value(kept.data, values) for part in background))
        inside = off <= 2.5 * np.median(off)
        if inside.all() or inside.sum() < least:
            break
        kept = kept.where(inside)
    return kept


def _swept(parts: Sequence[Any], rows: Rows, values: Values, known: Values) -> Values:
    """Each part found anew with the others in place, as long as that helps."""
    squares = _squares(parts, rows, values)
    movable = [part for part in parts if set(part.names) != set(part.linear)]
    for _ in range(SWEEPS if len(parts) > 1 else 0):
        before = squares
        for part in movable:
            others = [other for other in parts if other is not part]
            trial = _place(part, others, rows, values, known, keep=True)
            reached = _squares(parts, rows, trial)
            if reached < squares:
                values, squares = trial, reached
        if not squares < 0.99 * before:
            break
    return values


def _in_order(parts: Sequence[Any], values: Values) -> Values:
    """Equal parts numbered by where they stand."""
    groups: dict[str, list[Leaf]] = {}
    for part in parts:
        if isinstance(part, Leaf) and part.single.kind.place and part.single.prefix is None:
            groups.setdefault(part.single.kind.name, []).append(part)
    found = dict(values)
    for leaves in groups.values():
        place = leaves[0].single.kind.place
        ranked = sorted(leaves, key=lambda leaf: values[leaf.prefix + place])
        for leaf, source in zip(leaves, ranked, strict=True):
            found |= {
                own: values[other] for own, other in zip(leaf.names, source.names, strict=True)
            }
    return found


# --- products


def _guess_product(factors: tuple[Any, ...], first: int, rows: Rows) -> Values:
    """The first factor from the target and from its size, then each one under the others."""
    found: list[tuple[float, Values]] = []
    whole = Product(factors)
    for target in (rows.y, np.abs(rows.y)):
        values = _guess_sum((factors[first],), Rows(rows.data, target), {})
        there = [factors[first]]
        for k in [*(k for k in range(len(factors)) if k != first), first, *range(len(factors))]:
            there = [f for f in there if f is not factors[k]]
            values = _place_factor(factors[k], there, rows, values)
            there.append(factors[k])
        found.append((_squares([whole], rows, values), values))
    return min(found, key=lambda entry: entry[0])[1]


def _place_factor(factor: Any, others: Sequence[Any], rows: Rows, values: Values) -> Values:
    """A factor found anew where the product of the others is not nearly zero."""
    height = np.broadcast_to(_multiplied(others, rows.data, values), rows.y.shape)
    size = np.abs(height)
    kept = size > 0.15 * np.max(size[np.isfinite(size)], initial=0.0)
    if kept.sum() < 3:
        return values
    seen = rows.where(kept)
    under = Product((factor, *others))
    tried = factor.proposals(Rows(seen.data, seen.y / height[kept]))
    few = rows.thinned(MOST_JUDGED)
    best = tried[0] if len(tried) == 1 else _judged(under, [], few, values, tried)
    return _projected([under], rows, values | best, {})
