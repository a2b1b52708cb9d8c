"""Methods of arrays: mostly the functions of the same names, with the methods' signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.errors import NotCoveredError
from descend.trace.context import where
from descend.trace.known import Known
from descend.trace.operators import known_results
from descend.trace.table import ENTRIES, Entry, covers, implementation
from descend.trace.tensor import Tensor, is_traced, without_stand_ins, wrap

__all__: list[str] = []

_VIEWS = ("reshape", "ravel", "transpose", "swapaxes", "squeeze")


def _method(name: str, call: Callable[..., Any]) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        own = None
        if self.__class__ is Known and name not in _VIEWS:
            own = getattr(self._known, name, None)
        if own is None or is_traced(args) or is_traced(kwargs):
            return call(self, *args, **kwargs)
        return known_results(own(*without_stand_ins(args), **without_stand_ins(kwargs)))

    covers(name, module="method")(method)


for _name in (
    "all", "any", "argmax", "argmin", "argsort", "clip", "cumprod", "cumsum", "diagonal", "dot",
    "max", "mean", "min", "prod", "ptp", "ravel", "repeat", "round", "searchsorted",
    "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
):  # fmt: skip
    _method(_name, lambda *a, _name=_name, **k: implementation(f"numpy.{_name}")(*a, **k))


def _reshape(self: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return implementation("numpy.reshape")(self, wanted, order)


def _transpose(self: Any, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        (axes,) = axes
    return implementation("numpy.transpose")(self, axes or None)


def _flatten(self: Any, order: str = "C") -> Any:
    return wrap(implementation("numpy.ravel")(wrap(self.node), order).node)


def _copy(self: Any, order: str = "C") -> Any:
    return wrap(self.node)


def _astype(self: Any, dtype: Any, *_args: Any, **_kwargs: Any) -> Any:
    return implementation("numpy.astype")(self, dtype)


def _fill(self: Any, value: Any) -> None:
    self[...] = value


def _sort(self: Any, axis: Any = -1, **kwargs: Any) -> None:
    self[...] = implementation("numpy.sort")(self, axis, **kwargs)


def _same(self: Any) -> Any:
    return self


def _matmul(self: Any, other: Any) -> Any:
    return implementation("numpy.matmul")(self, other)


def _rmatmul(self: Any, other: Any) -> Any:
    return implementation("numpy.matmul")(other, self)


def _imatmul(self: Any, other: Any) -> Any:
    self[...] = implementation("numpy.matmul")(self, other)
    return self


def _refuse(name: str, remedy: str) -> None:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.__class__ is Known:
            return known_results(getattr(self._known, name)(*args, **kwargs))
        raise NotCoveredError(f".{name}() cannot be part of a model", where=where(), remedy=remedy)

    ENTRIES[f"method.{name}"] = Entry(f"method.{name}", "refused", method, remedy)


_method("reshape", _reshape)
_method("transpose", _transpose)
_method("flatten", _flatten)
_method("copy", _copy)
_method("astype", _astype)
_method("fill", _fill)
_method("sort", _sort)
_method("conj", _same)
_method("conjugate", _same)
_method("matmul", _matmul)
_method("rmatmul", _rmatmul)
_method("imatmul", _imatmul)
_refuse("view", "use .astype(dtype) for numbers of another dtype")
_refuse("put", "write x[index] = values")
_refuse("partition", "use np.sort")
_refuse("tobytes", "keep the array")
_refuse("nonzero", "how many places there are depends on the data; use np.where(condition, a, b)")
