"""Every error that a user can meet: what happened, where in his code, what to do about it.

Command-line exit codes hang on the class: `UsageError` 2, `DataError` 3, anything else 1.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable

from descend.visible import visible

__all__ = [
    "DataError",
    "DescendError",
    "DescendWarning",
    "DivergedWarning",
    "FormulaError",
    "InternalError",
    "NotCoveredError",
    "TraceError",
    "UsageError",
    "suggest",
    "warn",
]


class DescendError(Exception):
    """The root of all errors raised on purpose.

    Args:
        message: what happened, in a sentence that names what the user wrote.
        where: the place in the user's code, such as `model.py:12: return x / 0`.
        remedy: what to do instead.

    >>> print(UsageError("lr must be positive, not -1", remedy="give a small number, e.g. lr=0.01"))
    lr must be positive, not -1
      do: give a small number, e.g. lr=0.01
    """

    exit_code = 1

    def __init__(
        self, message: str, *, where: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = visible(message)
        super().__init__(self.message)
        self.where = None if where is None else visible(where)
        self.remedy = None if remedy is None else visible(remedy)

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
    """The data cannot be used as it is: missing values, unknown columns, unequal lengths."""

    exit_code = 3


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
