"""How much memory this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["memory_allowed"]

GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LIMITS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}
"""By the controller in /proc/self/cgroup (version 2 has none): the folder, and the file."""


def memory_allowed(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """The bytes of the machine, or of the control groups that the process is in, if fewer.

    Returns:
        None where the system does not tell.
    """
    return min([*_of_machine(), *_of_groups(groups, own)], default=None)


def _of_machine() -> Iterator[int]:
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_groups(groups: Path, own: Path) -> Iterator[int]:
    """The limits of its group, and of those around it."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in set(controllers.split(",")) & set(LIMITS):
            folder, name = LIMITS[controller]
            inside = Path(path.lstrip("/"))
            for level in (inside, *inside.parents):
                with suppress(OSError, ValueError):  # "max"
                    yield int((groups / folder / level / name).read_text())
