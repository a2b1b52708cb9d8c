"""What a stand-in holds: a node, a store being written to, or a part of another stand-in."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from descend.graph.node import Node, Shape
from descend.trace.context import note
from descend.trace.regions import Region, Store

__all__ = ["Contents", "View"]


class View:
    """Which part of which tensor another tensor is."""

    __slots__ = ("base", "region", "root", "version")

    def __init__(self, base: Contents, region: Region) -> None:
        self.base = base
        self.root: Contents = base if base._view is None else base._view.root
        self.region = region
        self.version = -1


class Contents:
    """The elements of a stand-in, and whose they are."""

    __slots__ = ("__weakref__", "_kids", "_known", "_node", "_store", "_view", "_weak")

    _node: Node | None
    _view: View | None
    _store: Store | None
    _known: Any
    _kids: list[weakref.ref[Contents]] | None

    def __init__(self, node: Node | None, weak: bool = False, view: View | None = None) -> None:
        self._node = node
        self._weak = weak
        self._view = view
        self._store = None

    @property
    def node(self) -> Node:
        """The node that holds the present contents."""
        if self._view is not None:
            return self._refreshed(self._view)
        if self._store is not None:
            return self._store.whole()
        assert self._node is not None
        return self._node

    def _refreshed(self, view: View) -> Node:
        """The part of the base, read again if the base has been written to since."""
        store = view.root._store
        version = 0 if store is None else store.version
        if view.version == version and self._node is not None:
            return self._node
        chain: list[Contents] = []
        part: Contents = self
        while part._view is not None and part._view.version != version:
            chain.append(part)
            part = part._view.base
        for part in reversed(chain):
            link = part._view
            assert link is not None
            if link.base is link.root and store is not None:
                part._node = store.read(link.region)
            else:
                part._node = link.region.read(link.base.node)
            link.version = version
        assert self._node is not None
        return note(self._node)

    def _put(self, region: Region | None, value: Node) -> None:
        """Replace the contents, or a region of them, up to the array that owns the elements."""
        view = self._view
        if region is not None and view is not None:
            value = region.write(self.node, value)
            region = None
        while view is not None:
            base = view.base
            region = view.region
            if base._view is not None:
                value = region.write(base.node, value)
            view = base._view
        owner = self if self._view is None else self._view.root
        if owner._store is None:
            assert owner._node is not None
            owner._store = Store(owner._node)
        if region is None:
            owner._store.version += 1
            owner._store.pieces.clear()
            owner._store.node = value
        else:
            owner._store.write(region, value)

    def _read(self, region: Region) -> Node:
        if self._view is None and self._store is not None:
            return self._store.read(region)
        return region.read(self.node)

    @property
    def extents(self) -> Shape:
        """The shape, in which a symbolic number of rows is a `Dim`."""
        if self._view is not None:
            return self._view.region.shape
        node = self._node if self._store is None else self._store.node
        assert node is not None
        return node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        owner = self if self._view is None else self._view.root
        node = owner._node if owner._store is None else owner._store.node
        assert node is not None
        return node.dtype
