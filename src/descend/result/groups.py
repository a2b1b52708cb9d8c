"""The results of the fits of many groups in a file, of which little is held in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

import numpy as np

from descend.data.quoting import identifier, quoted
from descend.errors import UsageError, ends_at_users_line, suggest
from descend.lean import dataclass
from descend.records.many import OUTCOMES, OneFit, place_of
from descend.records.record import jsonable
from descend.show.numbers import rate
from descend.visible import visible

__all__ = ["GroupFits"]

Array = np.ndarray[Any, np.dtype[Any]]
MEMORY = "200MB"  # for queries over the file
MOST_EXACT = 10_000_000  # fits of which quantiles are exact
BY_NAME = {outcome.name: outcome for outcome in OUTCOMES.values()}


@dataclass
class GroupFits:
    """The results of the fits of many groups, in a Parquet file with a row for each.

    Attributes:
        path: the file; its rows are in the order of the keys.
        by: the columns of the keys.
        n_fits: how many groups there are; where the run was interrupted, how many are done.
        n_rows: how many rows they have.
        n_without_key: rows that no group was named for; they are left out.
        n_before: how many of the groups an earlier run had done.
        counts: how many fits ended in which way, the most frequent first.
        n_further, n_mended, n_closer, n_cut: as of `ManyFits`.
        model, target: what was fitted to what. names: of the parameters, as columns of the file.
        seconds: the whole run. threads, lanes: on how much of the machine.
        interrupted: whether it was ended before; then there is no file yet, and the same call goes
            on from the parts in `parts`.
        warnings: what is to be known besides.
    """

    path: str
    by: tuple[str, ...]
    n_fits: int
    n_rows: int
    counts: Mapping[str, int]
    model: str = ""
    target: str = "y"
    names: Sequence[str] = ()
    n_without_key: int = 0
    n_before: int = 0
    n_further: int = 0
    n_mended: int = 0
    n_closer: int = 0
    n_cut: int = 0
    seconds: float = math.nan
    compile_seconds: float = 0.0
    threads: int = 1
    lanes: int = 1
    interrupted: bool = False
    parts: str = ""
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return self.n_fits

    def __iter__(self) -> Iterator[OneFit]:
        return (self[fit] for fit in range(len(self)))

    def __getitem__(self, fit: int) -> OneFit:
        i = place_of(fit, len(self))
        query = f"SELECT * FROM read_parquet({quoted(self._file())}, file_row_number=true)"
        names, rows = self._told(f"{query} WHERE file_row_number = {i}")
        found = dict(zip(names, rows[0], strict=True))
        key = tuple(found[name] for name in self.by)
        values = _gathered(found, self.names, "")
        outcome = BY_NAME[found["status"]]
        return OneFit(
            i, key if len(key) > 1 else key[0], values, _gathered(found, self.names, "stderr_"),
            outcome.name, outcome.message, found["verdict"], outcome.success,
            found["iterations"], _number(found["loss"]), _number(found["chi2"]), found["dof"],
        )  # fmt: skip

    @property
    def n_success(self) -> int:
        """How many fits converged to parameters that their data determine."""
        return sum(n for name, n in self.counts.items() if BY_NAME[name].success)

    @property
    def fits_per_second(self) -> float:
        """How many fits a second this run did, reading and writing included."""
        done = self.n_fits - self.n_before
        return done / self.seconds if self.seconds > 0 else math.nan

    def columns(
        self, names: Sequence[str] | None = None, first: int = 0, count: int | None = None
    ) -> dict[str, Array]:
        """Columns of the file, of all its rows or of `count` of them from `first` on.

        Args:
            names: of the columns; all of them where it is not said.

        Returns:
            name → array of shape (rows,).

        Raises:
            UsageError: there is no such column, or no file yet.
        """
        file = f"read_parquet({quoted(self._file())})"
        known = [row[0] for row in self._told(f"DESCRIBE SELECT * FROM {file}")[1]]
        for name in names or ():
            if name not in known:
                raise UsageError(
                    f'the results have no column "{name}"{suggest(name, known)}',
                    remedy=f"they are {', '.join(known[:12])}",
                )
        chosen = ", ".join(map(identifier, known if names is None else names))
        end = "" if count is None else f" LIMIT {int(count)}"
        with _asked(f"SELECT {chosen} FROM {file}{end} OFFSET {int(first)}") as found:
            return {
                name: column.filled(np.nan) if isinstance(column, np.ma.MaskedArray)
                and column.dtype.kind == "f" else np.asarray(column)
                for name, column in found.fetchnumpy().items()
            }  # fmt: skip

    def _file(self) -> str:
        if self.interrupted:
            raise UsageError(
                f'"{self.path}" is not written yet: the run was interrupted after {self.n_fits} '
                "groups",
                remedy="make the same call again: it goes on from there",
            )
        return self.path

    def _told(self, query: str) -> tuple[list[str], list[Any]]:
        with _asked(query) as found:
            return [column[0] for column in found.description], found.fetchall()

    @ends_at_users_line
    def message(self, fit: int) -> str:
        """How a fit ended, in a sentence."""
        return self[fit].message

    def quantiles(self) -> dict[str, tuple[float, ...]]:
        """Of each parameter the quartiles over the fits that converged, and the median error."""
        if self.interrupted or not self.n_success:
            return {}
        exact = self.n_fits <= MOST_EXACT
        chosen = []
        for name in self.names:
            for column, at in ((name, "[0.25, 0.5, 0.75]"), (f"stderr_{name}", "[0.5]")):
                way = "quantile_cont" if exact else "approx_quantile"
                finite = f"FILTER (isfinite({identifier(column)}))"
                chosen.append(f"{way}({identifier(column)}, {at}) {finite}")
        file = f"read_parquet({quoted(self._file())})"
        _, (row,) = self._told(f"SELECT {', '.join(chosen)} FROM {file} WHERE success")
        pairs = zip(row[::2], row[1::2], strict=True)
        return {
            name: (*(own or [math.nan] * 3), *(error or [math.nan]))
            for name, (own, error) in zip(self.names, pairs, strict=True)
        }

    def to_json_dict(self) -> dict[str, Any]:
        """What is known of all fits as plain values, ready for `json.dumps(allow_nan=False)`."""
        names = (
            "path", "by", "n_fits", "n_rows", "counts", "model", "n_without_key", "n_before",
            "n_mended", "n_closer", "seconds", "threads", "interrupted", "warnings",
        )  # fmt: skip
        found = {"kind": "fits", **{name: getattr(self, name) for name in names}}
        found |= {"n_further_starts": self.n_further, "by": list(self.by)}
        found["parameters"] = {
            name: dict(zip(("25 %", "median", "75 %", "median error"), own, strict=True))
            for name, own in self.quantiles().items()
        }
        return jsonable(found)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return visible(f"<{self.n_fits} fits of {self.model}: {self.n_success} converged>")

    def report(self) -> str:
        """A summary over all fits as text."""
        of = f"{self.n_rows:,} rows, grouped by {', '.join(self.by)}"
        lines = [f"{self.n_fits} fits of {self.model} to {of}"]
        lines += [f"  {n:>9}  {BY_NAME[name].message}" for name, n in self.counts.items()]
        if self.interrupted:
            lines += ["", f"interrupted: what is done is kept in {self.parts}, and the same call "
                      "goes on from there"]  # fmt: skip
        rows: list[tuple[str, ...]] = [("parameter", "25 %", "median", "75 %", "median error")]
        for name, (*own, error) in self.quantiles().items():
            shown = "—" if math.isnan(error) else f"{error:.3g}"
            rows.append((name, *(f"{value:.6g}" for value in own), shown))
        if len(rows) > 1:
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines.append("")
            for name, *cells in rows:
                right: list[str] = [c.rjust(w) for c, w in zip(cells, widths[1:], strict=True)]
                lines.append("  ".join([name.ljust(widths[0]), *right]))
        if self.n_further:
            cut = f"; the search of {self.n_cut} was cut, at its most evaluations"
            lines += ["", f"{self.n_further} fits needed further starts, which mended "
                      f"{self.n_mended}{cut if self.n_cut else ''}"]  # fmt: skip
        threads = f"{self.threads} thread" + ("" if self.threads == 1 else "s")
        speed = rate(self.fits_per_second, "fits")
        lines += ["", f"{speed} on {threads}, from the rows to the file"]
        lines += [f"note: {warning}" for warning in self.warnings]
        return visible("\n".join(lines))

    __str__ = report


@contextmanager
def _asked(query: str) -> Iterator[Any]:
    """What a query gives, within little memory."""
    import duckdb

    with duckdb.connect(config={"memory_limit": MEMORY}) as link:
        yield link.execute(query)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _gathered(
    found: Mapping[str, Any], names: Sequence[str], prefix: str
) -> dict[str, Any]:
    """Parameters out of their columns: `w[0]`, `w[1]` are an array again."""
    values: dict[str, Any] = {}
    flat: dict[str, list[tuple[tuple[int, ...], float]]] = {}
    for name in names:
        if f"{prefix}{name}" not in found:
            continue
        value = _number(found[f"{prefix}{name}"])
        plain, bracket, index = name.partition("[")
        if not bracket:
            values[name] = value
            continue
        place = tuple(int(i) for i in index[:-1].split(","))
        flat.setdefault(plain, []).append((place, value))
    for plain, own in flat.items():
        array = np.empty(tuple(1 + max(axis) for axis in zip(*(p for p, _ in own), strict=True)))
        for place, value in own:
            array[place] = value
        values[plain] = array
    return values
