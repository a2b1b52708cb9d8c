"""What is worked out after a run, when somebody looks: loss, residuals, standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.errors import UsageError
from descend.graph.blocks import BLOCK, in_tree
from descend.graph.node import Node
from descend.methods.links import class_numbers, rows_of_classes
from descend.methods.losses import Poisson
from descend.parameters.flat import flat, leaf_by_leaf, names_of
from descend.records.layers import LayerRecord
from descend.records.record import FitRecord, correlation_of, defaults_of, like, number_names_of
from descend.records.statuses import STATUSES
from descend.run.build import Built
from descend.run.finished import Normal
from descend.run.job import Job
from descend.run.passes import BySlices
from descend.run.slopes import slopes_of_prediction
from descend.run.view import View, free_count, on_bounds, tied_errors, view_of
from descend.simplify.driver import simplify
from descend.task.columns import WHITENING
from descend.task.rows import Rows
from descend.trace.tree import unflatten
from descend.trust.covariance import (
    MOST_WITH_ERRORS,
    NO_SLOPE,
    NOT_ARRIVED,
    SANDWICH,
    Errors,
    errors_of,
    stacked,
    triangle_of,
    triangle_of_columns,
)
from descend.trust.goodness import goodness, goodness_of_counts, weights_of
from descend.trust.metrics import metrics_of_classes, metrics_of_numbers, without_classes
from descend.trust.normal_errors import covariance_of_fit
from descend.trust.over_rows import OverRows

__all__ = [
    "MOST_WITH_ERRORS", "OF_ERRORS", "OF_LAYERS", "OF_VALUES", "Completion", "evidence_of",
    "triangle_of_block",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
SAME = 1e-10  # of the largest prediction: what differs by less is the same
NO_ERRORS = {
    "runaway": "there is no finite best value",
    "side minimum": "every row has the same prediction",
    "threshold": "a parameter acts only through comparisons",
    "grew": "the loss grew",
    "not moved": "the run ended where it began",
}
"""Why there are none, by the verdict."""
OF_VALUES = (
    "loss", "residuals", "fitted", "chi2", "reduced_chi2", "dof", "r2", "aic", "aicc", "bic",
    "metrics",
)  # fmt: skip
"""Fields that need no derivatives."""
VALUES_ALONE = tuple(name for name in OF_VALUES if name != "dof")
"""Those of a loss that is no sum of squares: its degrees of freedom come with the errors."""
OF_ERRORS = (
    "covariance", "correlation", "stderr", "errors_note", "errors_from", "deviance", "findings",
    "covariance_names",
)  # fmt: skip
OF_LAYERS = ("layers",)
"""Fields that a network has alone."""


class Completion(OverRows):
    """Works out the fields of a fit that nobody has asked for yet.

    Large data are not copied for it: if they have changed since, that is said instead.
    """

    def __init__(
        self, job: Job, built: Built, leaves: Mapping[str, Array], absolute: bool, original: Rows,
        normal: Normal | None = None, arrived: bool | None = None,
        findings: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.arrived, self.findings = arrived, list(findings)
        self.whole = View(job, built, dict(leaves))
        super().__init__(*view_of(job, built, leaves), original)
        self.absolute = absolute
        self.normal = normal
        self.fingerprint = self._fingerprint()

    def _fingerprint(self) -> tuple[float, ...]:
        with np.errstate(all="ignore"):
            return tuple(float(a.sum()) for a in self.original.all().values())

    def check_unchanged(self) -> None:
        """Refuse to work out anything of data that are not those of the fit any more."""
        if self._fingerprint() != self.fingerprint:
            raise UsageError(
                "the data arrays have been changed since the fit, so its residuals and errors "
                "cannot be worked out any more",
                remedy="look at fit.loss before changing them, or fit a copy: x.copy()",
            )

    def fields(self, name: str, params: Any, status: str) -> dict[str, Any]:
        """A field of these tables, with the others that are worked out with it.

        Args:
            params, status: of the fit.
        """
        self.check_unchanged()
        if name in OF_LAYERS:
            return {name: self._layers()}
        columns = self.slopes()
        with np.errstate(all="ignore"):
            own = OF_VALUES if columns is not None else VALUES_ALONE
            if name in own:
                found = self.values()
                found |= {} if columns is not None else self._counted(found)
                return _blank(own) | {n: value for n, value in found.items() if n in own}
            none = _blank(OF_ERRORS) | {
                "stderr": like(params, np.nan), "covariance_names": number_names_of(params)
            }  # fmt: skip
            if columns is not None:
                return none | self._errors(status)
            found = self.values()
            return none | _blank(OF_VALUES) | found | self._counted(found) | self._errors(status)

    def values(self) -> dict[str, Any]:
        """The fields that need no derivatives."""
        return self._judged(self._evaluate(self._outputs()))

    def _layers(self) -> tuple[LayerRecord, ...]:
        """What there is to say of each layer of a network."""
        if self.job.problem.network is None:
            return ()
        from descend.trust.layers import gradients_of, layers_of, seen_layers

        free = self.whole.job.space is None
        gradients = None if free else gradients_of(self.job, self.built, self.leaves)
        return layers_of(seen_layers(*self.whole, gradients))

    def _outputs(self) -> list[Any]:
        """The loss, the prediction, and the scaled residual, if there is one."""
        made = self.built.descent
        found = [made.objective, *self.built.model.nodes]
        return found if made.residual is None else [*found, made.residual]

    def _judged(self, values: list[Array]) -> dict[str, Any]:
        """What follows from the values of `_outputs`."""
        y, k = self.original.extra["target"], 1 + len(self.built.model.nodes)
        found: dict[str, Any] = {"loss": float(values[0]) * self.job.loss_factor}
        fitted = values[1] if k == 2 else _side_by_side(values[1:k], y)
        scaling = self.job.scaling
        if scaling is not None and scaling.target is not None:
            fitted = scaling.target.back(fitted)
        fitted = np.broadcast_to(fitted, y.shape) if np.ndim(fitted) == 0 else fitted
        found["fitted"] = np.array(fitted)
        loss = self.job.settings.loss
        network = self.job.problem.network is not None
        if fitted.shape == y.shape and loss is not None and loss.of_residual:
            found["residuals"] = y - fitted
            scaled = values[k] if self._has_columns() and not network else None
            found |= self._judge(y - fitted, scaled, y)
        return found | {"metrics": self._metrics(fitted, y)}

    def _metrics(self, fitted: Array, y: Array) -> dict[str, float]:
        """How well classes are told apart, or how near numbers are."""
        loss, weight = self.job.settings.loss, self.original.extra.get("sample_weight")
        by_class = self.job.problem.class_weights
        if by_class is not None and weight is not None:  # they are for training alone
            weight = without_classes(weight, class_numbers(y), by_class)
        if loss is None or not np.isfinite(fitted).all():
            return {}
        if loss.tells_classes:
            own, p = rows_of_classes(loss.link, fitted, y)
            told = own.dtype.kind == "i" or np.isin(own, (0, 1)).all()
            return metrics_of_classes(own, p, weight) if told else {}
        return metrics_of_numbers(y, fitted, weight) if loss.of_residual else {}

    # --- what uncertainties are worked out of

    def n_entries(self) -> int:
        """How many losses are averaged: as many a row as the loss gives."""
        loss, target = self.job.settings.loss, self.original.extra["target"]
        if loss is None or loss.axis == "kept":
            return int(target.size)
        found = [part if np.ndim(part) == 0 else part[:1] for part in self.prediction()]
        with np.errstate(all="ignore"):
            one = loss.per_row(found[0] if len(found) == 1 else tuple(found), target[:1])
        return int(np.size(one)) * self.rows.n_rows

    def residual_count(self) -> int:
        """How many residuals stand behind those that `reduced` gives."""
        target = self.rows.extra["target"]
        return target.size

    def reduced(self) -> tuple[Array, Array]:
        """A residual and derivatives with the products of `linear`'s, no more rows than needed.

        Of more than one block the triangle of [J r], by blocks as of rows that come.
        """
        self.check_unchanged()
        residual, columns = self.built.descent.residual, self.slopes()
        assert residual is not None and columns is not None
        nodes = [residual, *columns]
        if not self.in_one(nodes):
            fold = BySlices(triangle_of_block, stacked)
            whole = in_tree(self.folded(nodes, fold), stacked)
        else:
            r, j = self.linear()
            if r.size <= BLOCK:
                return r, j
            whole = triangle_of(j, r)
        return whole[:, -1], whole[:, :-1]

    def at_end(self) -> tuple[Array, Array]:
        """As `reduced`, at the parameters where the descent has ended."""
        return self.reduced()

    def linear(self) -> tuple[Array, Array]:
        """The scaled residuals (n,) and their derivatives (n, p), for a sum of squares."""
        self.check_unchanged()
        residual, columns = self.built.descent.residual, self.slopes()
        assert residual is not None and columns is not None
        with np.errstate(all="ignore"):
            first, *others = self._evaluate([residual, *columns])
        return _flat(first, others)

    def prediction(self) -> list[Array]:
        """The prediction in the units that the program sees."""
        self.check_unchanged()
        with np.errstate(all="ignore"):
            return self._evaluate(list(self.built.model.nodes))

    def linear_prediction(self) -> tuple[Array, Array]:
        """The only prediction, (n,) for n numbers of the target, and its derivatives (n, p), in the
        units of the program."""
        first, *others = self._evaluate(slopes_of_prediction(self.built))
        return _flat(np.broadcast_to(first, self.original.extra["target"].shape), others)

    def slopes(self) -> list[Node] | None:
        """The derivatives of the residuals, one a number; made once for a program."""
        residual = self.built.descent.residual
        if residual is None or not self._has_columns():
            return None
        if "jacobian" not in self.built.extras:
            columns = jacobian_columns(residual, list(self.built.model.leaves.values()))
            self.built.extras["jacobian"] = simplify(columns, final=True)
        return list(self.built.extras["jacobian"])

    @property
    def squares(self) -> bool:
        """Whether the loss is a plain sum of squares."""
        return self.built.descent.residual is not None and self.job.settings.penalty is None

    def _count(self) -> int:
        return free_count(self.whole.job.space, self.leaves)

    def _has_columns(self) -> bool:
        count = sum(a.size for a in self.leaves.values())
        return self.squares and count <= MOST_WITH_ERRORS

    def _judge(self, residuals: Array, scaled: Array | None, y: Array) -> dict[str, Any]:
        weight = self.original.weight
        if scaled is not None:
            residual = scaled * self._unit()
        else:
            residual = residuals * np.sqrt(weights_of(weight, y))
        matrix = self.original.extra.get(WHITENING)
        if matrix is not None:
            # Against the best constant, as where there are sigmas: its residuals are whitened too.
            constant, y = matrix.sum(axis=1), matrix @ y
            y = y - constant * ((constant @ y) / (constant @ constant))
            weight = np.ones(len(y))
        found = goodness(residual, y, weight, self._count(), self.original.counted)
        if matrix is not None:
            found["r2"] = 1 - found["chi2"] / float(y @ y)
        return found if scaled is not None else {"r2": found["r2"]}

    def _unit(self) -> float:
        """By what a scaled residual of the program becomes one of the original units."""
        scaling = self.job.scaling
        return 1.0 if scaling is None or "sigma" in self.original.extra else scaling.unit

    def _counted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What else can be said of counts."""
        loss, fitted, y = self.job.settings.loss, values["fitted"], self.original.extra["target"]
        if not isinstance(loss, Poisson) or fitted.shape != y.shape:
            return {}
        rate = np.exp(fitted) if loss.log_rate else fitted
        weight = self.original.extra.get("sample_weight")
        found = goodness_of_counts(y, rate, weight, self._count(), self.original.counted)
        return found | {"residuals": y - rate}

    def _errors(self, status: str) -> dict[str, Any]:
        """The fields of the standard errors."""
        none = self._none(status)
        if none:
            return {"errors_note": none, "findings": [*self.findings]}
        squares = self._has_columns()
        found = self._errors_of_squares() if squares else self.curved_errors()
        # What was searched for has been told of: it has no slope, and is where it should be.
        more = [f for f in found.findings if not (self.findings and NO_SLOPE in f)]
        said: dict[str, Any] = {
            "errors_note": found.note, "findings": [*self.findings, *more],
            "errors_from": found.source,
        }  # fmt: skip
        covariance = found.covariance
        if covariance is None:
            return said
        if found.source == SANDWICH:
            said["dof"] = self.original.counted - self._count()
        if squares and self.normal is not None and not found.note:
            rows = covariance_of_fit(self.normal, self.original.counted, self.absolute)
            covariance = covariance if rows is None else np.array(rows)
        return said | self._matrices(covariance)

    def _errors_of_squares(self) -> Errors:
        residual, jacobian = self.at_end()
        dof = self.original.counted - self._count()
        spread = 1.0 if self.absolute else float(residual @ residual) / dof if dof > 0 else None
        held = on_bounds(self.whole.job.space, self.leaves)
        return errors_of(
            jacobian, residual, flat(self.leaves), names_of(self.leaves), spread, held, self._same,
            self.arrived, count=self.residual_count(),
        )  # fmt: skip

    def curved_errors(self) -> Errors:
        """The covariance where the loss is no sum of squares."""
        from descend.trust.curved import curved_errors

        names, held = names_of(self.leaves), on_bounds(self.whole.job.space, self.leaves)
        return curved_errors(
            self.job, self.built, flat(self.leaves), names, held, self, self._same
        )

    def observed_errors(self) -> Errors:
        """The same by the second derivatives alone, of a loss that counts as one row does."""
        from descend.trust.curved import observed_errors

        names, held = names_of(self.leaves), on_bounds(self.whole.job.space, self.leaves)
        return observed_errors(
            self.built, flat(self.leaves), names, held, self.totals, self.n_entries(), self._same
        )

    def _none(self, status: str) -> str:
        """Why there can be no errors, if there can be none."""
        if status == "diverged":
            return "the descent diverged"
        if not self.leaves:
            return "nothing was varied"
        if self.job.problem.network is not None:
            return "a network's single weights mean nothing by themselves"
        if self.arrived is False:
            return NO_ERRORS.get(STATUSES[status].verdict, NOT_ARRIVED)
        return ""

    def _same(self, params: Array) -> bool:
        """Whether other values of the varied numbers predict the same, up to rounding."""
        nodes = list(self.built.model.nodes)
        before, leaves = self._evaluate(nodes), self.leaves
        self.leaves = leaf_by_leaf(params, leaves)
        try:
            after = self._evaluate(nodes)
        except IndexError:
            return False
        finally:
            self.leaves = leaves
        return all(
            bool(np.all(np.abs(new - old) <= SAME * np.max(np.abs(old), initial=0.0)))
            for old, new in zip(before, after, strict=True)
        )

    def _matrices(self, covariance: Array) -> dict[str, Any]:
        error = np.sqrt(np.diag(covariance))
        return {
            "covariance": covariance, "covariance_names": tuple(names_of(self.leaves)),
            "correlation": correlation_of(covariance),
            "stderr": self._trees(error, tied_errors(*self.whole, covariance)),
        }  # fmt: skip

    def _trees(self, errors: Array, tied: Mapping[str, Array]) -> dict[str, Any]:
        """Standard errors in the form of the parameters; fixed ones have none."""
        found = {n: np.full(np.shape(a), np.nan) for n, a in self.whole.leaves.items()}
        found |= {**leaf_by_leaf(errors, self.leaves), **tied}
        leaves = {n: float(a) if a.ndim == 0 else a for n, a in found.items()}
        start = self.job.start
        return {
            name: unflatten(tree, [leaves[leaf] for leaf in start.names[name]])
            for name, tree in start.trees.items()
        }


def evidence_of(fit: Any, what: str) -> Completion:
    """What stands behind a fit.

    Raises:
        UsageError: the fit was loaded, its data have been changed, or its rows came in passes.
    """
    evidence: Completion | None = fit._evidence.completion
    if evidence is None:
        raise UsageError(
            f"{what} needs the data, and a loaded fit has none",
            remedy="fit again with start=fit, which is quick from there",
        )
    if evidence.original.beyond is not None:
        raise UsageError(
            f"{what} needs all the rows in memory, and the fit went through them in passes",
            remedy="fit the rows in memory from there: descend.fit(…, start=fit, stream=False)",
        )
    evidence.check_unchanged()
    return evidence


def _blank(names: Iterable[str]) -> dict[str, Any]:
    return defaults_of(FitRecord, names)


def _side_by_side(parts: list[Array], y: Array) -> Array:
    """What a model returns in several arrays as one; of arrays of unlike shapes the first."""
    whole = [np.broadcast_to(p, y.shape) if p.ndim == 0 else p for p in parts]
    return np.stack(whole, -1) if len({p.shape for p in whole}) == 1 else whole[0]


@np.errstate(all="ignore")
def triangle_of_block(values: list[Array]) -> Array:
    """The triangle of [J r] of some rows' residual and its derivatives."""
    r = np.asarray(values[0], np.float64)
    slopes = [np.broadcast_to(column, r.shape).reshape(-1) for column in values[1:]]
    return triangle_of_columns([*slopes, r.reshape(-1)])


def _flat(residual: Array, columns: list[Array]) -> tuple[Array, Array]:
    """Residuals as one column, and their derivatives as a matrix, each derivative contiguous."""
    slopes = np.empty((len(columns), residual.size))
    for slope, column in zip(slopes, columns, strict=True):
        slope[:] = np.broadcast_to(column, residual.shape).reshape(-1)
    return np.asarray(residual, np.float64).reshape(-1), slopes.T
