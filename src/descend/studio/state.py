"""A state as a file: the setup, and one's own table, which an address never holds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from descend.errors import DataError, DescendError
from descend.studio.samples import Table
from descend.studio.setup import Setup, hash_of

__all__ = ["MARK", "is_state", "read_state", "state_json"]

Array = np.ndarray[Any, np.dtype[Any]]
MARK, VERSION = "descend studio state", 1
KINDS = "fiub"  # of numbers; all else is text
BROKEN = "save it once more from the studio: Take away, data and settings"


def state_json(setup: Setup, table: Table) -> str:
    """A setup and, where it is one's own, its table, as JSON.

    >>> from descend.studio.setup import PARABOLA
    >>> read_state(state_json(PARABOLA, PARABOLA.source.table()))[0] == PARABOLA
    True
    """
    own = [_column_out(name, column) for name, column in table.items()]
    state = {
        MARK: VERSION, "setup": json.loads(setup.to_json()),
        "table": own if setup.source.own else None,
    }  # fmt: skip
    return json.dumps(state, allow_nan=False, ensure_ascii=False)


def _column_out(name: str, column: Array) -> dict[str, Any]:
    numbers = column.dtype.kind in KINDS
    cells = column.tolist()
    if column.dtype.kind == "f":
        cells = [None if cell != cell else cell for cell in cells]
    return {"name": name, "kind": column.dtype.str if numbers else "text", "cells": cells}


def is_state(head: bytes) -> bool:
    """Whether a file that begins so is such a state."""
    return head.lstrip().startswith(f'{{"{MARK}"'.encode())


def read_state(text: str) -> tuple[Setup, Table]:
    """The setup and the table of a state; nothing of it is run.

    Raises:
        DataError: it is no such state, of another version, or its table is another one than the
            setup was made with.
    """
    try:
        state = json.loads(text)
        if not isinstance(state, dict) or state.get(MARK) != VERSION:
            raise DataError(
                f"the state is of version {state.get(MARK) if isinstance(state, dict) else '—'}, "
                f"and this studio reads version {VERSION}",
                remedy="open it with the studio that has saved it",
            )
        setup = Setup.from_json(json.dumps(state.get("setup")))
        table = setup.source.table() if setup.source.sample else _table_in(state.get("table"))
    except DataError:
        raise
    except (DescendError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        why = getattr(error, "message", error)
        raise DataError(f"the state is damaged ({why})", remedy=BROKEN) from None
    if setup.source.own and hash_of(table) != setup.source.digest:
        raise DataError("the state's table is not the one that it was saved with", remedy=BROKEN)
    return setup, table


def _table_in(columns: Any) -> Table:
    found: dict[str, Array] = {}
    for column in columns:
        name, kind, cells = (column[key] for key in ("name", "kind", "cells"))
        if not isinstance(name, str) or not isinstance(cells, list):
            raise ValueError("a column without a name or cells")
        if kind == "text":
            found[name] = np.array([str(cell) for cell in cells])
            continue
        dtype = np.dtype(kind)
        if dtype.kind not in KINDS or dtype.shape:
            raise ValueError(f"{name} is of the kind {kind!r}")
        numbers = [float("nan") if cell is None else cell for cell in cells]
        found[name] = np.array(numbers).astype(dtype) if numbers else np.zeros(0, dtype)
        if found[name].ndim != 1:
            raise ValueError(f"{name} is no column")
    if len({len(column) for column in found.values()}) != 1:
        raise ValueError("columns of unequal lengths, or none")
    return found
