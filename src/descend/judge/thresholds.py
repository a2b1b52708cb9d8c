"""Parameters that act only through comparisons, rounding or an index: no derivative tells of them.

The prediction is a staircase of such a parameter, and the steps lie where the data are: at the
values that it is compared with. So it is searched over the places between these, with all other
parameters at their best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.evaluate import evaluate
from descend.graph.node import Node, postorder
from descend.graph.source import is_const, value_of
from descend.judge.walk import Walk
from descend.parameters.space import Space
from descend.run.build import Built
from descend.run.finished import Finished
from descend.simplify.driver import simplify

__all__ = ["Threshold", "over_thresholds", "staircases", "staircases_of", "thresholds_of"]

Array = np.ndarray[Any, np.dtype[Any]]

STEPS = ("step", "comparison")
MOST = 4  # numbers that are searched for
WIDE = 64  # places that are tried at once
FOLLOWED = 20  # evaluations in which the other parameters follow
ROUNDS = 3
MOST_PLACES = 100_000


class Threshold(NamedTuple):
    """A number that acts only through steps, and where they are.

    Attributes:
        name: of its leaf, which is one number.
        places: (m,) increasing values of which no two give the same prediction.
        edges: (m + 1,) between which each of them may be.
    """

    name: str
    places: Array
    edges: Array


def staircases(run: Finished) -> tuple[str, ...]:
    """The leaves that the prediction contains, and whose derivative is zero everywhere."""
    return staircases_of(run.built, run.job.space)


def staircases_of(built: Built, space: Space | None) -> tuple[str, ...]:
    """The same before a run: the graph alone decides."""
    kept = built.extras.get("staircases")
    if kept is None:
        kept = built.extras["staircases"] = _staircases(built, space)
    found: tuple[str, ...] = kept
    return found


def _staircases(built: Built, space: Space | None) -> tuple[str, ...]:
    order = postorder(built.model.nodes)
    if not any(node.op.breaks in STEPS for node in order):
        return ()
    used, found = set(order), []
    for name, leaf in built.model.leaves.items():
        if leaf not in used or (space is not None and not space.varies(name)):
            continue
        slopes = [c for node in built.model.nodes for c in jacobian_columns(node, [leaf])]
        columns = simplify(slopes, final=True)
        if all(_is_zero(c) for c in columns):
            found.append(name)
    return tuple(found)


def _is_zero(node: Node) -> bool:
    """Whether a node is nothing but zeros, however they are shaped."""
    sources = [n for n in postorder([node]) if not n.args]
    return all(is_const(n) and not np.any(value_of(n)) for n in sources)


def thresholds_of(run: Finished) -> list[Threshold]:
    """The single numbers that act only through steps, with the places where these are."""
    names = staircases(run)
    if not names or len(names) > MOST:
        return []
    found = []
    for name in names:
        if run.begin[name].ndim == 0:
            edges = _crossings(run, name)
            if edges.size:
                found.append(_between(name, edges))
    return found


def _between(name: str, crossings: Array) -> Threshold:
    """The middle of every two neighbouring crossings, and a place beyond either end."""
    crossings = np.unique(crossings)
    low, high = crossings[0], crossings[-1]
    reach = (high - low) / max(len(crossings) - 1, 1) or abs(low) or 1.0
    edges = np.concatenate([[low - reach], crossings, [high + reach]])
    return Threshold(name, (edges[:-1] + edges[1:]) / 2, edges)


def _crossings(run: Finished, name: str) -> Array:
    """Values of a number at which an operation that depends on it makes a step."""
    leaf, model = run.built.model.leaves[name], run.built.model
    found: list[Array] = []
    for node in postorder(model.nodes):
        if node.op.breaks not in STEPS or leaf not in set(postorder(list(node.args))):
            continue
        with np.errstate(all="ignore"):
            found.append(_of_step(run, name, node))
    every = np.concatenate(found) if found else np.zeros(0)
    every = np.unique(every[np.isfinite(every)])
    if run.job.space is not None:
        low, high = run.job.space.edges(name)
        every = every[(every > low) & (every < high)]
    if len(every) > MOST_PLACES:
        every = every[np.linspace(0, len(every) - 1, MOST_PLACES).astype(int)]
    return every


def _of_step(run: Finished, name: str, node: Node) -> Array:
    """Where one operation crosses: a difference that is zero, or a number that is whole."""
    if node.op.breaks == "comparison":
        values = [_differences(run, name, node, at) for at in (0.0, 1.0, 2.0)]
        wholes = np.zeros(1)
    else:
        arg = node.args[-1] if node.op.name == "take" else node.args[0]
        values = [_values(run, name, [arg], at)[0].astype(np.float64) for at in (0.0, 1.0, 2.0)]
        wholes = np.zeros(1) if node.op.name == "sign" else _wholes(run, node)
    zero, one, two = (np.unique(v) if v.ndim == 0 else v.reshape(-1) for v in values)
    slope = one - zero
    straight = np.isclose(two - one, slope, rtol=1e-9, atol=0) & (slope != 0)
    if not straight.any():
        return np.zeros(0)
    zero, slope = zero[straight], slope[straight]
    return np.asarray(((wholes[:, None] - zero) / slope).reshape(-1))


def _wholes(run: Finished, node: Node) -> Array:
    """The whole numbers (or, for rounding, halves) that a rounded number may pass."""
    columns = [] if run.job.rows is None else list(run.job.rows.columns.values())
    numbers = [c for c in columns if c.dtype.kind in "fiu" and c.size]
    low = min([0.0, *(float(np.min(c)) for c in numbers)])
    count = 1.0 if run.job.rows is None else float(run.job.rows.n_rows)
    high = max([count, *(float(np.max(c)) for c in numbers)])
    if high - low > MOST_PLACES / 10:
        return np.linspace(low, high, 1000).round()
    shift = 0.5 if node.op.name == "rint" else 0.0
    return np.arange(np.floor(low), np.ceil(high) + 1) + shift


def _differences(run: Finished, name: str, node: Node, at: float) -> Array:
    left, right = _values(run, name, list(node.args), at)
    return np.asarray(left.astype(np.float64) - right.astype(np.float64))


def _values(run: Finished, name: str, nodes: Sequence[Node], at: float) -> list[Array]:
    """Values of nodes of the model where one number is `at`, and the others are at the end."""
    leaf = run.built.model.leaves[name]
    leaves = {**run.leaves(), name: np.asarray(at, leaf.dtype)}
    bound, extents = run.job.inputs_at(run.built, leaves)
    return [np.asarray(v) for v in evaluate(list(nodes), bound, extents)]


def over_thresholds(walk: Walk, jumps: Sequence[Threshold]) -> tuple[str, ...]:
    """Go to the best of all places, and say of each number between which values it may be."""
    names = walk.number_names()
    for _ in range(ROUNDS if len(jumps) > 1 else 1):
        before = walk.square
        for jump in jumps:
            _searched(walk, names.index(jump.name), jump)
        if not walk.square < before:
            break
    said = []
    for jump in jumps:
        k = _rank(jump, walk.x[names.index(jump.name)])
        said.append(f"{jump.name} from {jump.edges[k]:.6g} to {jump.edges[k + 1]:.6g}")
    return tuple(said)


def _rank(jump: Threshold, value: float) -> int:
    """The number of the place between whose edges a value lies."""
    return int(np.clip(np.searchsorted(jump.edges, value) - 1, 0, len(jump.places) - 1))


def _searched(walk: Walk, i: int, jump: Threshold) -> None:
    """Go to the best place of one number; to the middle of its own, if none is better."""
    best, square = walk.x.copy(), walk.square
    own = best.copy()
    own[i] = jump.places[_rank(jump, best[i])]
    if _followed(walk, own) <= square * (1 + 1e-12):
        best, square = walk.x.copy(), walk.square
    low, high = 0, len(jump.places) - 1
    while True:
        ranks = np.unique(np.linspace(low, high, min(WIDE, high - low + 1)).round().astype(int))
        values = []
        for k in ranks:
            x = best.copy()
            x[i] = jump.places[k]
            values.append(_followed(walk, x))
            if values[-1] < square * (1 - 1e-12):
                best, square = walk.x.copy(), walk.square
        at = int(np.argmin(values))
        if len(ranks) == high - low + 1:
            break
        low, high = int(ranks[max(at - 1, 0)]), int(ranks[min(at + 1, len(ranks) - 1)])
    walk.jump(best)
    walk.rest()


def _followed(walk: Walk, x: Array) -> float:
    """The sum of squares at a place, where the others follow, off the bounds they lay on too."""
    walk.bound = np.zeros_like(walk.bound)
    if not walk.jump(x):
        return float("inf")
    walk.go(FOLLOWED)
    walk.rest()
    if walk.bound.any():
        walk.go(FOLLOWED)
    return walk.square
