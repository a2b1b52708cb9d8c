"""What is wrong with a network or a classifier at its end, in words.

Each row of `DIAGNOSES` looks at the end of a run and says what it finds there: whether that is no
success, is warned of, or only noted. What is looked at is worked out once, on at most `MOST` rows.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from descend.graph.node import postorder
from descend.graph.program import DIVERGED, Control
from descend.judge.clear import WEAK
from descend.judge.seen import MOST, seen_at_end
from descend.methods.links import rows_of_classes
from descend.run.finished import Finished, standing
from descend.show.numbers import count, plural
from descend.task.columns import TARGET, WEIGHT
from descend.task.scaling import measured
from descend.trust.layers import SeenLayer, seen_layers, weights_in
from descend.trust.metrics import OF_CLASSES, explained
from descend.trust.words import listed

__all__ = ["FAILS", "NOTED", "WARNED", "Diagnosis", "diagnoses_of"]

Array = np.ndarray[Any, np.dtype[Any]]

NOTED, WARNED, FAILS = range(3)
SAME = 1e-6  # of the target's spread, or of the largest activation: no difference
ROUNDING = 8  # times ε of the largest prediction
LITTLE = 0.05  # a share of a constant's loss or squares: nothing was learnt
BADLY = 0.1  # the same: a training that went badly
HALF = 0.5  # of the units of a layer: so many that it is warned of
FEW = 0.1  # the same: so few that nothing is said
LARGER, FAR = 100.0, 10.0  # times another column; times 1, or its inverse
VANISHED = 1e-3  # of the last layer's share that the gradient is of the weights
FEW_ROWS = 32  # by which units are told apart first
DEEP = 3  # layers with weights from which on gradients may vanish or explode
MOST_TRIAL_STEPS = 20_000
PASSED_ON = "Residual(…) leads them past layers, and ReLU() shrinks them less than Sigmoid()"
BOUNDED = "clip= bounds their size, and smaller weights at the start let them grow less"
BETTER = 0.5  # times the loss: what another scale must come to, to be named


class Diagnosis(NamedTuple):
    """What is wrong, in a sentence or two, and how much: `NOTED`, `WARNED` or `FAILS`."""

    text: str
    level: int


class Sight:
    """The end of a run, as far as somebody looks at it."""

    def __init__(self, run: Finished) -> None:
        self.run, self.job, self.built = run, run.job, run.built
        loss = run.job.settings.loss
        assert loss is not None
        self.loss = loss
        self.leaves, bound, (self.output,), _ = seen_at_end(run)
        inputs = self.built.descent.inputs
        self.y = np.asarray(bound[inputs[TARGET]], np.float64)
        weight = bound[inputs[WEIGHT]] if WEIGHT in inputs else np.ones(len(self.y))
        self.weight = np.asarray(weight, np.float64)

    @property
    def sound(self) -> bool:
        """Whether there is a prediction of each row."""
        rows = self.output.ndim > 0 and len(self.output) == len(self.y) > 1
        return rows and bool(np.isfinite(self.output).all()) and self.weight.sum() > 0

    @property
    def every(self) -> str:
        """The rows that were looked at, in words."""
        n = len(self.y)
        return "every row" if n == self.job.n_rows() else f"each of {count(n)} rows looked at"

    @functools.cached_property
    def spread(self) -> float:
        """The standard deviation of the target, of logits 1."""
        return 1.0 if self.loss.tells_classes else float(np.std(self.y))

    @functools.cached_property
    def is_constant(self) -> bool:
        """Whether all rows have the same prediction, and what they hold could tell them apart."""
        used = {*postorder(self.built.model.nodes)}
        if not used & {*self.built.model.data.values()} or np.ptp(self.y, axis=0).max() == 0:
            return False
        size = np.abs(self.output).max()
        least = max(SAME * self.spread, ROUNDING * float(np.finfo(self.output.dtype).eps) * size)
        return bool(np.ptp(self.output, axis=0).max() <= least)

    @functools.cached_property
    def classes(self) -> tuple[Array, Array] | None:
        """Class numbers (n,) and probabilities (n, classes), where each row is of one class."""
        if not self.loss.tells_classes:
            return None
        y, p = rows_of_classes(self.loss.link, self.output, self.y)
        return (y, p) if y.dtype.kind == "i" else None

    def metric(self, name: str) -> float:
        """One of classes."""
        assert self.classes is not None
        return OF_CLASSES[name](*self.classes, self.weight)

    @functools.cached_property
    def saved(self) -> float | None:
        """The share of a constant's loss (of classes) or squares (of numbers) that is saved."""
        if self.classes is not None:
            y, p = self.classes
            shares = np.bincount(y, self.weight, p.shape[1]) / self.weight.sum()
            constant = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
            return 1 - self.metric("log_loss") / constant if constant > 0 else None
        if not self.loss.of_residual or self.output.shape != self.y.shape:
            return None
        share = explained(self.y, self.output, self.weight)
        return None if math.isnan(share) else share

    @property
    def went_badly(self) -> bool:
        """Whether hardly anything was learnt."""
        return self.is_constant or (self.saved is not None and self.saved < BADLY)

    @functools.cached_property
    def layers(self) -> list[SeenLayer]:
        """Those of a network, with gradients where these are compared and nothing is tied."""
        network = self.job.problem.network
        if network is None:
            return []
        deep = sum(bool(weights_in(layer)) for layer in network.layers) >= DEEP
        gradients: dict[str, Array] | None = None if deep and self.job.space is None else {}
        return seen_layers(self.job, self.built, self.leaves, gradients)

    def label(self, number: int) -> str:
        """What a class is called."""
        names = self.job.problem.classes
        return str(number if names is None else names[number])


def diagnoses_of(run: Finished) -> list[Diagnosis]:
    """What is wrong at the end of a run, the worst first."""
    if len(run.built.model.nodes) != 1:
        return []
    with np.errstate(all="ignore"):
        sight = Sight(run)
        if not sight.sound:
            return []
        found = [d for look in DIAGNOSES for d in look(sight)]
    return sorted(found, key=lambda d: -d.level)


def _constant(sight: Sight) -> Iterator[Diagnosis]:
    """One prediction for all rows: the best of these is the mean of the target, or base rates."""
    vector = sight.job.settings.optimizer.scope == "vector"
    if not sight.is_constant or (vector and sight.job.problem.network is None):
        return  # where a plain function has arrived, a constant may be the answer
    told, saved = sight.output[0], sight.saved
    shown = f" ({float(told.reshape(())):.4g})" if told.size == 1 else ""
    scaling = sight.job.scaling
    if told.size == 1 and scaling is not None and scaling.target is not None:
        shown = f" ({float(scaling.target.back(told).reshape(())):.4g})"
    share = "" if saved is None or sight.classes is not None else f", R² = {saved:.2g}"
    text = f"{sight.every} has the same prediction{shown}{share}: the columns have no say in it"
    # What is held small, or in a box, may be a constant rightly.
    held = sight.job.settings.penalty is not None or sight.job.space is not None
    yield Diagnosis(text, WARNED if held else FAILS)


def _one_class(sight: Sight) -> Iterator[Diagnosis]:
    """The same class for all rows, or no better than that."""
    if sight.classes is None or sight.is_constant or sight.saved is None:
        return
    y, p = sight.classes
    if sight.saved >= WEAK or (y == y[0]).all():
        return
    chosen = p.argmax(axis=1)
    accuracy, base = sight.metric("accuracy"), sight.metric("base_rate")
    if accuracy > base:
        return
    learnt = sight.saved >= LITTLE
    if (chosen == chosen[0]).all():
        text = f"{sight.every} is taken for {sight.label(int(chosen[0]))}"
        text += f", which {np.mean(y == chosen[0]):.1%} of the rows are"
    elif not learnt:
        text = f"the accuracy, {accuracy:.4g}, is no better than the base rate {base:.4g}"
        text += ", that of always answering the most frequent class"
    else:
        return
    if learnt:
        text += (
            f"; the probabilities tell more (AUC {sight.metric('auc'):.3g}): compare "
            "fit.predict_proba with a threshold of your own"
        )
    else:
        text += ": nothing was learnt of how the classes depend on the columns"
    yield Diagnosis(f"{text}.", NOTED if learnt else WARNED)


def _no_better(sight: Sight) -> Iterator[Diagnosis]:
    """Numbers that are farther off than their mean would be."""
    vector = sight.job.settings.optimizer.scope == "vector"
    if sight.classes is not None or sight.saved is None or sight.is_constant or vector:
        return
    if sight.saved <= 0:
        yield Diagnosis(
            f"R² = {sight.saved:.2g} on the rows of the fit: no better than always answering the "
            "mean. More epochs, or another learning rate, may learn more.",
            NOTED,
        )


def _dead(sight: Sight) -> Iterator[Diagnosis]:
    """Units of an activation that are 0 whatever the row."""
    before: Array | None = None
    found, most, rows = [], 0.0, 0
    for number, layer, params, output, _ in sight.layers:
        if before is not None and not params and output.ndim == 2 and before.shape == output.shape:
            dead = int(np.sum((output == 0).all(axis=0) & (before != 0).any(axis=0)))
            units, rows = output.shape[1], len(output)
            if dead > FEW * units:
                of = plural(units, "unit")
                found.append(f"{dead} of the {of} of layer {number}, {layer.name}")
                most = max(most, dead / units)
        before = output
    if found:
        yield Diagnosis(
            f"dead are {listed(found)}: 0 on each of {plural(rows, 'row')} looked at, so that no "
            "gradient comes through. LeakyReLU() and GELU() have a slope below 0.",
            WARNED if most >= HALF else NOTED,
        )


def _identical(sight: Sight) -> Iterator[Diagnosis]:
    """Units that do the same, as they began with the same weights."""
    weighted = [seen for seen in sight.layers if seen.params]
    for number, layer, params, output, _ in weighted[:-1]:
        if output.ndim != 2 or output.shape[1] < 2:
            continue
        units = output.shape[1]
        begun = [np.asarray(sight.run.begin[f"{number}.{name}"]) for name in params]
        own = [part.T for part in begun if part.ndim and len(part) == units]
        columns = [part.reshape(-1, units) for part in (output, *own)]
        sizes = [float(np.abs(part).max(initial=0.0)) or 1.0 for part in columns]
        alike = _alike(np.vstack([p / size for p, size in zip(columns, sizes, strict=True)]), SAME)
        if alike:
            yield Diagnosis(
                f"{alike} of the {units} units of layer {number}, {layer.name}, do the same as "
                "another: with equal weights they have equal gradients, and stay alike. Begin with "
                "random weights: leave init out.",
                WARNED if alike >= HALF * units else NOTED,
            )


def _alike(output: Array, unit: float) -> int:
    """How many columns are as another, in whole units; a few rows tell most of them apart."""
    for n in (FEW_ROWS, len(output)):
        columns = [c.tobytes() for c in np.round(output[:n].T / unit) + 0.0]
        times = Counter(columns)
        output = output[:, [times[c] > 1 for c in columns]]
    return int(output.shape[1])


def _gradients(sight: Sight) -> Iterator[Diagnosis]:
    """How much of the weights the gradient is, in the first layer and in the last."""
    shares = [
        (seen.number, seen.layer.name, share)
        for seen in sight.layers
        for share in [_share(seen)]
        if share is not None
    ]
    if len(shares) < DEEP or not (shares[0][2] > 0 and shares[-1][2] > 0):
        return
    (first, name, begin), (last, _, end) = shares[0], shares[-1]
    ratio = begin / end
    if VANISHED <= ratio <= 1 / VANISHED:
        return
    what, way = ("vanish", PASSED_ON) if ratio < 1 else ("explode", BOUNDED)
    yield Diagnosis(
        f"the gradients {what} on their way back: beside the weights, that of layer {first}, "
        f"{name}, is {ratio:.1e} times that of layer {last}. {way}.",
        WARNED if sight.went_badly else NOTED,
    )


def _share(seen: SeenLayer) -> float | None:
    """The root mean square of a layer's gradient over that of its weights."""
    names = [name for name in weights_in(seen.layer) if name in seen.gradients]
    weights = sum(float(np.sum(np.square(seen.params[n], dtype=float))) for n in names)
    slopes = sum(float(np.sum(np.square(seen.gradients[n], dtype=float))) for n in names)
    return math.sqrt(slopes / weights) if weights > 0 else None


def _unscaled(sight: Sight) -> Iterator[Diagnosis]:
    """Columns of very different sizes, or far from 1, where a first-order method came to nothing.

    Said where the same descent comes farther with columns that are standardised; of rows that
    come it would take as many passes again.
    """
    run, job = sight.run, sight.job
    if job.scaling is not None or not sight.went_badly or job.rows is None or job.beyond:
        return
    if job.settings.optimizer.scope == "vector" or sight.built.model.whole:
        return
    sizes = _sizes(job.rows.columns, job.problem.matrix)
    if not sizes:
        return
    large, small = max(sizes, key=lambda n: sizes[n]), min(sizes, key=lambda n: sizes[n])
    if sizes[large] > LARGER * sizes[small]:
        said = f"{large} is about {sizes[large] / sizes[small]:.2g} times as large as {small}"
    elif not 1 / FAR < sizes[large] < FAR:
        said = f"the columns are far from 1 ({large} is about {sizes[large]:.2g})"
    else:
        return
    before, after = _with_scales(run)
    if after < BETTER * before:
        yield Diagnosis(
            f"{said}: with standardize=True the same descent comes to the loss {after:.4g}, and "
            f"not {before:.4g}.",
            WARNED,
        )


def _sizes(columns: dict[str, Array], names: tuple[str, ...]) -> dict[str, float]:
    """The root mean square of each single column that varies."""
    found = {}
    for name, array in columns.items():
        flat = np.asarray(array, np.float64).reshape(len(array), -1)
        varies = np.ptp(flat, axis=0) > 0
        rms = np.sqrt(np.mean(flat**2, axis=0))
        for k in np.flatnonzero(varies):
            single = names[k] if k < len(names) else f"{name}[{k}]"
            found[single if array.ndim > 1 else name] = float(rms[k])
    return found


def _with_scales(run: Finished) -> tuple[float, float]:
    """The loss at the end, and that of the same descent with rescaled columns, in one unit."""
    job, loss = run.job, run.job.settings.loss
    assert job.rows is not None and loss is not None
    scaling = measured(job.rows, loss.name)
    rows = scaling.apply(job.rows)
    rows = rows.single() if job.problem.network is not None else rows
    other = dataclasses.replace(job, rows=rows, scaling=scaling)
    bound = other.bindings(run.built, other.first_state(run.built, run.begin))
    control = Control(run.control.max_epochs, run.control.seed)
    run.built.runner.run(bound, control, min(run.control.steps, MOST_TRIAL_STEPS))
    before = job.loss_at(run.built, run.leaves(), MOST)({})
    if control.status == DIVERGED:
        return before, math.inf
    state = dict(zip(run.built.descent.state, bound.state, strict=True))
    end = other.natural(standing(state, other.moved(run.begin)))
    after = other.loss_at(run.built, end, MOST)({}) * other.loss_factor
    return before, after if math.isfinite(after) else math.inf


DIAGNOSES: tuple[Callable[[Sight], Iterator[Diagnosis]], ...] = (
    _constant, _one_class, _no_better, _dead, _identical, _gradients, _unscaled,
)  # fmt: skip
