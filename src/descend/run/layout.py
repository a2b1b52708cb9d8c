"""Where in the image of a run its answer lies, and what the method leaves beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from descend.compile.entry import CONTROL
from descend.compile.memory import Part
from descend.run.finished import NORMAL, Normal

__all__ = ["Layout"]

Array = np.ndarray[Any, np.dtype[Any]]
NUMBER = Struct("d")
STATES = tuple(f"method/{name}" for name in (*NORMAL, "x"))


class Read(NamedTuple):
    """Where the answer for a parameter lies: at which number of an image, and its shape."""

    name: str
    at: int
    shape: tuple[int, ...]


class Layout:
    """Where everything that is asked of an image lies: answers, JᵀJ, how the method has ended.

    Args:
        reads: parameter that is moved, the state that holds its answer, and from which number on.
        shapes: of the parameters by name.
        names: of the states, in their order.
        parts: where in an image each array lies.

    Attributes:
        reads: where the answers are.
        count: how many numbers are moved.
        has_equations: whether the method leaves JᵀJ and Jᵀr.
        may_be_moved: whether another place can be written into an image.
    """

    def __init__(
        self, reads: Sequence[tuple[str, int, int]], shapes: Mapping[str, tuple[int, ...]],
        names: Sequence[str], parts: Mapping[Any, Part],
    ) -> None:  # fmt: skip
        self.reads = [
            Read(name, parts["state", state].begin // 8 + at, shapes[name])
            for name, state, at in reads
        ]
        self.count = sum(math.prod(read.shape) for read in self.reads)
        self._inline = begin_of([(read.at, read.shape) for read in self.reads])
        scalar = not any(read.shape for read in self.reads)
        self._names = [read.name for read in self.reads] if scalar else None
        self._vector, self._matrix = Struct(f"{self.count}d"), Struct(f"{self.count**2}d")
        begins = {name: parts["state", i].begin for i, name in enumerate(names)}
        self.has_equations = all(name in begins for name in STATES)
        self._equations = [begins[name] for name in STATES if self.has_equations]
        self._loss = begins.get("method/loss")
        self.may_be_moved = self._inline is not None and self._loss is not None
        self._bowl, self._widest = begins.get("method/bowl"), begins.get("method/widest")

    def moved(self, content: bytes) -> dict[str, Any]:
        """What the method has moved, in the form of the parameters."""
        if self._names is not None and self._inline is not None:
            found = self._vector.unpack_from(content, self._inline)
            return dict(zip(self._names, found, strict=True))
        numbers: Any = memoryview(content).cast("d")
        moved = {}
        for name, at, shape in self.reads:
            if shape:
                moved[name] = np.array(numbers[at : at + math.prod(shape)]).reshape(shape)
            else:
                moved[name] = numbers[at]
        return moved

    def flat(self, content: bytes) -> list[float]:
        """The same number by number."""
        if self._inline is not None:
            return list(self._vector.unpack_from(content, self._inline))
        numbers: Any = memoryview(content).cast("d")
        return [numbers[at + i] for _, at, shape in self.reads for i in range(math.prod(shape))]

    def equations(self, content: bytes) -> tuple[Normal, tuple[float, ...]]:
        """JᵀJ, Jᵀr and the loss where the method stands, and that place."""
        jtj, jtr, loss, x = self._equations
        normal = Normal(
            self._matrix.unpack_from(content, jtj), self._vector.unpack_from(content, jtr),
            NUMBER.unpack_from(content, loss)[0],
        )  # fmt: skip
        return normal, self._vector.unpack_from(content, x)

    def equations_as_arrays(self, content: bytes) -> tuple[Array, Array, Array, Array]:
        """The same as arrays: (p, p), (p,), (1,) and (p,)."""
        p = self.count
        jtj, jtr, loss, x = (
            np.frombuffer(content, np.float64, size, begin)
            for size, begin in zip((p * p, p, 1, p), self._equations, strict=True)
        )
        return jtj.reshape(p, p), jtr, loss, x

    def later(self, content: bytes, x: Array, loss: float, evaluations: int) -> bytes:
        """The image after so many more evaluations, which have led to another place."""
        assert self._inline is not None and self._loss is not None
        gone = bytearray(content)
        self._vector.pack_into(gone, self._inline, *x.tolist())
        NUMBER.pack_into(gone, self._loss, loss)
        np.frombuffer(gone, np.int64, len(CONTROL))[CONTROL.index("steps")] += evaluations
        return bytes(gone)

    def ends_in_bowl(self, content: bytes) -> bool:
        """Whether the method's last move came near the bottom of a parabola."""
        return self._bowl is not None and NUMBER.unpack_from(content, self._bowl)[0] > 0

    def widest(self, content: bytes) -> Sequence[float]:
        """How large the method has seen each number; all alike where it keeps no account."""
        if self._widest is None:
            return (0.0,) * self.count
        return self._vector.unpack_from(content, self._widest)


def begin_of(reads: Sequence[tuple[int, tuple[int, ...]]]) -> int | None:
    """At which byte answers begin that stand one after the other; None if they do not.

    Args:
        reads: at which number each begins, and its shape.

    >>> begin_of([(3, ()), (4, (2,)), (6, ())]), begin_of([(3, ()), (5, ())])
    (24, None)
    """
    sizes = itertools.accumulate((math.prod(shape) for _, shape in reads), initial=0)
    inline = all(at == reads[0][0] + n for (at, _), n in zip(reads, sizes, strict=False))
    return 8 * reads[0][0] if reads and inline else None
