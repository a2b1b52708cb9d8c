"""What binds the parameters on the command line: --fix, --bound and --tie."""

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Group, Parameter

from descend.cli.options import Text, number, parts
from descend.errors import UsageError
from descend.lean import dataclass
from descend.parameters.reading import parsed_ties

__all__ = ["BondOptions", "bonds", "used_by_ties"]


@Parameter(name="*", group=Group("Fixed, bounded, tied", sort_key=0))
@dataclass(frozen=True, kw_only=True)
class BondOptions:
    """What binds the parameters; each may be given several times.

    Args:
        fix: Keep a parameter where it starts, or at a value: a or a=3.
        bound: Keep a parameter within bounds: a=0: or a=:5 or a=0:5.
        tie: Make a parameter an expression of others: "b = 2*a".
    """

    fix: Annotated[list[Text] | None, Parameter(negative="")] = None
    bound: Annotated[list[Text] | None, Parameter(negative="")] = None
    tie: Annotated[list[Text] | None, Parameter(negative="")] = None


def bonds(options: BondOptions) -> dict[str, Any]:
    """The options of `fit` and `minimize` that were written.

    Raises:
        UsageError: something that has not the form it should have.

    >>> bonds(BondOptions(fix=["a=3, c"], bound=["b=0:", "d=-1:1"]))
    {'fixed': {'a': 3.0, 'c': None}, 'bounds': {'b': (0.0, None), 'd': (-1.0, 1.0)}}
    >>> bonds(BondOptions(tie=["f = 2*a"]))
    {'ties': {'f': '2*a'}}
    """
    found: dict[str, Any] = {}
    if options.fix:
        found["fixed"] = _collected("--fix", options.fix, _fixed)
    if options.bound:
        found["bounds"] = _collected("--bound", options.bound, _bound)
    if options.tie:
        found["ties"] = {name: tie.text for name, tie in parsed_ties(options.tie).items()}
    return found


def used_by_ties(found: Mapping[str, Any]) -> set[str]:
    """The names right of the signs of equality."""
    return {n for tie in parsed_ties(found.get("ties")).values() for n in tie.names}


def _collected(option: str, texts: list[str], read: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        for part in [*parts(text)] or [""]:
            name, value = read(part.strip())
            if name in found:
                raise UsageError(f"{option} gives {name} twice")
            found[name] = value
    return found


def _fixed(text: str) -> tuple[str, float | None]:
    name, equals, value = text.partition("=")
    name = name.strip().strip("`")
    if not name:
        raise UsageError(f'--fix "{text}" names no parameter', remedy="write --fix a or --fix a=3")
    return name, number(value, f"--fix {name}") if equals else None


def _bound(text: str) -> tuple[str, tuple[float | None, float | None]]:
    name, equals, interval = text.partition("=")
    low, colon, high = interval.partition(":")
    name = name.strip().strip("`")
    if not (name and equals and colon) or not (low.strip() or high.strip()):
        raise UsageError(
            f'--bound "{text}" is not of the form name=lower:upper',
            remedy="write --bound a=0:5, or --bound a=0: or --bound a=:5 for one side",
        )
    edges = (number(e, f"--bound {name}") if e.strip() else None for e in (low, high))
    return name, (next(edges), next(edges))
