"""The options `fixed`, `bounds` and `ties` as they are written, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import FormulaError, UsageError, suggest
from descend.lean import dataclass
from descend.parameters.declare import Declared
from descend.parameters.space import Space
from descend.quantities import refuse_units
from descend.trace.formula import Formula

__all__ = [
    "Wishes", "leaves_by_name", "leaves_named", "number_names", "parsed_ties", "read_wishes",
    "space_of",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Wishes:
    """What was asked for, by name, before the shapes are known.

    Attributes:
        fixed: name → value, None to keep that of the start.
        bounds: name → (lower, upper), None for none.
        pair: bounds of all numbers together, as SciPy has them: (lower, upper).
        ties: name → expression; scales: name → scale.
    """

    fixed: Mapping[str, Any]
    bounds: Mapping[str, tuple[Any, Any]]
    pair: tuple[Any, Any] | None
    ties: Mapping[str, Formula]
    scales: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.fixed or self.bounds or self.ties or self.scales or self.pair is not None)


def read_wishes(declared: Declared, fixed: Any, bounds: Any, ties: Any) -> Wishes:
    """Put together what was declared with the start values and what stands in the options.

    Raises:
        UsageError: something cannot be read, or is said twice in two ways.

    >>> wishes = read_wishes(Declared(), ["a"], {"b": (0, None)}, {"c": "2*a"})
    >>> wishes.fixed, wishes.bounds, str(wishes.ties["c"])
    ({'a': None}, {'b': (0, None)}, '2*a')
    """
    held = dict.fromkeys(declared.fixed) | _fixed(fixed)
    named, pair = _bounds(bounds)
    for name, own in named.items():
        if name in declared.bounds and declared.bounds[name] != own:
            raise UsageError(
                f"{name} has two bounds: {_interval(*declared.bounds[name])} where it starts, "
                f"and {_interval(*own)} in bounds=",
                remedy="give them in one place",
            )
    tied = {name: parsed_tie(name, text) for name, text in declared.ties.items()}
    tied |= parsed_ties(ties)
    for name in tied:
        if name in held:
            raise UsageError(
                f"{name} is both fixed and tied to {tied[name].text}", remedy="choose one of them"
            )
        if name in named or name in declared.bounds:
            raise UsageError(
                f"{name} is tied to {tied[name].text}, so bounds of its own cannot be kept",
                remedy="bound the parameters of the expression",
            )
    return Wishes(held, {**declared.bounds, **named}, pair, tied, declared.scales)


def _fixed(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, str):
        return {given: None}
    if isinstance(given, Mapping):
        for name, value in given.items():
            if value is True:
                raise UsageError(
                    f"fixed={{{name!r}: True}} gives no value",
                    remedy=f'write fixed=["{name}"] to keep its start, or fixed={{"{name}": 3.0}}',
                )
        return {name: value for name, value in given.items() if value is not False}
    names = list(given) if isinstance(given, Iterable) else [given]
    if all(isinstance(name, str) for name in names):
        return dict.fromkeys(names)
    raise UsageError(
        f"fixed={given!r} names no parameters",
        remedy='write fixed=["a"] to keep its start, or fixed={"a": 3.0}',
    )


def _bounds(given: Any) -> tuple[dict[str, tuple[Any, Any]], tuple[Any, Any] | None]:
    """Bounds by name, or SciPy's pair of all lower and all upper ones."""
    if given is None:
        return {}, None
    if isinstance(given, Mapping):
        return {name: _pair(name, value) for name, value in given.items()}, None
    if hasattr(given, "lb") and hasattr(given, "ub"):
        low, high = (s if np.size(s) > 1 else np.reshape(s, ()) for s in (given.lb, given.ub))
        return {}, (low, high)
    if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and len(given) == 2:
        return {}, (given[0], given[1])
    raise UsageError(
        f"bounds={given!r} cannot be read",
        remedy='write bounds={"a": (0, None), "b": (-1, 1)}, or a pair of all lower and all upper '
        "bounds: bounds=([0, -1], [np.inf, 1])",
    )


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) != 2:
        raise UsageError(
            f"the bounds of {name} are {value!r}, and must be a pair",
            remedy=f'write bounds={{"{name}": (0, 10)}}, with None for no bound',
        )
    return value[0], value[1]


def parsed_ties(given: Any) -> dict[str, Formula]:
    """The ties of `ties=` by name: a dict of expressions, or texts such as `"b = 2*a"`."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: parsed_tie(name, text) for name, text in given.items()}
    found: dict[str, Formula] = {}
    if not isinstance(given, Iterable):
        raise UsageError(f"ties={given!r} ties nothing", remedy='write ties={"b": "2*a"}')
    for text in [given] if isinstance(given, str) else given:
        formula = _parsed(text)
        if formula.target is None:
            raise UsageError(
                f'the tie "{text}" does not say which parameter it is for',
                remedy='write the parameter and = before it, such as "b = 2*a"',
            )
        if formula.target in found:
            raise UsageError(f"{formula.target} is tied twice: by {given!r}")
        found[formula.target] = parsed_tie(formula.target, formula.text)
    return found


def parsed_tie(name: str, text: Any) -> Formula:
    """The right-hand side of a tie.

    Raises:
        UsageError: it is no text, or ties another parameter.
        FormulaError: it cannot be read.
    """
    formula = _parsed(text)
    if formula.target is None:
        return formula
    if formula.target != name:
        raise UsageError(f'the tie of {name}, "{text}", is one of {formula.target}')
    return _parsed(formula.text.split("=", 1)[1].strip())


def _parsed(text: Any) -> Formula:
    if isinstance(text, Formula):
        return text
    if not isinstance(text, str):
        raise UsageError(
            f"the tie {getattr(text, '__name__', repr(text))} is no expression",
            remedy='write it as text: ties={"b": "2*a"}; to keep a number, fixed={"b": 3.0}',
        )
    for sign in (">", "<"):
        first, found, second = text.partition(sign)
        if found and "(" not in text and "=" not in text:
            above, below = (first, second) if sign == ">" else (second, first)
            above, below = above.strip(), below.strip()
            raise FormulaError(
                f'"{text}" is no tie, which has the form name = expression',
                remedy=f'for {above} above {below}, tie "{above} = {below} + gap", start gap '
                "and give it the bounds (0, None)",
            )
    return Formula.parse(text)


# --- shapes and values


def space_of(
    wishes: Wishes, names: Mapping[str, Sequence[str]], arrays: Mapping[str, Array],
    data: Iterable[str] = (),
) -> Space:  # fmt: skip
    """The space that was asked for, over the leaves of the parameters.

    Args:
        names: parameter → its leaves.
        arrays: leaf → its start; leaves without one are numbers.

    Raises:
        UsageError: unknown names; bounds that are no bounds; ties that loop or do not fit.
    """
    known = leaves_by_name(names)
    fixed: set[str] = set()
    places = _places_beside(known, wishes.fixed, names, arrays)
    for name in wishes.fixed:
        if name not in places:
            fixed |= set(leaves_named(name, known, "fixed", data))
    lower, upper = _edges(wishes, names, arrays, known, data)
    for name in wishes.fixed:
        if name in places:
            leaf, k = places[name]
            if leaf in wishes.ties:
                raise UsageError(
                    f"{name} is fixed, and {leaf} is tied to {wishes.ties[leaf].text}",
                    remedy="choose one of them",
                )
            _hold(name, k, arrays[leaf], lower, upper, leaf)
    fixed |= {leaf for leaf in lower if (lower[leaf] == upper[leaf]).all()}
    scales: dict[str, str] = {}
    for name, scale in wishes.scales.items():
        scales |= dict.fromkeys(leaves_named(name, known, "start", data), scale)
    ties = _in_order(wishes.ties, names, data)
    _check_scales(scales, lower, upper, ties)
    lower = {name: a for name, a in lower.items() if name not in ties}
    upper = {name: a for name, a in upper.items() if name not in ties}
    return Space(frozenset(fixed), ties, scales, lower, upper)


def number_names(leaf: str, shape: tuple[int, ...]) -> list[str]:
    """The names of the single numbers of a leaf.

    >>> number_names("a", ()), number_names("w", (2,))
    (['a'], ['w[0]', 'w[1]'])
    """
    if not shape:
        return [leaf]
    return [f"{leaf}[{', '.join(map(str, index))}]" for index in np.ndindex(shape)]


def leaves_by_name(names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What may be named, with its leaves: first the leaves, then parameters, then layers.

    A layer is what the names of several leaves have in common before a dot.

    >>> leaves_by_name({"1.0.weight": ["1.0.weight"], "1.0.bias": ["1.0.bias"]})["1"]
    ['1.0.weight', '1.0.bias']
    """
    found = {leaf: [leaf] for own in names.values() for leaf in own}
    layers: dict[str, list[str]] = {}
    for leaf in found:
        parts = leaf.split(".")
        for k in range(1, len(parts)):
            layers.setdefault(".".join(parts[:k]), []).append(leaf)
    found |= {name: list(own) for name, own in names.items()}
    return found | {name: own for name, own in layers.items() if name not in found}


def leaves_named(
    name: str, known: Mapping[str, list[str]], option: str, data: Iterable[str] = ()
) -> list[str]:
    """The leaves of a parameter, or of a layer.

    Args:
        known: as of `leaves_by_name`. option: where it is named. data: names of columns.

    Raises:
        UsageError: there is none of that name.
    """
    if name in known:
        return known[name]
    if name in set(data):
        raise UsageError(
            f'{option} names "{name}", which is data', remedy="only parameters are varied"
        )
    raise UsageError(
        f'{option} names "{name}", which is no parameter{suggest(str(name), known)}',
        remedy=f"the parameters are {', '.join(known)}",
    )


def _edges(
    wishes: Wishes, names: Mapping[str, Sequence[str]], arrays: Mapping[str, Array],
    known: Mapping[str, list[str]], data: Iterable[str],
) -> tuple[dict[str, Array], dict[str, Array]]:  # fmt: skip
    """Lower and upper bounds of the leaves that have some."""
    order = [leaf for own in names.values() for leaf in own]
    shapes = {leaf: arrays[leaf].shape if leaf in arrays else () for leaf in order}
    lower: dict[str, Array] = {}
    upper: dict[str, Array] = {}
    if wishes.pair is not None:
        varied = [leaf for leaf in order if leaf not in wishes.ties]
        low, high = _sides(wishes.pair, varied, shapes)
        lower, upper = low, high
    places = _places_beside(known, wishes.bounds, names, arrays)
    for name, (low_edge, high_edge) in wishes.bounds.items():
        single = name in places
        chosen = [places[name][0]] if single else leaves_named(name, known, "bounds", data)
        for leaf in chosen:
            for sides, edge, word, none in (
                (lower, low_edge, "lower", -np.inf), (upper, high_edge, "upper", np.inf),
            ):  # fmt: skip
                whole = sides.setdefault(leaf, np.full(shapes[leaf], none))
                value = _edge(edge, none, () if single else shapes[leaf], f"{word} bound of {name}")
                at = places[name][1] if single else 0
                whole.flat[at : at + value.size] = np.ravel(value)
    for leaf in lower:
        _check_order(leaf, lower[leaf], upper[leaf])
        for sides in (lower, upper):
            # The nearest number that the parameter can take: it may lie on its bound.
            dtype = arrays[leaf].dtype if leaf in arrays else np.float64
            sides[leaf] = sides[leaf].astype(dtype).astype(np.float64)
    bounded = [n for n in lower if np.isfinite(lower[n]).any() or np.isfinite(upper[n]).any()]
    return {n: lower[n] for n in bounded}, {n: upper[n] for n in bounded}


def _hold(
    name: str, k: int, array: Array, lower: dict[str, Array], upper: dict[str, Array], leaf: str
) -> None:
    """Let the bounds of a single number be its start."""
    value = float(array.flat[k])
    for sides, none in ((lower, -np.inf), (upper, np.inf)):
        sides[leaf] = np.array(sides.get(leaf, np.full(array.shape, none)))
    low, high = float(lower[leaf].flat[k]), float(upper[leaf].flat[k])
    if not low <= value <= high:
        raise UsageError(
            f"{name} is fixed at {value:g}, outside its bounds {low:g} to {high:g}",
            remedy="start it between them, or widen the bounds",
        )
    lower[leaf].flat[k] = upper[leaf].flat[k] = value


def _places_beside(
    known: Mapping[str, Any], wanted: Iterable[str], names: Mapping[str, Sequence[str]],
    arrays: Mapping[str, Array],
) -> dict[str, tuple[str, int]]:  # fmt: skip
    """Single number → its leaf, and where it stands in it; only where such a name is wanted."""
    if all(name in known for name in wanted):
        return {}
    leaves = [leaf for own in names.values() for leaf in own]
    shapes = {leaf: arrays[leaf].shape if leaf in arrays else () for leaf in leaves}
    return {n: place for n, place in _places(leaves, shapes).items() if n not in known}


def _places(
    leaves: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[str, int]]:
    """Single number → its leaf, and where it stands in it."""
    return {n: (leaf, k) for leaf in leaves for k, n in enumerate(number_names(leaf, shapes[leaf]))}


def _edge(value: Any, none: float, shape: tuple[int, ...], title: str) -> Array:
    """One side of the bounds of a leaf, in its shape."""
    if value is None:
        return np.full(shape, none)
    given = [none if v is None else v for v in value] if type(value) in (list, tuple) else value
    refuse_units(given, f"the {title}", UsageError)
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"the {title} is {value!r}, which is no number") from None
    if np.isnan(array).any():
        raise UsageError(f"the {title} is NaN", remedy="write None for no bound")
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise UsageError(
            f"the {title} has the shape {array.shape}, and the parameter {shape}"
        ) from None


def _sides(
    pair: tuple[Any, Any], leaves: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The bounds of all numbers, one after the other, leaf by leaf."""
    count = sum(int(np.prod(shapes[leaf])) for leaf in leaves)
    found = []
    for side, word, none in ((pair[0], "lower", -np.inf), (pair[1], "upper", np.inf)):
        size = np.size(side) if side is not None else 1
        if np.ndim(side) and size != count:
            raise UsageError(
                f"bounds gives {size} {word} bounds, and there are {count} numbers "
                f"({', '.join(leaves)})",
                remedy=f'give one for each, or by name: bounds={{"{leaves[0]}": (0, None)}}',
            )
        side = np.reshape(side, -1).tolist() if np.ndim(side) > 1 else side
        flat = np.array(_edge(side, none, (count,), f"{word} bound"))
        parts, at = {}, 0
        for leaf in leaves:
            size = int(np.prod(shapes[leaf]))
            parts[leaf] = flat[at : at + size].reshape(shapes[leaf])
            at += size
        found.append(parts)
    return found[0], found[1]


def _check_order(leaf: str, lower: Array, upper: Array) -> None:
    wrong = np.flatnonzero(~(lower <= upper if lower.ndim else lower < upper))
    if wrong.size:
        k = int(wrong[0])
        name = number_names(leaf, lower.shape)[k]
        low, high = float(lower.flat[k]), float(upper.flat[k])
        remedy = "give the lower one first"
        if low == high:
            remedy = f'to keep it at {low:g}, write fixed={{"{leaf}": {low:g}}}'
        raise UsageError(
            f"the bounds of {name} are {low:g} and {high:g}: nothing lies between", remedy=remedy
        )


def _check_scales(
    scales: Mapping[str, str], lower: Mapping[str, Array], upper: Mapping[str, Array],
    ties: Mapping[str, Formula],
) -> None:  # fmt: skip
    for name, scale in scales.items():
        if name in ties:
            raise UsageError(f"{name} is tied to {ties[name].text}, so it has no scale of its own")
        if name in lower and np.equal(lower[name], upper[name]).any():
            raise UsageError(
                f"{name} has a {scale} scale, and some of its numbers are fixed",
                remedy="leave out the scale, or fix all of them",
            )
        if scale == "log" and name in upper and (upper[name] <= 0).any():
            raise UsageError(
                f"{name} has a log scale, which holds positive numbers, and an upper bound of "
                f"{float(upper[name].min()):g}",
                remedy='leave out scale="log", or fit the negative of the parameter',
            )
        if scale == "logit":
            ends = [side[name] for side in (lower, upper) if name in side]
            if len(ends) < 2 or not all(np.isfinite(side).all() for side in ends):
                raise UsageError(
                    f"{name} has a logit scale, which needs a lower and an upper bound",
                    remedy=f'write {name}=descend.Parameter(0.5, min=0, max=1, scale="logit")',
                )


def _in_order(
    ties: Mapping[str, Formula], names: Mapping[str, Sequence[str]], data: Iterable[str]
) -> dict[str, Formula]:
    """The ties, each after those that it depends on.

    Raises:
        UsageError: one names what is no parameter, or they depend on one another in a circle.
    """
    plain = {name for name, own in names.items() if list(own) == [name]}
    for name, formula in ties.items():
        if name not in names:
            leaves_named(name, {n: list(own) for n, own in names.items()}, "ties", data)
        if name not in plain:
            raise UsageError(f"{name} is a tree of parameters, which cannot be tied as a whole")
        for used in formula.names:
            if used not in plain:
                _refuse_name(name, formula, used, names, set(data))
    ready: dict[str, Formula] = {}
    waiting = dict(ties)
    while waiting:
        free = [n for n, f in waiting.items() if not any(used in waiting for used in f.names)]
        if not free:
            raise UsageError(
                f"the ties go round in a circle: {_circle(waiting)}",
                remedy="leave one of these parameters free",
            )
        ready |= {name: waiting.pop(name) for name in free}
    return ready


def _refuse_name(
    name: str, formula: Formula, used: str, names: Mapping[str, Sequence[str]], data: set[str]
) -> None:
    tie = f'the tie "{name} = {formula.text}"'
    if used in data:
        raise UsageError(
            f"{tie} uses {used}, which is data", remedy="a tie joins parameters with one another"
        )
    if used in names:
        raise UsageError(f"{tie} uses {used}, which is a tree of parameters")
    raise UsageError(
        f"{tie} uses {used}, which is no parameter{suggest(used, names)}",
        remedy=f"the parameters are {', '.join(names)}; a new one of your own needs a start value: "
        f"start=dict({used}=…)",
    )


def _circle(waiting: Mapping[str, Formula]) -> str:
    """One circle among the ties, in words."""
    path = [next(iter(waiting))]
    while True:
        after = next(used for used in waiting[path[-1]].names if used in waiting)
        if after in path:
            circle = path[path.index(after) :]
            return ", ".join(f"{name} = {waiting[name].text}" for name in circle)
        path.append(after)


def _interval(low: Any, high: Any) -> str:
    return f"{low} to {high}"
