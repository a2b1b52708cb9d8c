"""Every error that a user can meet: what happened, where in his code, what to do about it.

Command-line exit codes hang on the class: `UsageError` 2, `DataError` 3, anything else 1.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import CodeType, TracebackType
from typing import ParamSpec, TypeVar

from descend.visible import visible

__all__ = [
    "DataError",
    "DescendError",
    "DescendWarning",
    "DivergedWarning",
    "FormulaError",
    "HANDING_ON",
    "InternalError",
    "WITNESS",
    "NotCoveredError",
    "TraceError",
    "UsageError",
    "ends_at_users_line",
    "is_users_file",
    "shorten",
    "suggest",
    "warn",
]

P = ParamSpec("P")
T = TypeVar("T")

WITNESS: ContextVar[Callable[[Exception], None] | None] = ContextVar("witness", default=None)
"""Who is told of every error that is made while a model is traced: its own handlers may swallow
it."""


class DescendError(Exception):
    """The root of all errors raised on purpose.

    Args:
        message: what happened, in a sentence that names what the user wrote.
        where: the place in the user's code, such as `model.py:12: return x / 0`.
        remedy: what to do instead.
        plain: whether plain NumPy raises the same error at this place, whatever the numbers are,
            so that a handler in the model that waits for it is right.

    >>> print(UsageError("lr must be positive, not -1", remedy="give a small number, e.g. lr=0.01"))
    lr must be positive, not -1
      do: give a small number, e.g. lr=0.01
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        plain: bool = False,
    ) -> None:
        self.message = visible(message)
        super().__init__(self.message)
        self.where = None if where is None else visible(where)
        self.remedy = None if remedy is None else visible(remedy)
        witness = WITNESS.get()
        if witness is not None and not plain:
            witness(self)

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.remedy:
            lines.append(f"  do: {self.remedy}")
        return visible("\n".join(lines))


class InternalError(DescendError):
    """descend contradicts itself: a bug to be reported, never the user's fault."""


class UsageError(DescendError, ValueError):
    """A call that cannot be meant: an unknown option, shapes that disagree, an impossible start."""

    exit_code = 2


class FormulaError(UsageError):
    """A formula that cannot be read; the message shows it, with a caret under the place."""


class TraceError(UsageError, TypeError):
    """The model does something to a traced value that has no meaning before the data is known."""


class NotCoveredError(TraceError):
    """The model calls a NumPy function that descend does not differentiate (yet)."""


class DataError(DescendError, ValueError):
    """The data cannot be used as it is: missing values, unknown columns, unequal lengths.

    Attributes:
        row: the row that the message names, counted from 0, where it may have another number for
            the user; else None.
    """

    exit_code = 3
    row: int | None = None

    def renumbered(self, name: str) -> DataError:
        """The same error with the row by its name for the user, such as `row 7`."""
        self.message = re.sub(rf"\brow {self.row}\b", name, self.message, count=1)
        self.args = (self.message,)
        return self


class DescendWarning(UserWarning):
    """Something worth knowing that does not stop the work."""

    def __init__(self, text: str) -> None:
        super().__init__(visible(text))


class DivergedWarning(DescendWarning, RuntimeWarning):
    """The descent left the finite numbers; the last finite parameters are returned."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean "…"?)` for the nearest known name, or an empty string.

    >>> suggest("batchsize", ["batch_size", "epochs"])
    ' (did you mean "batch_size"?)'
    >>> suggest("zzz", ["batch_size", "epochs"])
    ''
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""


def warn(warning: DescendWarning | str) -> None:
    """Warn of something at the user's line, however deep in here it was seen."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("descend."):
        frame, level = frame.f_back, level + 1
    told = DescendWarning(warning) if isinstance(warning, str) else warning
    warnings.warn(told, stacklevel=level)


# --- where a traceback ends -----------------------------------------------------------------------

HANDING_ON: set[CodeType] = set()
"""Functions that hand a call of the user's on to NumPy: an error raised in them is the call's."""

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@functools.cache
def is_users_file(file: str) -> bool:
    """Whether code of this file is the user's: neither descend's nor of an installed library."""
    if file.startswith((_PACKAGE, _LIBRARY, "<frozen ")):
        return False
    return not any(part in file for part in _INSTALLED)


def ends_at_users_line(function: Callable[P, T]) -> Callable[P, T]:
    """A public function whose errors show the user's lines and none of what runs in between."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            shorten(error)
            raise

    return call


def shorten(error: Exception) -> None:
    """Cut the traceback of an error, and of those that it came from, down to the user's lines.

    What is raised on purpose ends at the last line of the user's. Of another error, which a model
    or a library called by it raises, only the frames in between go. Where descend itself raises
    what it does not mean to, all frames stay: that is a bug, and they tell where.
    """
    chain: list[BaseException] = [error]
    for each in chain:
        each.__traceback__ = _cut(each)
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if before is not None and before not in chain:
            chain.append(before)


def _cut(error: BaseException) -> TracebackType | None:
    purposeful = isinstance(error, DescendError) and not isinstance(error, InternalError)
    links: list[TracebackType] = []
    tb = error.__traceback__
    while tb is not None:
        links.append(tb)
        tb = tb.tb_next
    kept: list[TracebackType] = []
    between = False
    for link in links:
        file = link.tb_frame.f_code.co_filename
        if is_users_file(file):
            between = False
        elif purposeful or file.startswith(_PACKAGE):
            between = True
        if not between:
            kept.append(link)
    handed_on = links and links[-1].tb_frame.f_code in HANDING_ON
    if not purposeful and kept[-1:] != links[-1:] and not handed_on:
        return error.__traceback__
    for link in reversed(kept):
        tb = TracebackType(tb, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return tb
