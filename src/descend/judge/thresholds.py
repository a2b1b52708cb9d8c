"""Parameters that are compared with the data: at steps, of which no derivative tells, and at kinks.

The prediction is a staircase of a parameter that acts only through comparisons, rounding or an
index, and the steps lie where the data are: at the values that it is compared with. So it is
searched over the places between these, from each of which the method finds all others. Where a
parameter moves a knot, each of these places may have a minimum of its own, and those beside the
one that was found are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.graph.breaks import FEW, SIDES, STEPS, breaking, compares
from descend.graph.evaluate import Prepared, evaluate
from descend.graph.node import Node, postorder
from descend.graph.source import INPUT, input_node, is_const, value_of
from descend.judge.explained import nothing
from descend.parameters.reading import number_names
from descend.parameters.space import Space
from descend.run.build import Built
from descend.run.finished import Finished
from descend.simplify.driver import simplify
from descend.task.columns import TARGET

__all__ = ["Threshold", "is_broken", "over_steps", "staircases", "staircases_of", "thresholds_of"]

Array = np.ndarray[Any, np.dtype[Any]]

WIDE = 64  # places that are tried at once
BESIDE = 3  # places to either side that are tried after the last that was better
ROUNDS = 3
MOST_PLACES = 100_000
CHUNK, LIKELIEST = 256, 16  # places looked at together, and how many are tried of all
FEW_ROWS = 500  # on which they are looked at
LOWER, SAME = 1e-9, 1e-12  # of the loss: a fall that is one, and a difference that is none


class Threshold(NamedTuple):
    """A number that is compared with the data, and where they are.

    Attributes:
        leaf, at, name: where it stands, and what it is called.
        is_step: whether it acts through steps only.
        places: (m,) increasing values, one between every two of these.
        edges: (m + 1,) between which each of them may be.
    """

    leaf: str
    at: int
    name: str
    is_step: bool
    places: Array
    edges: Array

    def rank(self, value: float) -> int:
        """The number of the place between whose edges a value lies."""
        return int(np.clip(np.searchsorted(self.edges, value) - 1, 0, len(self.places) - 1))


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
        # One tangent for all numbers of an array: what is zero for any is so by the graph alone.
        tangent = input_node("tangent", leaf.shape, leaf.dtype)
        slopes = forward(list(built.model.nodes), [leaf], [tangent])
        if all(_is_zero(slope) for slope in simplify(slopes, final=True)):
            found.append(name)
    return tuple(found)


def _is_zero(node: Node) -> bool:
    """Whether a node is nothing but zeros, however they are shaped."""
    sources = [n for n in postorder([node]) if not n.args]
    return all(is_const(n) and not np.any(value_of(n)) for n in sources)


def is_broken(built: Built) -> bool:
    """Whether a parameter is compared with the data, by steps or at kinks."""
    if "broken" not in built.extras:
        m = built.model
        built.extras["broken"] = compares(m.nodes, m.data.values(), m.leaves.values())
    return bool(built.extras["broken"])


def thresholds_of(run: Finished) -> list[Threshold]:
    """The numbers that are compared with the data, few as they are, with the places of these."""
    steps = staircases(run)
    if run.job.rows is None or not (steps or is_broken(run.built)):
        return []
    found: list[Threshold] = []
    space = run.job.space
    for leaf, array in run.begin.items():
        if space is not None and not space.varies(leaf):
            continue
        if leaf not in steps and array.size > FEW:
            continue
        for i, name in enumerate(number_names(leaf, array.shape)):
            edges = _crossings(run, leaf, i, leaf in steps)
            if edges.size > (leaf not in steps):
                found.append(_between(leaf, i, name, leaf in steps, edges))
            if len(found) > FEW:
                return []
    return found


def _between(leaf: str, i: int, name: str, is_step: bool, crossings: Array) -> Threshold:
    """The middle of every two neighbouring crossings, and a place beyond either end."""
    low, high = crossings[0], crossings[-1]
    reach = (high - low) / max(len(crossings) - 1, 1) or abs(low) or 1.0
    edges = np.concatenate([[low - reach], crossings, [high + reach]])
    return Threshold(leaf, i, name, is_step, (edges[:-1] + edges[1:]) / 2, edges)


def _crossings(run: Finished, leaf: str, i: int, is_step: bool) -> Array:
    """Values of a number at which an operation that depends on it makes a step, or a kink."""
    node_of, model = run.built.model.leaves[leaf], run.built.model
    found: list[Array] = []
    for node in breaking(model.nodes):
        if node_of in set(postorder(list(node.args))) and (is_step or _is_long(run, node)):
            with np.errstate(all="ignore"):
                found.append(_of_step(run, leaf, i, node))
    every = np.concatenate(found) if found else np.zeros(0)
    every = np.unique(every[np.isfinite(every)])
    if run.job.space is not None:
        low, high = (np.reshape(e, -1)[min(i, np.size(e) - 1)] for e in run.job.space.edges(leaf))
        every = every[(every > low) & (every < high)]
    if len(every) > MOST_PLACES:
        every = every[np.linspace(0, len(every) - 1, MOST_PLACES).astype(int)]
    return every


def _is_long(run: Finished, node: Node) -> bool:
    """Whether a node depends on the data."""
    return bool(set(run.built.model.data.values()) & set(postorder([node])))


def _of_step(run: Finished, leaf: str, i: int, node: Node) -> Array:
    """Where one operation crosses: a difference that is zero, or a number that is whole.

    What is compared is straight in the number, as x − p is, or in its reciprocal, as x/p is.
    """
    paired = node.op.breaks == "comparison" or SIDES.get(node.op.name) == 2
    args = list(node.args)
    if not paired and node.op.name != "floordiv":
        args = [args[-1] if node.op.name == "take" else args[0]]
    plain = paired or node.op.name in ("sign", "abs")
    wholes = np.zeros(1) if plain else _wholes(run, node)

    def measured(at: float) -> Array:
        values = [v.astype(np.float64) for v in _values(run, leaf, i, args, at)]
        if len(values) == 1:
            return values[0]
        return np.asarray(values[0] - values[1] if paired else values[0] / values[1])

    for turned in (False, True):
        made = [measured(1.0 / at if turned else at - 1.0) for at in (1.0, 2.0, 3.0)]
        one, two, three = (np.unique(v) if v.ndim == 0 else v.reshape(-1) for v in made)
        slope = two - one
        straight = np.isclose(three - two, slope, rtol=1e-9, atol=0) & (slope != 0)
        if straight.any():
            first = (wholes[:, None] - one[straight]) / slope[straight]
            return np.asarray((1.0 / (1.0 + first) if turned else first).reshape(-1))
    return np.zeros(0)


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


def _values(
    run: Finished, leaf: str, i: int, nodes: Sequence[Node], at: float
) -> list[Array]:
    """Values of nodes of the model where one number is `at`, and the others are at the end."""
    leaves = {**run.leaves(), leaf: _with(run.leaves()[leaf], i, at)}
    bound, extents = run.job.inputs_at(run.built, leaves)
    return [np.asarray(v) for v in evaluate(list(nodes), bound, extents)]


def _with(array: Array, i: int, value: float) -> Array:
    found = np.array(array)
    found.reshape(-1)[i] = value
    return found


Again = Callable[[Mapping[str, Array]], Finished]
"""Descends from some leaves as the first descent did."""


def over_steps(run: Finished, again: Again) -> Finished:
    """The best descent over the places of all numbers that are compared with the data."""
    numbers = [] if run.options.starts == 1 else thresholds_of(run)
    steps = run.control.steps
    best, lowest = run, run.final_loss() if numbers else 0.0
    loss_of, rows = run.job.settings.loss, run.job.rows
    floor = 0.0 if loss_of is None or rows is None else nothing(loss_of, rows.extra)

    def tried(number: Threshold, k: int, slack: float) -> float:
        nonlocal best, lowest, steps
        leaves = best.leaves()
        place = _with(leaves[number.leaf], number.at, float(number.places[k]))
        other = again({**leaves, number.leaf: place})
        steps += other.control.steps
        loss = other.final_loss()
        if loss < lowest - slack * abs(lowest) + (floor if slack < 0 else 0.0):
            best, lowest = other, loss
        return loss

    for _ in range(ROUNDS if len(numbers) > 1 else 1):
        before = lowest
        for number in numbers:
            if number.is_step:
                _over_all(run, number, tried)
            else:
                _beside(number, number.rank(_value(best, number)), lowest, tried)
        if not lowest < before:
            break
    for number in numbers:
        own = number.rank(_value(best, number))
        if number.is_step and _value(best, number) != number.places[own]:
            tried(number, own, -SAME)  # the middle is as good as any
    best.control.steps, best.begin = steps, run.begin
    best.searched = tuple(_said(best, number) for number in numbers if number.is_step)
    return best


def _value(run: Finished, number: Threshold) -> float:
    return float(run.leaves()[number.leaf].reshape(-1)[number.at])


def _said(run: Finished, number: Threshold) -> str:
    k = number.rank(_value(run, number))
    return f"{number.name} from {number.edges[k]:.6g} to {number.edges[k + 1]:.6g}"


def _over_all(
    run: Finished, number: Threshold, tried: Callable[[Threshold, int, float], float]
) -> None:
    """Try the likeliest of a number's places, then all of them, ever more closely."""
    low, high = 0, len(number.places) - 1
    if high >= WIDE:
        for k in _likeliest(run, number):
            tried(number, int(k), LOWER)
    while True:
        ranks = np.unique(np.linspace(low, high, min(WIDE, high - low + 1)).round().astype(int))
        at = int(np.argmin([tried(number, int(k), LOWER) for k in ranks]))
        if len(ranks) == high - low + 1:
            return
        low, high = int(ranks[max(at - 1, 0)]), int(ranks[min(at + 1, len(ranks) - 1)])


def _likeliest(run: Finished, number: Threshold) -> Array:
    """The places at which the prediction goes best with the target, whatever its scale.

    Of places that are alike, those next to where the number was come first.
    """
    target, leaves = run.built.descent.inputs[TARGET], run.leaves()
    node, at = run.built.model.leaves[number.leaf], leaves[number.leaf].reshape(1, -1)
    many = input_node("many", (CHUNK, *node.shape), node.dtype)
    (made,) = batch(run.built.model.nodes[:1], {node: many}, CHUNK)
    inputs, extents = run.job.inputs_at(run.built, leaves, FEW_ROWS)
    prepared = Prepared([made], [n for n in postorder([made]) if n.op is INPUT])
    apart = np.asarray(inputs[target] - np.mean(inputs[target])).reshape(-1)
    scores = np.zeros(len(number.places))
    for first in range(0, len(scores), CHUNK):
        own = number.places[first : first + CHUNK]
        values = np.repeat(at, CHUNK, axis=0)
        values[: len(own), number.at] = own
        known = {**inputs, many: values.reshape(CHUNK, *leaves[number.leaf].shape)}
        with np.errstate(all="ignore"):
            (found,) = prepared([known[n] for n in prepared.inputs], extents)
            rows = np.asarray(found, np.float64).reshape(CHUNK, -1)[: len(own)]
            if rows.shape[1] != apart.size:
                return np.zeros(0, int)
            rows = rows - rows.mean(axis=1, keepdims=True)
            shares = (rows @ apart) ** 2 / np.sum(rows * rows, axis=1)
        scores[first : first + CHUNK] = np.where(np.isfinite(shares), shares, 0.0)
    alike = -np.round(scores / max(float(np.max(scores)), np.finfo(float).tiny), 9)
    order = np.lexsort((np.abs(number.places - _value(run, number)), alike))
    return np.asarray(order[:LIKELIEST])


def _beside(
    number: Threshold, own: int, lowest: float, tried: Callable[[Threshold, int, float], float]
) -> None:
    """Try the places beside a number's own, to either side as long as they are better."""
    for way in (-1, 1):
        k, missed = own, 0
        while missed < BESIDE and 0 <= k + way < len(number.places):
            k, missed = k + way, missed + 1
            loss = tried(number, k, LOWER)
            if loss < lowest - LOWER * abs(lowest):
                lowest, missed = loss, 0
