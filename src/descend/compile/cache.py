"""Compiled objects on disk, and loaded programs in memory.

A key is a digest of what is computed (the graph, with inputs by position), of our own sources, and
of the machine. An entry is one file: a checksum over its key, a description in JSON and the object
code. Files are written under a temporary name and renamed. What is damaged, was put there under
another key, is no plain file, or can be written by others than its owner is a miss: an entry is
native code, and runs. A directory that can't be written makes every run compile anew.
`DESCEND_CACHE_DIR` moves the directory, `DESCEND_CACHE=off` turns it off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from descend.compile.native import Loaded, load_object, target_id
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import INPUT
from descend.graph.subgraph import Body

__all__ = ["cached_code", "digest", "graph_key", "image_of"]

MAGIC = b"descend object 2\n"
CHECK = 20  # bytes of the checksum
PLAINLY = sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
)
"""How an entry is opened: no link is followed, and nothing is waited for."""
OTHERS = stat.S_IWGRP | stat.S_IWOTH
LIMIT_BYTES = 256 << 20
LIMIT_LOADED = 512


# --- keys ---------------------------------------------------------------------------------------


def _attribute(value: Any, dims: dict[Dim, int], bodies: dict[Body, int]) -> str:
    if isinstance(value, Dim):
        return f"d{dims.setdefault(value, len(dims))}"
    if isinstance(value, tuple):
        return "(" + ",".join([_attribute(v, dims, bodies) for v in value]) + ")"
    if isinstance(value, Body):
        number = bodies.get(value)
        if number is not None:  # of a sibling
            return f"[{number}]"
        bodies[value] = len(bodies)
        return f"[{graph_key(value.outputs, value.inputs, dims)}]"
    if isinstance(value, bytes):
        return value.hex()
    return repr(value)


def graph_key(
    outputs: Sequence[Node], inputs: Iterable[Node], dims: dict[Dim, int] | None = None
) -> str:
    """A text that is equal for equal graphs, whatever their inputs are called."""
    dims = {} if dims is None else dims
    number: dict[Node, int] = {}
    bodies: dict[Body, int] = {}
    lines = []
    for node in inputs:
        number[node] = len(number)
        lines.append(f"{_attribute(node.shape, dims, bodies)}{node.dtype.str}")
    for node in postorder(outputs, stop=lambda n: n in number):
        if node in number:
            continue
        number[node] = len(number)
        if node.op is INPUT:
            lines.append(f"?{node.attrs['name']}")
            continue
        args = ",".join([str(number[a]) for a in node.args])
        attrs = ";".join([f"{k}={_attribute(v, dims, bodies)}" for k, v in node.attrs.items()])
        lines.append(f"{node.op.name} {args} {attrs} {node.dtype.str}")
    lines.append(",".join([str(number[o]) for o in outputs]))
    return "\n".join(lines)


@cache
def _surroundings() -> str:
    """Our own sources, by name, size and time."""
    signs: list[str] = []
    folders = [str(Path(__file__).resolve().parent.parent)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    info = entry.stat()
                    signs.append(f"{entry.name} {info.st_size} {info.st_mtime_ns}")
                elif entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
    return "\n".join(sorted(signs))


def digest(*parts: str) -> str:
    """The key of an entry: parts, sources and machine in one hash."""
    mark = hashlib.blake2b(digest_size=20)
    for part in (target_id(), _surroundings(), *parts):
        mark.update(part.encode())
        mark.update(b"\0")
    return mark.hexdigest()


# --- the directory ------------------------------------------------------------------------------


def _directory() -> Path | None:
    """The cache directory if it may be used: nobody but its user may put files into it."""
    if os.environ.get("DESCEND_CACHE", "").lower() in ("off", "0", "no"):
        return None
    named = os.environ.get("DESCEND_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        path = Path(named) if named else Path(base or Path.home() / ".cache") / "descend"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path.resolve()
        return path if _is_private(path.stat()) and not _can_be_swapped(path) else None
    except (OSError, RuntimeError, ValueError):
        return None


def _is_private(info: os.stat_result) -> bool:
    """Whether a file or directory belongs to this user, and nobody else may write it."""
    own = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    return own and (os.name == "nt" or not info.st_mode & OTHERS)


def _can_be_swapped(path: Path) -> bool:
    """Whether others may put another directory in the place of this one, or of one above it.

    They may where they can write a directory above, unless it is sticky, as /tmp is.
    """
    above = (folder.stat().st_mode for folder in path.parents)
    return os.name != "nt" and any(m & stat.S_IWOTH and not m & stat.S_ISVTX for m in above)


def _read(path: Path, key: str) -> tuple[Any, bytes] | None:
    content = _content(path)
    if content is None or not content.startswith(MAGIC):
        return None
    checksum, body = content[len(MAGIC) : len(MAGIC) + CHECK], content[len(MAGIC) + CHECK :]
    own = key.encode()
    if hashlib.blake2b(body, digest_size=CHECK).digest() != checksum or not body.startswith(own):
        return None
    begin = len(own) + 8
    size = int.from_bytes(body[len(own) : begin], "little")
    try:
        about = json.loads(body[begin : begin + size])
    except ValueError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return about, body[begin + size :]


def _content(path: Path) -> bytes | None:
    """What a plain file holds that only this user may write; None of any other."""
    try:
        handle = os.open(path, os.O_RDONLY | PLAINLY)
        try:
            info = os.fstat(handle)
            if not (stat.S_ISREG(info.st_mode) and _is_private(info)):
                return None
            with open(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)
    except OSError:
        return None


def _write(path: Path, key: str, about: Any, image: bytes) -> None:
    text = json.dumps(about).encode()
    body = key.encode() + len(text).to_bytes(8, "little") + text + image
    content = MAGIC + hashlib.blake2b(body, digest_size=CHECK).digest() + body
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix="new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
        if path.name < "08":
            _trim(path.parent)


def _trim(directory: Path) -> None:
    """Remove the entries that were not used for longest until the rest fits.

    Done after one write in 32: looking through the directory costs more than a write.
    """
    entries = []
    for path in directory.iterdir():
        with contextlib.suppress(OSError):
            info = path.stat()
            entries.append((info.st_mtime, info.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


# --- memory -------------------------------------------------------------------------------------

_loaded: OrderedDict[str, tuple[Any, Loaded]] = OrderedDict()
_lock = threading.Lock()


def image_of(key: str, make: Callable[[], tuple[Any, bytes]]) -> tuple[Any, bytes]:
    """The description and the object code for a key, from disk or made by `make` and kept there."""
    directory = _directory()
    path = None if directory is None else directory / f"{key}.o"
    entry = None if path is None else _read(path, key)
    if entry is None:
        entry = make()
        if path is not None:
            _write(path, key, *entry)
    return entry


def cached_code(key: str, make: Callable[[], tuple[Any, bytes]]) -> tuple[Any, Loaded]:
    """The description and the loaded code for a key, made by `make` if nowhere to be found."""
    with _lock:
        found = _loaded.get(key)
        if found is not None:
            _loaded.move_to_end(key)
            return found
    about, image = image_of(key, make)
    result = about, load_object(image)
    with _lock:
        _loaded[key] = result
        while len(_loaded) > LIMIT_LOADED:
            _loaded.popitem(last=False)
    return result
