"""How the columns that a program reads are made of those of a source, wherever rows come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from descend.task.columns import ROW, TARGET, WEIGHT
from descend.task.scales import Scale

if TYPE_CHECKING:
    from descend.data.streams.stream import Piece

__all__ = ["Assembly"]

Array = np.ndarray[Any, np.dtype[Any]]


class Assembly(NamedTuple):
    """What a program's columns are made of: a value that can be sent to other processes.

    Attributes:
        own: the source's columns in its order.
        names: what the program calls a column → what the source calls it; of a matrix, its columns.
        labels: of the target, ascending, whose numbers the program takes for it.
        by_class: what the rows of each label weigh, by its number.
        scales: what becomes of columns, as the program calls them; see `task.scaling`.
        dtype: of the columns.
    """

    own: tuple[str, ...]
    names: Mapping[str, str | tuple[str, ...]]
    labels: Array | None = None
    by_class: Array | None = None
    scales: Mapping[str, Scale] = {}
    dtype: type = np.float64

    def has(self, name: str) -> bool:
        """Whether there is such a column of the program."""
        return name in self.names or (name == WEIGHT and self.by_class is not None)

    def all(self, own: Mapping[str, Array]) -> dict[str, Array]:
        """Every column that the program knows."""
        names = [*self.names, *([] if self.by_class is None else [WEIGHT])]
        return {name: self.column(name, own) for name in dict.fromkeys(names)}

    def of(
        self, pieces: Iterable[Piece], columns: Mapping[str, Any]
    ) -> Iterator[tuple[int, list[Array]]]:
        """Columns of each piece, the row's number among them, with the number of its first row.

        Args:
            columns: name → the type of its numbers, None for what it has.
        """
        for piece in pieces:
            own = dict(zip(self.own, piece.columns, strict=True))
            found = [
                self._numbers(piece) if n == ROW else self.column(n, own) for n in columns
            ]
            kinds = columns.values()
            yield piece.first, [np.asarray(a, t) for a, t in zip(found, kinds, strict=True)]

    def column(self, name: str, own: Mapping[str, Array]) -> Array:
        """A column as the program takes it, of those of the source."""
        of, scale = self.names.get(name), self.scales.get(name)
        if isinstance(of, tuple):
            matrix: Array = np.empty((len(own[of[0]]), len(of)), self.dtype)
            for j, part in enumerate(of):
                matrix[:, j] = own[part] if scale is None else scale.entry(j).into(own[part])
            return matrix
        found: Array = np.ones(len(next(iter(own.values())))) if of is None else own[of]
        if name == WEIGHT and self.by_class is not None:
            found = found * self.by_class[self._classes(own)]
        elif name == TARGET and self.labels is not None:
            found = self._classes(own).astype(np.float64)
        if scale is not None:
            found = scale.into(found)
        return found.astype(self.dtype, copy=False)

    def _classes(self, own: Mapping[str, Array]) -> Array:
        """(rows,) the number of each row's label."""
        target = self.names[TARGET]
        assert isinstance(target, str)
        y = own[target]
        return y.astype(np.intp) if self.labels is None else np.searchsorted(self.labels, y)

    def _numbers(self, piece: Piece) -> Array:
        """(rows,) which of the source's rows each is."""
        if piece.places is not None:
            return piece.places.astype(np.uint32)
        return np.arange(piece.first, piece.first + piece.rows, dtype=np.uint32)
