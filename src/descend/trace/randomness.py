"""Sources of random numbers, which a model cannot use: they would be drawn once, while tracing.

A draw in a model would be a constant of its graph, the same in every step. So whatever can draw
(NumPy's generators, the modules `random` and `secrets`, SciPy's distributions) is replaced by a
face of it, and the error of its use names the user's line.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from descend.errors import TraceError
from descend.trace.context import where
from descend.trace.dispatch import face
from descend.trace.table import entry_of

__all__ = ["MODULES", "module_face", "without_draws"]

MODULES = frozenset(("numpy.random", "random", "secrets"))
"""Modules whose every function draws."""

REMEDY = (
    "for new numbers in every step, write descend.random.normal, .uniform or .bernoulli; for the "
    "same ones in all, draw before the fit, and hand them to the model as data (x, or constants=)"
)
_CLASSES = (
    ("numpy.random", "Generator"), ("numpy.random", "RandomState"),
    ("numpy.random", "BitGenerator"), ("random", "Random"),
)  # fmt: skip
_DISTRIBUTIONS = (
    ("scipy.stats._distn_infrastructure", "rv_generic"),
    ("scipy.stats._distn_infrastructure", "rv_frozen"),
)


def _refuse(what: str) -> TraceError:
    return TraceError(
        f"{what} in a model: the numbers would be drawn once, and be constants",
        where=where(),
        remedy=REMEDY,
    )


class _Face:
    """Stands for something that draws; every use of it is an error."""

    def __init__(self, title: str) -> None:
        self.__dict__["_title"] = title

    def __getattr__(self, name: str) -> Any:
        raise _refuse(f"{self.__dict__['_title']}.{name}")

    def __repr__(self) -> str:
        return f"<{self.__dict__['_title']} as the model sees it>"


class _Distribution:
    """A distribution of scipy.stats: its densities may be used, its `rvs` may not."""

    def __init__(self, real: Any, frozen: tuple[Any, Any] | None = None) -> None:
        self.__dict__["_real"] = real
        self.__dict__["_frozen"] = frozen

    def __getattr__(self, name: str) -> Any:
        if name == "rvs":
            raise _refuse("rvs of a distribution of scipy.stats")
        real, frozen = self.__dict__["_real"], self.__dict__["_frozen"]
        full = f"scipy.stats.{getattr(real, 'name', '')}.{name}"
        if entry_of(full) is not None:
            density = face(full, getattr(real, name))
            if frozen is None:
                return density
            return lambda x: density(x, *frozen[0], **frozen[1])
        return getattr(real if frozen is None else real(*frozen[0], **frozen[1]), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _Distribution(self.__dict__["_real"], (args, kwargs))


def _refused_function(title: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise _refuse(title)

    return refused


@functools.lru_cache(maxsize=16)
def module_face(name: str) -> Any:
    """What a model sees in place of one of MODULES."""
    return _Face("np.random" if name == "numpy.random" else name)


def without_draws(value: Any) -> Any:
    """Return a face for something that draws random numbers; None for everything else.

    >>> import numpy as np
    >>> without_draws(np.random.default_rng(0)), without_draws(np.exp)
    (<np.random.Generator as the model sees it>, None)
    """
    if isinstance(value, types.ModuleType):
        return module_face(value.__name__) if value.__name__ in MODULES else None
    if isinstance(value, type):
        drawn = any(value is c for c in _known(_CLASSES))
        return _refused_function(f"{_short(value.__module__)}.{value.__name__}") if drawn else None
    owner = getattr(value, "__self__", None)
    name = getattr(value, "__name__", "")
    if owner is not None and isinstance(owner, _known(_CLASSES)):
        return _refused_function(f"{_title(owner)}.{name}")
    if isinstance(value, _known(_CLASSES)):
        return _Face(_title(value))
    if callable(value) and name and getattr(value, "__module__", None) in MODULES:
        return _refused_function(f"{_short(value.__module__)}.{name}")
    if isinstance(value, _known(_DISTRIBUTIONS)):
        return _Distribution(value)
    if name == "rvs" and isinstance(owner, _known(_DISTRIBUTIONS)):
        return _refused_function("rvs of a distribution of scipy.stats")
    return None


def _known(classes: tuple[tuple[str, str], ...]) -> tuple[type, ...]:
    """Those of the classes whose modules are loaded: no other can have instances."""
    return tuple(
        getattr(sys.modules[m], c) for m, c in classes if m in sys.modules
        and hasattr(sys.modules[m], c)
    )  # fmt: skip


def _title(owner: Any) -> str:
    kind = type(owner).__name__
    return f"random.{kind}" if type(owner).__module__ == "random" else f"np.random.{kind}"


def _short(module: str) -> str:
    return "np.random" if module == "numpy.random" else module
