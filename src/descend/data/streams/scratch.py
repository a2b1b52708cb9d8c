"""A scratch file of blocks of numbers, each column of a block in one piece, read without a map."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from numpy.typing import NDArray

from descend.data.room import FULL, check_room, refuse_full
from descend.data.streams.ahead import Filled, GetFree
from descend.errors import DataError

__all__ = ["Scratch"]

Array = NDArray[Any]
WIDTH = 8


class Scratch:
    """A file without a name, so that nothing is left of it whatever ends the process.

    Where the system knows no such files, it is removed when it is closed.

    Args:
        place: the folder.
        called: what its numbers are, for a message.
        columns, block: of each block.
        about: how many rows are expected.

    Raises:
        DataError: so many do not fit.
    """

    def __init__(
        self, place: str, called: str, columns: int, block: int, about: float | None,
        shell: bool = False,
    ) -> None:  # fmt: skip
        self.place, self.n_rows, self._block, self.columns = place, 0, block, columns
        self._what, self._shell = f"what is read from {called}", shell
        if about is not None:
            check_room(place, about * columns * WIDTH, self._what, shell)
        self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - it is closed by `close`
            prefix="descend-", dir=place, buffering=0
        )
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Of all its numbers."""
        return self.n_rows * self.columns * WIDTH

    def append(self, buffer: Array, rows: int) -> None:
        """Write a block; all but the last are whole ones.

        Raises:
            DataError: the disk is full.
        """
        pieces = [buffer] if rows == self._block else [column[:rows] for column in buffer]
        for piece in pieces:
            left = piece.data.cast("B")
            while left:
                try:
                    left = left[os.write(self._file.fileno(), left) :]
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    refuse_full(self.place, self._what, self.n_bytes, self._shell)
        self.n_rows += rows

    def blocks(self, get: GetFree, first_block: int = 0) -> Iterator[Filled]:
        """Read the blocks into buffers."""
        for first in range(first_block * self._block, self.n_rows, self._block):
            rows = min(self._block, self.n_rows - first)
            buffer = get()
            pieces = [buffer] if rows == self._block else [column[:rows] for column in buffer]
            self._read(pieces, first * self.columns * WIDTH)
            self._expect(first + rows)
            yield Filled(first, rows, buffer, 0)

    def _expect(self, first: int) -> None:
        """Have the system read the block from this row on, while the one before is worked on."""
        if hasattr(os, "posix_fadvise") and first < self.n_rows:
            row = self.columns * WIDTH
            place, size = first * row, self._block * row
            os.posix_fadvise(self._file.fileno(), place, size, os.POSIX_FADV_WILLNEED)

    def _read(self, pieces: Sequence[Array], offset: int) -> None:
        for piece in pieces:
            left = piece.data.cast("B")
            while left:
                n = self._read_at(left, offset)
                if not n:
                    raise DataError(f'the scratch file in "{self.place}" has lost its end')
                left, offset = left[n:], offset + n

    def _read_at(self, into: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [into], offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.readinto(into) or 0  # type: ignore[attr-defined]

    def close(self) -> None:
        """Give the file up."""
        self._file.close()
