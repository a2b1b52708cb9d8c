"""Room on a disk for what is kept for a while: where, whether there is enough, and words if not."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from descend.data.quoting import spelled
from descend.errors import DataError, UsageError

__all__ = ["check_room", "in_bytes", "place_for", "refuse_full", "room"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def in_bytes(count: float) -> str:
    """A number of bytes as a person says it.

    >>> in_bytes(12), in_bytes(4_800_000_000), in_bytes(999_999)
    ('12 bytes', '4.8 GB', '1 MB')
    """
    power = 0
    while count >= 999.5 and power < len(UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {UNITS[power]}"


def place_for(scratch: str | None, shell: bool = False) -> str:
    """The folder for scratch files: that which was named, or the system's.

    Raises:
        UsageError: it is none that can be written to.
    """
    place = tempfile.gettempdir() if scratch is None else scratch
    if not os.path.isdir(place) or not os.access(place, os.W_OK):
        what = "may not be written to" if os.path.isdir(place) else "is no folder"
        raise UsageError(
            f'"{place}", where scratch files go, {what}',
            remedy=f"name another place: {spelled({'scratch': 'DIR'}, shell)}",
        )
    return place


def check_room(place: str, need: float, what: str, shell: bool = False) -> None:
    """Refuse to begin what cannot be finished.

    Args:
        need: about how many bytes.
        what: is kept there.
    """
    free = shutil.disk_usage(place).free
    if need > free:
        raise DataError(
            f'{what} needs about {in_bytes(need)} in a scratch file, and "{place}" has '
            f"{in_bytes(free)} free",
            remedy=_elsewhere(shell),
        )


def refuse_full(place: str, what: str, written: int | None = None, shell: bool = False) -> NoReturn:
    """Say that a disk was filled by what was kept there."""
    after = "" if written is None else f" after {in_bytes(written)}"
    raise DataError(
        f'{what} does not fit into a scratch file: "{place}" is full{after}',
        remedy=_elsewhere(shell),
    ) from None


@contextmanager
def room(place: str, what: str, shell: bool = False) -> Iterator[None]:
    """Files written in here that fill the disk are refused in words."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        refuse_full(place, what, None, shell)


def _elsewhere(shell: bool) -> str:
    return f"free some, or name a place that has more: {spelled({'scratch': 'DIR'}, shell)}"
