"""What a loss does right beside the end of a descent: a top, a saddle, a kink."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.gauss_newton import half_hessian
from descend.graph.evaluate import evaluate
from descend.judge.explained import MOST_ROWS
from descend.parameters.flat import leaf_by_leaf
from descend.parameters.reading import number_names
from descend.run.finished import Finished
from descend.simplify.driver import simplify
from descend.trust.complete import MOST_WITH_ERRORS

__all__ = ["all_sides_rise", "downhill", "half_curvature"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_NUMBERS = 64  # of which second derivatives are made
NEAR = (1e-3, 2e-3, 4e-3)  # of a number: steps at which a fall shows, if there is one
NEARER = (1e-6, 2e-6, 4e-6)  # the same, where a kink may be nearby
SLIGHT = 1e-9  # of all that the loss has fallen: a fall that is none so near
NOTHING = 1e-12  # of the loss: a fall that is none
SAME = 1e-9  # of the largest curvature: one that is none
TAKES_PART = 0.1  # in a direction
DECADES = 10.0 ** np.arange(-12, 13, 3)  # times the largest: of a number that has no size


def half_curvature(run: Finished, leaves: Mapping[str, Array]) -> Array | None:
    """Half of the loss's second derivatives, (p, p); None where they are not to be had."""
    own = list(run.built.model.leaves.values())
    if run.job.space is not None or sum(leaf.size for leaf in own) > MOST_NUMBERS:
        return None
    if "hessian" not in run.built.extras:
        nodes = simplify([half_hessian(run.built.descent.objective, own)], final=True)
        run.built.extras["hessian"] = nodes
    values, extents = run.job.inputs_at(run.built, dict(leaves), MOST_ROWS)
    (half,) = evaluate(run.built.extras["hessian"], values, extents)
    return np.asarray(half, np.float64) if np.isfinite(half).all() else None


class Downhill(NamedTuple):
    """The numbers along which a loss falls from a place, and whether there is a slope."""

    names: list[str]
    slopes: bool


def downhill(run: Finished) -> Downhill:
    """Where a loss falls to from a place: down a slope, or, without one, from a top or a saddle.

    Looked at are each number by itself, and the direction of the least curvature.
    """
    end = run.leaves()
    loss = run.job.loss_at(run.built, end, most=1 << 62)
    least = loss({})
    fallen = abs(loss(run.begin) - least)
    sides = _sides(run, NEAR)
    for steps, nothing in ((NEAR, NOTHING * abs(least)), (NEARER, SLIGHT * fallen)):
        beside = sides if steps is NEAR else _sides(run, steps)
        sloped = [n for n, rises in beside.items() if _slopes(rises, nothing)]
        if sloped:
            return Downhill(sloped, True)
    found = {name for name, rises in sides.items() if any(_falls(least, r) for r in rises)}
    names = [n for leaf, a in end.items() for n in number_names(leaf, a.shape)]
    half = None if found else half_curvature(run, end)
    if half is not None:
        unit = np.concatenate([_sizes(run, leaf).reshape(-1) for leaf in end])
        values, vectors = np.linalg.eigh(half * unit[:, None] * unit[None, :])
        along = vectors[:, 0]
        if values[0] < -SAME * np.max(np.abs(values)):
            for sign in (1.0, -1.0):
                falls = tuple(
                    loss(_moved(end, sign * step * unit * along)) - least for step in NEAR
                )
                if _falls(least, falls):
                    most = TAKES_PART * np.max(np.abs(along))
                    found = {n for n, a in zip(names, along, strict=True) if abs(a) >= most}
    return Downhill([name for name in names if name in found], False)


def _sides(run: Finished, steps: Sequence[float]) -> dict[str, list[tuple[float, ...]]]:
    """By how much the loss rises at steps up and down along each number, in turns."""
    sides: dict[str, list[tuple[float, ...]]] = {}
    for name, _, rises in _beside(run, steps, wide=True):
        sides.setdefault(name, []).append(rises)
    return sides


def _slopes(rises: Sequence[Sequence[float]], nothing: float) -> bool:
    """Whether a loss falls to one side as it rises to the other, in proportion to the distance.

    What is even, such as the curvature of a top, or of third order does not count.
    """
    for up, down in zip(rises[::2], rises[1::2], strict=True):
        odd = [a - b for a, b in zip(up, down, strict=True)]
        steep = abs(odd[0]) > abs(up[0] + down[0]) and -min(up[0], down[0]) > nothing
        if steep and all(1.5 < b / a < 3 for a, b in itertools.pairwise(odd)):
            return True
    return False


def _falls(least: float, rises: Sequence[float]) -> bool:
    """Whether a loss falls by about four times as much at twice the distance: it is no rounding."""
    pairs = itertools.pairwise(rises)
    return -rises[0] > NOTHING * abs(least) and all(2 < b / a < 20 for a, b in pairs)


def _moved(end: Mapping[str, Array], step: Array) -> dict[str, Array]:
    return {name: end[name] + own for name, own in leaf_by_leaf(step, end).items()}


def all_sides_rise(run: Finished) -> bool:
    """Whether every small step along a coordinate raises the loss in proportion to its length.

    One at least must do so by more than rounding: a parabola's rise of 16 times may drown in it.
    """
    found = False
    for _, least, (near, far) in _beside(run, (1e-6, 4e-6)):
        if not far >= near >= 0:
            return False
        found |= NOTHING * abs(least) < near and 0 < far < 8 * near
    return found


def _sizes(run: Finished, leaf: str) -> Array:
    """How large the numbers of a parameter are, or began; where 0, the largest of all, or 1."""
    own = _own_sizes(run, leaf)
    return np.where(own > 0, own, _largest(run))


def _largest(run: Finished) -> float:
    return max(float(np.max(_own_sizes(run, n), initial=0.0)) for n in run.leaves()) or 1.0


def _own_sizes(run: Finished, leaf: str) -> Array:
    return np.maximum(np.abs(run.leaves()[leaf]), np.abs(run.begin[leaf]))


def _beside(
    run: Finished, steps: Sequence[float], wide: bool = False
) -> Iterator[tuple[str, float, tuple[float, ...]]]:
    """By how much the loss rises beside the end, up and down along each varied number.

    Args:
        steps: as shares of the number, or of where it began if that is larger; where both are 0,
            of one size after the other.
        wide: whether what began at 0, and may have stayed beside it, is looked at in larger sizes
            too.

    Yields:
        The number's name, the loss at the end, and what it rises by at each step: without end
        beyond a bound.
    """
    end, space = run.leaves(), run.job.space
    loss = run.job.loss_at(run.built, end, most=1 << 62)
    least = loss({})
    largest = _largest(run)
    for leaf, array in end.items():
        if space is not None and not space.varies(leaf):
            continue
        labels = number_names(leaf, array.shape)
        low, high = (-math.inf, math.inf) if space is None else space.edges(leaf)
        own, begin = _own_sizes(run, leaf).reshape(-1), run.begin[leaf].reshape(-1)
        for i, size in enumerate(_sizes(run, leaf).reshape(-1)[:MOST_WITH_ERRORS]):
            looks = own[i] == 0 or (wide and begin[i] == 0)
            farther = [s for s in largest * DECADES if s > own[i]] if looks else []
            for far in [*([] if own[i] == 0 else [float(size)]), *farther]:
                for sign in (1.0, -1.0):
                    rises = []
                    for step in steps:
                        moved = np.array(array)
                        moved.reshape(-1)[i] += sign * step * far
                        allowed = np.all((low <= moved) & (moved <= high))
                        rises.append(loss({leaf: moved}) - least if allowed else math.inf)
                    yield labels[i], least, tuple(rises)
