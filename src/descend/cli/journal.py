"""The past runs of the command line, in a small database of this user alone.

A run is kept by what was written and what it came to: formula, options, path and hash of the data,
parameters, verdict. Never a row of data. `DESCEND_RUNS=off` keeps nothing; `DESCEND_RUNS=FILE`
names another file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from descend.cli.streams import complain
from descend.errors import UsageError

__all__ = ["Kept", "forget", "keep", "kept", "place", "read"]

OFF = frozenset({"off", "0", "no"})
MOST = 10_000  # runs: the oldest go first
HASHED = 1 << 24  # bytes: of a larger file size and time are kept alone
WAIT = 2.0  # seconds for another process that writes
MOST_PARAMETERS = 50
TABLE = """
create table if not exists runs (
    id integer primary key autoincrement, began text not null, command text not null,
    formula text not null, data text, hash text, options text not null, verdict text,
    status text, loss real, params text not null, seconds real, code integer not null
)
"""


class Kept(NamedTuple):
    """One run.

    Attributes:
        id: its number, counted from 1.
        began: UTC, as ISO 8601 writes it.
        command, formula, options: what was written; options by their names.
        data, hash: the path of the table, and BLAKE2 of what it held; of a large one, its size and
            time; None where there was no file.
        verdict, status, loss, params, seconds: of the result; parameters that are numbers.
        code: the exit code.
    """

    id: int
    began: str
    command: str
    formula: str
    data: str | None
    hash: str | None
    options: dict[str, Any]
    verdict: str | None
    status: str | None
    loss: float | None
    params: dict[str, float]
    seconds: float | None
    code: int


def place() -> Path | None:
    """The file, or None where nothing is kept."""
    named = os.environ.get("DESCEND_RUNS", "")
    if named.lower() in OFF:
        return None
    if named:
        return Path(named)
    base = os.environ.get("XDG_STATE_HOME")
    home = Path(base) if base else Path.home() / ".local" / "state"
    return home / "descend" / "runs.sqlite"


def keep(
    command: str, formula: str, data: str | None, given: Mapping[str, Any], result: Any, code: int
) -> int:
    """Keep a run, and return its exit code; where it cannot be kept, a warning says so.

    Args:
        data: the path of the table; None without one.
        given: the options that were written.
    """
    try:
        file = place()
        if file is not None:
            _insert(file, command, formula, data, given, result, code)
    except (OSError, RuntimeError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        complain(
            f"warning: this run is not kept among the past ones ({why}); DESCEND_RUNS=off keeps "
            "none, and says nothing"
        )
    return code


def read(count: int) -> list[Kept]:
    """The last runs, the latest first."""
    return _rows("order by id desc limit ?", (count,))


def kept(number: int) -> Kept:
    """The run of a number.

    Raises:
        UsageError: there is none.
    """
    found = _rows("where id = ?", (number,))
    if not found:
        last = read(1)
        there = f"the last one is {last[0].id}" if last else "none is kept yet"
        raise UsageError(f"there is no run {number}: {there}", remedy="descend runs lists them")
    return found[0]


def forget() -> int:
    """Throw all of them away; return how many there were."""
    file = place()
    if file is None or not file.exists():
        return 0
    try:
        with _opened(file) as database:
            count = database.execute("select count(*) from runs").fetchone()[0]
            database.execute("delete from runs")
            database.commit()
            database.execute("vacuum")
    except sqlite3.DatabaseError as error:
        raise _damaged(file, error) from None
    return int(count)


def _rows(which: str, values: Sequence[Any]) -> list[Kept]:
    file = place()
    if file is None:
        raise UsageError("runs are not kept: DESCEND_RUNS is off", remedy="unset DESCEND_RUNS")
    if not file.exists():
        return []
    try:
        with _opened(file) as database:
            asked = f"select {', '.join(Kept._fields)} from runs {which}"
            rows = [Kept(*row) for row in database.execute(asked, values)]
    except sqlite3.DatabaseError as error:
        raise _damaged(file, error) from None
    texts = ("options", "params")
    return [row._replace(**{n: json.loads(getattr(row, n)) for n in texts}) for row in rows]


def _damaged(file: Path, error: sqlite3.Error) -> UsageError:
    return UsageError(
        f"{file} does not hold the past runs ({error})",
        remedy="move it away: a new one is made by the next run",
    )


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """The database, made where it is not there, for nobody but its user."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(file, timeout=WAIT)) as database:
        database.execute("pragma synchronous = off")  # a lost power costs the last runs
        database.execute(TABLE)
        yield database


def _insert(
    file: Path, command: str, formula: str, data: str | None, given: Mapping[str, Any], result: Any,
    code: int,
) -> None:  # fmt: skip
    numbers = {
        name: float(value)
        for name, value in getattr(result, "params", {}).items()
        if isinstance(value, float | int)
    }
    row = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"), "command": command,
        "formula": formula, "data": None if data in (None, "-") else str(Path(data).absolute()),
        "hash": _hash(data), "options": json.dumps(dict(given), default=str),
        "verdict": getattr(result, "verdict", None), "status": getattr(result, "status", None),
        "loss": _number(getattr(result, "loss", getattr(result, "value", None))),
        "params": json.dumps(dict([*numbers.items()][:MOST_PARAMETERS])),
        "seconds": _number(getattr(result, "seconds", None)), "code": code,
    }  # fmt: skip
    with _opened(file) as database:
        marks = ", ".join("?" * len(row))
        database.execute(f"insert into runs ({', '.join(row)}) values ({marks})", [*row.values()])
        database.execute("delete from runs where id <= (select max(id) from runs) - ?", (MOST,))
        database.commit()


def _number(value: Any) -> float | None:
    """A number that a database can hold."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def _hash(data: str | None) -> str | None:
    if data in (None, "-"):
        return None
    try:
        info = os.stat(data)
        if info.st_size > HASHED:
            return f"{info.st_size} bytes of {datetime.fromtimestamp(info.st_mtime, UTC):%FT%TZ}"
        with open(data, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return None
