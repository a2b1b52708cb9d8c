"""The rows of a fit: checked, weighted, and divided into training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.data.covariance import whitening
from descend.data.validate import Missing, check_positive, clean_rows, real_array
from descend.errors import DataError, UsageError
from descend.methods.links import class_numbers
from descend.methods.losses import Loss
from descend.task.beyond import Beyond
from descend.task.columns import WHITENING, column_key
from descend.task.problem import Problem

__all__ = ["Rows", "prepared_rows"]

Array = np.ndarray[Any, np.dtype[Any]]
WEIGHTS = ("sample_weight", "sigma")


class Rows(NamedTuple):
    """Checked columns, ready to be bound.

    Attributes:
        columns: the data arguments of the model.
        extra: `target`, and `sample_weight` and `sigma` where they were given; `whitening`, (rows,
            rows), where sigma is a covariance matrix.
        n_dropped: rows left out because a value in them is missing.
        places: which of the rows given these are, where some are left out or held back.
        beyond: what they are a sample of, where there are more than memory is to hold.
    """

    columns: dict[str, Array]
    extra: dict[str, Array]
    n_rows: int
    n_dropped: int
    places: Array | None = None
    beyond: Beyond | None = None

    @property
    def total(self) -> int:
        """How many rows the descent goes through."""
        return self.n_rows if self.beyond is None else self.beyond.n_rows

    def check(self, loss: Loss, outputs: Sequence[tuple[int, ...]] | None = None) -> None:
        """Refuse targets that the loss cannot mean, by the numbers of the rows given.

        Of rows that come the whole is looked through elsewhere, by its own numbers.

        Raises:
            DataError, UsageError: as `Loss.check`.
        """
        if self.beyond is not None:
            return
        try:
            loss.check(self.extra["target"], outputs)
        except DataError as error:
            if self.places is None or error.row is None:
                raise
            raise error.renumbered(f"row {self.places[error.row]}") from None

    def all(self) -> dict[str, Array]:
        """Every column under the name that the program knows it by."""
        return {**{column_key(n): a for n, a in self.columns.items()}, **self.extra}

    def numbers(self) -> Array:
        """(rows,) which of the rows given each is."""
        places = np.arange(self.n_rows) if self.places is None else self.places
        return places.astype(np.uint32)

    @property
    def counted(self) -> int:
        """How many numbers of the target say something: those of rows whose weight is not zero."""
        target, weight = self.extra["target"], self.extra.get("sample_weight")
        if self.beyond is not None:
            return self.beyond.counted
        if weight is None or not self.n_rows:
            return int(target.size)
        return int(np.count_nonzero(weight)) * (target.size // self.n_rows)

    @property
    def weight(self) -> Array | None:
        """(rows,) what multiplies the square of a residual, sigmas included; None for ones."""
        weight, sigma = (self.extra.get(name) for name in WEIGHTS)
        if sigma is None:
            return weight
        return sigma**-2.0 if weight is None else weight * sigma**-2.0

    def weighted(self, weight: Array) -> Rows:
        """The same rows, each weighing so many times as much."""
        own = self.extra.get("sample_weight")
        found = weight if own is None else own * weight
        return self._replace(extra={**self.extra, "sample_weight": found})

    def by_class(self, weights: Array) -> Rows:
        """The same rows, each weighing as much as its class, by the number of that."""
        own = self.weighted(weights[class_numbers(self.extra["target"])])
        return own if self.beyond is None else own._replace(beyond=self.beyond.weighing(weights))

    def single(self) -> Rows:
        """The same rows in single precision."""
        columns = {n: a.astype(np.float32) for n, a in self.columns.items()}
        return self._replace(
            columns=columns, extra={n: a.astype(np.float32) for n, a in self.extra.items()},
            beyond=None if self.beyond is None else self.beyond.single(),
        )  # fmt: skip

    def take(self, rows: Array) -> Rows:
        """Some of the rows, in the order given."""
        return Rows(
            {n: np.ascontiguousarray(a[rows]) for n, a in self.columns.items()},
            {n: np.ascontiguousarray(a[rows]) for n, a in self.extra.items()},
            len(rows), self.n_dropped, rows if self.places is None else self.places[rows],
        )  # fmt: skip


def prepared_rows(
    problem: Problem, sample_weight: Any, sigma: Any, missing: Missing, in_place: bool = False
) -> Rows:
    """Check the data of a problem.

    Args:
        in_place: rows where only the target is missing keep their places, with a weight of zero:
            what a model needs whose rows know of one another.

    Raises:
        DataError: unequal lengths, too few rows, missing values, negative weights.
    """
    assert problem.y is not None
    goal = problem.target if problem.target not in problem.columns else "the target"
    matrix = None
    if np.ndim(sigma) == 2:
        matrix, sigma = _matrix(sigma, problem.y, sample_weight), None
    named: dict[str, Array] = {**problem.columns, goal: problem.y}
    labels = {goal: "target"}
    n = len(problem.y) if problem.y.ndim else 0
    for name, given in zip(WEIGHTS, (sample_weight, sigma), strict=True):
        if given is not None:
            label = name if name not in problem.columns else f"the option {name}"
            named[label] = _weight(name, given, n)
            labels[label] = name
    if in_place:
        sample_weight = _keep_places(problem, named, goal, sample_weight)
        label = WEIGHTS[0] if WEIGHTS[0] not in problem.columns else f"the option {WEIGHTS[0]}"
        named[label], labels[label] = sample_weight, WEIGHTS[0]
    clean = clean_rows(named, missing="raise" if in_place else missing, least=2)
    columns = {n: np.ascontiguousarray(clean.columns[n]) for n in problem.columns}
    extra = {label: np.ascontiguousarray(clean.columns[n]) for n, label in labels.items()}
    if "sigma" in extra:
        check_positive(extra["sigma"], "sigma", places=clean.kept)
    if "sample_weight" in extra:
        check_positive(extra["sample_weight"], "sample_weight", zero=True, places=clean.kept)
    if matrix is not None:
        kept = slice(None) if clean.kept is None else clean.kept
        extra[WHITENING] = whitening(matrix[kept][:, kept], clean.n_rows)
    return Rows(columns, extra, clean.n_rows, clean.n_dropped, clean.kept)


def _keep_places(problem: Problem, named: dict[str, Array], goal: str, weight: Any) -> Array:
    """Give rows without a target the weight zero, and any target; refuse those without data.

    Raises:
        DataError: a value is missing in another column than the target.
    """
    y = named[goal]
    lost = ~np.isfinite(y).reshape(len(y), -1).all(axis=1)
    for name, column in named.items():
        if name != goal and column.dtype.kind == "f":
            bad = ~np.isfinite(column).reshape(len(column), -1).all(axis=1)
            if bad.any():
                raise DataError(
                    f"{name} is missing in row {int(np.argmax(bad))}, and the model's rows know of "
                    "one another: without this row the others would be other rows",
                    remedy="fill in the value; rows where only the target is missing may be "
                    "dropped",
                )
    if lost.all():
        return np.ones(len(y))
    filled = np.array(y)
    filled[lost] = y[~lost][0]
    named[goal] = filled
    own = np.ones(len(y)) if weight is None else _weight("sample_weight", weight, len(y))
    return np.where(lost, 0.0, own)


def _matrix(sigma: Any, y: Array, sample_weight: Any) -> Array:
    """A covariance matrix of the target, of the right shape."""
    matrix = real_array(sigma, "sigma").astype(np.float64)
    if y.ndim != 1 or matrix.shape != (len(y), len(y)):
        raise DataError(
            f"sigma has the shape {matrix.shape}, and y has the shape {y.shape}",
            remedy="give one number a row, or the covariance matrix of all of y, (rows, rows)",
        )
    if sample_weight is not None:
        raise UsageError(
            "sample_weight has no meaning beside a covariance matrix, which weights the rows",
            remedy="leave one of them out",
        )
    return matrix


def _weight(name: str, given: Any, n_rows: int) -> Array:
    array = real_array(given, name).astype(np.float64)
    if array.ndim == 0:
        array = np.full(n_rows, float(array))
    if array.ndim != 1:
        raise DataError(
            f"{name} has the shape {array.shape}: one number a row is needed",
            remedy="give an array of the shape (rows,)",
        )
    return array
