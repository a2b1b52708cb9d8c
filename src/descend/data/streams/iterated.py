"""Blocks that the user's own code gives: a function, an object to iterate over, a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.frames import column_names, is_table, take_columns
from descend.data.streams.objects import arrow_columns, given_once
from descend.data.streams.source import Source, check_equal, check_known
from descend.errors import DataError, UsageError

__all__ = ["source_of_blocks"]

Array = NDArray[Any]
BLOCKS = "dicts of columns, frames, or tuples with one array for each column"


def source_of_blocks(value: Any, names: Sequence[str]) -> Source | None:
    """The source that a function, an iterable or a generator is; None of any other object."""
    if callable(value) and not isinstance(value, type):
        return IteratedSource(_called(value), names, value)
    if not hasattr(value, "__iter__") or isinstance(value, str | bytes | np.ndarray):
        return None
    called = f"the {type(value).__name__}"
    if iter(value) is value:
        return IteratedSource(called, names, lambda: value, "its rows are given once")
    return IteratedSource(called, names, lambda: iter(value))


def _called(function: Any) -> str:
    name = getattr(function, "__name__", "")
    return f"{name}()" if name.isidentifier() else "the function"


class IteratedSource(Source):
    """Blocks of rows from an iterator, made anew at each pass unless there is but one."""

    def __init__(
        self, called: str, names: Sequence[str], make: Callable[[], Any], why_kept: str = ""
    ) -> None:
        super().__init__(called, names, why_kept)
        self._make, self._begun, self._gave = make, False, False

    def batches(self) -> Iterator[Sequence[Array]]:
        if self.why_kept and self._begun:
            raise given_once(self.called)
        self._begun = True
        made = self._make()
        if not hasattr(made, "__iter__") or is_table(made) or isinstance(made, np.ndarray | str):
            raise UsageError(
                f"{self.called} returned {type(made).__name__}, and an iterator over blocks of "
                "rows is needed",
                remedy="write yield for each block in it, or return iter([…])",
            )
        number = -1
        for number, block in enumerate(made):
            yield from self._columns(block, f"block {number} of {self.called}")
        if number < 0 and self._gave:
            raise UsageError(
                f"{self.called} returned an iterator that an earlier pass has used up",
                remedy="return a new one each time, or pass the iterator itself: its rows are read "
                "once and kept in a scratch file",
            )
        self._gave = self._gave or number >= 0

    def _columns(self, block: Any, called: str) -> Iterator[Sequence[Array]]:
        if isinstance(block, Mapping):
            found = [(name, block.get(name)) for name in self.names]
            for name in self.names:
                check_known(called, name, [*block])
        elif hasattr(block, "__arrow_c_stream__") and not _is_pandas(block):
            yield from arrow_columns(block, self.names, called)
            return
        elif is_table(block):
            for name in self.names:
                check_known(called, name, column_names(block))
            found = [*take_columns(block, self.names).items()]
        else:
            found = [*zip(self.names, self._in_order(block, called), strict=True)]
        columns = [self._floats(values, name) for name, values in found]
        own = dict(zip(self.names, columns, strict=True))
        check_equal(f"{called} has columns with", own, "each column of a block")
        yield columns

    def _in_order(self, block: Any, called: str) -> Sequence[Any]:
        """The columns of a block without names."""
        listed = ", ".join(self.names)
        if isinstance(block, np.ndarray) and block.ndim == 2:
            block = tuple(block.T)
        elif isinstance(block, np.ndarray) and len(self.names) == 1:
            block = (block,)
        if not isinstance(block, tuple | list):
            raise UsageError(
                f"{called} is of type {type(block).__name__}", remedy=f"give {BLOCKS}: {listed}"
            )
        if len(block) != len(self.names):
            raise DataError(
                f"{called} has {len(block)} columns, and {len(self.names)} are wanted: {listed}",
                remedy="give the columns in this order, or a dict with their names",
            )
        return block

    def differs(self, what: str) -> DataError:
        return DataError(
            f"{self.called} gave other rows than at the first pass: {what}",
            remedy="give the same rows in the same order each time, or pass a generator: its rows "
            "are read once and kept in a scratch file",
        )


def _is_pandas(block: Any) -> bool:
    return type(block).__module__.split(".")[0] == "pandas"
