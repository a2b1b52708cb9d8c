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
from pathlib import Path
from typing import IO, cast

from descend.errors import DataError

__all__ = ["Spool", "opened", "seekable", "spooled_bytes", "spooled_text"]

PACKERS: Mapping[bytes, Callable[[str], object]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open,
}  # fmt: skip
"""How a file is unpacked, by its first bytes."""


class Spool:
    """A temporary file, removed with this object."""

    def __init__(self, suffix: str = "") -> None:
        handle, self.file = tempfile.mkstemp(prefix="descend-", suffix=suffix)
        os.close(handle)
        weakref.finalize(self, _remove, self.file)


def _remove(file: str) -> None:
    Path(file).unlink(missing_ok=True)


def seekable(path: str) -> bool:
    """Whether a path is a regular file, which can be read from its beginning again."""
    return path != "-" and stat.S_ISREG(os.stat(path).st_mode)


def spooled_bytes(path: str) -> Spool:
    """What comes from standard input or a pipe, read once and kept."""
    if path == "-" and sys.stdin is None:
        raise DataError("standard input is closed", remedy="name a file, or write | before descend")
    spool = Spool(Path(path).suffix)
    with open(spool.file, "wb") as target:
        if path == "-":
            shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with open(path, "rb") as source:
                shutil.copyfileobj(source, target)
    return spool


def spooled_text(pieces: Iterable[str]) -> Spool:
    """Text, piece by piece, in UTF-8."""
    spool = Spool(".csv")
    with open(spool.file, "w", encoding="utf-8", newline="") as target:
        target.writelines(pieces)
    return spool


def opened(file: str) -> IO[bytes]:
    """A file opened for reading, unpacked if it is packed by gzip, bzip2 or xz."""
    with open(file, "rb") as plain:
        head = plain.read(8)
    unpack = next((p for sign, p in PACKERS.items() if head.startswith(sign)), None)
    return open(file, "rb") if unpack is None else cast("IO[bytes]", unpack(file))
