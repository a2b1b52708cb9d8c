"""Functions of SciPy's compiled libraries, by name: what they take, and where they are in memory.

SciPy exports C functions for others' compiled code: LAPACK (`scipy.linalg.cython_lapack`) and the
special functions (`scipy.special.cython_special`). Compiled programs receive the addresses in
their table when they are called, so that no address is kept on disk. The libraries are imported
when a program first needs them.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from descend.errors import InternalError

__all__ = ["address_of", "special_name"]

_MODULES = {"lapack": "scipy.linalg.cython_lapack", "special": "scipy.special.cython_special"}


@cache
def _exported(library: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = import_module(_MODULES[library]).__pyx_capi__
    return found


def _capsule_name(capsule: Any) -> bytes:
    """The C signature that the exporter wrote on a pointer."""
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    text: bytes = name(capsule)
    return text


@cache
def special_name(function: str, arguments: int) -> str | None:
    """Under which name a function of so many float64 is exported, or None if it is not.

    >>> special_name("j0", 1)
    'j0'
    >>> special_name("no_such_function", 1) is None
    True
    """
    wanted = f"double ({'double, ' * arguments}int __pyx_skip_dispatch)".encode()
    table = _exported("special")
    names = [function, *(f"__pyx_fuse_{k}{function}" for k in range(3))]
    for name in names:
        if name in table and _capsule_name(table[name]) == wanted:
            return name
    return None


@cache
def address_of(library: str, name: str) -> int:
    """Where a function is in this process.

    What waits for others is the system's own: `yield` and, where there is one, `syscall`.

    Raises:
        InternalError: this version of SciPy does not export it.
    """
    if library == "system":
        return _of_system(name)
    capsule = _exported(library).get(name)
    if capsule is None:
        raise InternalError(f"{_MODULES[library]} exports no {name}")
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: int = pointer(capsule, _capsule_name(capsule))
    return found


def _of_system(name: str) -> int:
    if os.name == "nt":
        found = getattr(ctypes, "windll").kernel32.SwitchToThread  # noqa: B009
    else:
        found = getattr(ctypes.CDLL(None), {"yield": "sched_yield"}.get(name, name))
    return ctypes.cast(found, ctypes.c_void_p).value or 0
