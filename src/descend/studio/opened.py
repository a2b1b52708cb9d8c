"""Tables of the user's own, within limits, and what the studio begins with on a table."""

from __future__ import annotations

import os
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from descend.data.read import open_table
from descend.data.spool import opened as unpacked
from descend.errors import DataError, DescendError
from descend.studio.samples import SAMPLES, Table
from descend.studio.setup import PARABOLA, Layer, Setup, Source, hash_of, quoted
from descend.studio.state import is_state, read_state

__all__ = [
    "MOST_BYTES", "MOST_COLUMNS", "MOST_ROWS", "MOST_UNPACKED", "Opened", "first_setup",
    "read_file", "read_text", "sample_setup", "usable",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
MOST_BYTES, MOST_UNPACKED = 200_000_000, 1_000_000_000
MOST_ROWS, MOST_COLUMNS = 10**7, 1000
PIECE = 1 << 20
SUFFIXES = (
    ".csv", ".tsv", ".txt", ".dat", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".parquet", ".pq",
    ".json", ".jsonl", ".ndjson", ".gz", ".bz2", ".xz",
)  # fmt: skip
PARQUET = b"PAR1"
MOST_LABELS = 20  # texts that are told apart as classes
SMALLER = "give a smaller table, or some of its rows and columns"


class Opened(NamedTuple):
    """A table of the user's own.

    Attributes:
        notes: what is to be said of how it was read.
        setup: what is to be done with it, where that was saved beside it.
    """

    table: Table
    source: Source
    notes: tuple[str, ...] = ()
    setup: Setup | None = None

    @property
    def begins(self) -> Setup:
        """What the studio begins with on it."""
        return self.setup or first_setup(self.table, self.source)


def read_file(path: str, name: str) -> Opened:
    """The table in a file, or what `state.state_json` has written.

    Args:
        name: what its user calls it, without folders.

    Raises:
        DataError: it is no table, or too large a one, in words that name it.
    """
    try:
        _check_size(path)
        if (saved := _state_in(path)) is not None:
            return saved
        found = open_table(path)
        if len(found.columns) > MOST_COLUMNS:
            raise DataError(
                f"the table has {len(found.columns)} columns, and the studio takes {MOST_COLUMNS}",
                remedy=SMALLER,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = found.everything()
    except DescendError as error:
        raise DataError(
            error.message.replace(path, name), remedy=_without_options(error.remedy)
        ) from None
    _check_rows(len(next(iter(table.values()), ())))
    notes = tuple(note.replace(path, name) for note in found.notes)
    return Opened(table, Source(own=name[:200] or "table", digest=hash_of(table)), notes)


def _state_in(path: str) -> Opened | None:
    """The state that a file holds; None where it is a table."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as stream:
        if not is_state(stream.read(64)):
            return None
    setup, table = read_state(Path(path).read_text("utf-8", errors="replace"))
    _check_rows(len(next(iter(table.values()), ())))
    return Opened(table, setup.source, (), setup)


def read_text(text: str, name: str) -> Opened:
    """The table in a text, such as cells that were copied from a spreadsheet.

    Raises:
        DataError: as of `read_file`.
    """
    if len(text) > MOST_BYTES:
        raise DataError(f"the text is longer than {_mega(MOST_BYTES)}", remedy=SMALLER)
    if not text.strip():
        raise DataError("there is no text", remedy="paste a table with a line of names")
    with tempfile.TemporaryDirectory(prefix="descend-") as folder:
        path = os.path.join(folder, "pasted.txt")
        Path(path).write_text(text, encoding="utf-8")
        return read_file(path, name)


def safe_suffix(name: str) -> str:
    """The end of a file's name by which its kind is known; nothing that is none of them."""
    known = [suffix for suffix in Path(name).suffixes[-2:] if suffix.lower() in SUFFIXES]
    return "".join(known).lower()


def _without_options(remedy: str | None) -> str | None:
    """A remedy, unless it speaks of options, which the page has not."""
    return None if remedy is None or "=" in remedy or "--" in remedy else remedy


def _mega(count: int) -> str:
    return f"{count // 10**6} MB" if count < 10**9 else f"{count // 10**9} GB"


def _check_rows(count: int) -> None:
    if count > MOST_ROWS:
        raise DataError(
            f"the table has {count} rows, and the studio takes {MOST_ROWS}", remedy=SMALLER
        )


def _check_size(path: str) -> None:
    """Refuse what is too large, or would be when it is unpacked, before it is."""
    if not os.path.isfile(path):
        return  # which is told by who reads it
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise DataError(f"the file is larger than {_mega(MOST_BYTES)}", remedy=SMALLER)
    with open(path, "rb") as stream:
        head = stream.read(4)
    if head == PARQUET:
        _check_parquet(path)
        return
    with suppress(zipfile.BadZipFile):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _check_unpacked(sum(part.file_size for part in archive.infolist()))
            return
    count = lines = 0
    with unpacked(path) as stream:
        try:
            while piece := stream.read(PIECE):
                count, lines = count + len(piece), lines + piece.count(b"\n")
                _check_unpacked(count)
        except (OSError, EOFError) as error:
            raise DataError(f"the file cannot be unpacked, or is damaged: {error}") from None
    _check_rows(max(0, lines - 2))


def _check_unpacked(count: int) -> None:
    if count > MOST_UNPACKED:
        raise DataError(
            f"the file is larger than {_mega(MOST_UNPACKED)} when it is unpacked", remedy=SMALLER
        )


def _check_parquet(path: str) -> None:
    """Of a Parquet file, what its own table of contents says."""
    from descend.data.sealed import Sealed, pattern

    link = Sealed(path, [path], {}, 1)
    place = pattern(path)
    ((rows,),) = link.rows(f"SELECT sum(num_rows) FROM parquet_file_metadata({place})", False)
    ((size,),) = link.rows(
        f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({place})", False
    )
    _check_rows(int(rows or 0))
    _check_unpacked(int(size or 0))


# --- what is begun with


def usable(table: Table) -> dict[str, bool]:
    """Columns → whether they may go in; the others may be a target of classes.

    Columns of numbers may be both; texts of at least two and not too many kinds are classes. Dates
    and other texts are left out.
    """
    found = {}
    for name, column in table.items():
        if column.dtype.kind in "fiub":
            if np.isfinite(column.astype(np.float64)).sum() > 1:
                found[name] = True
        elif column.dtype.kind in "UO" and 2 <= len({*column.astype(str)}) <= MOST_LABELS:
            found[name] = False
    return found


def first_setup(table: Table, source: Source) -> Setup:
    """What is begun with on a table of one's own: a small network, the last column its target.

    Raises:
        DataError: there are no two columns that could be used.
    """
    columns = usable(table)
    target = next(reversed(columns), None)
    inputs = tuple(name for name, numbers in columns.items() if numbers and name != target)
    if target is None or not inputs:
        raise DataError(
            "the table has no two columns of numbers",
            remedy="give a table with a column of numbers, and a column to predict from it",
        )
    n_rows = len(table[target])
    return Setup(
        source, target, inputs, layers=(Layer(8, "tanh"), Layer(8, "tanh")), optimizer="adam",
        lr=0.01, batch_size=None if n_rows < 20 else min(32, max(1, n_rows // 10)),
    )  # fmt: skip


def formula_of(target: str, inputs: tuple[str, ...]) -> str:
    """A linear formula over these columns, to begin with.

    >>> formula_of("y", ("x", "t s"))
    'y = a1*x + a2*`t s` + b'
    """
    if len(inputs) == 1:
        return f"{quoted(target)} = a*{quoted(inputs[0])} + b"
    terms = [f"a{i}*{quoted(name)}" for i, name in enumerate(inputs, 1)]
    return f"{quoted(target)} = {' + '.join(terms)} + b"


def _nist(formula: str, start: Mapping[str, float]) -> dict[str, Any]:
    return dict(target="y", inputs=("x",), formula=formula, start=dict(start), loss="mse",
                optimizer="lm")  # fmt: skip


def _net(*layers: Layer, lr: float = 0.03) -> dict[str, Any]:
    return dict(target="label", inputs=("x1", "x2"), layers=layers, optimizer="adam", lr=lr,
                batch_size=10, held=0.2)  # fmt: skip


FIRST: Mapping[str, Mapping[str, Any]] = {
    "misra1a": _nist("y = b1*(1 - exp(-b2*x))", {"b1": 500.0, "b2": 0.0001}),
    "rat43": _nist("y = b1/(1 + exp(b2 - b3*x))**(1/b4)", {"b1": 100, "b2": 10, "b3": 1, "b4": 1}),
    "eckerle4": _nist("y = b1/b2*exp(-0.5*((x - b3)/b2)**2)", {"b1": 1.5, "b2": 5, "b3": 450}),
    "thurber": _nist(
        "y = (b1 + b2*x + b3*x**2 + b4*x**3)/(1 + b5*x + b6*x**2 + b7*x**3)",
        {"b1": 1000, "b2": 1000, "b3": 400, "b4": 40, "b5": 0.7, "b6": 0.3, "b7": 0.03},
    ),
    "iris": {**_net(Layer(6, "tanh")), "target": "species",
             "inputs": ("petal_length", "petal_width")},
    "digits": {**_net(Layer(32, "relu"), lr=0.003), "target": "digit", "batch_size": 32,
               "inputs": tuple(f"p{i // 8}{i % 8}" for i in range(64))},
    "circle": _net(Layer(6, "tanh")),
    "xor": _net(Layer(8, "tanh")),
    "gauss": _net(Layer(2, "tanh")),
    "spiral": _net(Layer(16, "tanh"), Layer(16, "tanh"), lr=0.02),
}  # fmt: skip
"""Sample → what is begun with; starts of the NIST sets are the published ones."""


def sample_setup(name: str, options: Mapping[str, float] | None = None) -> Setup:
    """What is begun with on a sample.

    >>> sample_setup("xor").layers
    (Layer(units=8, activation='tanh'),)
    """
    if name == "parabola":
        return PARABOLA
    numbers = {n: one.usual for n, one in SAMPLES[name].numbers.items()}
    return Setup(Source(name, {**numbers, **(options or {})}), **FIRST[name])
