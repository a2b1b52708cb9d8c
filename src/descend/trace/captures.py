"""What a model took from outside while it was traced, and whether all of it is still the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Captures"]

COMPARED_BYTES = 1 << 20

Read = Callable[[], Any]
Image = tuple[Any, tuple[int, ...], np.dtype[Any], bytes]


class Captures:
    """Names that the model looked up outside of itself, and what they meant.

    Attributes:
        bindings: how to look at each thing again, and the thing itself.
        is_pure: whether nothing was captured whose changes cannot be seen from here. Numbers and
            functions never change, of arrays a copy is kept to compare with; of lists, dicts,
            objects and large arrays nothing is known.
    """

    __slots__ = ("_images", "bindings", "is_pure")

    def __init__(self) -> None:
        self.bindings: list[tuple[Read, Any]] = []
        self.is_pure = True
        self._images: dict[int, Image] = {}

    def add(self, read: Read, value: Any) -> None:
        """Remember something that the model captures, and how to look at it again."""
        self.bindings.append((read, value))

    def watch(self, array: np.ndarray[Any, Any]) -> None:
        """Keep a copy of an array's contents, where that costs less than to trace again."""
        plain = type(array) is np.ndarray and not array.dtype.hasobject
        if plain and array.nbytes <= COMPARED_BYTES:
            self._images[id(array)] = (array, array.shape, array.dtype, array.tobytes())
        else:
            self.is_pure = False

    def include(self, inner: Captures) -> None:
        """Take over what a trace inside this one has captured."""
        self.bindings += inner.bindings
        self._images |= inner._images
        self.is_pure = self.is_pure and inner.is_pure

    def unchanged(self) -> bool:
        """Whether a new trace would capture the very same things with the same contents."""
        if not self.is_pure:
            return False
        for read, value in self.bindings:
            try:
                if read() is not value:
                    return False
            except (LookupError, AttributeError, ValueError):
                return False
        return all(
            array.shape == shape and array.dtype == dtype and array.tobytes() == content
            for array, shape, dtype, content in self._images.values()
        )

