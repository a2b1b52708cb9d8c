"""Starts of many fits that have none: guessed by a ready model, or the best of 32 candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.lean import dataclass
from descend.methods.base import FTOL, Array, Optimizer, State
from descend.parameters.space import Space
from descend.task.datasets import ManyData
from descend.task.ready import with_guesses
from descend.task.start import CANDIDATES, draw
from descend.task.starts import ManyStart

__all__ = ["CandidateSearch", "candidates_of", "with_found", "with_ready_guesses"]

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class CandidateSearch(Optimizer):
    """Evaluates the loss at one candidate after the other and answers with the best.

    Args:
        table: (candidates, p) values of all numbers.
        missing: (p,) which of them are tried; the others stay where the fit begins.
        first: the row of the table that is the first of those tried.
    """

    scope = "vector"
    needs = "value"
    table: Numbers
    missing: Numbers
    first: int = 0

    def structure(self) -> tuple[Any, ...]:
        return "candidates", self.table.tobytes(), self.missing.tobytes()

    def init(self, p: Array) -> State:
        zero = np.zeros((), p.dtype)
        return {"x": p, "lowest": zero + np.inf, "tried": zero, "status": zero}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        better = (e.loss < s["lowest"]) & (s["tried"] > 0)
        tried = s["tried"] + 1
        count = CANDIDATES
        at = (np.minimum(s["tried"], count - 1) + h.first).astype(int)
        following = np.where(self.missing, (self.table + 0 * p)[at], p)
        new = {
            "x": np.where(better | (s["tried"] == 1), p, s["x"]),
            "lowest": np.where(better, e.loss, s["lowest"]),
            "tried": tried,
            "status": np.where(tried > count, FTOL, 0 * tried),
        }
        return following, new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


def candidates_of(
    start: ManyStart, missing: tuple[str, ...], seed: int, attempts: int = 1, attempt: int = 0
) -> CandidateSearch:
    """The search over scalars that have no start: ones first, then draws of either sign.

    Args:
        missing: the scalars.
        attempts: how many searches one program serves, each with candidates of its own.
        attempt: which of them this is; only the first begins with ones.
    """
    leaves, count = start.leaves(), CANDIDATES * attempts
    ones = {name: _inside(start.space, name, np.array(1.0)) for name in missing}
    drawn = [ones]
    for number in range(attempts):
        rng = np.random.default_rng(seed + number)
        fresh = CANDIDATES - (not number)
        drawn += [draw(missing, rng, start.space) for _ in range(fresh)]
    tried = {n: np.array([float(c[n]) for c in drawn]) for n in missing}
    whole = {
        name: tried[name] if name in tried else np.broadcast_to(a, (count, *a.shape))
        for name, a in leaves.items()
    }
    marks = {n: np.full(a.shape, n in missing) for n, a in leaves.items()}
    if start.space is not None:
        varied = [n for n in leaves if start.space.varies(n)]
        marks = {n: marks[n] for n in varied}
        whole = start.space.moved(whole)
    table = np.concatenate([a.reshape(count, -1) for a in whole.values()], axis=1)
    return CandidateSearch(
        table.astype(np.float64), np.concatenate([m.reshape(-1) for m in marks.values()]),
        CANDIDATES * attempt,
    )


def _inside(space: Space | None, name: str, value: Numbers) -> Numbers:
    return value if space is None else space.inside(name, value)


def with_found(start: ManyStart, found: dict[str, Numbers]) -> ManyStart:
    """The start with a value for each fit for what had none."""
    missing = start.sample.missing
    each = {**start.each, **{name: found[name] for name in missing}}
    arrays = {**start.sample.arrays, **{name: np.array(found[name][0]) for name in missing}}
    sample = start.sample._replace(arrays=arrays, missing=())
    return start._replace(sample=sample, each=each)


def with_ready_guesses(start: ManyStart, data: ManyData) -> ManyStart:
    """The start with what a ready model guesses from the data of each fit."""
    missing = start.sample.missing
    if start.problem.ready is None or not missing:
        return start
    guessed = []
    for fit in range(data.n_fits):
        own = {n: a[fit] for n, a in start.each.items()}
        begin = start.sample._replace(arrays={**start.sample.arrays, **own})
        guessed.append(with_guesses(begin, start.problem, data.one(fit)).arrays)
    named = [n for n in missing if all(n in arrays for arrays in guessed)]
    found = {n: np.array([float(arrays[n]) for arrays in guessed]) for n in named}
    if not named:
        return start
    partly = start.sample._replace(missing=tuple(named))
    left = tuple(n for n in missing if n not in named)
    made = with_found(start._replace(sample=partly), found)
    return made._replace(sample=made.sample._replace(missing=left))
