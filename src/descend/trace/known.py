"""Arrays of the model whose values are known already, such as `np.zeros(3)` gives in a model.

They are NumPy's own arrays with a shell around them, until something traced is written into one:
then it, and all views of it, turn into traced arrays.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from descend.graph.linear import broadcast
from descend.graph.node import Node, Shape
from descend.graph.source import const
from descend.trace import indexing
from descend.trace.contents import View
from descend.trace.context import current, note
from descend.trace.regions import Region, Store
from descend.trace.tensor import Tensor, is_traced, plain_index, without_stand_ins, wrap

__all__ = ["Known", "known"]


class Known(Tensor):
    """An array of the model whose value is known: NumPy's own, until something traced is put in."""

    __slots__ = ()
    is_known = True

    @property
    def node(self) -> Node:
        return constant_node(self._known)

    @property
    def extents(self) -> Shape:
        return tuple(self._known.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._known.dtype  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return int(self._known.size)

    def __repr__(self) -> str:
        return repr(self._known)

    def __str__(self) -> str:
        return str(self._known)

    def __format__(self, spec: str) -> str:
        return format(self._known, spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._known, dtype=dtype, copy=copy)

    def _value(self, message: str, remedy: str) -> Any:
        return self._known

    def __index__(self) -> int:
        return int(self._known.__index__())

    def item(self, *args: Any) -> Any:
        return self._known.item(*args)

    def tolist(self) -> Any:
        return self._known.tolist()

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self._known)))

    def __getitem__(self, index: Any) -> Any:
        plain = plain_index(index)
        block = indexing.basic(plain, self.extents) if not _has_node(plain) else None
        if block is not None and (block.shape or not block.ints):
            return self.part(block)
        if _has_node(plain):
            return wrap(note(indexing.gather(indexing.plan(plain, self.extents), self.node)))
        return known(self._known[plain])

    def __setitem__(self, index: Any, value: Any) -> None:
        plain = plain_index(index)
        if not _has_node(plain) and not is_traced(value):
            self._known[plain] = without_stand_ins(value)
            return
        self.become_traced()
        self[index] = value

    def part(self, region: Region) -> Any:
        view = View(self, region)
        part = known(region.read_array(self._known))
        part._view = view
        owner = view.root
        owner._kids = [*(owner._kids or ()), weakref.ref(part)]
        return part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"an array of the model has no attribute {name!r}")
        return getattr(self._known, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._known.__reduce_ex__(protocol)

    def become_traced(self) -> None:
        """Turn the array that owns the elements, and all its views, into traced ones."""
        owner = self if self._view is None else self._view.root
        owner._store = Store(owner.node)
        for part in (owner, *(r() for r in owner._kids or ())):
            if part is not None:
                part._node = owner._store.node if part is owner else None
                part._known = part._kids = None
                part.__class__ = Tensor


def known(value: Any) -> Any:
    """An array as a stand-in of known value; scalars stay NumPy's."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return value
    result = Known.__new__(Known)
    Tensor.__init__(result, None)
    result._known = value
    result._kids = None
    return result


def constant_node(value: Any) -> Node:
    """A node of known value: one number repeated where all are equal."""
    if value.size > 16 and (value == value.flat[0]).all() and value.dtype.kind in "biuf":
        return broadcast(const(value.flat[0]), value.shape, ())
    trace = current()
    return const(value) if trace is None else trace.capture(value)


def _has_node(index: Any) -> bool:
    if isinstance(index, tuple):
        return any(isinstance(i, Node) for i in index)
    return isinstance(index, Node)
