"""What the user says of a table: the options of `read` and of the commands, read and checked."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from descend.errors import DataError, UsageError, suggest

__all__ = ["Asked", "Undecided", "asked"]

NAMED = {"tab": "\t", "\\t": "\t", "space": " ", "blank": " ", "\\s+": " ", "whitespace": " ",
         "comma": ",", "semicolon": ";", "point": ".", "dot": ".", "apostrophe": "'"}  # fmt: skip
DECIMALS = (".", ",")
THOUSANDS = (",", ".", " ", "'")


class Asked(NamedTuple):
    """What was said of a table; None where nothing was.

    Attributes:
        header: how many lines at the top are no data: 0 none, 1 names, 2 names and units.
        skip: how many lines come before them.
        shell: whether remedies are options of the command line, or arguments of `read`.
        wanted: names that the columns are expected to have.
        scratch: the folder for copies that are kept for a while, if not the system's.
        in_blocks: whether rows are asked for some at a time, within little memory.
    """

    sheet: str | int | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    sep: str | None = None
    header: int | None = None
    skip: int | None = None
    names: tuple[str, ...] | None = None
    shell: bool = False
    wanted: frozenset[str] = frozenset()
    scratch: str | None = None
    in_blocks: bool = False

    @property
    def nothing(self) -> bool:
        """Whether the table is to be read as it is."""
        return all(value is None for value in self[:8])


def asked(
    *, sheet: Any = None, encoding: Any = None, decimal: Any = None, thousands: Any = None,
    sep: Any = None, header: Any = None, skip: Any = None, names: Any = None, shell: bool = False,
) -> Asked:  # fmt: skip
    """Read and check the options.

    Raises:
        UsageError: one that cannot be meant.

    >>> asked(sep="tab", header=False).sep, asked(header=False).header
    ('\\t', 0)
    """
    say = _Say(shell)
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError):
            near = suggest(str(encoding), ("utf-8", "utf-16", "gb18030", "latin-1", "cp1252"))
            say.refuse("encoding", encoding, f"is not known{near}", "cp1252")
    decimal = say.choice("decimal", decimal, DECIMALS)
    thousands = say.choice("thousands", thousands, THOUSANDS)
    if decimal is not None and decimal == thousands:
        say.refuse(
            "thousands", thousands, "is the decimal sign as well", "," if decimal == "." else "."
        )
    if sep is not None:
        sep = NAMED.get(sep, sep) if isinstance(sep, str) else sep
        if not isinstance(sep, str) or len(sep) != 1 or sep.isalnum() or sep in "\"'\n\r":
            say.refuse("sep", sep, "is no single sign", "tab")
    return Asked(
        say.whole("sheet", sheet, 1) if not isinstance(sheet, str) else _number_or_name(sheet),
        encoding, decimal, thousands, sep, say.whole("header", header), say.whole("skip", skip),
        say.names(names), shell,
    )  # fmt: skip


def _number_or_name(sheet: str) -> str | int:
    return int(sheet) if sheet.isascii() and sheet.isdigit() else sheet


class _Say(NamedTuple):
    """Refusals in the words of the command line or of Python."""

    shell: bool

    def refuse(self, name: str, value: Any, what: str, better: str) -> None:
        if self.shell:
            raise UsageError(f'--{name} "{value}" {what}', remedy=f'write --{name} "{better}"')
        raise UsageError(f"{name}={value!r} {what}", remedy=f"write {name}={better!r}")

    def choice(self, name: str, value: Any, known: Iterable[str]) -> Any:
        value = NAMED.get(value, value) if isinstance(value, str) else value
        if value is not None and value not in known:
            others = ", ".join(f'"{sign}"' for sign in known)
            self.refuse(name, value, f"is none of {others}", ",")
        return value

    def whole(self, name: str, value: Any, least: int = 0) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool | int) and value >= least:
            return int(value)
        self.refuse(name, value, f"is no whole number of at least {least}", str(least))
        return None

    def names(self, given: Any) -> tuple[str, ...] | None:
        if given is None:
            return None
        listed = given.split(",") if isinstance(given, str) else list(given)
        found = tuple(str(name).strip() for name in listed)
        twice = next((name for name in found if found.count(name) > 1), None)
        if twice is not None or not all(found):
            what = "has an empty name" if twice is None else f"names {twice} twice"
            self.refuse("names", ",".join(found), what, "x,y")
        return found


class Undecided(DataError):
    """What the file alone does not say; `choices` are options that may settle it.

    Whoever opens the table tries them, and tells of those that work.
    """

    def __init__(self, message: str, choices: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.choices = choices
