"""Whether a minimisation has jumped: whether the function is lower on the way that it has come.

A long first move of a wave may lead over a near minimum to a far one that is no lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.differentiate.batch import batch
from descend.graph.evaluate import Prepared
from descend.graph.node import Node, postorder
from descend.graph.source import INPUT, input_node
from descend.judge.beside import SLIGHT
from descend.parameters.space import Space
from descend.run.build import Built
from descend.run.finished import Finished
from descend.run.job import Job

__all__ = ["back_on_the_way", "is_wavy", "lower_between"]

Array = np.ndarray[Any, np.dtype[Any]]

SHARES = np.linspace(-1.0, 1.0, 257)  # of the way, from as far beyond the start as the end is
ROUNDS = 4


def is_wavy(built: Built) -> bool:
    """Whether a function has waves of a parameter, and so many minima."""
    if "wavy" not in built.extras:
        leaves = set(built.model.leaves.values())
        waves = (n for n in postorder([built.descent.objective]) if n.op.units == "wave")
        built.extras["wavy"] = any(leaves & set(postorder([node])) for node in waves)
    return bool(built.extras["wavy"])


def back_on_the_way(
    run: Finished, again: Callable[[Mapping[str, Array]], Finished]
) -> Finished:
    """The run, or a descent from the lowest place of the way that it has come, if that is lower."""
    if run.job.rows is not None or not is_wavy(run.built):
        return run
    best, steps = run, run.control.steps
    for _ in range(ROUNDS):
        place = lower_between(best.job, best.built, run.begin, best.leaves())
        if place is None:
            break
        other = again(place)
        steps += other.control.steps
        if not other.final_loss() < best.final_loss():
            break
        best = other
    best.control.steps, best.begin = steps, run.begin
    return best


def lower_between(
    job: Job, built: Built, begin: Mapping[str, Array], end: Mapping[str, Array]
) -> dict[str, Array] | None:
    """The lowest place between start and end, or as far beyond the start; None if the end is."""
    space, (prepared, nodes) = job.space or Space(), _batched(built)
    if space.scales or space.ties:
        return None
    way = np.abs(SHARES) if space.lower else SHARES  # nothing is beyond the start
    shares = {name: way.reshape(-1, *(1,) * array.ndim) for name, array in end.items()}
    many = {name: begin[name] + shares[name] * (a - begin[name]) for name, a in end.items()}
    values, extents = job.inputs_at(built, end)
    values = {**values, **{nodes[n]: a.astype(nodes[n].dtype) for n, a in many.items()}}
    with np.errstate(all="ignore"):
        (heights,) = prepared([values[node] for node in prepared.inputs], extents)
    heights = np.where(np.isfinite(heights), heights, np.inf)
    least, k = float(heights[-1]), int(np.argmin(heights))
    fallen = float(np.max(heights[np.isfinite(heights)], initial=least)) - least
    if not heights[k] < least - SLIGHT * abs(fallen):
        return None
    return {name: array[k] for name, array in many.items()}


def _batched(built: Built) -> tuple[Prepared, dict[str, Node]]:
    """The function at many places at once, and leaf → the node of its values."""
    if "along" not in built.extras:
        count, leaves = len(SHARES), built.model.leaves
        nodes = {n: input_node(f"many {n}", (count, *a.shape), a.dtype) for n, a in leaves.items()}
        (made,) = batch(
            [built.descent.objective], {leaves[n]: nodes[n] for n in leaves}, count
        )
        inputs = [node for node in postorder([made]) if node.op is INPUT]
        built.extras["along"] = Prepared([made], inputs), nodes
    found: tuple[Prepared, dict[str, Node]] = built.extras["along"]
    return found
