"""The draws of `descend.random`, written anew from their description, with Python's integers.

Threefry-2x32 as in Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(2011), section 4.2. The key of a step is the cipher of its number under the seed; that of an
iteration is the cipher of (iteration, 1) under the key around it, that of a stream the cipher of
(stream, 0); a word is the cipher of (row, place within the row) under the key of its stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MASK = 0xFFFFFFFF
TURNS = [[13, 15, 26, 6], [17, 29, 16, 24]]


def cipher(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    schedule = [*key, 0x1BD11BDA ^ key[0] ^ key[1]]
    x, y = ((c + k) & MASK for c, k in zip(counter, key, strict=True))
    for group in range(5):
        for turn in TURNS[group % 2]:
            x = (x + y) & MASK
            y = (((y << turn) | (y >> (32 - turn))) & MASK) ^ x
        x = (x + schedule[(group + 1) % 3]) & MASK
        y = (y + schedule[(group + 2) % 3] + group + 1) & MASK
    return x, y


def key(seed: int, step: int, stream: int, iterations: Sequence[int] = ()) -> tuple[int, int]:
    own = cipher((seed & MASK, seed >> 32), (step & MASK, step >> 32))
    for t in iterations:
        own = cipher(own, (t, 1))
    return cipher(own, (stream, 0))


def words(rows: Sequence[int], places: int, *key_parts: object) -> np.ndarray:
    """(rows, places, 2): both words of each element."""
    own = key(*key_parts)  # type: ignore[arg-type]
    return np.array([[cipher(own, (r, e)) for e in range(places)] for r in rows], np.uint64)


def bernoulli(p: float, rows: Sequence[int], places: int, *key_parts: object) -> np.ndarray:
    """(rows, places) ones and zeros."""
    return (words(rows, places, *key_parts)[..., 0] < round(p * 2**32)).astype(float)


def uniform(rows: Sequence[int], places: int, *key_parts: object) -> np.ndarray:
    w = words(rows, places, *key_parts)
    return ((w[..., 0] >> 5) * 2.0**26 + (w[..., 1] >> 6)) / 2.0**53


def normal(rows: Sequence[int], places: int, *key_parts: object) -> np.ndarray:
    w = words(rows, places, *key_parts) >> 1
    radius = np.sqrt(-2 * np.log((w[..., 0] + 1.0) / 2**31))
    return radius * np.cos(2 * math.pi * w[..., 1] / 2**31)
