"""The page of what a model can use of NumPy: `python -m descend.trace.coverage` prints it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from importlib import import_module

import numpy as np

import descend.trace.tables.families  # noqa: F401  (the coverage table must be whole)
from descend.trace.table import ENTRIES, Entry

__all__ = ["coverage_page", "main", "status_of"]

_TITLES = {
    "numpy": "NumPy",
    "numpy.linalg": "numpy.linalg",
    "scipy.special": "scipy.special",
    "scipy.linalg": "scipy.linalg",
    "scipy.integrate": "scipy.integrate",
    "scipy.stats.norm": "scipy.stats.norm",
    "math": "math",
    "builtins": "Python's builtins",
    "method": "Methods of arrays",
    "numpy.fft": "numpy.fft",
    **{
        f"numpy.polynomial.{name}": f"numpy.polynomial.{name}"
        for name in ("polynomial", "chebyshev", "legendre", "hermite", "hermite_e", "laguerre")
    },
}
# Names that concern dtypes, printing and the like: they meet no traced value, and are NumPy's own.
_NOT_NUMERIC = frozenset(
    [
        "broadcast_shapes",
        "can_cast",
        "common_type",
        "einsum_path",
        "finfo",
        "get_include",
        "get_printoptions",
        "getbufsize",
        "geterr",
        "geterrcall",
        "iinfo",
        "info",
        "isdtype",
        "isfortran",
        "issubdtype",
        "mask_indices",
        "may_share_memory",
        "min_scalar_type",
        "mintypecode",
        "may_share_memory",
        "ndindex",
        "printoptions",
        "promote_types",
        "set_printoptions",
        "setbufsize",
        "seterr",
        "seterrcall",
        "shares_memory",
        "show_config",
        "show_runtime",
        "test",
        "typename",
        "diag_indices",
        "diag_indices_from",
        "tril_indices",
        "tril_indices_from",
        "triu_indices",
        "triu_indices_from",
        "ravel_multi_index",
        "unravel_index",
        "from_dlpack",
        "datetime_as_string",
        "datetime_data",
        "busday_count",
        "busday_offset",
        "is_busday",
        "require",
        "array2string",
    ]
)


def _functions(module: str) -> Iterator[str]:
    """The public functions of a module."""
    for name in sorted(vars(import_module(module))):
        value = getattr(import_module(module), name)
        if name.startswith("_") or isinstance(value, (type, types.ModuleType)):
            continue
        if callable(value):
            yield name


def status_of(name: str) -> Entry:
    """The entry of a name; names that the table does not have are not yet there."""
    return ENTRIES.get(name) or Entry(name, "not yet")


def _entries(module: str) -> list[Entry]:
    listed = {
        e.name for e in ENTRIES.values()
        if e.name.rpartition(".")[0] == module and not e.name.rpartition(".")[2].startswith("_")
    }  # fmt: skip
    if module in ("numpy", "numpy.linalg", "numpy.fft"):
        listed |= {f"{module}.{n}" for n in _functions(module) if n not in _NOT_NUMERIC}
    return [status_of(name) for name in sorted(listed)]


def _there(entry: Entry) -> bool:
    """Whether this version of the library has the name at all; of Python, any that is supported."""
    module, _, name = entry.name.rpartition(".")
    if module == "math":  # the page is the same whichever Python has made it
        return True
    if module == "method":
        return hasattr(np.ndarray, name)
    if module == "scipy.stats.norm":
        return hasattr(import_module("scipy.stats").norm, name)
    return hasattr(import_module(module), name)


def _lines(module: str) -> Iterator[str]:
    entries = [e for e in _entries(module) if _there(e)]
    done = [e for e in entries if e.status == "supported"]
    yield f"## {_TITLES[module]}"
    yield ""
    if done:
        yield "Supported: " + ", ".join(f"`{e.name.rpartition('.')[2]}`" for e in done) + "."
        yield ""
    yield from (f"- `{e.name.rpartition('.')[2]}`: {e.remedy}." for e in done if e.remedy)
    if any(e.remedy for e in done):
        yield ""
    by_remedy: dict[str, list[str]] = {}
    for e in entries:
        if e.status == "refused":
            by_remedy.setdefault(e.remedy, []).append(f"`{e.name.rpartition('.')[2]}`")
    if by_remedy:
        yield "Refused:"
        yield ""
        yield from (f"- {', '.join(names)}: {remedy}." for remedy, names in by_remedy.items())
        yield ""
    missing = [f"`{e.name.rpartition('.')[2]}`" for e in entries if e.status == "not yet"]
    if missing:
        yield "Not yet: " + ", ".join(missing) + "."
        yield ""


def coverage_page() -> str:
    """The whole page, in Markdown."""
    counts = {"supported": 0, "refused": 0, "not yet": 0}
    for module in _TITLES:
        for entry in _entries(module):
            counts[entry.status] += _there(entry)
    lines = [
        "# What of NumPy a model can use",
        "",
        "Generated by `python -m descend.trace.coverage`. A function that meets no traced value "
        "(constants, shapes, tables) runs as NumPy's own and needs no entry here. Everything else "
        "that is not supported raises an error that names the line and what to write instead. "
        "`numpy.random` is refused: numbers drawn in a model would be constants; `descend.random` "
        "draws anew in every step.",
        "",
        f"{counts['supported']} names supported, {counts['refused']} refused, "
        f"{counts['not yet']} not yet.",
        "",
    ]
    for module in _TITLES:
        lines.extend(_lines(module))
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(coverage_page())


if __name__ == "__main__":
    main()
