"""Results in parts beside the file that they are for, so that a run that is ended can go on.

A part is written under a temporary name, flushed to the disk and renamed; then the list of parts is
written anew in the same way. What is not on the list does not count.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from descend.data.quoting import identifier, quoted
from descend.data.room import FULL
from descend.errors import DataError, UsageError

__all__ = ["Parts", "as_os_error", "flushed"]

Array = NDArray[Any]
FORM = 1
LIST, LOCK = "list.json", "lock"
WORDS = 60  # signs of a value that are shown


class Parts:
    """The parts of one file of results.

    Args:
        target: the file that they are for.
        restart: whether what is there is thrown away.

    Attributes:
        folder: where they are.
        known: what has been settled of the call.
        entries: what is known of each part that is done, in order.

    Raises:
        UsageError: another process writes them; what is there is no list of parts.
    """

    def __init__(self, target: Path, restart: bool) -> None:
        self.folder, self._target = target.with_name(target.name + ".parts"), target
        self.call: dict[str, Any] = {}
        self.known: dict[str, Any] = {}
        self.entries: list[dict[str, Any]] = []
        self.is_there = False
        self._link: Any = None
        self._lock = self._locked()
        try:
            for path in self.folder.iterdir():
                if path.name != LOCK and (restart or path.name.startswith(".")):
                    path.unlink()
            self._read()
        except BaseException:
            self.leave()
            raise

    def _locked(self) -> IO[str]:
        while True:
            with _told(self.folder):
                self.folder.mkdir(exist_ok=True)
                lock = open(self.folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
            if not _lock(lock):
                lock.close()
                raise UsageError(
                    f'another process is at work on "{self._target}"',
                    remedy="wait until it has ended, or name another file",
                )
            with suppress(OSError):
                if os.path.samestat(os.fstat(lock.fileno()), os.stat(self.folder / LOCK)):
                    return lock
            lock.close()  # whoever held it has removed the folder meanwhile

    def _read(self) -> None:
        path = self.folder / LIST
        if not path.exists():
            return
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["form"] != FORM:
                raise ValueError
            self.call, self.known, self.entries = told["call"], told["known"], told["parts"]
            self.is_there = True
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f'"{path}" is no list of parts that this version has written',
                remedy="write restart=True (--restart) to begin anew",
            ) from None

    def begin(self, call: Mapping[str, Any]) -> None:
        """Go on with the parts of this very call, or begin with none.

        Args:
            call: what it is, by name, as plain values.

        Raises:
            UsageError: the parts are of another call.
        """
        plain = json.loads(json.dumps(dict(call)))
        if not self.is_there:
            self.call = plain
            self._write()
            return
        for name in [*plain, *self.call]:
            self._compare(name, self.call.get(name), plain.get(name))

    def settle(self, name: str, value: Any) -> None:
        """Remember what the call has turned out to be besides, or compare it.

        Raises:
            UsageError: it was something else.
        """
        if name in self.known:
            self._compare(name, self.known[name], value)
        else:
            self.known[name] = value
            self._write()

    def _compare(self, name: str, before: Any, now: Any) -> None:
        if before != now:
            raise UsageError(
                f'the parts in "{self.folder}" are of another call: {name} was {_short(before)}, '
                f"and is {_short(now)}",
                remedy="call it as before, write restart=True (--restart) to throw them away, or "
                "name another file",
            )

    def add(self, columns: Mapping[str, Array], entry: Mapping[str, Any]) -> None:
        """Keep further results; they are on the disk when this returns.

        Raises:
            DataError: the disk is full. OSError: it refuses otherwise.
        """
        name = f"part-{len(self.entries):06}.parquet"
        temporary, path = self.folder / f".{name}", self.folder / name
        with _told(self.folder):
            self._copy(columns, temporary)
            flushed(temporary)
            os.replace(temporary, path)
        self.entries.append({**entry, "name": name})
        try:
            self._write()
        except BaseException:
            self.entries.pop()
            raise

    def _copy(self, columns: Mapping[str, Array], path: Path) -> None:
        """Write columns of numbers into a Parquet file of their own."""
        if self._link is None:
            self._link = duckdb.connect(config={"threads": 1})
            self._link.execute("SET enable_progress_bar = false").fetchall()
        self._link.register("written", {n: np.ascontiguousarray(a) for n, a in columns.items()})
        chosen = ", ".join(map(identifier, columns))
        try:
            self._link.execute(
                f"COPY (SELECT {chosen} FROM written) TO {quoted(str(path))} "
                "(FORMAT parquet, COMPRESSION uncompressed)"
            ).fetchall()
        except duckdb.IOException as error:
            with suppress(OSError):
                path.unlink()
            raise as_os_error(error) from None
        finally:
            self._link.unregister("written")

    def _write(self) -> None:
        temporary, path = self.folder / f".{LIST}", self.folder / LIST
        told = {"form": FORM, "call": self.call, "known": self.known, "parts": self.entries}
        with _told(self.folder):
            temporary.write_text(json.dumps(told), encoding="utf-8")
            flushed(temporary)
            os.replace(temporary, path)
            flushed(self.folder)

    def paths(self) -> Sequence[str]:
        """The files of all parts."""
        return [str(self.folder / entry["name"]) for entry in self.entries]

    def remove(self) -> None:
        """Throw the parts away: what they are for is written."""
        for path in self.folder.iterdir():
            if path.name != LOCK:
                path.unlink()
        if os.name == "nt":
            self.leave()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Let another process have them."""
        if self._link is not None:
            self._link.close()
        self._lock.close()


def as_os_error(error: Exception) -> OSError:
    """What DuckDB says of a disk that refuses, as other files say it."""
    text = str(error).splitlines()[0]
    full = "No space left" in text
    return OSError(FULL[0] if full else 5, "No space left on device" if full else text)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """A full disk in words; nothing that is on the list is lost by it."""
    try:
        yield
    except OSError as error:
        why = "is full" if error.errno in FULL else f"refuses: {error.strerror or error}"
        raise DataError(
            f'"{folder}", where finished groups are kept, {why}; those that it holds are not lost',
            remedy="make room, and call it again as before: it goes on from there",
        ) from None


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"


def flushed(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    number = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _lock(file: IO[str]) -> bool:
    """Lock a file for this process, as long as it lives; False where another has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
