"""Files that a run writes: the place is tried before the run, and no half-written file is left."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from descend.errors import UsageError, suggest
from descend.records.record import History, jsonable

__all__ = ["KINDS", "check_output_path", "path_text", "write_history", "written_whole"]

STILL = 60.0  # seconds without a change: a process of another machine may write there

TABLES = (".parquet", ".pq", ".csv", ".tsv", ".json", ".jsonl")
KINDS: Mapping[str, tuple[str, ...]] = {
    "plot": (".png", ".svg", ".pdf", ".jpg", ".webp"),
    "animation": (".gif", ".mp4"),
    "history": (".csv", ".tsv", ".json"),
    "saved fit": (".descend",),
    "checkpoint": (),
    "predictions": TABLES,
    "results of the fits": TABLES,
}
"""What can be written, and as what; an empty tuple accepts any name."""


def path_text(path: object, what: str) -> str:
    """Return a path as text.

    >>> path_text(5, "the plot")
    Traceback (most recent call last):
    descend.errors.UsageError: the plot has a path, such as "name.suffix", not 5
    """
    if isinstance(path, str | os.PathLike):
        return str(os.fspath(path))
    raise UsageError(f'{what} has a path, such as "name.suffix", not {path!r}')


def check_output_path(path: str | os.PathLike[str], kind: str) -> Path:
    """Make sure, before the work begins, that a file can be written afterwards.

    Args:
        path: where the user wants the file; `~` is his home directory.
        kind: a key of KINDS; it is the word used in the message.

    Raises:
        UsageError: unknown suffix, a directory that is absent or not writable, a name that is a
            directory. The message names the directory and says what to do.

    >>> check_output_path("fit.xyz", "plot")
    Traceback (most recent call last):
    descend.errors.UsageError: the plot cannot be written as "fit.xyz": ".xyz" is not supported
      do: use one of .png, .svg, .pdf, .jpg, .webp
    """
    asked = path_text(path, f"the {kind}")
    target = Path(os.path.realpath(os.path.expanduser(asked)))
    _check_suffix(asked, target, kind)
    if target.exists() and not target.is_file() and not target.is_dir():
        return target
    folder = str(target.parent)
    failure = f'the {kind} cannot be written to "{asked}": '
    if target.is_dir():
        raise UsageError(
            failure + "that is a directory", remedy="give a file name inside it as well"
        )
    if not target.parent.is_dir():
        what = "is a file, not a directory" if target.parent.exists() else "does not exist"
        raise UsageError(
            failure + f'the directory "{folder}" {what}',
            remedy="create the directory first, or give a path inside one that exists",
        )
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(
            failure + "the file exists and is write-protected",
            remedy="choose another name, or allow writing to it",
        )
    try:
        trial = _neighbour(target)
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        raise UsageError(
            failure + f'the directory "{folder}" refuses new files ({error.strerror})',
            remedy="choose a directory you may write to, for instance your home directory",
        ) from None
    return target


def _check_suffix(asked: str, target: Path, kind: str) -> None:
    suffixes = KINDS[kind]
    suffix = target.suffix.lower()
    if not suffixes or suffix in suffixes:
        return
    what = f'"{suffix}" is not supported' if suffix else "the name has no suffix"
    raise UsageError(
        f'the {kind} cannot be written as "{asked}": {what}'
        + (suggest(suffix, suffixes) if suffix else ""),
        remedy=("use one of " if len(suffixes) > 1 else "use ") + ", ".join(suffixes),
    )


def _neighbour(target: Path) -> Path:
    """A temporary name beside the target, so that renaming stays on one file system."""
    mark = f"{os.getpid()}-{os.urandom(6).hex()}"
    return target.with_name(f".{target.stem[:80]}.{mark}.part{target.suffix}")


def _remove_left(target: Path) -> None:
    """Remove what runs that were killed have left half-written beside the target."""
    begin, end = f".{target.stem[:80]}.", f".part{target.suffix}"
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            mark = path.name[len(begin) : -len(end)]
            own = path.name.startswith(begin) and path.name.endswith(end)
            process = mark.partition("-")[0]
            if own and process.isdecimal() and _is_over(int(process), path):
                path.unlink()


def _is_over(process: int, path: Path) -> bool:
    """Whether nobody writes to a file any more: it is still, and its process is gone."""
    if os.name == "nt" or time.time() - path.stat().st_mtime < STILL:
        return False  # there is no asking after a process on Windows
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` once all is written.

    On any failure the temporary file is removed and what stood at `path` before is untouched.

    Raises:
        UsageError: the disk refused (full, taken away, no permission).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     Path(folder, "a.txt").read_text()
    'all of it'
    """
    target = Path(os.path.realpath(os.path.expanduser(os.fspath(path))))
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = _neighbour(target)
    try:
        yield temporary
        os.replace(temporary, target)
        _remove_left(target)
    except OSError as error:
        raise UsageError(
            f'"{os.fspath(path)}" could not be written: {error.strerror or error}',
            remedy="check the space and the permissions there, or choose another path",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_history(history: History, path: str | os.PathLike[str]) -> None:
    """Write the course of a run as a table: .csv, .tsv or .json (columns; NaN becomes null).

    Raises:
        UsageError: as `check_output_path`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_history(History(loss=[4.0, 1.0]), Path(folder, "h.csv"))
    ...     print(Path(folder, "h.csv").read_text())
    epoch,loss
    1,4.0
    2,1.0
    """
    target = check_output_path(path, "history")
    with (
        written_whole(target) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as f,
    ):
        _WRITERS[target.suffix.lower()](history, f)


def _write_separated(history: History, stream: IO[str], separator: str) -> None:
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    columns = history.columns()
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _write_json(history: History, stream: IO[str]) -> None:
    json.dump(jsonable(history.columns()), stream, allow_nan=False)
    stream.write("\n")


_WRITERS: Mapping[str, Callable[[History, IO[str]], Any]] = {
    ".csv": lambda history, stream: _write_separated(history, stream, ","),
    ".tsv": lambda history, stream: _write_separated(history, stream, "\t"),
    ".json": _write_json,
}
