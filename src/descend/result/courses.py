"""What pictures of a fit's course are drawn from: its parameters and gradients epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError
from descend.parameters.flat import flat
from descend.records.record import FitRecord, leaves
from descend.result.surface import Surface
from descend.run.finished import Finished
from descend.run.predictor import rows_apart
from descend.show.animation import FRAMES, Film, Ground
from descend.show.classes import Classified, classified, has_place
from descend.show.plots import left_at, rows_of
from descend.show.surface import loss_over, plane_of
from descend.trust.derivatives import LossSlopes

__all__ = ["Course", "course_of", "early_first", "film_of", "gradient_norms"]

Array = np.ndarray[Any, np.dtype[Any]]
LOOKED_AT = 60  # epochs at which gradients are worked out


class Course(NamedTuple):
    """Every parameter after the epochs that are known.

    Attributes:
        epochs: (m,) 0 is the start.
        params: leaf → (m, …).
    """

    epochs: Array
    params: dict[str, Array]

    def numbers(self, names: Sequence[str]) -> tuple[list[str], Array]:
        """The single numbers of some leaves by name, and their values (m, numbers)."""
        labels, columns = [], []
        for name in names:
            values = self.params[name]
            for index in np.ndindex(values.shape[1:]):
                labels.append(f"{name}[{', '.join(map(str, index))}]" if index else name)
            columns.append(values.reshape(len(values), -1))
        return labels, np.concatenate(columns, axis=1).astype(np.float64)

    def up_to(self, epoch: float) -> Course:
        """The course without what came after an epoch."""
        count = int((self.epochs <= epoch).sum())
        return Course(self.epochs[:count], {n: a[:count] for n, a in self.params.items()})

    def at(self, place: int) -> dict[str, Array]:
        """The parameters after one of the epochs."""
        return {name: values[place] for name, values in self.params.items()}


def course_of(record: FitRecord, what: str) -> Course:
    """The course of a fit's parameters, from its start where that is known.

    Raises:
        UsageError: the epochs have not kept them, or there was none.
    """
    history = record.history
    if not len(history.epoch):
        raise UsageError(f"{what} is of epochs, and none was completed: {record.message}")
    kept = {name: np.asarray(values) for name, values in leaves(history.params)}
    if not kept:
        raise UsageError(
            f"{what} needs the parameters of every epoch, which were not recorded",
            remedy='fit with record=["params"]',
        )
    epochs = np.asarray(history.epoch, np.float64)
    begun = {name: np.asarray(value) for name, value in leaves(record.start)}
    if all(name in begun and begun[name].shape == a.shape[1:] for name, a in kept.items()):
        epochs = np.concatenate([[0.0], epochs])
        kept = {n: np.concatenate([begun[n][None].astype(a.dtype), a]) for n, a in kept.items()}
    return Course(epochs, kept)


def early_first(epochs: Array, most: int) -> Array:
    """Places of at most so many of the epochs, closer together where the descent begins.

    >>> early_first(np.arange(1001.0), 8).tolist()
    [0, 1, 3, 10, 32, 100, 316, 1000]
    """
    last = len(epochs) - 1
    if last < most:
        return np.arange(last + 1)
    count, found = most - 2, np.zeros(0)
    while len(found) < most - 1:  # the first places fall together, so that more are asked for
        count += 1
        found = np.unique(np.geomspace(1, last, count).round())
    return np.concatenate([[0], found[: most - 2], [last]]).astype(int)


def gradient_norms(run: Finished, course: Course) -> tuple[Array, dict[str, Array], bool]:
    """Epochs, and the norm of the loss's gradient on all rows by each layer or parameter there.

    Also whether these are the layers of a network, in their order. The loss is that which the
    program descends, as in `fit.layers`.
    """
    slopes = LossSlopes(run.job, run.built, run.leaves())
    network = run.job.problem.network
    places = early_first(course.epochs, LOOKED_AT)
    groups: dict[str, list[str]] = {}
    for name in slopes.leaves:
        group = name
        if network is not None:
            number = name.partition(".")[0]
            group = f"{number} {network.layers[int(number)].name}"
        groups.setdefault(group, []).append(name)
    found = np.array([_norms(slopes.gradient(course.at(k)), groups) for k in places])
    found = found.reshape(len(places), len(groups))
    norms = dict(zip(groups, found.T, strict=True))
    return course.epochs[places], norms, network is not None


def _norms(gradients: Mapping[str, Array], groups: Mapping[str, list[str]]) -> list[float]:
    return [
        float(np.sqrt(sum(np.sum(np.square(gradients[n], dtype=np.float64)) for n in own)))
        for own in groups.values()
    ]


def film_of(fit: Any, course: Course) -> Film:
    """The pictures of a fit's descent: what it predicts, and its loss, after some of the epochs.

    Running values, as of batch normalisation, are those of the end: epochs do not keep them.
    """
    seen = fit._evidence.surface(fit)
    course = course.up_to(left_at(fit))
    places = early_first(course.epochs, FRAMES)
    whole = [{**fit._evidence.leaves, **course.at(k)} for k in places]
    with np.errstate(all="ignore"):
        loss = np.array([seen.loss(flat(own)) for own in whole])
    film = Film(course.epochs[places], loss)
    film = film._replace(ground=_ground(seen, np.array([flat(own) for own in whole])))
    own = fit._evidence.predictor
    answer = own.answer
    names = own.matrix
    link, here = answer.link if answer.tells else "", fit._fitted_here()
    told = classified(fit, link, answer.classes, None, names, here)
    with np.errstate(all="ignore"):
        if told is not None:
            return _with_classes(film, fit, told, whole)
        return _with_curves(film, fit, whole)


def _ground(seen: Surface, way: Array) -> Ground | None:
    """The loss over the only two numbers that vary."""
    if len(seen.varied) != 2:
        return None
    plane = plane_of(seen.names, seen.varied, way, way[-1], None)
    places = plane.coordinates(way)
    x, y, z = loss_over(plane, places[np.isfinite(places).all(axis=1)], seen.loss)
    return Ground(plane.labels, x, y, z, places)


def _with_curves(film: Film, fit: Any, whole: Sequence[Mapping[str, Array]]) -> Film:
    own = fit._evidence.predictor
    rows = rows_of(fit, own.answer.link, fit._fitted_here())
    if rows is None:
        return film
    if rows.over_input and rows_apart(own):
        x, columns = rows.between()
        curves = [rows.mean(own(columns, params)).reshape(-1) for params in whole]
        return film._replace(rows=rows, x=x, curves=np.array(curves))
    curves = [rows.mean(own(fit.x, params)).reshape(-1) for params in whole]
    return film._replace(rows=rows._replace(over_input=False), curves=np.array(curves))


def _with_classes(
    film: Film, fit: Any, told: Classified, whole: Sequence[Mapping[str, Array]]
) -> Film:
    """Classes over their one or two columns; of more, the loss moves alone."""
    own = fit._evidence.predictor
    seen = []
    for params in whole:

        def probable(columns: Mapping[str, Array], params: Any = params) -> Array:
            return np.asarray(own.answer.probabilities(own(columns, params)))

        rows = told._replace(predict=probable)
        if not (rows_apart(own) and has_place(fit, rows)):
            return film
        seen.append(rows._replace(p=probable(fit.x)))
    return film._replace(classes=seen)
