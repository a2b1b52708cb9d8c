"""What binds the parameters on the command line: --fix, --bound and --tie."""

from collections.abc import Mapping
from typing import Any

from descend.cli.options import number, parts
from descend.errors import UsageError
from descend.parameters.reading import parsed_ties

__all__ = ["bonds", "used_by_ties"]


def bonds(given: Mapping[str, Any]) -> dict[str, Any]:
    """What binds the parameters, as `fit` and `minimize` take it, of the options written.

    Raises:
        UsageError: something that has not the form it should have.

    >>> bonds({"fixed": ["a=3, c"], "bounds": ["b=0:", "d=-1:1"]})
    {'fixed': {'a': 3.0, 'c': None}, 'bounds': {'b': (0.0, None), 'd': (-1.0, 1.0)}}
    >>> bonds({"ties": ["f = 2*a"]})
    {'ties': {'f': '2*a'}}
    """
    found: dict[str, Any] = {}
    if given.get("fixed"):
        found["fixed"] = _collected("--fix", given["fixed"], _fixed)
    if given.get("bounds"):
        found["bounds"] = _collected("--bound", given["bounds"], _bound)
    if given.get("ties"):
        found["ties"] = {name: tie.text for name, tie in parsed_ties(given["ties"]).items()}
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
