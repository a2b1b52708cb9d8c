"""The coverage table: a name of NumPy, SciPy, math or Python → what it means on stand-ins.

The families (`numpy_*`, `special_table`, …) enter their functions with `covers`; what is refused
or not yet there is entered too, with words. Operators and elementwise functions are always there;
the other families are loaded when a name is missed for the first time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from descend.errors import InternalError
from descend.lean import dataclass

__all__ = [
    "ENTRIES", "ORIGINALS", "WHEN_MISSED", "Entry", "covers", "entry_of", "implementation",
    "refuse",
]  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One name of the table.

    Attributes:
        name: with its module, such as `numpy.where` or `scipy.special.erf`.
        status: supported, refused or not yet.
        call: the function on stand-ins (None unless supported).
        remedy: what to do instead (for refused names), or a remark on the limits.
        creates: whether it makes arrays, which must accept traced values later.
        views: whether its results write through to its argument.
        always: whether it stands in for NumPy's function even without a stand-in among the
            arguments.
    """

    name: str
    status: str
    call: Callable[..., Any] | None = None
    remedy: str = ""
    creates: bool = False
    views: bool = False
    always: bool = False


ENTRIES: dict[str, Entry] = {}

# What enters further families; called when a name is missed.
WHEN_MISSED: list[Callable[[], None]] = []

# A class that stands in for a user's class in a model → the user's class.
ORIGINALS: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def _enter(entry: Entry) -> None:
    if entry.name in ENTRIES:
        raise InternalError(f"{entry.name} stands twice in the coverage table")
    ENTRIES[entry.name] = entry


def covers(
    *names: str,
    module: str = "numpy",
    remark: str = "",
    creates: bool = False,
    views: bool = False,
    always: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function on stand-ins under one or more names of a module."""

    def enter(call: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            _enter(Entry(f"{module}.{name}", "supported", call, remark, creates, views, always))
        return call

    return enter


def refuse(remedy: str, *names: str, module: str = "numpy") -> None:
    """Enter names that have no meaning in a model, with what to do instead."""
    for name in names:
        _enter(Entry(f"{module}.{name}", "refused", None, remedy))


def entry_of(name: str) -> Entry | None:
    """The entry of a name, or None where the table does not know it."""
    found = ENTRIES.get(name)
    if found is None:
        for enter in WHEN_MISSED:
            enter()
        found = ENTRIES.get(name)
    return found


def implementation(name: str) -> Callable[..., Any]:
    """The function on stand-ins behind a name of the table."""
    entry = entry_of(name)
    call = None if entry is None else entry.call
    if call is None:
        raise InternalError(f"{name} has no implementation")
    return call
