"""How far a correct program may be from the interpreter: measured, not guessed.

Two correct evaluations of a graph differ where one rounds and the other does not (fused
multiply-add), where sums are taken in another order, and in the last places of elementary
functions. So the graph is interpreted several times with such errors put in at random, of the
size that the node allows and no more. What comes out tells the condition of every output element:
how far results may lie apart, and where the program's answer is decided by rounding (a comparison
at a tie) and cannot be judged. A graph without such nodes has to agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.graph.evaluate import bind_extents, concrete, evaluate
from descend.graph.node import Dim, Node, postorder
from descend.graph.subgraph import group_key

Array = np.ndarray[Any, np.dtype[Any]]
Bindings = Mapping[Node, Array]

# Last places that an error put in may have, several times what is allowed to a correct program
# (a product is rounded or not, an elementary function is off by one or two), so that errors of
# two nodes seldom cancel. Nodes that stand in no table are rounded correctly everywhere.
FREEDOM = {"mul": 4, "mul0": 4} | dict.fromkeys(
    ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "sin", "cos", "tan", "arcsin",
     "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
     "expit", "erf", "erfc", "cbrt", "hypot", "sech_square"), 8
)  # fmt: skip
# Accurate only in absolute terms near their zeros.
ABSOLUTE = {"gammaln": 32, "digamma": 32, "polygamma": 64, "zeta": 64}
ZERO_SIGN_OPEN = frozenset({"sum", "contract", "max", "min", "reduce_max", "reduce_min"})
LOOKED_THROUGH = frozenset(
    {"broadcast", "transpose", "slice", "flip", "reshape", "neg", "take", "concatenate"}
)
PRODUCTS = frozenset({"mul", "mul0", "contract", "sum", "set_slice", "pad", "scan", "select"})
SAMPLES = 8
MARGIN = 4


@dataclass(frozen=True)
class Errors:
    """Where the errors of one evaluation come from and which way they point.

    With `side` −1 the same errors are made in the other direction: so a tie falls both ways.
    Errors point at random or `together`: where a value settles, as in a long recurrence, each
    step rounds the same way, and errors add up instead of cancelling.
    """

    rng: np.random.Generator
    side: int = 1
    together: bool = False

    def signs(self, shape: tuple[int, ...]) -> Array:
        drawn = self.rng.integers(0, 2, shape) * 2 - 1
        return self.side * (np.ones(shape, np.int64) if self.together else drawn)


def _terms(node: Node, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> tuple[Array, float]:
    """Σ|terms| of every element of a sum or contraction, and the number of terms."""
    with np.errstate(all="ignore"):
        magnitudes = [np.abs(a).astype(np.float64) for a in arrays]
        if node.op.name == "sum":
            total = np.sum(magnitudes[0], axis=attrs["axes"])
        else:
            labels = [list(attrs[k]) for k in ("la", "lb", "lo")]
            total = np.einsum(magnitudes[0], labels[0], magnitudes[1], labels[1], labels[2])
    total = np.asarray(total)
    if node.op.name == "sum":
        return total, arrays[0].size / max(total.size, 1)
    extents = dict(zip(attrs["la"], arrays[0].shape, strict=True))
    return total, float(np.prod([n for x, n in extents.items() if x not in attrs["lo"]]))


def _after_product(node: Node) -> bool:
    """Whether an operand is a product, which may go in with or without its rounding."""
    found = []
    for arg in node.args:
        while arg.op.name in LOOKED_THROUGH:
            arg = arg.args[0]
        found.append(arg.op.name)
    return bool(PRODUCTS.intersection(found))


def _overflown(result: Array, total: Array, arrays: Sequence[Array], rng: np.random.Generator
               ) -> Array:  # fmt: skip
    """Where finite terms overflow, the order decides whether infinities meet."""
    largest = max(float(np.max(np.abs(a), initial=0.0, where=np.isfinite(a))) for a in arrays)
    if largest < np.sqrt(np.finfo(result.dtype).max) / 1e6:
        return result
    beyond = total > np.finfo(result.dtype).max
    anything = rng.choice(np.array([np.inf, -np.inf, np.nan]), result.shape)
    return np.where(beyond, anything, result).astype(result.dtype)


def _shaken(node: Node, result: Array, arrays: Sequence[Array], attrs: Mapping[str, Any],
            errors: Errors) -> Array:  # fmt: skip
    """The result with an error that a correct program may make."""
    if result.dtype.kind != "f":
        return result
    name = node.op.name
    rng, sign = errors.rng, errors.signs(result.shape)
    eps = float(np.finfo(result.dtype).eps)
    if name in ("sum", "contract"):
        total, count = _terms(node, arrays, attrs)
        result = _overflown(result, total, arrays, rng)
        step = total * eps * (0.0 if count <= 1 and name == "sum" else np.sqrt(count) + 1)
    elif name in ("add", "sub") and _after_product(node):
        # One use of a product may be rounded and another not: what cancels leaves the difference.
        largest = np.maximum(np.abs(arrays[0]), np.abs(arrays[1]))
        step = np.spacing(largest).astype(np.float64)
    elif name in FREEDOM:
        step = FREEDOM[name] * np.spacing(np.abs(result)).astype(np.float64)
        if name == "erfc":  # SciPy's is 0 where the value is subnormal
            tiny = np.finfo(result.dtype).tiny
            step = np.where(np.abs(result) < tiny, tiny, step)
    elif name in ABSOLUTE:
        step = ABSOLUTE[name] * eps * np.maximum(np.abs(result), 1.0)
    else:
        step = np.zeros(result.shape)
    if name in ZERO_SIGN_OPEN:
        result = np.where(result == 0, np.copysign(result, sign), result).astype(result.dtype)
    if name == "copysign":
        open_sign = np.isnan(arrays[1])
        result = np.where(open_sign, np.copysign(result, sign), result).astype(result.dtype)
    moves = np.isfinite(result) & (step > 0)
    moved = result + sign * rng.uniform(0.5, 1, result.shape) * step
    # Beside zero an error of two last places may be all there is, and its inverse infinite.
    gone = (np.abs(result) <= 2 * np.finfo(result.dtype).smallest_subnormal) & (sign < 0)
    return np.where(moves, np.where(gone, 0, moved), result).astype(result.dtype)


def _scan(node: Node, arrays: Sequence[Array], attrs: Mapping[str, Any], sizes: Mapping[Dim, int],
          errors: Errors) -> list[Array]:  # fmt: skip
    body, carries, slices = (node.attrs[k] for k in ("body", "carries", "slices"))
    carry, stacks = list(arrays[:carries]), []
    times = range(attrs["length"])
    for t in reversed(times) if attrs["backward"] else times:
        values = (*carry, *(a[t] for a in arrays[carries : carries + slices]))
        given = (*values, *arrays[carries + slices :])
        bound = {n: np.asarray(v) for n, v in zip(body.inputs, given, strict=True)}
        results = perturbed(body.outputs, bound, errors, sizes)
        carry = results[:carries]
        stacks.append(results[carries:])
    if attrs["backward"]:
        stacks.reverse()
    shapes = [concrete(o.shape, sizes) for o in body.outputs[carries:]]
    stacked = [
        np.stack([row[i] for row in stacks]) if stacks else np.zeros((0, *shape))
        for i, shape in enumerate(shapes)
    ]
    return [*carry, *stacked]


def perturbed(
    outputs: Sequence[Node],
    bindings: Bindings,
    errors: Errors,
    extents: Mapping[Dim, int] | None = None,
) -> list[Array]:
    """The outputs of an evaluation that makes the errors of a correct program."""
    sizes = dict(extents or {}) | bind_extents(bindings)
    values = {n: np.asarray(v, n.dtype) for n, v in bindings.items()}
    groups: dict[Any, list[Array]] = {}
    with np.errstate(all="ignore"):
        for node in postorder(outputs, stop=lambda n: n in values):
            if node in values:
                continue
            attrs = {k: concrete(v, sizes) for k, v in node.attrs.items()}
            arrays = [values[a] for a in node.args]
            if node.op.several is None:
                made = np.asarray(node.op.meaning(*arrays, **attrs), node.dtype)
                values[node] = _shaken(node, made, arrays, attrs, errors)
                continue
            key = group_key(node)
            if key not in groups and node.op.name == "scan":
                groups[key] = _scan(node, arrays, attrs, sizes, errors)
            elif key not in groups:
                body = node.attrs["body"]
                bound = dict(zip(body.inputs, arrays, strict=True))
                groups[key] = perturbed(body.outputs, bound, errors, sizes)
            values[node] = np.asarray(groups[key][attrs["index"]], node.dtype)
    return [values[o] for o in outputs]


def _classes(x: Array) -> Array:
    """0 finite, 1 NaN, 2 and 3 the infinities."""
    if x.dtype.kind != "f":
        return np.zeros(x.shape, np.int8)
    return np.where(np.isnan(x), 1, np.where(np.isinf(x), np.where(x > 0, 2, 3), 0))


class Expected:
    """What an output must be: the interpreter's value, the allowed distance, what is decided."""

    def __init__(self, value: Array, allowed: Array, decided: Array) -> None:
        self.value, self._known = value, (allowed, decided)

    def looks(self) -> Iterator[tuple[Array, Array]]:
        """What is allowed and what is decided, as it becomes known."""
        yield self._known

    @property
    def allowed(self) -> Array:
        return [*self.looks()][-1][0]

    @property
    def decided(self) -> Array:
        return [*self.looks()][-1][1]


class Measured(Expected):
    """What is measured no further than a judgement needs.

    Every sample allows as much as those before it or more, and decides as much or less: a result
    that is right after some of them is right after all.
    """

    def __init__(self, condition: Condition, number: int) -> None:
        self.value, self._condition, self._number = condition.center[number], condition, number

    def looks(self) -> Iterator[tuple[Array, Array]]:
        found, number = self._condition, self._number
        yield found.allowed[number] * MARGIN, found.decided[number]
        while found.measure():
            yield found.allowed[number] * MARGIN, found.decided[number]


class Condition:
    """How far the outputs of graphs move under the errors of correct programs."""

    def __init__(
        self, ways: Sequence[Sequence[Node]], bindings: Bindings, extents: Mapping[Dim, int] | None
    ) -> None:
        self.center = evaluate(ways[0], bindings, extents)
        self.allowed = [np.zeros(c.shape, np.longdouble) for c in self.center]
        self.decided = [np.ones(c.shape, bool) for c in self.center]
        self._samples = self._moved(ways, bindings, extents)

    def _moved(
        self, ways: Sequence[Sequence[Node]], bindings: Bindings, extents: Mapping[Dim, int] | None
    ) -> Iterator[tuple[list[Array], list[Array]]]:
        for outputs in ways:
            base = self.center if outputs is ways[0] else evaluate(outputs, bindings, extents)
            for sample in range(SAMPLES):
                rng = np.random.default_rng(sample // 2)
                errors = Errors(rng, side=1 - sample % 2 * 2, together=sample < 2)
                yield base, perturbed(outputs, bindings, errors, extents)

    def measure(self) -> bool:
        """Take one more sample; False if there is none."""
        found = next(self._samples, None)
        if found is None:
            return False
        for i, (c, m) in enumerate(zip(*found, strict=True)):
            same = _classes(c) == _classes(m)
            self.decided[i] &= same if c.dtype.kind == "f" else c == m
            apart = np.where(same & (_classes(c) == 0), _distance(c, m), 0)
            self.allowed[i] = np.maximum(self.allowed[i], apart)
        return True


def _distance(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        if a.dtype.kind == "f":
            wide = np.longdouble
            return np.abs(a.astype(wide) - b.astype(wide))
        return (a != b).astype(np.longdouble)


def expect(
    outputs: Sequence[Node],
    bindings: Bindings,
    extents: Mapping[Dim, int] | None = None,
    also: Sequence[Sequence[Node]] = (),
) -> list[Expected]:
    """The interpreter's outputs with their condition.

    Args:
        also: graphs of the same outputs by other ways, whose condition counts as well.
    """
    condition = Condition([outputs, *also], dict(bindings), extents)
    return [Measured(condition, i) for i in range(len(condition.center))]


def mismatch(got: Array, want: Expected) -> str:
    """What is wrong with a result, or an empty string."""
    value = want.value
    if got.shape != value.shape or got.dtype != value.dtype:
        return f"{got.dtype}{got.shape} for {value.dtype}{value.shape}"
    kinds, apart = _classes(value), _distance(got, value)
    for allowed, decided in want.looks():
        bad = decided & ((_classes(got) != kinds) | ((kinds == 0) & (apart > allowed)))
        if not np.any(bad):
            return ""
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return (
        f"at {at}: {got[at]!r} for {value[at]!r}, apart {apart[at]:.3g} of "
        f"{allowed[at]:.3g}; {int(bad.sum())} of {bad.size} elements"
    )


def check_close(
    got: Sequence[Array], wanted: Sequence[Expected], names: Sequence[object] = ()
) -> None:
    """Every result against what is expected of it; the error names the outputs that differ."""
    assert len(got) == len(wanted)
    found = [mismatch(g, w) for g, w in zip(got, wanted, strict=True)]
    lines = [f"{names[i] if names else i}: {text}" for i, text in enumerate(found) if text]
    assert not lines, "\n".join(lines)
