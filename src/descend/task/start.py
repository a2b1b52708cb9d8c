"""Where a descent begins: given values, defaults, an earlier fit, or draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError, suggest
from descend.parameters.space import Space
from descend.quantities import refuse_units
from descend.trace.tree import Tree, flatten, leaf_names

__all__ = [
    "Start",
    "around",
    "as_mapping",
    "draw",
    "farther",
    "given_start",
    "leaf_array",
    "leaves_of",
    "lowest",
]

NUMBER = "give a finite number, or leave it out of start"
CANDIDATES = 32  # of which the best is taken where given values have failed
DECADES = 2.0  # draws lie between 10^-2 and 10^2, on both sides of zero
RAY = (-3.0, -2.0, -1.0, 1.0)  # decades by which the given values may be wrong
SPREAD = 0.7  # decades by which the parameters differ besides, at most
FLIPPED = 0.1  # the share of parameters that change their sign

Array = np.ndarray[Any, np.dtype[Any]]


class Start(NamedTuple):
    """The parameters at the start.

    Attributes:
        arrays: leaf → its value, an array of floats that is ours to change.
        trees: parameter → the form of its tree.
        names: parameter → the names of its leaves, in order.
        missing: the scalars that have no start yet.
        sources: what the report says, in parts.
        tried: how many starts were tried to find it, and how many agreed, in a fit of some rows.
    """

    arrays: dict[str, Array]
    trees: dict[str, Tree]
    names: dict[str, tuple[str, ...]]
    missing: tuple[str, ...]
    sources: tuple[str, ...]
    tried: tuple[int, int] = (1, 1)


def given_start(
    parameters: Sequence[str], start: Any, defaults: Mapping[str, Any], data: Iterable[str] = (),
    begins: str = "",
) -> Start:  # fmt: skip
    """Read `start=`; what has none takes its default argument, or stays missing.

    Args:
        start: as the user gave it, or what `as_mapping` has made of it.
        begins: what defaults are, in words.

    Raises:
        UsageError: a name that is no parameter, integers in an array, values that are not finite.

    >>> s = given_start(["a", "b", "c"], {"a": 1}, {"b": 2.0})
    >>> s.arrays, s.missing, s.sources
    ({'a': array(1.), 'b': array(2.)}, ('c',), ('a given', 'b from its default'))
    """
    values, origin = start if isinstance(start, tuple) else as_mapping(start)
    for name in values:
        if name not in parameters:
            _refuse_name(str(name), parameters, set(data))
    found = {name: values[name] for name in parameters if name in values}
    sources = [f"{', '.join(found)} {origin}" if len(found) < len(parameters) else origin]
    by_default = [n for n in parameters if n not in found and _is_start(defaults.get(n))]
    found |= {name: defaults[name] for name in by_default}
    if by_default:
        which = "its default" if len(by_default) == 1 else "their defaults"
        whole = begins and len(by_default) == len(parameters)
        named = "" if whole else f"{', '.join(by_default)} "
        sources.append(named + (begins or f"from {which}"))
    missing = tuple(n for n in parameters if n not in found)
    arrays, trees, names = leaves_of({n: found[n] for n in parameters if n in found})
    for name in missing:
        trees[name], names[name] = flatten(0.0)[1], (name,)
    order = {n: trees[n] for n in parameters}
    given = tuple(s for s in sources if s and not s.startswith(" "))
    return Start(arrays, order, {n: names[n] for n in parameters}, missing, given)


def as_mapping(start: Any) -> tuple[Mapping[str, Any], str]:
    """The values of `start=` by parameter, and where they come from, in words."""
    if start is None or (isinstance(start, str) and start == "random"):
        return {}, ""
    if isinstance(start, Mapping):
        return start, "given" if start else ""
    params = getattr(start, "params", None)
    if isinstance(params, Mapping):
        if hasattr(start, "datasets") and any(map(np.ndim, params.values())):
            raise UsageError(
                "the start is a global fit, whose datasets have parameters of their own",
                remedy=f'give those of one dataset: start=found["{start.datasets[0].name}"]',
            )
        return params, "from an earlier fit"
    if isinstance(start, str):
        raise UsageError(
            f'start="{start}" is not known{suggest(start, ["random"])}',
            remedy='write start=dict(a=1, …), start="random", or start=descend.load("file")',
        )
    raise UsageError(
        f"start is a dict of parameters by name, not {type(start).__name__}",
        remedy="name the values: start=dict(a=1, b=2)",
    )


def _refuse_name(name: str, parameters: Sequence[str], data: set[str]) -> None:
    if name in data:
        raise UsageError(
            f'start names "{name}", which is data', remedy="start values belong to parameters only"
        )
    raise UsageError(
        f'start names "{name}", which is no parameter{suggest(name, parameters)}',
        remedy=f"the parameters are {', '.join(parameters)}",
    )


def leaves_of(
    values: Mapping[str, Any],
) -> tuple[dict[str, Array], dict[str, Tree], dict[str, tuple[str, ...]]]:
    """Return the leaves of trees of parameters by name, and the trees' forms."""
    arrays: dict[str, Array] = {}
    trees: dict[str, Tree] = {}
    names: dict[str, tuple[str, ...]] = {}
    for name, value in values.items():
        leaves, tree = flatten(_numeric_lists(value))
        if not leaves:
            raise UsageError(
                f'the parameter "{name}" starts as {value!r}, which holds no number',
                remedy="give it a number or an array, or leave it out of start",
            )
        own = tuple(_leaf_name(name, path) for path in leaf_names(tree))
        trees[name], names[name] = tree, own
        for leaf, entry in zip(own, leaves, strict=True):
            arrays[leaf] = leaf_array(leaf, entry)
    return arrays, trees, names


def _leaf_name(name: str, path: str) -> str:
    return f"{name}.{path}" if path and not path.startswith("[") else name + path


def _numeric_lists(value: Any) -> Any:
    """Lists of numbers become arrays; lists of arrays and dicts stay trees."""
    if type(value) in (list, tuple):
        if _all_numbers(value):
            return np.array(value, np.float64)
        return type(value)(_numeric_lists(v) for v in value)
    if type(value) is dict:
        return {k: _numeric_lists(v) for k, v in value.items()}
    return value


def _all_numbers(value: Any) -> bool:
    """Whether a list holds only plain numbers, or equally long lists of them."""
    if all(_is_number(v) for v in value):
        return len(value) > 0
    inner = all(type(v) in (list, tuple) and _all_numbers(v) for v in value)
    return inner and len({np.shape(v) for v in value}) == 1


def _is_start(value: Any) -> bool:
    """Whether a default argument can be a start: a number, an array, or a list of numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iuf"
    return _is_number(value) or (type(value) in (list, tuple) and _all_numbers(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(
        value, bool | np.bool_ | np.complexfloating
    )


def leaf_array(name: str, value: Any) -> Array:
    """Return a start value as an array of floats of our own.

    >>> leaf_array("w", np.array([1, 2]))
    Traceback (most recent call last):
    descend.errors.UsageError: the parameter "w" is an integer array, which has no derivatives
      do: start it as floats: w.astype(float)
    """
    refuse_units(value, f'the start of "{name}"', UsageError)
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind in "iu" and array.ndim and isinstance(value, np.ndarray):
        raise UsageError(
            f'the parameter "{name}" is an integer array, which has no derivatives',
            remedy=f"start it as floats: {name}.astype(float)",
        )
    if kind == "c":
        raise UsageError(
            f'the parameter "{name}" is complex', remedy="use two parameters, one for each part"
        )
    if kind not in "iuf":
        raise UsageError(
            f'the parameter "{name}" starts as {value!r}, which is no number', remedy=NUMBER
        )
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UsageError(
            f'the parameter "{name}" starts as {value!r}; it must be finite', remedy=NUMBER
        )
    return np.array(array, array.dtype.newbyteorder("="))


def draw(
    names: Iterable[str], rng: np.random.Generator, space: Space | None = None
) -> dict[str, Array]:
    """Return a number for each name, log-uniform in size, of either sign.

    Where that is out of bounds it is a size from the only bound on, or uniform between both.
    """
    found = {}
    for name in names:
        size = 10.0 ** rng.uniform(-DECADES, DECADES)
        sign = 1.0 if rng.random() < 0.5 else -1.0
        value = sign * size
        low, high = (-np.inf, np.inf) if space is None else space.edges(name)
        if not low <= value <= high:
            both = np.isfinite(low) and np.isfinite(high)
            value = low + (high - low) * rng.random() if both else low + size
            value = high - size if np.isinf(low) else value
        if space is not None and space.scales.get(name) == "log":
            value = abs(value)
        found[name] = np.array(float(value))
    return found


def around(array: Array, rng: np.random.Generator) -> Array:
    """Values within a decade of the given ones, of the same sign; normal where they are zero."""
    factor = 10.0 ** rng.uniform(-1.0, 1.0, array.shape)
    moved = np.where(array == 0, rng.normal(size=array.shape), array * factor)
    return np.asarray(moved, array.dtype)


def farther(
    given: Mapping[str, Array], rng: np.random.Generator, space: Space | None = None,
    loss: Callable[[Mapping[str, Array]], float] | None = None, attempt: int = 1,
) -> dict[str, Array]:  # fmt: skip
    """Return values where given ones have failed: the best of some candidates by the loss.

    Most such starts are too far out, or in the wrong unit. The first attempt keeps their
    proportions, and takes them all together by powers of ten; of the others every second moves
    each by a factor of its own besides, and the rest search as if nothing had been given. Zeros
    become normal numbers, and what would leave its bounds stays where it is.

    Args:
        loss: by which the best is chosen; a single draw where there is none.
    """
    count = 1 if loss is None else CANDIDATES
    if attempt == 1:
        candidates = [_farther(given, rng, 10.0**k, 0.0, space) for k in RAY]
    elif attempt % 2 == 0:
        candidates = [_anywhere(given, rng, space) for _ in range(count)]
    else:
        commons = 10.0 ** rng.uniform(RAY[0], RAY[-1], count)
        spreads = rng.uniform(0.0, SPREAD, count)
        candidates = [_farther(given, rng, *cs, space) for cs in zip(commons, spreads, strict=True)]
    return candidates[0] if loss is None else lowest(candidates, loss)


def _anywhere(
    given: Mapping[str, Array], rng: np.random.Generator, space: Space | None
) -> dict[str, Array]:
    """Numbers as `draw` makes them, in the form of the given ones."""
    found = {}
    for name, array in given.items():
        numbers = [draw([name], rng)[name] for _ in range(array.size)]
        found[name] = _kept(name, np.reshape(numbers, array.shape), array, space)
    return found


def _farther(
    given: Mapping[str, Array], rng: np.random.Generator, common: float, spread: float,
    space: Space | None,
) -> dict[str, Array]:  # fmt: skip
    found = {}
    for name, array in given.items():
        own = common * 10.0 ** rng.uniform(-spread, spread, array.shape)
        flipped = (rng.random(array.shape) < FLIPPED) & (spread > 0)
        moved = own * np.where(array == 0, rng.normal(size=array.shape), array)
        moved = np.where(flipped, -moved, moved)
        found[name] = _kept(name, moved, array, space)
    return found


def _kept(name: str, moved: Array, array: Array, space: Space | None) -> Array:
    """The moved values, where they lie within bounds; the given ones where not."""
    if space is not None:
        low, high = space.edges(name)
        moved = np.abs(moved) if space.scales.get(name) == "log" else moved
        moved = np.where((low <= moved) & (moved <= high), moved, array)
    return np.asarray(moved, array.dtype)


def lowest(
    candidates: list[dict[str, Array]], loss: Callable[[Mapping[str, Array]], float]
) -> dict[str, Array]:
    """The candidate of the least loss; one that is not finite comes last."""
    losses = [loss(candidate) for candidate in candidates]
    ranked = [value if np.isfinite(value) else np.inf for value in losses]
    return candidates[int(np.argmin(ranked))]
