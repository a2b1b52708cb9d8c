"""What the caller of a compiled function must know, as JSON: slots, scratch, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.compile.places import Place
from descend.graph.node import Dim

__all__ = ["as_json", "from_json"]


def as_json(value: Any, dims: Sequence[Dim]) -> Any:
    """Places, tuples, dtypes and symbolic extents in JSON's types."""
    if isinstance(value, Dim):
        return {"dim": dims.index(value)}
    if isinstance(value, Place):
        parts = [value.role, value.number, value.shape, value.dtype.str, value.batched]
        return {"place": as_json(parts, dims)}
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value).tobytes().hex()
        return {"array": [data, value.dtype.str, list(value.shape)]}
    if isinstance(value, Mapping):
        return {"map": {k: as_json(v, dims) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [as_json(v, dims) for v in value]
    return value


def from_json(value: Any, dims: Sequence[Dim]) -> Any:
    """The inverse, for the symbolic extents of the program at hand; sequences become tuples."""
    if isinstance(value, list):
        return tuple(from_json(v, dims) for v in value)
    if not isinstance(value, dict):
        return value
    if "dim" in value:
        return dims[value["dim"]]
    if "place" in value:
        role, number, shape, dtype, batched = from_json(value["place"], dims)
        return Place(role, number, shape, np.dtype(dtype), batched)
    if "array" in value:
        data, dtype, shape = value["array"]
        return np.frombuffer(bytes.fromhex(data), dtype).reshape(shape)
    return {k: from_json(v, dims) for k, v in value["map"].items()}
