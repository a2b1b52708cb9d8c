"""Copies of files: of what can be read only once, and of text as UTF-8."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

from descend.data.room import room
from descend.errors import DataError

__all__ = ["Spool", "opened", "seekable", "spooled_bytes", "spooled_text"]

PACKERS: Mapping[bytes, Callable[[str], object]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open,
}  # fmt: skip
"""How a file is unpacked, by its first bytes."""


class Spool:
    """A temporary file, removed with this object."""

    def __init__(self, suffix: str = "", folder: str | None = None) -> None:
        handle, self.file = tempfile.mkstemp(prefix="descend-", suffix=suffix, dir=folder)
        os.close(handle)
        weakref.finalize(self, _remove, self.file)


def _remove(file: str) -> None:
    Path(file).unlink(missing_ok=True)


def seekable(path: str) -> bool:
    """Whether a path is a regular file, which can be read from its beginning again."""
    return path != "-" and stat.S_ISREG(os.stat(path).st_mode)


def spooled_bytes(path: str, folder: str | None = None) -> Spool:
    """What comes from standard input or a pipe, read once and kept."""
    if path == "-" and sys.stdin is None:
        raise DataError("standard input is closed", remedy="name a file, or write | before descend")
    spool = Spool(Path(path).suffix, folder)
    with _room(spool, path), open(spool.file, "wb") as target:
        if path == "-":
            shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with open(path, "rb") as source:
                shutil.copyfileobj(source, target)
    return spool


def spooled_text(pieces: Iterable[str], path: str, folder: str | None = None) -> Spool:
    """Text, piece by piece, in UTF-8."""
    spool = Spool(".csv", folder)
    with _room(spool, path), open(spool.file, "w", encoding="utf-8", newline="") as target:
        target.writelines(pieces)
    return spool


def _room(spool: Spool, path: str) -> AbstractContextManager[None]:
    what = "what comes from standard input" if path == "-" else f'"{path}", unpacked,'
    return room(os.path.dirname(spool.file), what)


def opened(file: str) -> IO[bytes]:
    """A file opened for reading, unpacked if it is packed by gzip, bzip2 or xz."""
    with open(file, "rb") as plain:
        head = plain.read(8)
    unpack = next((p for sign, p in PACKERS.items() if head.startswith(sign)), None)
    return open(file, "rb") if unpack is None else cast("IO[bytes]", unpack(file))
