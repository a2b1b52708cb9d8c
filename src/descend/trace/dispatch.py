"""A name of NumPy as the model calls it: the table for stand-ins, NumPy itself for the rest."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from descend.errors import HANDING_ON, NotCoveredError, TraceError
from descend.trace.context import current, where
from descend.trace.handlers import value_may_raise
from descend.trace.known import Known, known
from descend.trace.operators import known_results
from descend.trace.rows import Rows
from descend.trace.table import ENTRIES, Entry, covers, entry_of, implementation
from descend.trace.tensor import Tensor, is_traced, without_stand_ins
from descend.trace.ufunc_rules import rule_for

__all__ = ["NONE", "KNOWN", "TRACED", "face", "name_of", "scan", "short_name"]

NONE, KNOWN, TRACED = 0, 1, 2


def scan(values: Iterable[Any]) -> int:
    """Whether stand-ins stand among the values, however deep, and of which kind."""
    state = NONE
    for value in values:
        cls = value.__class__
        if cls is Tensor or cls is Rows:
            return TRACED
        if cls is Known:
            state = KNOWN
        elif cls is list or cls is tuple:
            state = max(state, scan(value))
        elif cls is dict:
            state = max(state, scan(value.values()))
        elif isinstance(value, np.ndarray) and value.dtype == object:
            state = max(state, TRACED if is_traced(value) else NONE)
        if state == TRACED:
            return TRACED
    return state


def short_name(name: str) -> str:
    """The name as the user writes it: `np.where` for `numpy.where`."""
    if name.startswith("numpy."):
        return "np." + name.removeprefix("numpy.")
    return name.removeprefix("scipy.") if name.startswith("scipy.special.") else name


def _near(name: str) -> str:
    """Supported names like this one, as a remedy."""
    module, _, last = name.rpartition(".")
    known_names = [
        e.name.rpartition(".")[2]
        for e in ENTRIES.values()
        if e.status == "supported" and e.name.rpartition(".")[0] == module
    ]
    near = difflib.get_close_matches(last, known_names, n=3, cutoff=0.6)
    if near:
        return "what is there and similar: " + ", ".join(near)
    return "write it with functions that docs/numpy-coverage.md lists as supported"


def not_covered(name: str) -> NotCoveredError:
    """The error for a name that has no meaning on traced values."""
    entry = entry_of(name)
    if entry is not None and entry.status == "refused":
        return NotCoveredError(
            f"{short_name(name)} cannot be part of a model", where=where(), remedy=entry.remedy
        )
    remedy = entry.remedy if entry is not None and entry.remedy else _near(name)
    if name.startswith("scipy."):
        remedy += f"; or write descend.black_box({short_name(name)})(…) in the model (with "
        remedy += "elementwise=True where it works element by element): derivatives by differences"
    return NotCoveredError(f"{short_name(name)} is not covered yet", where=where(), remedy=remedy)


_faces: dict[str, Callable[..., Any]] = {}


def face(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """What stands for a function in the model: the same object for the same name."""
    found = _faces.get(name)
    if found is None:
        found = _faces[name] = _make_face(name, real, entry_of(name))
    return found


def _make_face(name: str, real: Callable[..., Any], entry: Entry | None) -> Callable[..., Any]:
    implementation = None if entry is None else entry.call
    creates = entry is not None and entry.creates
    views = entry is not None and entry.views
    always = entry is not None and entry.always

    def call(*args: Any, **kwargs: Any) -> Any:
        state = scan(args)
        if kwargs and state != TRACED:
            state = max(state, scan(kwargs.values()))
        if state == TRACED or always or (views and state == KNOWN):
            if implementation is None:
                raise not_covered(name)
            trace = current()
            if trace is not None and trace.guarded and state == TRACED:
                value_may_raise(name)
            try:
                return implementation(*args, **kwargs)
            except TypeError as error:
                explained = _explained(name, error)
                if explained is None:
                    raise
                raise explained from None
        if state == KNOWN:
            plain = without_stand_ins(args)
            keywords = without_stand_ins(kwargs)
            return _owned(real(*plain, **keywords))
        result = real(*args, **kwargs)
        return known(result) if creates else result

    HANDING_ON.add(call.__code__)
    call.__name__ = name.rpartition(".")[2]
    call.__qualname__ = call.__name__
    call.__doc__ = getattr(real, "__doc__", None)
    call.__wrapped__ = real  # type: ignore[attr-defined]
    if isinstance(real, np.ufunc):
        _add_methods(call, real)
    return call


def _add_methods(call: Callable[..., Any], ufunc: np.ufunc) -> None:
    """`np.add.reduce` and its kin on the function that stands for `np.add`."""

    def method(name: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            return implementation("protocol.ufunc")(ufunc, name, args, kwargs)

        return run

    for name in ("reduce", "accumulate", "outer", "reduceat", "at"):
        setattr(call, name, method(name))
    for name in ("nin", "nout", "nargs", "identity", "types", "resolve_dtypes"):
        setattr(call, name, getattr(ufunc, name))


def _owned(result: Any) -> Any:
    """A result of NumPy as a stand-in that shares its elements with nobody."""
    if isinstance(result, np.ndarray) and result.base is not None:
        result = result.copy()
    return known_results(result)


def _explained(name: str, error: TypeError) -> TraceError | None:
    """A wrong keyword in the user's words; None for other errors."""
    text = str(error)
    if isinstance(error, TraceError) or "argument" not in text:
        return None
    own, call, rest = text.partition("() ")
    said = f"() {rest}" if call and own.isidentifier() else f": {text}"
    return TraceError(f"{short_name(name)}{said}", where=where())


_NAMED = frozenset(("math", "numpy", "numpy.linalg", "numpy.fft", "contextlib", "copy"))


_SCIPY = frozenset(("scipy.special", "scipy.linalg", "scipy.integrate"))


def name_of(function: Any) -> str | None:
    """The table's name of one of NumPy's, SciPy's or math's functions, or None."""
    if isinstance(function, np.ufunc):
        rule = rule_for(function)
        module = "numpy" if getattr(np, function.__name__, None) is function else "scipy.special"
        return f"{module}.{rule.name if rule else function.__name__}"
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    if module in _NAMED or module.startswith("numpy.polynomial."):
        return f"{module}.{name}"
    family = ".".join(module.split(".")[:2])
    return f"{family}.{name}" if family in _SCIPY else None


@covers("function", module="protocol")
def _array_function(function: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's own function met a stand-in, in code that could not be copied."""
    return face(name_of(function) or f"numpy.{function.__name__}", function)(*args, **kwargs)
