"""Start values from data, for one ready model or for sums and products of them.

Every ready model proposes values for the parameters in which it is not linear; the others follow
by linear least squares, as in variable projection (Golub and Pereyra, SIAM Journal on Numerical
Analysis 10, 1973). What leaves the smallest sum of squares is taken. In a sum the background is
found first, on the rows that no peak disturbs, then feature after feature on what is left; then
each part is found once more with the others in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.models.judge import gains, judged, judged_pair, polished, projected, squares
from descend.models.kind import Given, Values
from descend.models.parts import Leaf, Product, Rows, Sum, multiplied, parts_of

__all__ = ["guess_parts", "guess_tree"]

MOST_SEEN = 20_000  # rows that proposals are read from
MOST_JUDGED = 500  # rows that proposals are judged on
CLIPPINGS = 6
SWEEPS = 3
MOST_PAIRS = 6
FOLLOWED, MOST_FOLLOWED = 3, 8  # times that the best starts go on, and how many of them
SPLIT = 1.0 / np.array([12.0, 25.0, 50.0, 100.0])  # of the range: from their middle
MOST_TIED = 16  # values of what ties two parts that are tried


def guess_tree(
    tree: Any, prefixes: tuple[str, ...], x: Sequence[Any], y: Any, given: Mapping[str, float]
) -> Values:
    """Values for every parameter of a tree of models; see `Model.guess`."""
    whole = parts_of(tree, prefixes)
    for name in given:
        if name not in whole.names:
            raise UsageError(
                f'"{name}" is no parameter{suggest(name, whole.names)}',
                remedy=f"the parameters are {', '.join(whole.names)}",
            )
    return guess_parts(whole.parts if isinstance(whole, Sum) else (whole,), x, y, given)


def guess_parts(
    parts: Sequence[Any], x: Sequence[Any], y: Any, given: Mapping[str, float]
) -> Values:
    """Values for every parameter of the parts of a sum, over columns of data."""
    rows = _rows(x, y)
    known = given if isinstance(given, Given) else Given(given)
    with np.errstate(all="ignore"):
        found = _guess_sum(parts, rows, known)
        found = _tied_in_order(parts, found, known) if known.ties else found
        found = found if known or known.ties else _in_order(parts, found)
    return {name: float(found[name]) for part in parts for name in part.names}


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


def _place(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, known: Given, keep: bool = False
) -> Values:
    """The values with those of one part found anew, the other parts being where they are."""
    tried = _tried(part, others, rows, values, known)
    if keep:
        tried.append({name: values[name] for name in tried[0]})
    few = rows.thinned(MOST_JUDGED)
    best = tried[0] if len(tried) == 1 else judged(part, others, few, values, tried)
    return projected([*others, part], rows, values | best, known)


def _proposals(part: Any, rows: Rows) -> list[Values]:
    """Values for the parameters in which a part is not linear, or for all of a composed part."""
    if set(part.names) == set(part.linear):
        return [{}]
    if isinstance(part, Sum):
        return [_guess_sum(part.parts, rows, Given({}))]
    if isinstance(part, Product):
        open_ones = [k for k, factor in enumerate(part.factors) if factor.names]
        return [_guess_product(part.factors, [k, *open_ones], rows) for k in open_ones]
    own_data = tuple(rows.data[k] for k in part.at)
    if part.at[0]:
        order = np.argsort(own_data[0], kind="stable")
        own_data, target = tuple(column[order] for column in own_data), rows.y[order]
    else:
        target = rows.y
    own = part.single.kind.candidates(own_data, target)
    return [{part.prefix + name: v for name, v in entry.items()} for entry in own]


def _tried(
    part: Any, others: Sequence[Any], rows: Rows, values: Values, known: Given
) -> list[Values]:
    """What a part proposes for what the others leave."""
    left = rows.y - sum(other.value(rows.data, values) for other in others)
    found = [
        entry | {name: value for name, value in known.items() if name in entry}
        for entry in _proposals(part, Rows(rows.data, np.asarray(left)))
    ]
    return found or [{}]


def _place_pair(
    pair: Sequence[Any], others: Sequence[Any], rows: Rows, values: Values, known: Given
) -> list[Values]:
    """Two parts found anew, together: overlapping peaks show neither's width by themselves.

    Where one is tied to the other, once for each value that this gives.
    """
    pair = sorted(pair, key=lambda part: bool(known.ties.keys() & {*part.names}))
    tried = [_tried(part, others, rows, values, known) for part in pair]
    few = rows.thinned(MOST_JUDGED)
    return [
        projected([*others, *pair], rows, values | best, known)
        for own in _tied_alike(tried, known)
        for best in [judged_pair(pair, others, few, values, own)]
    ]


def _tied_alike(tried: Sequence[list[Values]], known: Given) -> list[list[list[Values]]]:
    """The proposals for two parts, apart by what ties make of the second by the first."""
    first, second = tried
    tied = [name for name in second[0] if name in known.ties]
    if not tied:
        return [[first, second]]
    groups: dict[tuple[float, ...], list[Values]] = {}
    for entry in first:
        values = known.completed({**second[0], **entry})
        groups.setdefault(tuple(values[name] for name in tied), []).append(entry)
    found = []
    for own, entries in itertools.islice(groups.items(), MOST_TIED):
        values = dict(zip(tied, own, strict=True))
        alike = {tuple(entry[n] for n in second[0] if n not in tied): {**entry, **values}
                 for entry in second}  # fmt: skip
        found.append([entries, [*alike.values()]])
    return found


# --- sums


def _guess_sum(parts: Sequence[Any], rows: Rows, known: Given) -> Values:
    """The best of several orders in which the parts of a sum are found."""
    if len(parts) == 1:
        (part,) = parts
        is_leaf = isinstance(part, Leaf)
        return _alone(part, rows, known) if is_leaf else _place(part, [], rows, {}, known)
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
    pairs = _pairs(features)
    if pairs:
        there = [part for part in parts if _is_background(part)]
        begun = _placed(there, [], _undisturbed(there, rows, known), {}, known) if there else {}
        rest = [part for part in features if part not in pairs[0]]
        for both in _place_pair(pairs[0], there, rows, begun, known):
            starts.append(_placed(rest, [*there, *pairs[0]], rows, both, known))
    few = rows.thinned(MOST_JUDGED)
    better = [polished(parts, few, values, known) for values in starts]
    if pairs:
        best = min(better, key=lambda values: squares(parts, few, values))
        split = _split(pairs[0], parts, rows, best, known)
        better += [polished(parts, few, values, known) for values in split]
    for _ in range(FOLLOWED if known.ties else 0):  # along the valley of peaks equally wide
        better = sorted(better, key=lambda values: squares(parts, few, values))[:MOST_FOLLOWED]
        better = [polished(parts, few, values, known) for values in better]
    best = min(better, key=lambda values: squares(parts, few, values))
    swept = _swept(parts, rows, best, known)
    return polished(parts, few, swept, known)


def _split(
    pair: Sequence[Leaf], parts: Sequence[Any], rows: Rows, values: Values, known: Given
) -> list[Values]:
    """Two parts to either side of the larger one: peaks that have merged look like one."""
    places = [leaf.prefix + str(leaf.single.kind.place) for leaf in pair]
    if not all(leaf.single.kind.place for leaf in pair) or {*places} & {*known, *known.ties}:
        return []
    sizes = [float(np.sum(leaf.value(rows.data, values) ** 2)) for leaf in pair]
    middle, reach = values[places[int(np.argmax(sizes))]], float(np.ptp(rows.data[0]))
    return [
        projected(
            parts, rows, known.completed({**values, places[0]: middle - d, places[1]: middle + d}),
            known,
        )
        for d in reach * SPLIT
    ]  # fmt: skip


def _pairs(features: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Features that are found together: those of one column each, the first few."""
    alone = [part for part in features if isinstance(part, Leaf) and len(part.linear) == 1]
    return list(itertools.combinations(alone, 2))[:MOST_PAIRS]


def _is_background(part: Any) -> bool:
    if isinstance(part, Product):
        return all(_is_background(factor) for factor in part.factors)
    return not isinstance(part, Leaf) or part.single.kind.background


def _placed(
    parts: Sequence[Any], others: Sequence[Any], rows: Rows, values: Values, known: Given
) -> Values:
    """The parts found one after the other; those that are linear throughout come first."""
    there = list(others)
    for part in sorted(parts, key=lambda part: set(part.names) != set(part.linear)):
        values = _place(part, there, rows, values, known)
        there.append(part)
    return values


def _undisturbed(background: Sequence[Any], rows: Rows, known: Given) -> Rows:
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


def _swept(parts: Sequence[Any], rows: Rows, values: Values, known: Given) -> Values:
    """Each part found anew with the others in place, as long as that helps."""
    least = squares(parts, rows, values)
    movable = [part for part in parts if set(part.names) != set(part.linear)]
    for _ in range(SWEEPS if len(parts) > 1 else 0):
        before = least
        for part in movable:
            others = [other for other in parts if other is not part]
            trial = _place(part, others, rows, values, known, keep=True)
            reached = squares(parts, rows, trial)
            if reached < least:
                values, least = trial, reached
        for pair in _pairs([part for part in movable if not _is_background(part)]):
            others = [other for other in parts if other not in pair]
            for trial in _place_pair(pair, others, rows, values, known):
                reached = squares(parts, rows, trial)
                if reached < least:
                    values, least = trial, reached
        if not least < 0.99 * before:
            break
    return values


def _alone(part: Leaf, rows: Rows, known: Given) -> Values:
    """The best proposal of one model; where signs leave a choice, after a few steps from each.

    A curve that bends more sharply at one end has a mirrored twin that no descent turns around.
    """
    tried = _tried(part, [], rows, {}, known)
    few = rows.thinned(MOST_JUDGED)
    good = [0]
    if len(tried) > 1:
        gain = gains(part, [], few, {}, tried)
        best: dict[tuple[bool, ...], int] = {}
        for k in np.argsort(-gain, kind="stable").tolist():
            best.setdefault(tuple([value > 0 for value in tried[k].values()]), k)
        total = float(few.y @ few.y)
        worst = 4 * (total - float(gain.max())) + 1e-3 * total
        good = [k for k in best.values() if total - gain[k] <= worst] or good
    starts = [projected([part], rows, tried[k], known) for k in good]
    if len(starts) == 1:
        return starts[0]
    better = [polished([part], few, values, known) for values in starts]
    return min(better, key=lambda values: squares([part], few, values))


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


def _tied_in_order(parts: Sequence[Any], values: Values, known: Given) -> Values:
    """Two equal parts in the order of where they stand, where ties and what is known allow it."""
    for one, two in _pairs(parts):
        place = one.single.kind.place
        if one.single.kind is not two.single.kind or not place:
            continue
        names = dict(zip((*one.names, *two.names), (*two.names, *one.names), strict=True))
        other = {name: values[names.get(name, name)] for name in values}
        if values[one.prefix + place] > values[two.prefix + place] and (
            known.completed(other) == other
        ):
            values = other
    return values


# --- products


def _guess_product(factors: tuple[Any, ...], order: list[int], rows: Rows) -> Values:
    """The first factor from the target and from its size, then each one under the others."""
    fixed = [factor for factor in factors if not factor.names]
    found: list[tuple[float, Values]] = []
    whole = Product(factors)
    for target in (rows.y, np.abs(rows.y)):
        values = _guess_sum((factors[order[0]],), Rows(rows.data, target), Given({}))
        there = [*fixed, factors[order[0]]]
        for k in [*(k for k in order[1:] if k != order[0]), *order]:
            there = [f for f in there if f is not factors[k]]
            values = _place_factor(factors[k], there, rows, values)
            there.append(factors[k])
        found.append((squares([whole], rows, values), values))
    return min(found, key=lambda entry: entry[0])[1]


def _place_factor(factor: Any, others: Sequence[Any], rows: Rows, values: Values) -> Values:
    """A factor found anew where the product of the others is not nearly zero."""
    height = np.broadcast_to(multiplied(others, rows.data, values), rows.y.shape)
    size = np.abs(height)
    kept = size > 0.15 * np.max(size[np.isfinite(size)], initial=0.0)
    if kept.sum() < 3:
        return values
    seen = rows.where(kept)
    under = Product((factor, *others))
    tried = _proposals(factor, Rows(seen.data, seen.y / height[kept]))
    few = rows.thinned(MOST_JUDGED)
    best = tried[0] if len(tried) == 1 else judged(under, [], few, values, tried)
    return projected([under], rows, values | best, Given({}))
