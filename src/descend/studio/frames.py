"""What travels to the browser: frames of numbers, laid out by `layout.json`, which both sides read.

A frame is whole: it needs none before it, so that the latest one may win. What does not change
while a run goes on, such as the data, travels once, as a scene.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "BLOCKS", "HEAD", "NO_ROW", "PLANES", "STATES", "VERSION",
    "Seen", "number_of", "pack", "unpack",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
_LAYOUT = json.loads(files("descend.studio").joinpath("layout.json").read_text("utf-8"))
VERSION: int = _LAYOUT["version"]
HEAD: tuple[str, ...] = tuple(_LAYOUT["head"])
_PLACES = {name: i for i, name in enumerate(HEAD)}
BLOCKS: tuple[str, ...] = tuple(_LAYOUT["blocks"])
STATES: Mapping[str, tuple[str, ...]] = {n: tuple(v) for n, v in _LAYOUT["states"].items()}
"""The states that a run may be in, with the numbers that are told of each."""
PLANES: int = _LAYOUT["planes"]
"""The number of a plane is that of its first parameter times this, plus that of its second."""
LITTLE = np.dtype("<f8")


class Seen(NamedTuple):
    """The row of a single step, and what the model gave there before and after it."""

    row: int
    said: float
    says: float


NO_ROW = Seen(-1, math.nan, math.nan)


def pack(head: Mapping[str, float], blocks: Mapping[str, Sequence[float] | Array]) -> bytes:
    """A frame as bytes.

    Args:
        head: a number for each name of `HEAD` but the version.
        blocks: (n,) numbers for each name of `BLOCKS`, of any length each.

    >>> frame = pack(dict.fromkeys(HEAD, 0.0) | {"loss": 2.5}, dict.fromkeys(BLOCKS, [1.0]))
    >>> head, blocks = unpack(frame)
    >>> head["loss"], head["version"], blocks["params"]
    (2.5, 3.0, array([1.]))
    """
    own = {**head, "version": float(VERSION)}
    parts = [np.asarray(blocks[name], LITTLE) for name in BLOCKS]
    begin = [own[name] for name in HEAD] + [len(part) for part in parts]
    return np.concatenate([np.array(begin, LITTLE), *parts]).tobytes()


def number_of(frame: bytes, name: str) -> float:
    """A number of a frame's head, and nothing else of it.

    >>> number_of(pack(dict.fromkeys(HEAD, 0.0) | {"loss": 2.5}, dict.fromkeys(BLOCKS, [])), "loss")
    2.5
    """
    (found,) = struct.unpack_from("<d", frame, LITTLE.itemsize * _PLACES[name])
    return float(found)


def unpack(frame: bytes) -> tuple[dict[str, float], dict[str, Array]]:
    """A frame's head and blocks.

    Raises:
        ValueError: it is of another version, or cut.
    """
    numbers = np.frombuffer(frame, LITTLE)
    head = dict(zip(HEAD, numbers.tolist(), strict=False))
    if head.get("version") != VERSION:
        raise ValueError("a frame of another version")
    at, blocks = len(HEAD) + len(BLOCKS), {}
    for name, length in zip(BLOCKS, numbers[len(HEAD) : at], strict=True):
        end = at + int(length) if math.isfinite(length) else -1
        if not at <= end <= len(numbers):
            raise ValueError("a frame that is cut")
        blocks[name], at = numbers[at:end], end
    return head, blocks
