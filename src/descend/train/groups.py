"""`fit_many` over rows that come: group by group, within little memory, from file to file."""

from __future__ import annotations

import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from descend.data.allowed import memory_free
from descend.data.frames import column_names, is_source, is_table
from descend.data.groups.keys import Batch, are_together, batches_in_order, batches_of_files
from descend.data.groups.rows import GroupedRows
from descend.data.groups.store import Parts
from descend.data.room import in_bytes, place_for
from descend.data.streams.ahead import Ahead, GetFree
from descend.data.streams.named import named
from descend.data.streams.source import check_known
from descend.errors import DataError, DescendError, UsageError, warn
from descend.program.lanes import ManyBuilt
from descend.records.many import OUTCOMES
from descend.result.group_file import NUMBERED, check_names, part_columns, write_group_file
from descend.result.groups import GroupFits
from descend.result.many import ManyFits
from descend.run.drive import listening
from descend.run.many_drive import ManyDrive
from descend.run.many_job import ManyJob
from descend.show.output import check_output_path
from descend.task.columns import TARGET, column_key
from descend.task.datasets import ManyData, key_names
from descend.task.declared import problem_of
from descend.task.options import Options
from descend.trace.formula import Formula
from descend.train.closer import LEAST, SHARE
from descend.train.group_calls import call_of, mark_of
from descend.train.long_groups import LongGroup, fit_long
from descend.train.streams import columns_used, weights_named

__all__ = ["fit_groups"]

Array = np.ndarray[Any, np.dtype[Any]]
Closer = Callable[[Array], tuple[Array, int]]
FitSome = Callable[[Any, ManyData, Options, Closer], tuple[ManyFits, ManyJob, ManyDrive]]
PART_SECONDS = 1.0  # what is lost at most where a run is killed, about
ROOM = 0.5  # of the free memory may be filled by results
SUMS = ("n_further", "n_mended", "n_closer", "n_cut")


def fit_groups(
    model: Any, source: Any, y: Any, options: Options, some: FitSome
) -> ManyFits | GroupFits:
    """Fit each group of the rows of a source.

    Args:
        some: fits some groups whose rows are in memory.

    Raises:
        UsageError, DataError: what cannot be meant, or used as it is, with what to do instead.
    """
    call = _Call(model, source, y, options, some)
    try:
        return call.in_memory() if call.target is None else call.in_file()
    finally:
        call.close()


class _Call:
    """A call of `fit_many` over a source."""

    def __init__(self, model: Any, source: Any, y: Any, options: Options, some: FitSome) -> None:
        self.begun = time.perf_counter()
        self.model, self.options, self.some = model, options, some
        self.rows: GroupedRows | None = None
        self.parts: Parts | None = None
        if options.by is None:
            raise UsageError(
                "the rows come from a source, and nothing says which of them belong to one fit",
                remedy='name the column: by="id", or several: by=["a", "b"]; write fit(…) for a '
                "single fit",
            )
        self.by = key_names(options.by)
        self.target = None if options.to is None else _target(options.to)
        if self.target is None and options.restart:
            raise UsageError(
                "restart throws away what is kept beside a file, and none is named",
                remedy='add to="fits.parquet", or leave out restart',
            )
        self.weights = weights_named(options)
        if not is_source(source) and is_table(source):
            known, self.where = column_names(source), "the table"
        else:
            source, known, self.where = named(source)
        for name in self.by:
            check_known(self.where, name, known)
        rest = [name for name in known if name not in self.by]
        self.data, self.y = columns_used(model, y, rest, self.where)
        names = [*dict.fromkeys([*self.data, self.y, *self.weights.values()])]
        self.names = names
        scratch = None if options.scratch is None else str(options.scratch)
        self.place = place_for(scratch)
        if self.target is not None:  # nobody else is at work on it from here on
            self.parts = Parts(self.target, bool(options.restart))
        try:
            self.rows = GroupedRows(source, names, self.by, self.place, self.where)
        except BaseException:
            self.close()
            raise
        self.tally: Counter[str] = Counter()
        self.ends: Counter[int] = Counter()
        self.said: dict[str, None] = {}
        self.points: int | None = None
        self.last: ManyFits | None = None
        self.compiling = 0.0

    def close(self) -> None:
        """Give up what is held; parts stay."""
        if self.rows is not None:
            self.rows.close()
        if self.parts is not None:
            self.parts.leave()

    # --- the fits

    def _batches(self, together: bool, begin: tuple[int, int]) -> Ahead:
        rows = self.rows
        assert rows is not None
        way = batches_in_order if together else batches_of_files

        def produce(get: GetFree) -> Iterator[Any]:
            batches = way(rows, self.place, begin)
            while True:
                free = get()
                batch = next(batches, None)
                if batch is None:
                    return
                yield batch._replace(buffer=free)

        return Ahead(produce, (1, 1), rows.cancel)

    def _fits(self, together: bool, begin: tuple[int, int]) -> Iterator[tuple[Batch, ManyFits]]:
        """All groups from somewhere on, some at a time, until Ctrl-C comes."""
        meter = self.options.progress
        if meter is not None:
            meter.start(None, "fit")
        ahead = self._batches(together, begin)
        try:
            for filled in ahead:
                batch = cast(Batch, filled)
                with listening() as heard:
                    found = self._fitted(batch)
                    if found.interrupted or heard.hit:
                        self.tally["interrupted"] = 1
                        return
                    self.tally["groups"] += len(found)
                    self.tally["rows"] += int(batch.counts.sum())
                    yield batch, found
                    if meter is not None:
                        meter.update(self.tally["groups"], float("nan"), self.tally["rows"])
        except KeyboardInterrupt:
            self.tally["interrupted"] = 1
        finally:
            ahead.stop()
            if meter is not None:
                meter.close()

    def _fitted(self, batch: Batch) -> ManyFits:
        with warnings.catch_warnings(record=True) as told:
            try:
                found = self._held(batch) if batch.blocks is None else self._long(batch)
            except DataError as error:
                raise self._renamed(error, batch) from None
        for each in told:
            self.said.setdefault(str(each.message))
        if not found.interrupted:
            self._count(found)
        return found

    def _count(self, found: ManyFits) -> None:
        codes, numbers = np.unique(found.status, return_counts=True)
        self.ends.update(dict(zip(codes.tolist(), numbers.tolist(), strict=True)))
        for name in SUMS:
            self.tally[name] += getattr(found, name)
        self.compiling += found.compile_seconds
        if self.last is None or found.lanes > 1:
            self.last = found

    def _held(self, batch: Batch) -> ManyFits:
        """The fits of groups in memory."""
        own = dict(zip(self.names, batch.columns, strict=True))
        x = {name: own[name] for name in dict.fromkeys([*self.data, self.y])}
        options = self.options.but(progress=None)
        problem = problem_of(self.model, x, self._target_of_call, options)
        assert problem.y is not None
        columns = {column_key(n): a for n, a in problem.columns.items()} | {TARGET: problem.y}
        columns |= {name: own[column] for name, column in self.weights.items()}
        offsets = np.append(0, np.cumsum(batch.counts)).astype(np.int64)
        data = ManyData(problem, columns, (), offsets)
        found, job, drive = self.some(self.model, data, options, self._closer)
        if self.last is None and not found.interrupted:
            self._settle(job, job.built(drive.optimizer))
        if self.points is not None and (batch.counts != self.points).any():
            raise UsageError(
                f"the model asks for the number of rows, and the groups have {self.points} and "
                f"{batch.counts[batch.counts != self.points][0]} points",
                remedy="write the model without the number of rows, or fit equally long ones",
            )
        return found

    @property
    def _target_of_call(self) -> Any:
        """The target, where the formula does not name it."""
        if isinstance(self.model, Formula):
            return None if self.model.target else self.y
        return None if isinstance(self.model, str) and "=" in self.model else self.y

    def _settle(self, job: ManyJob, built: ManyBuilt) -> None:
        """Compare the program with that of the parts that are there."""
        self.points = built.rows if isinstance(built.rows, int) else None
        if self.parts is not None:
            self.parts.settle("the model's program", mark_of(job, built))

    def _closer(self, which: Array) -> tuple[Array, int]:
        """At one of twenty groups so far, or at 1000, is looked closer: whatever the batches."""
        took = np.zeros(len(which), bool)
        for j, i in enumerate(which.tolist()):
            took[j] = self.tally["looked"] < max(LEAST, (self.tally["groups"] + i + 1) // SHARE)
            self.tally["looked"] += bool(took[j])
        self.tally["passed over"] += int(np.sum(~took))
        return np.concatenate([which[took], which[~took]]), int(took.sum())

    def _long(self, batch: Batch) -> ManyFits:
        """The fit of a group that has too many rows to be held."""
        assert batch.blocks is not None
        called, count = self._called(batch, 0), int(batch.counts[0])
        self.said.setdefault(f"{called} has {count:,} rows: they are gone through in passes")
        group = LongGroup(called, count, batch.blocks, self.names, self.weights)
        return fit_long(
            self.model, group, self._target_of_call, self.options, self.place, self.last
        )

    @property
    def _title(self) -> str:
        text = self.model.text if isinstance(self.model, Formula) else self.model
        return text if isinstance(text, str) else getattr(self.model, "__name__", "the model")

    # --- words

    def _called(self, batch: Batch, i: int) -> str:
        assert self.rows is not None
        key = self.rows.key_of(int(batch.rows[i]), int(batch.codes[i]))
        return "the group " + ", ".join(f"{n} = {v}" for n, v in zip(self.by, key, strict=True))

    def _renamed(self, error: DataError, batch: Batch) -> DataError:
        """An error that names a fit by its number, by its key."""
        text, found = error.message, re.search(r"\bfit (\d+)\b", error.message)
        if found and int(found[1]) < len(batch.rows):
            text = text.replace(found[0], self._called(batch, int(found[1])), 1)
        elif batch.blocks is None and "the group " not in text:
            ends = (self._called(batch, i).removeprefix("the group ") for i in (0, -1))
            text = f"{text}; it is one of the groups from {' to '.join(ends)}"
        return DataError(text, remedy=error.remedy)

    def _tell(self) -> list[str]:
        """What is to be known, warned of."""
        assert self.rows is not None
        said = [*self.said]
        missing = self.rows.n_rows - self.tally["rows"]
        if missing and not self.tally["interrupted"]:
            self.tally["without key"] = missing
            said.append(
                f"{missing:,} of {self.rows.n_rows:,} rows say no group in "
                f"{' or '.join(self.by)}: they are left out"
            )
        if self.tally["passed over"]:
            said.append(
                f"{self.tally['passed over']:,} doubtful fits were not looked at closer: they are "
                f"more than one in {SHARE}"
            )
        for text in said:
            warn(text)
        return said

    def _refuse_none(self) -> None:
        if not self.tally["groups"] and not self.tally["interrupted"]:
            raise DataError(
                f"{self.where} has no rows with a key in {' and '.join(self.by)}",
                remedy="name columns that say which rows belong together",
            )

    # --- into memory

    def in_memory(self) -> ManyFits:
        """All results as arrays, in the order of the keys."""
        rows = self.rows
        assert rows is not None
        free, size, heads, codes, found = memory_free(), 0, [], [], []
        for batch, own in self._fits(are_together(rows.codes()), (0, 0)):
            heads.append(batch.rows.copy())
            codes.append(batch.codes.copy())
            found.append(own)
            size += sum(a.nbytes for a in own.numbers().values())
            if free is not None and size > ROOM * free:
                raise UsageError(
                    f"the results take more than half of the {in_bytes(free)} of memory that are "
                    "free",
                    remedy='write them into a file: to="fits.parquet"',
                )
        self._refuse_none()
        if not found:
            raise KeyboardInterrupt
        keys, order = rows.keys_of(np.concatenate(heads), np.concatenate(codes))
        whole = _joined(found, order)
        whole.keys, whole.by = _as_keys(keys)
        for name in SUMS:
            setattr(whole, name, self.tally[name])
        whole.interrupted = bool(self.tally["interrupted"])
        whole.warnings = self._tell()
        whole.seconds = time.perf_counter() - self.begun - self.compiling
        whole.compile_seconds = self.compiling
        return whole

    # --- into a file

    def in_file(self) -> GroupFits:
        """All results in a Parquet file, in the order of the keys."""
        parts, rows = self.parts, self.rows
        assert parts is not None and rows is not None and self.target is not None
        call = call_of(self.model, self.y, self.by, self.weights, self.options)
        parts.begin(call | rows.identity())
        if "rows stand together" not in parts.known:
            parts.settle("rows stand together", are_together(rows.codes()))
        begin = self._gone_on()
        before = self.tally["groups"]
        if not parts.known.get("all are done"):
            self._into_parts(parts, begin)
            self._refuse_none()
            if not self.tally["interrupted"]:
                parts.settle("all are done", True)
        if not self.tally["interrupted"]:
            write_group_file(self.target, parts, rows, self.ends, self.tally["groups"])
            parts.remove()
        told = self._tell()
        if before:
            told.insert(0, f"{before:,} groups were done by an earlier run, and are taken from it")
        return self._record(parts, before, told)

    def _gone_on(self) -> tuple[int, int]:
        """Where the parts that are there end; what they come to is counted."""
        assert self.parts is not None
        begin = 0, 0
        for entry in self.parts.entries:
            begin = entry["after"][0], entry["after"][1]
            self.tally.update(entry["tally"])
            self.ends.update({int(code): n for code, n in entry["ends"].items()})
            self.said.update(dict.fromkeys(entry["said"]))
        return begin

    def _into_parts(self, parts: Parts, begin: tuple[int, int]) -> None:
        held: list[dict[str, Array]] = []
        state = self._state()
        since = time.perf_counter()
        after = begin

        def keep() -> None:
            nonlocal state, since
            if not held:
                return
            columns = {n: np.concatenate([own[n] for own in held]) for n in held[0]}
            now = self._state()
            entry = {"after": after, **_difference(now, state)}
            with listening():
                parts.add(columns, entry)
                held.clear()
            state, since = now, time.perf_counter()

        together = parts.known["rows stand together"]
        try:
            for batch, found in self._fits(together, begin):
                if "columns" not in parts.known:
                    check_names(self.by, found.numbers())
                    parts.settle("columns", [*part_columns(found)])
                    parts.settle("parameters", [*_parameters(found)])
                held.append(part_columns(found) | {"key": batch.codes, "row": batch.rows})
                after = batch.after
                if time.perf_counter() - since >= PART_SECONDS:
                    keep()
        except BaseException:
            with suppress(DescendError, OSError):  # it does not take the place of what is told
                keep()
            raise
        keep()

    def _state(self) -> dict[str, Any]:
        return {"tally": Counter(self.tally), "ends": Counter(self.ends), "said": [*self.said]}

    def _record(self, parts: Parts, before: int, told: list[str]) -> GroupFits:
        last, tally = self.last, self.tally
        order = sorted(self.ends, key=lambda code: -self.ends[code])
        counts: dict[str, int] = {}
        for code in order:
            name = OUTCOMES[code].name
            counts[name] = counts.get(name, 0) + self.ends[code]
        return GroupFits(
            path=str(self.target), by=self.by, n_fits=tally["groups"], n_rows=tally["rows"],
            counts=counts, model=self._title, target=self.y,
            names=tuple(parts.known.get("parameters", ())), n_without_key=tally["without key"],
            n_before=before, n_further=tally["n_further"], n_mended=tally["n_mended"],
            n_closer=tally["n_closer"], n_cut=tally["n_cut"],
            seconds=time.perf_counter() - self.begun, compile_seconds=self.compiling,
            threads=1 if last is None else last.threads, lanes=1 if last is None else last.lanes,
            interrupted=bool(tally["interrupted"]), parts=str(parts.folder), warnings=told,
        )  # fmt: skip


def _target(to: Any) -> Path:
    target = check_output_path(to, "results of the fits")
    if target.suffix.lower() not in (".parquet", ".pq"):
        raise UsageError(
            f'the results of groups that come are written as Parquet, and "{to}" is none',
            remedy=f'name it "{target.stem}.parquet"',
        )
    return target


def _parameters(found: ManyFits) -> Iterator[str]:
    return (n for n in found.numbers() if n.partition("[")[0] in found.params or n in found.params)


def _difference(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What a part adds to what is known."""
    return {
        "tally": dict(now["tally"] - before["tally"]), "ends": dict(now["ends"] - before["ends"]),
        "said": [text for text in now["said"] if text not in before["said"]],
    }  # fmt: skip


def _joined(found: list[ManyFits], order: Array) -> ManyFits:
    """Some fits after others, in an order."""
    whole = found[-1]

    def one(arrays: list[Any]) -> Any:
        return None if arrays[0] is None else np.concatenate(arrays)[order]

    for name in ("params", "stderr"):
        own = getattr(whole, name)
        setattr(whole, name, {n: one([getattr(f, name)[n] for f in found]) for n in own})
    for name in ("status", "covariance", "starts", "agreed", *NUMBERED):
        arrays = [getattr(f, name) for f in found]
        whole_array = None if any(a is None for a in arrays) else one(arrays)
        setattr(whole, name, whole_array)
    return whole


def _as_keys(columns: dict[str, Array]) -> tuple[Array, str | tuple[str, ...]]:
    if len(columns) == 1:
        ((name, keys),) = columns.items()
        return keys, name
    size = len(next(iter(columns.values())))
    keys = np.empty(size, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        keys[name] = column
    return keys, tuple(columns)
