"""How many threads a run may have: the processor's cores, as far as the system grants them."""

from __future__ import annotations

import functools
import os
from pathlib import Path

__all__ = ["threads_for"]

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def threads_for(asked: int | None, most: int) -> int:
    """How many threads work: as many as asked for, or one a core, and no more than have work.

    >>> threads_for(3, 8), threads_for(3, 2), threads_for(3, 0)
    (3, 2, 1)
    """
    return 1 if most <= 1 else min(asked or cores(), most)


def cores() -> int:
    """The cores that this process may use: those of its affinity, in its group's share of time."""
    affinity = getattr(os, "sched_getaffinity", None)
    free = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(free, _quota(QUOTA)))


@functools.cache
def _quota(file: Path) -> int:
    """How many cores' time the group of processes has; as good as none where it is not limited."""
    try:
        quota, period = file.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no such file; "max"
        return 1 << 16
