"""What tests of streams share: tables, written in every way, and read back."""

import threading

import duckdb
import numpy as np

BLOCK = 65_536
READERS = ("descend-reader",)


def numbers(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=rows), "y": np.arange(rows) / 8, "s": rng.uniform(1, 2, rows)}


def write(path, columns, options="FORMAT parquet", query="SELECT * FROM t"):
    with duckdb.connect() as link:
        link.execute("SET enable_progress_bar = false").fetchall()
        link.register("t", dict(columns))
        link.execute(f"COPY ({query}) TO '{path}' ({options})")
    return str(path)


def read_back(stream, first_block=0, block=BLOCK):
    """All rows of a pass."""
    return joined(stream.blocks(first_block), stream.names, block, first_block)


def joined(given, names, block=BLOCK, first_block=0):
    """The rows of pieces, each of which stands where it says, and is in one piece."""
    pieces, first = [], first_block * block
    for piece in given:
        assert piece.first == first and 0 < piece.rows <= block
        assert all(c.shape == (piece.rows,) and c.flags.c_contiguous for c in piece.columns)
        assert all(c.dtype == np.float64 for c in piece.columns)
        pieces.append([column.copy() for column in piece.columns])
        first += block
    whole = [np.concatenate(columns) for columns in zip(*pieces, strict=True)]
    return dict(zip(names, whole, strict=True))


def same(found, wanted):
    assert list(found) == list(wanted)
    for name, column in wanted.items():
        np.testing.assert_array_equal(found[name], column)


def reading():
    return [thread for thread in threading.enumerate() if thread.name in READERS]
