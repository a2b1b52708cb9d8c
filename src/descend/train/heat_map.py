"""Whole trainings over two numbers, thousands at a time: a lane of the vectors for each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.compile.native import NotNative
from descend.compile.packets_native import NativePackets
from descend.errors import UsageError, ends_at_users_line
from descend.graph.node import Node, sizes
from descend.graph.program import DIVERGED, RUNNING
from descend.program.packets import CODE, EPOCHS, FIRST, LOSS, packet_program
from descend.result.heat_map import HeatMap
from descend.run.finished import Finished, standing
from descend.run.job import Job
from descend.run.packets import Batches, run_packets
from descend.task.columns import ROW
from descend.train.descents import Descents
from descend.train.fit import read_call
from descend.train.trainings import (
    Trainings,
    begun_at,
    job_of,
    numbered,
    refuse_told,
    trainings,
    values_of,
)

__all__ = ["heat_map"]

Array = np.ndarray[Any, np.dtype[Any]]
HELD = "validation_loss"
MOST_NUMBERS = 2000  # that a training carries where it is a lane: more would not stay near


@ends_at_users_line
def heat_map(
    model: Any, x: Any = None, y: Any = None, *, over: Mapping[str, Iterable[Any]],
    threads: int | None = None, **options: Any,
) -> HeatMap:  # fmt: skip
    """Train a model once for every pair of two numbers.

    Trainings of few parameters are lanes of the processor's vectors: 65 536 trainings of three
    parameters on 100 rows for 100 epochs take a quarter of a second on two cores.

    Args:
        model, x, y, options: as of `fit`, with a method that has a learning rate.
        over: two names → values in rising order: `lr` or another number of the method, the penalty
            or the stopping rules; `batch_size`; `seed`; or a parameter, which then begins there.
        threads: how many work (by default one a core). They change no bit.

    Raises:
        UsageError, DataError: as `fit`; not two names, or values that do not rise.

    >>> x = np.linspace(-1.0, 1.0, 20)
    >>> found = heat_map("y = a*x + b", {"x": x, "y": 2*x + 1}, start=dict(a=0, b=0), epochs=30,
    ...                  over=dict(lr=[0.01, 0.1, 30.0], batch_size=[1, 5]), optimizer="sgd")
    >>> found.loss.shape, found.diverged.tolist()
    ((3, 2), [[False, False], [False, False], [True, True]])
    >>> found.at(*found.best)["lr"], round(float(found.params["a"][1, 0]), 3)
    (0.1, 2.0)
    """
    refuse_told(options)
    grid = _grid(over)
    began = time.perf_counter()

    def again(over: Mapping[str, Array] | None, at: Mapping[str, float]) -> Any:
        if over is not None:
            return heat_map(model, x, y, over=over, threads=threads, **options)
        (one,) = trainings(model, x, y, over={n: [v] for n, v in at.items()}, **options)
        return one

    sizes = [*map(int, grid.axis("batch_size"))]
    given = numbered({"starts": 1, **options}, grid.own(0, 0))
    given |= {"batch_size": min(sizes)} if sizes else {}
    descents, _ = read_call(model, x, y, given, max(sizes) if len(sizes) > 1 else None)
    _refuse_whole(descents.job)
    if "seed" not in grid.names:  # what has no start is looked for once
        job, at = descents.job, descents.options.start == "random"
        descents.job = begun_at(job, job.find_start(descents.built, at, 0))
    lanes = _lanes(descents, grid)
    told = {"model": descents.job.problem.name, "compile_seconds": time.perf_counter() - began}
    began = time.perf_counter()
    if lanes is None:
        over = dict(zip(grid.names, grid.values, strict=True))
        found = _apart(trainings(model, x, y, over=over, threads=threads, **options), grid)
    else:
        found = lanes.run(threads)
    told |= {"seconds": time.perf_counter() - began, "interrupted": found.pop("interrupted")}
    told["updates"] = _updates(descents, grid)
    return HeatMap(grid.names, grid.values, found, told, again)


class Grid(NamedTuple):
    """The numbers of each training: those of the first axis change slowest."""

    names: tuple[str, str]
    values: tuple[Array, Array]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.values[0]), len(self.values[1])

    def axis(self, name: str) -> Array:
        """The values of one of the numbers; none if it is not over that."""
        return self.values[self.names.index(name)] if name in self.names else np.zeros(0, int)

    def own(self, i: int, j: int) -> dict[str, Any]:
        """What is its own of a training."""
        pair = zip(self.names, self.values, (i, j), strict=True)
        return {name: values[k].item() for name, values, k in pair}


def _grid(over: Any) -> Grid:
    names, given = values_of(over)
    if len(names) != 2:
        raise UsageError(
            f"a map is over two numbers, not {len(names)}",
            remedy="write over=dict(lr=np.geomspace(1e-4, 1, 64), batch_size=[1, 2, 4, 8]); "
            "descend.trainings takes any number of them",
        )
    found = []
    for name, each in zip(names, given, strict=True):
        if None in each:
            raise UsageError(
                f"over gives {name} the value None", remedy="write the number of all rows instead"
            )
        values = np.array(each)
        if not (np.diff(values) > 0).all():
            raise UsageError(
                f"the values of {name} do not rise: a map needs them in order, each once",
                remedy=f"write over={{{name!r}: sorted(set(…)), …}}",
            )
        found.append(values)
    return Grid((names[0], names[1]), (found[0], found[1]))


def _refuse_whole(job: Job) -> None:
    """Refuse methods that have neither a learning rate nor batches."""
    if job.rows is None or job.settings.optimizer.scope == "vector":
        raise UsageError(
            f"{type(job.settings.optimizer).__name__} has no learning rate and no batches that a "
            "map could be over",
            remedy='choose a method of first order, such as optimizer="sgd" or "adam"',
        )


def _updates(descents: Descents, grid: Grid) -> int:
    rows, size = descents.job.n_rows(), descents.job.settings.batch_size
    sizes = grid.axis("batch_size") if "batch_size" in grid.names else np.array([size or rows])
    steps = int(np.sum(-(-rows // np.minimum(sizes, rows))))
    pairs = grid.shape[0] * grid.shape[1] // len(sizes)
    return int(descents.options.epochs) * steps * pairs


# --- lanes


class Group(NamedTuple):
    """Trainings that take the same batches in the same order, by their numbers in the grid."""

    trainings: Array
    seed: int
    batch_size: int | None


class Lanes:
    """The trainings of a grid as lanes of compiled code.

    Raises:
        NotNative: they cannot be, or would be no faster than one after the other.
    """

    def __init__(self, descents: Descents, grid: Grid) -> None:
        self.descents, self.grid = descents, grid
        self.groups = _groups(descents.job, grid)
        self.inputs = _inputs(descents, grid)
        self.native, self.names = self._compiled()
        if len(self.groups[0].trainings) < self.native.width // 2:
            raise NotNative("so few trainings with the same batches")

    def _compiled(self) -> tuple[NativePackets, list[str]]:
        built, program = self.descents.built, self.descents.built.descent.program
        own = frozenset(node for node, values in self.inputs.items() if len(values) > 1)
        key = f"packets of {sorted(n.attrs['name'] for n in own)}"
        if key not in built.extras:
            records = dict(zip(built.descent.records, program.epoch.record, strict=True))
            held = {HELD: records[HELD]} if HELD in records else {}
            small, names = packet_program(program, own, held)
            if sum(math.prod(sizes(n.shape)) for n in (*small.state, *small.own)) > MOST_NUMBERS:
                raise NotNative("so many parameters in lanes")
            built.extras[key] = NativePackets(small), names
        found: tuple[NativePackets, list[str]] = built.extras[key]
        return found

    def run(self, threads: int | None) -> dict[str, Any]:
        """Run them all; return what they come to, over the grid."""
        job, made, native = self.descents.job, self.descents.built.descent, self.native
        assert job.rows is not None
        columns = {**job.rows.all()}
        if ROW in made.data:
            columns[ROW] = job.rows.numbers()
        p, width = native.program, native.width
        lanes: list[Array] = []
        batches = []
        for group in self.groups:
            packets = -(-len(group.trainings) // width)
            first = sum(len(lane) for lane in lanes) // width
            batches.append(Batches(first, packets, group.seed, group.batch_size))
            last = np.arange(packets * width).clip(max=len(group.trainings) - 1)
            lanes.append(group.trainings[last])
        of_lane = np.concatenate(lanes)
        arrays = native.arrays(
            [self.inputs[n] for n in p.own],
            [np.asarray(columns[name], order="C") for name in made.data],
            [np.asarray(self.inputs[n][0], n.dtype, order="C") for n in p.fixed],
            job.n_rows(), of_lane,
        )  # fmt: skip
        stopped = run_packets(native, arrays, batches, int(self.descents.options.epochs), threads)
        place = np.empty(math.prod(self.grid.shape), np.intp)
        place[of_lane] = np.arange(len(of_lane))
        ends = {
            name: packed.transpose(0, 2, 1).reshape(-1, *node.shape)[place]
            for name, node, packed in zip(self.names, p.state, arrays.state, strict=True)
        }
        return {**self._told(ends), "interrupted": stopped}

    def _told(self, ends: Mapping[str, Array]) -> dict[str, Any]:
        """What the map shows, of what each training carried at its end."""
        job = self.descents.job
        kept = {n.removeprefix("kept "): a for n, a in ends.items() if n.startswith("kept ")}
        diverged, loss = ends[CODE] == DIVERGED, kept[LOSS]
        if job.settings.rules.keep_best:
            loss = kept["best loss"]
        held = kept.get(HELD, np.full(len(loss), np.nan))
        if HELD in kept and job.settings.rules.keep_best:
            loss, held = kept[LOSS], kept["best loss"]
        found = {
            "loss": np.where(diverged, np.nan, loss) * job.loss_factor,
            HELD: np.where(diverged, np.nan, held) * job.loss_factor,
            "diverged": diverged, "grew": kept[LOSS] > kept[FIRST],
            "epochs": kept[EPOCHS].astype(np.int64),
            **{f"params.{n}": a for n, a in self._params(kept).items()},
        }  # fmt: skip
        shaped = {n: a.reshape(*self.grid.shape, *a.shape[1:]) for n, a in found.items()}
        params = {n: shaped.pop(n) for n in list(shaped) if n.startswith("params.")}
        return {**shaped, "params": {n.removeprefix("params."): a for n, a in params.items()}}

    def _params(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        job = self.descents.job
        leaves = job.leaf_arrays()
        moved = job.moved(leaves)
        stands = standing(kept, moved)
        if job.space is None:
            found = stands
        else:
            rows = [
                job.natural({n: a[i] for n, a in stands.items()}) for i in range(len(kept[LOSS]))
            ]
            found = {n: np.stack([row[n] for row in rows]) for n in leaves}
        if job.settings.rules.keep_best:
            better = np.isfinite(kept["best loss"])
            for n, last in found.items():
                best = kept[f"best value/{n}"]
                found[n] = np.where(better.reshape(-1, *[1] * (last.ndim - 1)), best, last)
        return found


def _groups(job: Job, grid: Grid) -> list[Group]:
    numbers = np.arange(math.prod(grid.shape)).reshape(grid.shape)
    s, found = job.settings, []
    seeds = grid.axis("seed") if "seed" in grid.names else np.array([s.seed])
    sizes = grid.axis("batch_size") if "batch_size" in grid.names else np.array([s.batch_size or 0])
    for seed in seeds.tolist():
        for size in sizes.tolist():
            on = [
                {"seed": v == seed, "batch_size": v == size}.get(name, np.ones(len(v), bool))
                for name, v in zip(grid.names, grid.values, strict=True)
            ]
            chosen = numbers[np.ix_(*on)].reshape(-1)
            found.append(Group(chosen, seed, size and min(size, job.n_rows())))
    return found


def _inputs(descents: Descents, grid: Grid) -> dict[Node, Array]:
    """What the program of one training is bound to: (1, …) for all of them, or (trainings, …)."""
    corner = _bound(descents, grid.own(0, 0))
    found = {node: value[None] for node, value in corner.items()}
    for axis, count in enumerate(grid.shape):
        rows = _along(descents, grid, axis)
        for node, first in corner.items():
            if node not in rows[0] or all(np.array_equal(row[node], first) for row in rows):
                continue
            if len(found[node]) > 1:
                return _each(descents, grid)
            values = np.stack([row[node] for row in rows])
            shape = (count, 1) if axis == 0 else (1, count)
            whole = np.broadcast_to(
                values.reshape(*shape, *first.shape), (*grid.shape, *first.shape)
            )
            found[node] = whole.reshape(-1, *first.shape)
    return found


def _bound(descents: Descents, own: Mapping[str, Any]) -> dict[Node, Array]:
    """Every input of the program of a training."""
    built, program = descents.built, descents.built.descent.program
    job, leaves = job_of(descents, own)
    fixed = job.fixed(built)
    named = zip(built.descent.fixed, program.fixed, strict=True)
    found = {node: np.asarray(fixed[name], node.dtype) for name, node in named}
    return found | dict(zip(program.start, job.starts(built, leaves), strict=True))


def _along(descents: Descents, grid: Grid, axis: int) -> list[dict[Node, Array]]:
    """The inputs along an axis, or of them those alone that may differ."""
    made, name, values = descents.built.descent, grid.names[axis], grid.values[axis].tolist()
    job, leaves = job_of(descents, grid.own(0, 0))
    if name in leaves and job.space is None:
        begins = ({**leaves, name: np.asarray(v, leaves[name].dtype)} for v in values)
        starts = (job.starts(descents.built, begin) for begin in begins)
        return [dict(zip(made.program.start, each, strict=True)) for each in starts]
    if name in (*leaves, "seed", "batch_size"):
        count = range(grid.shape[axis])
        places = [(k, 0) if axis == 0 else (0, k) for k in count]
        return [_bound(descents, grid.own(*place)) for place in places]
    nodes = dict(zip(made.fixed, made.program.fixed, strict=True))
    rows = []
    for value in values:
        own = job.with_number(name, value, made.fixed)
        assert own is not None
        numbers = own.numbers()
        known = {nodes[n]: v for n, v in numbers.items() if n in nodes}
        rows.append({node: np.asarray(v, node.dtype) for node, v in known.items()})
    return rows


def _each(descents: Descents, grid: Grid) -> dict[Node, Array]:
    """The same where an input depends on both numbers."""
    rows = [_bound(descents, grid.own(i, j)) for i, j in np.ndindex(*grid.shape)]
    return {node: np.stack([row[node] for row in rows]) for node in rows[0]}


def _lanes(descents: Descents, grid: Grid) -> Lanes | None:
    """None where the trainings are to be made one after the other."""
    try:
        return Lanes(descents, grid)
    except NotNative:
        return None


def _apart(made: Trainings, grid: Grid) -> dict[str, Any]:
    """The same of trainings that were made one after the other."""
    runs = made._runs
    found = {
        "loss": made.loss, HELD: made.validation_loss,
        "diverged": np.array([run.control.status == DIVERGED for run in runs]),
        "grew": np.array([_grew(run) for run in runs]),
        "epochs": np.array([run.control.epoch for run in runs]),
    }  # fmt: skip
    return {
        **{name: values.reshape(grid.shape) for name, values in found.items()},
        "params": {
            name: np.stack([run.leaves()[name] for run in runs]).reshape(
                *grid.shape, *leaf.shape
            )
            for name, leaf in runs[0].leaves().items()
        },
        "interrupted": any(run.control.status == RUNNING for run in runs),
    }  # fmt: skip


def _grew(run: Finished) -> bool:
    losses = run.column("loss")
    return bool(len(losses) > 1 and losses[-1] > losses[0])
