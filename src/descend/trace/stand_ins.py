"""The model as a copy of itself, in which NumPy's names mean the table's functions.

`types.FunctionType` makes a function of the same code over other globals, closure cells and
builtins. The globals are a dict that looks names up in the user's module when they are first
needed and translates what it finds: modules, functions, containers of functions. The user's module
and NumPy itself are left as they are.
"""

from __future__ import annotations

import builtins
import copy
import functools
import os
import sys
import types
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.trace.code import contents
from descend.trace.context import Trace, current, where
from descend.trace.dispatch import face, name_of
from descend.trace.handlers import (
    MANAGER,
    Errors,
    Managed,
    guard,
    may_swallow,
    waits_at_yield,
)
from descend.trace.randomness import MODULES, module_face, without_draws
from descend.trace.refusals import listen
from descend.trace.table import ENTRIES, ORIGINALS, entry_of, implementation
from descend.trace.tensor import is_traced, without_stand_ins

__all__ = ["as_seen", "finish", "model_of", "stand_in"]

_PLAIN = frozenset(
    (int, float, complex, bool, str, bytes, type(None), type(...), range, slice, types.CodeType)
)
_FACED = (
    "numpy", "numpy.linalg", "numpy.fft", "scipy", "scipy.special", "scipy.stats", "math",
    "scipy.linalg", "scipy.integrate", "contextlib", "copy", "pickle",
    *(
        f"numpy.polynomial{name}"
        for name in ("", ".polynomial", ".chebyshev", ".legendre", ".hermite", ".hermite_e",
                     ".laguerre")
    ),
)  # fmt: skip
_NOT_COPIED = frozenset(sys.stdlib_module_names) | {"numpy", "scipy", "pandas", "optree"}
_CHANGING = frozenset(("datetime", "os", "random", "secrets", "time", "uuid"))
_OWN_MODELS = ("descend.estimators", "descend.methods", "descend.networks")
_DISPATCHER = type(np.sum)


class ModuleFace:
    """A module as the model sees it: attributes are translated when they are asked for."""

    def __init__(self, module: types.ModuleType, trace: Trace | None) -> None:
        self.__dict__["_module"] = module
        self.__dict__["_trace"] = trace

    def __getattr__(self, name: str) -> Any:
        module, trace = self.__dict__["_module"], self.__dict__["_trace"]
        if trace is None:
            value = _library_value(module, name)
        else:
            value = _captured(trace, functools.partial(getattr, module, name))
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        raise TraceError(f"the model assigns to {self._module.__name__}.{name}", where=where())

    def __repr__(self) -> str:
        return f"<{self._module.__name__} as the model sees it>"


_faces: dict[str, ModuleFace] = {}


def _library_face(module: types.ModuleType) -> ModuleFace:
    """The one face of a module of NumPy, SciPy or math."""
    found = _faces.get(module.__name__)
    if found is None:
        found = _faces[module.__name__] = ModuleFace(module, None)
    return found


def _library_value(module: types.ModuleType, name: str) -> Any:
    value = getattr(module, name)
    drawing = without_draws(value)
    if drawing is not None or module.__name__ == "scipy.stats":
        return value if drawing is None else drawing
    if isinstance(value, types.ModuleType):
        return _library_face(value) if value.__name__ in _FACED else value
    full = f"{module.__name__}.{name}"
    if _is_function(value) or entry_of(full) is not None:
        return face(full, value)
    return value


def _is_function(value: Any) -> bool:
    return isinstance(value, (np.ufunc, types.FunctionType, types.BuiltinFunctionType, _DISPATCHER))


class Namespace(dict[str, Any]):
    """The globals of a copied function: the user's own, translated name by name on first use."""

    __slots__ = ("found", "trace", "user")

    def __init__(self, user: dict[str, Any], trace: Trace) -> None:
        self.user = user
        self.trace = trace
        self.found: dict[str, Any] = {"__builtins__": _model_builtins()}
        self.update(self.found)

    def __missing__(self, name: str) -> Any:
        if name in self.user:
            value = _captured(self.trace, functools.partial(self.user.__getitem__, name))
        else:
            value = _model_builtins()[name]
        self[name] = self.found[name] = value
        return value

    def write_back(self) -> None:
        """Give what the model assigned to globals to the user's module, if it is plain."""
        for name, value in self.items():
            if name in self.found and self.found[name] is value:
                continue
            if is_traced(value):
                raise TraceError(
                    f"the model keeps a traced value in the global {name}",
                    remedy=f"return it: {name} would be a stand-in without a value",
                )
            self.user[name] = without_stand_ins(value)


_builtins: dict[str, Any] = {}


def _model_builtins() -> dict[str, Any]:
    """Python's builtins, with those that the table covers in their place."""
    if not _builtins:
        _builtins.update(vars(builtins))
        for entry in ENTRIES.values():
            module, _, name = entry.name.rpartition(".")
            if module == "builtins" and entry.call is not None:
                _builtins[name] = entry.call
        _builtins["__import__"] = _import
    return _builtins


def _import(
    name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    """`import numpy` inside the model gives the model's NumPy."""
    user = globals.user if isinstance(globals, Namespace) else globals
    module = builtins.__import__(name, user, locals, fromlist, level)
    if module.__name__ in MODULES:
        return module_face(module.__name__)
    return _library_face(module) if module.__name__ in _FACED else module


def _captured(trace: Trace, read: Callable[[], Any]) -> Any:
    """Something that the model takes from outside, remembered and translated."""
    value = read()
    trace.bind(read, value)
    _judge(value, trace)
    return stand_in(value, trace)


def _judge(value: Any, trace: Trace) -> None:
    """Note whether changes of something captured can be seen: an array is compared later on."""
    if isinstance(value, np.ndarray):
        trace.captures.watch(value)
    elif type(value) is tuple:
        for part in value:
            _judge(part, trace)
    elif not _is_fixed(value):
        trace.captures.is_pure = False


def _is_fixed(value: Any) -> bool:
    """Whether the value can never change (what a function captures is judged when it runs)."""
    if type(value) in _PLAIN or isinstance(value, (np.generic, np.dtype)):
        return True
    if isinstance(value, types.ModuleType):
        return value.__name__ not in _CHANGING
    if isinstance(value, types.BuiltinFunctionType):
        return isinstance(value.__self__, types.ModuleType) and _is_fixed(value.__self__)
    if isinstance(value, (tuple, frozenset)):
        return all(_is_fixed(v) for v in value)
    if isinstance(value, Enum):
        return True
    if isinstance(value, type):
        return value.__module__.partition(".")[0] in _NOT_COPIED
    return _is_function(value)


def stand_in(value: Any, trace: Trace) -> Any:
    """What the model sees in place of a value from outside."""
    kind = type(value)
    if kind in _PLAIN or kind is np.ndarray or isinstance(value, np.generic):
        return value
    found = trace.copies.get(id(value))
    if found is not None:
        return found[1]
    translated = _translated(value, trace)
    trace.copies[id(value)] = (value, translated)
    return translated


def _translated(value: Any, trace: Trace) -> Any:
    drawing = without_draws(value)
    if drawing is not None:
        return drawing
    if isinstance(value, types.ModuleType):
        return _module(value, trace)
    if isinstance(value, types.FunctionType):
        if hasattr(value, "registry") and hasattr(value, "dispatch"):
            return _dispatching(value, trace)
        generator = getattr(value, "__wrapped__", None) if value.__code__ is MANAGER else None
        waits = () if generator is None else waits_at_yield(generator.__code__)
        copied = _function(value, trace)
        return _managing(copied, waits) if waits else copied
    if isinstance(value, (np.ufunc, types.BuiltinFunctionType, _DISPATCHER)):
        return _library_function(value)
    if isinstance(value, types.MethodType):
        trace.captures.is_pure = False
        owner = stand_in(value.__self__, trace)
        return getattr(owner, value.__name__, None) or value
    if isinstance(value, functools.partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            _judge(part, trace)
        args = [stand_in(a, trace) for a in value.args]
        keywords = {k: stand_in(a, trace) for k, a in value.keywords.items()}
        return functools.partial(stand_in(value.func, trace), *args, **keywords)
    if isinstance(value, functools._lru_cache_wrapper):
        return stand_in(value.__wrapped__, trace)
    if isinstance(value, type):
        name = f"{value.__module__}.{value.__name__}"
        entry = entry_of(name) if value.__module__ in _FACED else None
        return _twin(value, trace) if entry is None else face(name, value)
    if isinstance(value, np.vectorize):
        return implementation("numpy.vectorize")(stand_in(value.pyfunc, trace))
    if _is_users_class(type(value)):
        return _instance(value, trace)
    return _container(value, trace)


def _is_users_class(cls: type) -> bool:
    """Whether instances may be replaced: a class of the user's own that is not a kind of value."""
    root = cls.__module__.partition(".")[0]
    if root in _NOT_COPIED or root == "builtins" or _is_ours(cls.__module__):
        return False
    return not issubclass(cls, (BaseException, Enum, tuple, dict, list, int, float, str))


def _instance(value: Any, trace: Trace) -> Any:
    """A shallow copy of a user's object, whose methods are copies too.

    What the model writes to it is lost with the trace: stand-ins must not stay in the user's
    object. Objects that cannot be copied are used as they are.
    """
    twin = stand_in(type(value), trace)
    if twin is type(value):
        return value
    try:
        clone = copy.copy(value)
        if clone is value:
            return value
        object.__setattr__(clone, "__class__", twin)
    except Exception:
        # Copying runs the user's code, which may refuse in any way it likes.
        return value
    trace.copies[id(value)] = (value, clone)
    for name, attribute in getattr(clone, "__dict__", {}).items():
        clone.__dict__[name] = stand_in(attribute, trace)
    return clone


def _twin(cls: type, trace: Trace) -> type:
    """A subclass of a user's class in which every function is a copy; other classes as they are."""
    if not _is_users_class(cls):
        return cls
    bases = tuple(stand_in(b, trace) for b in cls.__bases__ if b is not object)
    fresh = tuple(b for b in bases if b not in cls.__bases__)
    twin: type
    try:
        twin = type(cls)(cls.__name__, (*fresh, cls), {"__slots__": ()})
    except TypeError:
        return cls
    trace.copies[id(cls)] = (cls, twin)
    for name, member in list(vars(cls).items()):
        translated = _member(member, trace)
        if translated is not member:
            setattr(twin, name, translated)
    ORIGINALS[twin] = cls
    leave = vars(cls).get("__exit__")
    if isinstance(leave, types.FunctionType) and may_swallow(leave.__code__):
        guard(twin)
    return twin


def _member(member: Any, trace: Trace) -> Any:
    """A method, property or other attribute of a class, over translated functions."""
    if isinstance(member, types.FunctionType):
        return stand_in(member, trace)
    if isinstance(member, (staticmethod, classmethod)):
        return type(member)(stand_in(member.__func__, trace))
    if isinstance(member, property):
        return property(*(f and stand_in(f, trace) for f in (member.fget, member.fset)))
    if isinstance(member, functools.cached_property):
        translated: Any = functools.cached_property(stand_in(member.func, trace))
        translated.__set_name__(None, member.attrname)
        return translated
    return stand_in(member, trace) if _is_function(member) else member


def _container(value: Any, trace: Trace) -> Any:
    """A list, tuple or dict of functions, such as a table of activations; others as they are."""
    if type(value) in (list, tuple) and any(map(_is_translated, value)):
        return type(value)(stand_in(v, trace) for v in value)
    if type(value) is dict and any(map(_is_translated, value.values())):
        return {k: stand_in(v, trace) for k, v in value.items()}
    return value


def _is_translated(value: Any) -> bool:
    return callable(value) or without_draws(value) is not None


def _module(module: types.ModuleType, trace: Trace) -> Any:
    name = module.__name__
    if name in _FACED:
        return _library_face(module)
    if name.partition(".")[0] in _NOT_COPIED or _is_ours(name):
        return module
    return ModuleFace(module, trace)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "descend" and not module.startswith(_OWN_MODELS)


def _library_function(function: Any) -> Any:
    if getattr(function, "__module__", None) == "builtins":
        entry = entry_of(f"builtins.{function.__name__}")
        return function if entry is None or entry.call is None else entry.call
    name = name_of(function)
    return function if name is None else face(name, function)


def _function(function: types.FunctionType, trace: Trace) -> Any:
    """A copy of a user's function over translated surroundings."""
    module = function.__module__ or ""
    if isinstance(function.__globals__, Namespace):
        return function
    name = name_of(function)
    if name is not None and entry_of(name) is not None:
        return _library_function(function)
    if module.partition(".")[0] in _NOT_COPIED or _is_ours(module):
        return function
    namespace = trace.copies.get(id(function.__globals__))
    if namespace is None:
        namespace = (function.__globals__, Namespace(function.__globals__, trace))
        trace.copies[id(function.__globals__)] = namespace
    closure = function.__closure__
    cells = None if closure is None else tuple(_cell(c, trace) for c in closure)
    model = types.FunctionType(function.__code__, namespace[1], function.__name__, None, cells)
    trace.copies[id(function)] = (function, model)
    _prepare(function.__code__, namespace[1], trace)
    model.__defaults__ = _defaults(function, "__defaults__", trace)
    model.__kwdefaults__ = _defaults(function, "__kwdefaults__", trace)
    model.__qualname__ = function.__qualname__
    model.__module__ = module
    model.__dict__.update(function.__dict__)
    return model


def _dispatching(function: Any, trace: Trace) -> Callable[..., Any]:
    """A `functools.singledispatch` by what its first argument stands for."""
    trace.captures.is_pure = False

    def dispatched(*args: Any, **kwargs: Any) -> Any:
        chosen = function.dispatch(implementation("builtins.type")(args[0]))
        return stand_in(chosen, trace)(*args, **kwargs)

    return dispatched


def _managing(function: Callable[..., Any], errors: Errors) -> Callable[..., Any]:
    """A function of `contextlib.contextmanager`, whose managers say what they wait for."""
    return lambda *args, **kwargs: Managed(function(*args, **kwargs), errors)


def _prepare(code: types.CodeType, namespace: Namespace, trace: Trace) -> None:
    """What must be known of the code before it runs: see `Contents`."""
    found = contents(code)
    if found.handles and not trace.guarded:
        trace.guarded = True
        listen()
    for name in found.names:
        if name in namespace.user:
            namespace[name]
    if found.question is not None:
        text, line = found.question
        raise TraceError(
            f"the model asks with `{text}` for the class of a value, which stand-ins do not have",
            where=f"{os.path.basename(code.co_filename)}:{line}: {text}",
            remedy="write isinstance(value, …), which is answered for what a stand-in stands for",
        )


def _defaults(function: types.FunctionType, which: str, trace: Trace) -> Any:
    values = getattr(function, which)
    if not values:
        return values
    items = values.values() if isinstance(values, dict) else values
    held = weakref.ref(function)
    trace.bind(lambda: getattr(held(), which), values)
    for value in items:
        _judge(value, trace)
    if isinstance(values, dict):
        return {k: stand_in(v, trace) for k, v in values.items()}
    return tuple(stand_in(v, trace) for v in values)


def _cell(cell: types.CellType, trace: Trace) -> types.CellType:
    """The same cell where nothing in it is translated (so that `nonlocal` works), else a copy."""
    found = trace.copies.get(id(cell))
    if found is not None:
        return found[1]  # type: ignore[no-any-return]
    try:
        content = cell.cell_contents
    except ValueError:
        return cell
    other = types.CellType()
    trace.copies[id(cell)] = (cell, other)
    value = _captured(trace, functools.partial(getattr, cell, "cell_contents"))
    if value is content:
        trace.copies[id(cell)] = (cell, cell)
        return cell
    other.cell_contents = value
    return other


def finish(trace: Trace) -> None:
    """After the model has run: what it assigned to globals becomes the user's.

    The copies are given up, with what they keep alive: the model itself.
    """
    for _, made in list(trace.copies.values()):
        if isinstance(made, Namespace):
            made.write_back()
    trace.copies.clear()


def as_seen(function: Any) -> Any:
    """What the model that is being traced sees of a function that an object of ours holds.

    Ours do not need it, and where nothing is traced, the function is itself.
    """
    trace = current()
    if trace is None or (getattr(function, "__module__", None) or "").startswith("descend."):
        return function
    return stand_in(function, trace)


def model_of(function: Callable[..., Any], trace: Trace) -> Callable[..., Any]:
    """The copy of what the user hands over: a function, a method, or an object with `__call__`."""
    if not isinstance(function, functools.partial) and not _is_fixed(function):
        trace.captures.is_pure = False
    return stand_in(function, trace)  # type: ignore[no-any-return]
