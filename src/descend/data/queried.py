"""Tables behind DuckDB: large text files, Parquet, JSON, and queries over any table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from descend.data.arrow import float_columns
from descend.data.asked import Asked
from descend.data.cells import held_text, holds_times, lost_digits, two_ways
from descend.data.layout import named_apart
from descend.data.numerals import ABSENT, KNOWN, Numerals, admitted
from descend.data.parts import Arrays, Foreign, Part, Text, is_parquet, rows_about, size_of
from descend.data.quoting import identifier, in_shell, quoted
from descend.data.sealed import FAILURES, Sealed, pattern
from descend.data.table import Complaint, ReadAgain, TableFile
from descend.data.validate import EXACT
from descend.errors import DataError

__all__ = ["QueriedTable", "in_query"]

Array = NDArray[Any]
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|BOOLEAN|DECIMAL.*)$")
_TIMES = re.compile(r"(DATE|TIME)")
_MOST_WRONG = 1000  # cells that are shown to whoever looks for a remedy
MOST_NOTES = 6  # of several files
MOST_THREADS = 4  # that read within little memory
PER_THREAD = 500_000_000  # bytes of numbers for which one more thread reads
LEAST_BUFFER, MOST_BUFFER = 1 << 21, 1 << 25  # bytes of the file that are held at a time
NUMBER = "file_row_number"  # a column of Parquet that DuckDB adds where it is asked to
BUFFERS = 100  # of them make up the columns, by their bytes
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_PLAIN = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|nan|NaN|[-+]?inf")


class QueriedTable(TableFile):
    """One or several files as one table, or the result of a query over it."""

    def __init__(
        self, path: str, parts: Sequence[Part], how: Asked, sql: str | None
    ) -> None:
        self._parts = parts
        self._link = Sealed(
            path,
            [part.file for part in parts if not isinstance(part, Arrays)],
            {f"part{j}": p.columns for j, p in enumerate(parts) if isinstance(p, Arrays)},
            self._threads(parts, sql, how.in_blocks),
            how.scratch,
            how.in_blocks,
        )
        super().__init__(path, (), how)
        self.files = [part.file for part in parts if not isinstance(part, Arrays)]
        self.lasting = sql is None and all(map(is_parquet, parts))
        self.sql = sql
        # Columns at all of whose rows was looked, and how their numbers are written, if all are.
        self._relaxed: dict[str, Numerals | None] = {}
        self._counted: dict[int, int] = {}  # the rows of Parquet files, by their numbers
        self._exact = ""  # the column whose whole numbers are asked for as they are
        self._describe()

    def _threads(
        self, parts: Sequence[Part], sql: str | None, in_blocks: bool
    ) -> int:
        """How many threads read, and what each keeps of the file.

        Both cost memory beside the columns themselves: together they keep to a fifth of it.
        """
        cores = min(os.cpu_count() or 1, MOST_THREADS if in_blocks else 1 << 10)
        sizes = [size_of(part) for part in parts if not isinstance(part, Arrays)]
        self._buffer = MOST_BUFFER
        if sql is not None or len(sizes) < len(parts):
            return cores
        threads = cores if in_blocks else max(1, min(cores, sum(sizes) // PER_THREAD))
        share = sum(sizes) // (BUFFERS * threads)
        # The reader refuses some sizes that are no powers of two.
        self._buffer = max(LEAST_BUFFER, min(MOST_BUFFER, 1 << max(0, share.bit_length() - 1)))
        return threads

    def _describe(self) -> None:
        """Create the view `data` (and the query's result over it) and learn columns and types."""
        readers = [self._reader(index, part) for index, part in enumerate(self._parts)]
        self._view = _viewed(readers)
        self._run(self._view)
        # On lines of its own, so that a remark at its end ends there.
        self._source = "data" if self.sql is None else f"(\n{self._link.one_select(self.sql)}\n)"
        described = self._run(f"DESCRIBE SELECT * FROM {self._source}")
        self.columns = tuple(row[0] for row in described)
        self._types = {row[0]: str(row[1]) for row in described}
        self._apart: dict[str, str] = {}
        layouts = [part.dialect.layout for part in self._parts if isinstance(part, Text)]
        notes = [note for layout in layouts for note in layout.notes]
        if len(notes) > MOST_NOTES:
            more = len(notes) - MOST_NOTES
            notes[MOST_NOTES:] = [f"of other files {more} more such things are to be said"]
        examples = [layout.example for layout in layouts if layout.example]
        self.notes = (*notes, *examples[:1])
        if self.sql is None and len(layouts) == len(self._parts):
            self.bare, self.columns = layouts[0].bare, layouts[0].names
            self._apart = dict(zip(self.columns, named_apart(self.columns), strict=True))
            self.twice = frozenset(n for n in self.columns if self.columns.count(n) > 1)
            if len(layouts) == 1:
                self.numerals = layouts[0].numerals

    def _reader(self, index: int, part: Part) -> str:
        if isinstance(part, Arrays):
            return f"SELECT * FROM part{index}"
        if isinstance(part, Foreign):
            return f"SELECT * FROM {part.reader.format(path=pattern(part.file))}"
        layout = part.dialect.layout
        names = [*named_apart(layout.names)]
        types = [self._type(part, j, name) for j, name in enumerate(names)]
        chosen = [
            f"{self._expression(part, j, name, types[j])} AS {identifier(name)}"
            for j, name in enumerate(names)
        ]
        listed = ("VARCHAR" if kind == "CHECKED" else kind for kind in types)
        columns = ", ".join(f"'c{j}': '{kind}'" for j, kind in enumerate(listed))
        empty = ""
        if part.dialect.lines.gaps or len(names) == 1:
            filled = " OR ".join(f"c{j} IS NOT NULL" for j in range(len(names)))
            empty = f" WHERE {filled}"
        return (
            f"SELECT {', '.join(chosen)} FROM read_csv({pattern(part.file)}, auto_detect=false, "
            f"delim={quoted(part.dialect.sep)}, quote='\"', escape='\"', header=false, "
            f"skip={part.dialect.skipped}, comment='', "
            f"buffer_size={self._buffer}, max_line_size={LEAST_BUFFER}, "
            f"columns={{{columns}}}){empty}"
        )

    def _type(self, part: Text, j: int, name: str) -> str:
        """What the CSV reader makes of a column; CHECKED is a text that is turned into numbers."""
        kind = part.dialect.layout.kinds[j]
        if name in self._relaxed or name == self._exact or kind in ("text", "mixed"):
            return "VARCHAR"
        texts = [text for row in part.dialect.body if (text := row.cells[j].strip())]
        if kind == "time":
            if all(len(text) == 10 for text in texts):
                return "DATE"
            return "TIMESTAMP WITH TIME ZONE" if any(map(_ZONE.search, texts)) else "TIMESTAMP"
        if kind == "truth":
            return "BOOLEAN"
        # Of 1.5 the CSV reader makes a whole number, 2, without a word.
        if kind == "whole" and self.sql is not None:
            return "CHECKED"
        plain = part.dialect.layout.numerals.decimal == "." and all(map(_PLAIN.fullmatch, texts))
        return "DOUBLE" if plain else "CHECKED"

    def _expression(self, part: Text, j: int, name: str, kind: str) -> str:
        """A column of the view."""
        layout, column = part.dialect.layout, f"c{j}"
        if name == self._exact:
            return f"TRY_CAST({column} AS HUGEINT)"
        if name in self._relaxed:
            way = self._relaxed[name]
            return column if way is None else way.sql(column)
        if kind == "CHECKED" and layout.kinds[j] == "whole":
            digits = max((len(row.cells[j].strip()) for row in part.dialect.body), default=0)
            whole = "BIGINT" if digits <= 18 else "HUGEINT" if digits <= 38 else "DOUBLE"
            return (
                f"CAST(CASE WHEN regexp_full_match(trim({column}), '[-+]?[0-9]*') THEN {column} "
                f"ELSE 'no whole number: ' || {column} END AS {whole})"
            )
        return layout.numerals.sql(column) if kind == "CHECKED" else column

    def _own(self, names: Sequence[str]) -> list[str]:
        """Columns as DuckDB calls them, to which upper and lower case are one."""
        return [self._apart.get(name, name) for name in names]

    def _run(self, query: str) -> list[Any]:
        return self._link.rows(query, self.sql is not None)

    # --- columns as numbers

    def _numbers(self, names: Sequence[str]) -> Sequence[Array | Complaint]:
        self._check_every_file(names)
        names = self._own(names)
        found = self._fetched(names)
        if found is None and self._relax(self._promised(names)):
            found = self._fetched(names)
        if found is None:
            raise self._unlike()
        return found

    def _promised(self, names: Sequence[str]) -> Sequence[str]:
        """The columns that a failed conversion may come from."""
        return names if self.sql is None else self.columns

    def _unlike(self) -> DataError:
        return DataError(f'"{self.path}" cannot be read: its rows are not alike')

    def _check_every_file(self, names: Sequence[str]) -> None:
        """Refuse a column that one of the files has not: their union would hold gaps."""
        if self.sql is not None or len(self._parts) == 1:
            return
        for part in self._parts:
            if isinstance(part, Foreign):
                told = self._run(f"DESCRIBE {self._reader(0, part)}")
                known = {row[0].casefold() for row in told}
                for name in names:
                    if name.casefold() not in known:
                        raise DataError(
                            f'"{part.file}" has no column "{name}", which other files have',
                            remedy="name files that all have it",
                        )

    def _fetched(self, names: Sequence[str]) -> list[Array | Complaint] | None:
        """The columns; None where a cell is no number, against what the first rows promised."""
        complaints = {name: self._complaint(name) for name in names}
        plain = [name for name in names if complaints[name] is None]
        try:
            arrays = dict(zip(plain, self._floats(plain), strict=True))
        except FAILURES as error:
            return self._fetched(names) if self._wider(error) else None
        for name, values in arrays.items():
            if len(values):
                self._check_digits(name, max(np.fmax.reduce(values), -np.fmin.reduce(values)))
        return [complaints[name] or arrays[name] for name in names]

    def _wider(self, error: Exception) -> bool:
        """Whether more of the file is held from now on, which was too little.

        False where a cell is no number; what else fails is refused.
        """
        if "Parallel CSV" in str(error) and self._buffer < MOST_BUFFER:
            self._buffer = MOST_BUFFER
            self._describe()
            return True
        if "onver" not in str(error):
            self._link.refuse(error, self.sql is not None)
        return False

    def _floats(self, names: Sequence[str]) -> list[Array]:
        if not names:
            return []
        relation: Any = self._link.relation(self._query(names))
        try:
            capsule = relation.__arrow_c_stream__()
        except (AttributeError, ImportError):  # older versions, which need pyarrow for it
            return [_dense(values) for values in relation.fetchnumpy().values()]
        return float_columns(capsule, len(names), self._link.most)

    def _query(self, names: Sequence[str]) -> str:
        chosen = ", ".join(f"{self._as_float(name)} AS f{j}" for j, name in enumerate(names))
        return f"SELECT {chosen} FROM {self._source}"

    # --- the same, some rows at a time

    def prepare(self, names: Sequence[str]) -> None:
        for name in names:
            self._check_known(name)
        self._check_every_file(names)
        found = [self._complaint(name) for name in self._own(names)]
        if complaints := [each for each in found if each is not None]:
            self._refuse(complaints, names)

    def batches(
        self, names: Sequence[str], first: int = 0, alone: bool = False
    ) -> Iterator[Sequence[Array]]:
        own = self._own(names)
        view = _viewed(self._readers_from(first)) if first else self._view
        try:
            yield from self._link.batches(view, self._query(own), alone)
        except FAILURES as error:
            if not self._wider(error) and not self._relax(self._promised(own)):
                raise self._unlike() from None
            raise ReadAgain from None

    def typed(self, names: Sequence[str], by: Sequence[str]) -> Any:
        """Columns as an Arrow stream: numbers as float64, those of `by` with their types.

        A text that says nothing is missing.
        """
        numbers = [name for name in names if name not in by]
        self.prepare(numbers)
        chosen = []
        for name, own in zip(names, self._own(names), strict=True):
            column = self._as_float(own) if name in numbers else identifier(own)
            if name in by and self._types[own] == "VARCHAR":
                column = f"nullif(trim({column}), '')"
            chosen.append(f"{column} AS {identifier(name)}")
        query = f"SELECT {', '.join(chosen)} FROM {self._source}"
        return self._link.relation(query).__arrow_c_stream__()

    def mended(self, error: Exception) -> bool:
        """Whether what failed on the way is read otherwise when it is asked for anew."""
        return self._wider(error) or self._relax(self._promised(self.columns))

    @property
    def seeks(self) -> bool:
        return self.lasting and NUMBER not in map(str.casefold, self.columns)

    def _readers_from(self, first: int) -> Iterator[str]:
        """Parquet from a row on: row groups before it are not read."""
        for index, part in enumerate(self._parts):
            reader = self._reader(index, part)
            numbered = f"{reader.removesuffix(')')}, {NUMBER}=true)"
            yield f"{numbered} WHERE {NUMBER} >= {first}"
            if first > 0 and index + 1 < len(self._parts):
                if index not in self._counted:
                    ((self._counted[index],),) = self._run(f"SELECT count(*) FROM ({reader})")
                first -= self._counted[index]

    def rows_about(self) -> float | None:
        if self.lasting:
            return float(self._run("SELECT count(*) FROM data")[0][0])
        texts = [part for part in self._parts if isinstance(part, Text)]
        if self.sql is not None or len(texts) < len(self._parts):
            return None
        return sum(map(rows_about, texts))

    def check_digits(self, name: str, largest: float) -> None:
        self._check_digits(self._own([name])[0], largest)

    def cancel(self, thread: int) -> None:
        self._link.cancel(thread)

    def close(self) -> None:
        self._link.close()
        self.kept = None

    def _relax(self, names: Sequence[str]) -> bool:
        """Look at all rows of columns whose types the first rows promised; whether any changes."""
        texts = [part for part in self._parts if isinstance(part, Text)]
        fresh = [name for name in names if name not in self._relaxed] if texts else []
        if not fresh:
            return False
        sql, self.sql = self.sql, None
        self._relaxed |= dict.fromkeys(fresh)
        self._describe()
        for name in fresh:
            if self._types.get(name) == "VARCHAR":
                self._relaxed[name] = self._way(name, texts[0].dialect.layout.numerals)
        self.sql = sql
        self._describe()
        return True

    def _way(self, name: str, first: Numerals) -> Numerals | None:
        """How all the numbers of a column are written; None if they are not all numbers."""
        ways = [first, *(way for way in KNOWN if way != first)]
        allowed = admitted(self.how.decimal, self.how.thousands)
        ways = [way for way in ways if way in allowed]
        text = f"trim({identifier(name)})"
        tried = ", ".join(
            f"bool_and({text} IN ({ABSENT}) OR {way.sql(text, strict=False)} IS NOT NULL)"
            for way in ways
        )
        (told,) = self._run(f"SELECT {tried} FROM data WHERE {text} IS NOT NULL")
        fit = [way for way, fits in zip(ways, told, strict=True) if fits]
        if first not in fit and len({way.decimal for way in fit}) > 1:
            return None
        return fit[0] if fit else None

    def _check_digits(self, name: str, largest: float) -> None:
        """Say where a column has whole numbers that float64 rounds."""
        if largest < EXACT:
            return
        column = identifier(name)
        if "INT" in self._types[name]:
            lost = self._lost_digits(column)
        elif self._is_whole(name):
            self._exact = name
            self._describe()
            lost = self._lost_digits(column)
            self._exact = ""
            self._describe()
        else:
            return
        if lost is None:
            return
        row, value, count = lost
        lost_digits(name, row, value, count, self.how.shell)

    def _is_whole(self, name: str) -> bool:
        """Whether a column of a text promised whole numbers."""
        first = self._parts[0]
        if self.sql is not None or not isinstance(first, Text):
            return False
        layout = first.dialect.layout
        return layout.kinds[[*named_apart(layout.names)].index(name)] == "whole"

    def _lost_digits(self, column: str) -> Any:
        numbered = f"SELECT row_number() OVER () - 1 AS row, {column} AS v FROM {self._source}"
        found = self._run(
            f"SELECT row, v, count(*) OVER () FROM ({numbered}) WHERE abs(v::HUGEINT) > 1::HUGEINT "
            "<< 53 AND TRY_CAST(v::DOUBLE AS HUGEINT) IS DISTINCT FROM v::HUGEINT "
            "ORDER BY row LIMIT 1"
        )
        return found[0] if found else None

    # --- columns that are no numbers

    def _as_float(self, name: str) -> str:
        if self._types[name] == "VARCHAR":
            return self.numerals.sql(identifier(name))
        return f"CAST({identifier(name)} AS DOUBLE)"

    def _complaint(self, name: str) -> Complaint | None:
        kind = self._types[name]
        if _NUMBERS.match(kind):
            return self._doubt(name)
        if _TIMES.match(kind):
            return holds_times(name, kind)
        if kind == "VARCHAR":
            return self._doubt(name) or self._text(name)
        remedy = "take a number out of it: " + in_shell(
            "sql", f"SELECT {in_query(name)}[1] AS first, * FROM data"
        )
        message = f'the column "{name}" holds {kind}, no numbers'
        return Complaint(name, "list" if kind.endswith("[]") else "other", message, (), remedy)

    def _doubt(self, name: str) -> Complaint | None:
        for part in self._parts:
            if self.sql is not None or not isinstance(part, Text) or name in self._relaxed:
                continue
            layout = part.dialect.layout
            if layout.rival is None:
                continue
            j = [*named_apart(layout.names)].index(name)
            for row, cells in enumerate(part.dialect.body):
                if told := two_ways(name, cells.cells[j], row, layout.numerals, layout.rival):
                    return told
        return None

    def _text(self, name: str) -> Complaint | None:
        column = identifier(name)
        numbered = f"SELECT row_number() OVER () - 1 AS row, {column} AS v FROM {self._source}"
        number = self.numerals.sql("v", strict=False)
        found = self._run(
            f"SELECT row, v, count(*) OVER () FROM ({numbered}) WHERE v IS NOT NULL AND "
            f"trim(v) NOT IN ({ABSENT}) AND {number} IS NULL ORDER BY row LIMIT {_MOST_WRONG}"
        )
        if not found:
            return None
        ((count,),) = self._run(f"SELECT count(*) FROM {self._source}")
        wrong = [(row, value) for row, value, _ in found]
        return held_text(name, wrong, found[0][2], 1 - found[0][2] / count)

    def _labels(self, name: str) -> Array:
        (name,) = self._own([name])
        if _NUMBERS.match(self._types[name]):
            (found,) = self._numbers([name])
            if not isinstance(found, Complaint):
                return found
        return self._texts(name)

    def _texts(self, name: str) -> Array:
        text = f"COALESCE(trim(CAST({identifier(name)} AS VARCHAR)), '') AS v"
        return np.asarray(self._link.column(f"SELECT {text} FROM {self._source}"), dtype=np.str_)

    def _as_they_are(self) -> dict[str, Array]:
        own = dict(zip(self.columns, self._own(self.columns), strict=True))
        numbers = [name for name in own if _NUMBERS.match(self._types[own[name]])]
        found = dict(zip(numbers, self._numbers(numbers), strict=True))
        doubts = [c for c in found.values() if isinstance(c, Complaint) and c.kind == "doubt"]
        if doubts:
            self._refuse(doubts, [c.name for c in doubts])
        columns: dict[str, Array] = {}
        for name, called in own.items():
            column = found.get(name)
            if column is None or isinstance(column, Complaint):
                moments = re.match("DATE|TIMESTAMP", self._types[called])
                column = self._moments(called) if moments else self._texts(called)
            columns[name] = column
        return columns

    def _moments(self, name: str) -> Array:
        cast = f"CAST({identifier(name)} AS TIMESTAMP) AS v"
        found = self._link.column(f"SELECT {cast} FROM {self._source}")
        if isinstance(found, np.ma.MaskedArray):
            found = found.filled(np.datetime64("NaT"))
        return np.asarray(found, "datetime64[us]")


def _viewed(readers: Iterable[str]) -> str:
    return f"CREATE OR REPLACE TEMP VIEW data AS {' UNION ALL BY NAME '.join(readers)}"


def in_query(name: str) -> str:
    """The column as a person writes it in a query: in quotes only where it must be."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        return identifier(name)
    words = (
        f"SELECT 1 FROM duckdb_keywords() WHERE keyword_name = lower({quoted(name)}) "
        "AND keyword_category <> 'unreserved'"
    )
    with duckdb.connect() as link:
        return identifier(name) if link.execute(words).fetchall() else name


def _dense(values: Any) -> Array:
    """DuckDB marks missing values by a mask; here they are NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.astype(np.float64).filled(np.nan))  # type: ignore[attr-defined]
    return np.ascontiguousarray(values, dtype=np.float64)
