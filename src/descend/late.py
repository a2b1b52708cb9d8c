"""Tables whose entries are loaded when they are first asked for.

Loading a module costs about a third of a millisecond; a plain run needs one method of twenty and no
ready model at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar

__all__ = ["Late"]

T = TypeVar("T")


class Late(Mapping[str, T]):
    """A mapping from names to what stands at `module:name`, the module seen from the package.

    >>> table = Late({"sgd": "methods.first_order:SGD"})
    >>> list(table), table["sgd"].__name__
    (['sgd'], 'SGD')
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            module, _, attribute = self._places[name].partition(":")
            self._loaded[name] = getattr(import_module(f"descend.{module}"), attribute)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
