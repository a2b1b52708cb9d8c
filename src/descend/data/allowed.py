"""How much memory this process may use, and how much of it is free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["memory_allowed", "memory_free"]

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MACHINE = Path("/proc/meminfo")


class _Files(NamedTuple):
    """Where a control group tells of its memory."""

    folder: str
    limit: str
    used: str
    cached: str


LIMITS = {
    "": _Files("", "memory.max", "memory.current", "inactive_file"),
    "memory": _Files(
        "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    ),
}
"""By the controller in /proc/self/cgroup; version 2 has none."""


def memory_allowed(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """The bytes of the machine, or of the control groups that the process is in, if fewer.

    Returns:
        None where the system does not tell.
    """
    limits = [limit for _, _, limit in _groups(groups, own)]
    return min([*_of_machine(), *limits], default=None)


def memory_free(groups: Path = GROUPS, own: Path = OWN, machine: Path = MACHINE) -> int | None:
    """The bytes that are free in the machine, or in one of the control groups, if fewer.

    What holds copies of files counts as free: it is given up when memory is asked for.

    Returns:
        None where the system does not tell.
    """
    free = [limit - _used(level, files) for level, files, limit in _groups(groups, own)]
    found = min([*_free_in_machine(machine), *free], default=None)
    return None if found is None else max(0, found)


def _of_machine() -> Iterator[int]:
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_in_machine(machine: Path) -> Iterator[int]:
    with suppress(OSError):
        told = dict(line.split(":", 1) for line in machine.read_text().splitlines() if ":" in line)
        yield 1024 * int(told["MemAvailable"].split()[0])


def _groups(groups: Path, own: Path) -> Iterator[tuple[Path, _Files, int]]:
    """The groups that have a limit."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in set(controllers.split(",")) & set(LIMITS):
            files = LIMITS[controller]
            inside = Path(path.lstrip("/"))
            for part in (inside, *inside.parents):
                level = groups / files.folder / part
                with suppress(OSError, ValueError):  # "max"
                    yield level, files, int((level / files.limit).read_text())


def _used(level: Path, files: _Files) -> int:
    """The bytes that a group uses, without the copies of files that nobody has read again."""
    used = cached = 0
    with suppress(OSError, ValueError):
        used = int((level / files.used).read_text())
        told = (level / "memory.stat").read_text().split()
        cached = int(told[told.index(files.cached) + 1])
    return max(0, used - cached)
