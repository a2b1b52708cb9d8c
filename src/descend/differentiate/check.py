"""Checking derivatives against differences that know nothing of the rules.

Where the function accepts complex numbers, its derivative along a direction is the imaginary part
of a complex step (Squire and Trapp 1998), exact to rounding. Elsewhere it is extrapolated from
central differences of shrinking steps (Ridders 1982).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.differentiate.arguments import Argnums, Point, trace_at
from descend.differentiate.reverse import Step, reverse
from descend.errors import UsageError
from descend.graph.node import Node
from descend.graph.source import const
from descend.lean import dataclass
from descend.trace.tree import flatten, unflatten

__all__ = ["GradientCheck", "checked", "complex_step", "ridders"]

Array = np.ndarray[Any, np.dtype[Any]]
Plain = Callable[[Array], Any]
Run = Callable[[Sequence[Node], Mapping[Node, Any]], Sequence[Any]]

COMPLEX_STEP = 1e-30
SHRINK, ROUNDS = 1.6, 14
MOST = 50


@dataclass(frozen=True)
class GradientCheck:
    """What `check_grad` found.

    Attributes:
        ok: whether the largest relative error is within the tolerance.
        error: the largest relative error, |found − expected| / max(|expected|, scale).
        where: the argument and element of the largest error, such as `argument 0[2]`.
        found: the derivative there, by backpropagation.
        expected: the same by differences.
        method: "complex step" or "central differences".
        tolerance: what was allowed.
        of: of what, where the function returns more than one number.
        lost: where the gradient is not finite, the operation whose derivative is the first on
            the way back that is not, and the line that it stands in.
    """

    ok: bool
    error: float
    where: str
    found: float
    expected: float
    method: str
    tolerance: float
    of: str = ""
    lost: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "agrees with" if self.ok else "DIFFERS from"
        return (
            f"the gradient{self.of} {verdict} {self.method}: "
            f"largest relative error {self.error:.2g} at {self.where} ({self.found:.10g}, "
            f"expected {self.expected:.10g}; allowed {self.tolerance:.2g})"
            + (f"; there is no finite derivative of {self.lost}" if self.lost else "")
        )


def complex_step(function: Plain, x: Array, k: int) -> float | None:
    """d function / d x.flat[k] by a complex step; None where the function takes no such number.

    A function that silently drops the imaginary part is caught by the caller's comparison with
    differences.
    """
    z = x.astype(np.complex128)
    z.flat[k] += COMPLEX_STEP * 1j
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            value = np.asarray(function(z))
    except (TypeError, ValueError, AttributeError):
        return None
    if value.dtype.kind != "c" or value.shape != () or not np.isfinite(value):
        return None
    return float(value.imag) / COMPLEX_STEP


def ridders(function: Plain, x: Array, k: int, first: float | None = None) -> tuple[float, float]:
    """d function / d x.flat[k] by Richardson's extrapolation of central differences.

    Returns the derivative and an estimate of its error.

    >>> found, error = ridders(lambda x: np.exp(x[0]), np.array([1.0]), 0)
    >>> bool(abs(found - np.exp(1.0)) < 1e-10), error < 1e-9
    (True, True)
    """
    step = first or 0.05 * max(abs(float(x.flat[k])), 0.1)
    table: list[list[float]] = []
    best, best_error = np.nan, np.inf
    for i in range(ROUNDS):
        row = [_central(function, x, k, step)]
        factor = SHRINK**2
        for j in range(i):
            row.append((row[j] * factor - table[-1][j]) / (factor - 1))
            factor *= SHRINK**2
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - table[-1][j]))
            if error <= best_error:
                best, best_error = row[-1], error
        if i and abs(row[-1] - table[-1][-1]) >= 2 * best_error:
            break
        table.append(row)
        step /= SHRINK
    return best, best_error


def _central(function: Plain, x: Array, k: int, step: float) -> float:
    above, below = x.copy(), x.copy()
    above.flat[k] += step
    below.flat[k] -= step
    width = float(above.flat[k]) - float(below.flat[k])
    with np.errstate(all="ignore"):
        return float((np.asarray(function(above)) - np.asarray(function(below))) / width)


def checked(
    function: Callable[..., Any],
    argnums: Argnums,
    args: Sequence[Any],
    tolerance: float,
    seed: int,
    run: Run,
) -> GradientCheck:
    """Compare every element of the gradient (50 of a large array) and report the worst."""
    rng = np.random.default_rng(seed)
    point = trace_at(function, argnums, args, {})
    shapes: list[Any] = [o.shape for o in point.outputs]
    # Several numbers are added up with random weights, so that no two errors cancel.
    alone = [math.prod(shape) for shape in shapes] == [1]
    weights = [np.asarray(1.0 if alone else rng.uniform(0.5, 1.5, s)) for s in shapes]
    weights = [np.broadcast_to(w, s) for w, s in zip(weights, shapes, strict=True)]
    seeds = [const(w, o.dtype) for w, o in zip(weights, point.outputs, strict=True)]
    sent = reverse(point.outputs, seeds, point.inputs)
    bound = dict(zip(point.inputs, point.values, strict=True)) | dict(point.trace.captured)
    found = run(sent, bound)
    worst: GradientCheck | None = None
    for i, leaf in enumerate(point.inputs):
        plain = _plain(function, point, args, weights, i)
        check = _leaf(plain, np.asarray(point.values[i]), np.ravel(found[i]), tolerance, rng)
        check = replace(check, where=f"{leaf.attrs['name']}{check.where}")
        worst = check if worst is None or not check.error <= worst.error else worst
    if worst is None:
        raise UsageError(f"check_grad: {point.name} has no argument to differentiate")
    if not all(np.isfinite(f).all() for f in found):
        worst = replace(worst, lost=_lost(point, seeds, bound, run))
    return worst if alone else replace(worst, of=" of a weighted sum of the results")


def _lost(point: Point, seeds: Sequence[Node], bound: Mapping[Node, Any], run: Run) -> str:
    """The first operation on the way back that sends on what is not finite, and its line."""
    steps: list[Step] = []
    reverse(point.outputs, seeds, point.inputs, steps)
    sent = [[c.sent for c in step.contributions] for step in steps]
    wanted = [[step.incoming, *nodes] for step, nodes in zip(steps, sent, strict=True)]
    values = iter(run([node for nodes in wanted for node in nodes], bound))
    for step, nodes in zip(steps, wanted, strict=True):
        came, *gone = (bool(np.isfinite(next(values)).all()) for _ in nodes)
        if came and not all(gone):
            place = point.trace.origin(step.node)
            name = step.node.op.word or step.node.op.name
            return name if place is None else f"{name} ({place})"
    return ""


def _plain(
    function: Callable[..., Any], point: Point, args: Sequence[Any], weights: list[Array], leaf: int
) -> Plain:
    """The weighted sum of the results as a function of one leaf, in plain NumPy."""

    def loss(x: Array) -> Any:
        leaves = [np.asarray(v)[()] for v in point.values]
        leaves[leaf] = x[()]
        given: Any = list(args)
        at = 0
        for key, tree, count in zip(point.keys, point.form.trees, point.form.counts, strict=True):
            given[key] = unflatten(tree, leaves[at : at + count])
            at += count
        results, _ = flatten(function(*given))
        return sum(np.sum(r * w) for r, w in zip(results, weights, strict=True))

    return loss


def _leaf(
    plain: Plain, x: Array, found: Array, tolerance: float, rng: np.random.Generator
) -> GradientCheck:
    some = range(x.size) if x.size <= MOST else np.sort(rng.choice(x.size, MOST, replace=False))
    rows = [(int(k), *_by_differences(plain, x, int(k))) for k in some]
    expected = np.array([row[1] for row in rows])
    got = np.array([found[k] for k, *_ in rows])
    scale = max(float(np.max(np.abs(expected), initial=0.0)) * 1e-3, 1e-12)
    errors = np.abs(got - expected) / np.maximum(np.abs(expected), scale)
    errors[np.isnan(errors)] = np.inf
    if not rows:
        return GradientCheck(True, 0.0, "", 0.0, 0.0, "complex step", tolerance)
    worst = int(np.argmax(errors))
    place = str(list(map(int, np.unravel_index(rows[worst][0], x.shape)))) if x.shape else ""
    ok = bool(errors[worst] <= tolerance)
    methods = {row[2] for row in rows}
    method = methods.pop() if len(methods) == 1 else "central differences"
    error = float(errors[worst])
    return GradientCheck(
        ok, error, place, float(got[worst]), float(expected[worst]), method, tolerance
    )


def _by_differences(function: Plain, x: Array, k: int) -> tuple[float, str]:
    """The complex step where the differences confirm it (|x| and the like drop the step)."""
    rough, error = ridders(function, x, k)
    exact = complex_step(function, x, k)
    if exact is not None and abs(exact - rough) <= max(100 * error, 1e-6 * abs(rough), 1e-9):
        return exact, "complex step"
    return rough, "central differences"
