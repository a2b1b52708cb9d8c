"""The fitted model as a function of new rows; it can be written to a file and read again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.data.frames import as_matrix, bind_inputs, is_table, take_columns
from descend.data.validate import check_members
from descend.errors import UsageError
from descend.graph.evaluate import Again, Prepared
from descend.graph.node import Dim, Node, mixing
from descend.lean import dataclass
from descend.run.answers import RAW, Answer
from descend.run.outside import refuse_outside
from descend.trace.model import Model

if TYPE_CHECKING:
    from descend.task.scaling import Scaling

__all__ = ["Predictor", "rows_apart"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Predictor:
    """A prediction graph with everything that it needs besides rows.

    Attributes:
        outputs: the prediction (a pair of nodes for some losses).
        data: argument → its input, rows first, in the order of the signature.
        leaves: leaf of the parameters → its input.
        captured: inputs that the model captured, with their arrays.
        rows: the symbolic number of rows, or the only number that the model was traced for.
        by_name: whether the data must come with names (a formula).
        scaling: how the columns and the prediction are rescaled, if they are.
        answer: what is made of the prediction.
        matrix: the columns of a table that make the only column, where it was made of one.
        members: how many different whole numbers the columns may hold; 0 where they are numbers.
        model: as it was traced, where it is there: errors name its lines.
    """

    outputs: tuple[Node, ...]
    data: Mapping[str, Node]
    leaves: Mapping[str, Node]
    captured: Sequence[tuple[Node, Array]]
    rows: Dim | int
    by_name: bool = False
    scaling: Scaling | None = None
    answer: Answer = RAW
    members: int = 0
    matrix: tuple[str, ...] = ()
    model: Model | None = None

    def bind(self, x: Any) -> dict[str, Array]:
        """New rows by argument, from what the user gives."""
        names = list(self.data)
        if x is None:
            raise UsageError("there is no data", remedy=f"give {', '.join(names)}")
        if self.matrix and is_table(x):
            return {names[0]: as_matrix(x, self.matrix)}
        if isinstance(x, Mapping):
            x = {name: x[name] for name in x if name in names}
        elif self.by_name and not hasattr(x, "columns"):
            if len(names) != 1:
                raise UsageError(
                    "the model knows its data by name, and x has none",
                    remedy=f"give a dict or frame with the columns {', '.join(names)}",
                )
            x = {names[0]: x}
        found = bind_inputs(x, names) if not self.by_name else take_columns(x, names)
        missing = [name for name in names if name not in found]
        if missing:
            raise UsageError(
                f"the model needs {', '.join(missing)} as well",
                remedy=f"give {len(names)} arrays: {', '.join(names)}",
            )
        return found

    def __call__(self, columns: Mapping[str, Array], leaves: Mapping[str, Array]) -> Any:
        """The prediction for rows at these parameters: an array, or a pair of arrays.

        Raises: as `at`.
        """
        return self.at(columns)(leaves)

    def at(self, columns: Mapping[str, Array]) -> Callable[[Mapping[str, Array]], Any]:
        """The prediction for rows, as a function of the parameters.

        Raises:
            UsageError: shapes or a number of rows that the model was not traced for, or an index
                outside of its array (TraceIndexError).
            DataError: a column that is an index holds something else than whole numbers.
        """
        scalars = [name for name, a in columns.items() if a.ndim < self.data[name].ndim]
        if len(scalars) == len(columns):
            columns = {name: a[None] for name, a in columns.items()}
        for name, column in columns.items():
            if column.shape[1:] != self.data[name].shape[1:]:
                raise UsageError(
                    f"{name} has the shape {column.shape}, and the model takes rows of the shape "
                    f"{self.data[name].shape[1:]}",
                    remedy="give as many columns, in the same order, as the fit had",
                )
        n_rows = len(next(iter(columns.values())))
        if isinstance(self.rows, int) and n_rows != self.rows:
            raise UsageError(
                f"the model asks for the number of rows, and was traced for {self.rows}: "
                f"it cannot predict {n_rows}"
            )
        if self.members:
            for name, column in columns.items():
                check_members(column, self.members, name)
        if self.scaling is not None:
            columns = {n: self.scaling.columns[n].into(a) for n, a in columns.items()}
        bound = {self.data[n]: np.asarray(a, self.data[n].dtype) for n, a in columns.items()}
        bound |= dict(self.captured)
        extents = {self.rows: n_rows} if isinstance(self.rows, Dim) else {}
        again = Again(self._prepared, bound, extents)

        def predicted(leaves: Mapping[str, Array]) -> Any:
            params = {self.leaves[name]: np.asarray(a) for name, a in leaves.items()}
            try:
                found = again(params)
            except IndexError:
                found = None
            if found is None:
                self.refuse_outside({**bound, **params}, extents)
                found = again(params)
            results = [np.array(r) for r in found]
            results = [r if r.ndim else np.full(n_rows, r) for r in results]
            if self.scaling is not None and self.scaling.target is not None:
                results = [self.scaling.target.back(r) for r in results]
            if len(scalars) == len(columns):
                results = [r[0] for r in results]
            return results[0] if len(results) == 1 else tuple(results)

        return predicted

    @functools.cached_property
    def _prepared(self) -> Prepared:
        """The graph in the order of evaluation: a run that is watched predicts at every frame."""
        captured = [node for node, _ in self.captured]
        return Prepared(self.outputs, [*self.data.values(), *self.leaves.values(), *captured])

    def refuse_outside(self, bound: Mapping[Node, Array], extents: Mapping[Dim, int]) -> None:
        """Raise what an index outside of its array is in a fit."""
        names = {node: name for name, node in self.data.items()}
        if self.model is None:
            refuse_outside(self.outputs, bound, extents, names, lambda _node: None)
        else:
            refuse_outside(self.model.nodes, bound, extents, names, self.model.origin)


def rows_apart(predictor: Predictor) -> bool:
    """Whether a model's rows know nothing of one another, so that it has a curve through them."""
    return isinstance(predictor.rows, Dim) and not mixing(predictor.outputs, predictor.rows)[1]
