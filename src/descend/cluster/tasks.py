"""What runs on a worker: it is told by arguments alone, and gives back arrays and numbers.

Neither a graph's compiler nor a function of the user's is needed here. What several tasks share,
object code and open files, is kept in the process.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from descend.cluster.graphs import prepared
from descend.compile.many_pieces import Some, run_some
from descend.compile.native import Loaded, host, load_object
from descend.compile.pieces import PassMemory, PassOrder
from descend.data.allocator import memory_kept
from descend.data.read import open_table
from descend.data.streams.opened import open_stream
from descend.data.streams.stream import Stream, mark
from descend.data.streams.survey import Surveyor, SurveyPart
from descend.data.table import ReadAgain
from descend.errors import DataError
from descend.run.passes import Fold, fold_block
from descend.task.assembly import Assembly

__all__ = [
    "About", "Done", "Package", "Place", "about", "files_of", "fits", "let_go", "stranded", "sums",
    "survey", "values",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")
MOST_KEPT = 64  # packages
MOST_OPEN = 8  # sources
OPEN = "open "


class About(NamedTuple):
    """A process that takes part.

    Attributes:
        host: its machine. versions: of what decides the numbers.
        triple, cpu, features: of its processor, as LLVM calls them.
    """

    host: str
    versions: Mapping[str, str]
    triple: str
    cpu: str
    features: Mapping[str, bool]


class Place(NamedTuple):
    """A source that every worker can open by itself.

    Attributes:
        path: absolute, perhaps a pattern. names: of the columns.
        files: each with its size in bytes.
    """

    path: str
    names: tuple[str, ...]
    files: tuple[tuple[str, int], ...]

    @property
    def key(self) -> str:
        """By which it is kept open."""
        return f"{OPEN}{self}"


class Package(NamedTuple):
    """What is sent to a worker once: object code, and what its caller must know; or a graph."""

    image: bytes
    order: Any

    def key(self, arrays: Sequence[Array] = ()) -> str:
        """By which it goes; `arrays` are those whose numbers the order's words do not tell."""
        mark = hashlib.blake2b(self.image, digest_size=8)
        mark.update(repr(self.order).encode())
        for array in arrays:
            mark.update(array.tobytes())
        return f"descend {mark.hexdigest()}"


class Done(NamedTuple):
    """What a task has come to, and how many seconds of work it was.

    Where it needs a package that the worker does not have, that is `absent`, and nothing found.
    """

    seconds: float
    found: Any
    absent: bool = False


# --- the process


def about() -> About:
    """This process."""
    versions = {name: metadata.version(name) for name in ("numpy", "scipy", "llvmlite")}
    python = ".".join(platform.python_version_tuple()[:2])
    versions = {"descend": _sources(), "Python": python, **versions}
    return About(socket.gethostname(), versions, *host())


@functools.cache
def _sources() -> str:
    """The version of descend, and a digest of its sources."""
    found = hashlib.blake2b(digest_size=4)
    folder = Path(__file__).resolve().parent.parent
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    with suppress(metadata.PackageNotFoundError):
        return f"{metadata.version('descend')} (sources {found.hexdigest()})"
    return f"(sources {found.hexdigest()})"


def files_of(path: str) -> tuple[tuple[str, int], ...]:
    """The files that a path names as this process sees them, each with its size."""
    table = open_table(path)
    try:
        return tuple((os.path.abspath(file), os.path.getsize(file)) for file in table.files)
    finally:
        table.close()


_lock = threading.RLock()
_packages: OrderedDict[str, Package] = OrderedDict()
_loaded: dict[str, Loaded] = {}
_free: dict[str, list[Any]] = {}  # memories by their package, streams by their place


class Absent(Exception):
    """A package has not been sent to this worker yet, or too many others since."""


def let_go(names: Sequence[str]) -> None:
    """Forget packages, and close sources."""
    for name in names:
        with _lock:
            _packages.pop(name, None)
            _loaded.pop(name, None)
            free = _free.pop(name, [])
        for thing in free:
            if isinstance(thing, Stream):
                thing.close()


def _package(key: str, given: Package | None) -> Package:
    """A package, as it is sent or was before."""
    with _lock:
        if given is not None:
            _packages[key] = given
        if key not in _packages:
            raise Absent
        _packages.move_to_end(key)
        old = [*_packages][: max(0, len(_packages) - MOST_KEPT)]
    let_go(old)
    return _packages[key]


def _code(key: str, package: Package) -> Loaded:
    """Its machine code, loaded once."""
    with _lock:
        if key not in _loaded:
            _loaded[key] = load_object(package.image)
        return _loaded[key]


@contextmanager
def _one_of(key: str, make: Callable[[], T]) -> Iterator[T]:
    """Something that one task at a time works with: one that is free, or a new one."""
    with _lock:
        free = _free.setdefault(key, [])
        found = free.pop() if free else None
    thing = make() if found is None else found
    yield thing
    with _lock:  # after an error it is left to be closed
        if key in _free:
            _free[key].append(thing)


def stranded(keys: Sequence[str], dask_scheduler: Any = None) -> list[str]:
    """On the scheduler: those of some tasks that wait for workers, where there are some."""
    tasks = [(key, dask_scheduler.tasks.get(key)) for key in keys if dask_scheduler.workers]
    return [key for key, task in tasks if task is not None and task.state == "no-worker"]


# --- rows


def _opened(place: Place) -> Stream:
    try:
        found = files_of(place.path)
    except DataError:
        found = ()
    if found != place.files:
        raise DataError(
            f'"{place.path}" is another file on {socket.gethostname()} than where the fit began',
            remedy="give a path at which every worker finds the same file, and leave it alone",
        )
    return open_stream(place.path, place.names)


@contextmanager
def _stream(place: Place) -> Iterator[Stream]:
    key = place.key
    with _lock:
        others = [k for k in _free if k.startswith(OPEN) and k != key]
    let_go(others[: max(0, len(others) - MOST_OPEN)])
    with _one_of(key, lambda: _opened(place)) as stream:
        yield stream


def _again(work: Callable[[], T]) -> Done:
    """The work, anew where a file turned out to be written otherwise than it began."""
    begin = time.perf_counter()
    while True:
        try:
            with memory_kept(told=True):
                found = work()
            return Done(time.perf_counter() - begin, found)
        except Absent:
            return Done(0.0, None, absent=True)
        except ReadAgain:
            continue


def fits(key: str, sent: Package | None, some: Some) -> Done:
    """Some of many fits: see `compile.many_pieces`."""

    def work() -> list[Array]:
        package = _package(key, sent)
        return run_some(_code(key, package), package.order, some)

    return _again(work)


def survey(
    _key: str, _sent: None, place: Place, first: int, end: int | None, seed: int, most: int,
    positive: Mapping[str, bool],
) -> Done:  # fmt: skip
    """The part of a survey that falls to some blocks, and their marks."""

    def work() -> tuple[SurveyPart, list[bytes]]:
        with _stream(place) as stream:
            marks: list[bytes] = []
            surveyor: Surveyor | None = None
            for piece in stream.part(first, end):
                if surveyor is None:
                    surveyor = Surveyor(place.names, seed, most, positive, piece.first)
                surveyor.take(piece.columns, 0)
                marks.append(mark(piece.columns))
            if surveyor is None:
                surveyor = Surveyor(place.names, seed, most, positive, 0)
            return surveyor.part(), marks

    return _again(work)


def values(
    key: str, sent: Package | None, place: Place, assembly: Assembly, columns: Mapping[str, Any],
    blocks: tuple[int, int], marks: Sequence[bytes], known: Sequence[Array],
    fold: Fold,
) -> Done:  # fmt: skip
    """What is made of the values of a graph at each of some blocks of rows.

    Args:
        known: the inputs that are no columns; `columns` as of `sums`.
    """

    def work() -> list[Any]:
        package = _package(key, sent)
        found = []
        loaded = _code(key, package) if package.image else None
        make = functools.partial(prepared, package.order, loaded)
        with _stream(place) as stream, _one_of(key, make) as evaluate:
            for _, block in assembly.of(stream.part(*blocks, marks), columns):
                found.append(fold_block(evaluate, known, block, fold))
        return found

    return _again(work)


def sums(
    key: str, sent: Package | None, place: Place, assembly: Assembly, columns: Mapping[str, Any],
    blocks: tuple[int, int], marks: Sequence[bytes], values: Sequence[Array],
) -> Done:  # fmt: skip
    """What some blocks of rows come to, in a pass of a compiled program.

    Args:
        assembly: makes the program's columns. columns: their names and types, in its order.
    """

    def work() -> list[list[Array]]:
        package = _package(key, sent)
        order: PassOrder = package.order
        loaded = _code(key, package)
        with _stream(place) as stream, _one_of(key, lambda: PassMemory(loaded, order)) as memory:
            pieces = stream.part(*blocks, marks)
            return memory.sums(values, blocks, assembly.of(pieces, columns))

    return _again(work)
