"""The options of one call, read by the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from descend.errors import UsageError
from descend.task.foreign import refuse_unknown
from descend.task.option_table import ENTRIES, VARYING, default_of

__all__ = ["Options", "read_options"]


class Options:
    """The options of one call: an attribute for each that the entry takes.

    What only other entries take is None.
    """

    def __init__(self, entry: str, **given: Any) -> None:
        rows = ENTRIES[entry]
        unknown = [name for name in given if name not in rows]
        if unknown:
            raise TypeError(f"{entry} has no option {unknown[0]}")
        known = {name: row.default for name, row in rows.items()}
        vars(self).update(known, entry=entry, **given)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"options are immutable; cannot set {name}")

    def __getattr__(self, name: str) -> Any:
        if any(name in rows for rows in ENTRIES.values()):
            return None
        raise AttributeError(f"there is no option {name}", name=name, obj=self)

    def but(self, **changes: Any) -> Options:
        """The same options with other values for some."""
        own = vars(self)
        return Options(**{**own, **changes})

    def completed(self, usual: Mapping[str, Any]) -> Options:
        """The same options with what is usual for a model, or the default, where none was said."""
        missing = [n for n in (*usual, *VARYING) if getattr(self, n) is None]
        return self.but(**{n: usual.get(n, default_of(self.entry, n)) for n in missing})

    def is_default(self, name: str) -> bool:
        """Whether an option has its default, and not only a number equal to it."""
        value, default = getattr(self, name), default_of(self.entry, name)
        return value is default or (type(value) is type(default) and value == default)

    @property
    def has_validation(self) -> bool:
        """Whether some rows are not trained on."""
        return bool(self.validation_split) or self.validation_data is not None

    @property
    def may_be_planned(self) -> bool:
        """Whether all options that no plan knows have their defaults."""
        rows = ENTRIES[self.entry]
        return all(row.planned or self.is_default(name) for name, row in rows.items())


def read_options(entry: str, given: Mapping[str, Any]) -> Options:
    """The options among the arguments of a call, each checked.

    Raises:
        UsageError: one that does not exist, or that cannot be meant.
    """
    refuse_unknown(given.get("unknown", ()), entry)
    rows = ENTRIES[entry]
    found = {name: row.read(given[name]) for name, row in rows.items() if name in given}
    for name, row in rows.items():
        needs = row.needs
        if needs is not None and found.get(name) and found.get(needs[0]) is None:
            raise UsageError(needs[1], remedy=needs[2])
    return Options(entry, **found)
