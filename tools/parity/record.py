"""Making all calls, and what is said of them at once."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tools.parity import facts
from tools.parity.calls import Call, answers
from tools.parity.fits import again_calls, fit_calls
from tools.parity.minima import minimize_calls
from tools.parity.refusals import refusal_calls
from tools.parity.several import global_calls, many_calls

import descend

__all__ = ["record"]

LONG = 1.0  # seconds of processor time of one call


def all_calls() -> list[Call]:
    """Every call in the order in which they are made."""
    roads = (fit_calls, again_calls, many_calls, global_calls, minimize_calls, refusal_calls)
    calls = [call for road in roads for call in road()]
    twice = [name for name, count in Counter(c.name for c in calls).items() if count > 1]
    if twice:
        raise ValueError(f"two calls are named {twice[0]}")
    return calls


def record(path: Path, pattern: str) -> int:
    """Make all calls and write what came."""
    records: dict[str, facts.Facts] = {}
    calls = [call for call in all_calls() if fnmatchcase(call.name, pattern)]
    for call in calls:
        begin = time.process_time()
        for name, one in answers(call):
            records[name] = one
        spent = time.process_time() - begin
        if spent > LONG * call.times:
            sys.stderr.write(f"{call.name} took {spent:.1f} s\n")
    facts.write(path, records)
    for line in summary(calls, records):
        sys.stderr.write(line + "\n")
    return 0


def summary(calls: Sequence[Call], records: Mapping[str, facts.Facts]) -> list[str]:
    """Calls and answers by road, ends by road, and groups whose repeated answers differ."""
    lines = [f"{descend.__file__}: {len(calls)} calls, {len(records)} answers"]
    for road, count in Counter(_road(call.name) for call in calls).items():
        ends = Counter(
            one.get("error") or f"{one['status']}{'' if one['success'] else ' (failed)'}"
            for name, one in records.items()
            if _road(name) == road and ("error" in one or "status" in one)
        )
        told = ", ".join(f"{n} {end}" for end, n in ends.most_common())
        lines.append(f"{road}: {count} calls: {told}")
    split = [
        name[:-2] for name, one in records.items()
        if name.endswith("#1") and not name.endswith("other-numbers#1")
        and any(repr(records[f"{name[:-1]}{k}"]) != repr(one) for k in (2, 3))
    ]  # fmt: skip
    lines.append(f"repeated calls with unlike answers: {len(split)}: {', '.join(split)}")
    return lines


def _road(name: str) -> str:
    return name.partition("/")[0]
