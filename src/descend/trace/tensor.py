"""The stand-in array: looks like a NumPy array to the model, and builds the graph.

A `Tensor` holds a node, or is a view of another tensor; `out[i] = v` replaces the contents of the
array that owns the elements, so views write through as in NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from descend.errors import HANDING_ON, NotCoveredError, TraceError
from descend.graph.elementwise import cast
from descend.graph.linear import broadcast
from descend.graph.node import Dim, Node, RowsAsked, postorder
from descend.graph.source import const, is_const, value_of
from descend.quantities import unit_of
from descend.trace import indexing
from descend.trace.contents import Contents, View
from descend.trace.context import TRACED, current, note, where
from descend.trace.dunder import comparison, delegated, operator, unary
from descend.trace.handlers import asked_of_number
from descend.trace.regions import Region
from descend.trace.rows import Rows
from descend.trace.table import implementation
from descend.trace.typing_rules import shape_text

__all__ = [
    "Tensor",
    "as_node",
    "check_data",
    "is_traced",
    "plain_index",
    "view_of",
    "without_stand_ins",
    "wrap",
]

BOOL = np.dtype(bool)
_BRANCH = (
    "the model branches on a value that is not known before the data is",
    "use np.where(condition, a, b) instead of if, and, or, not, while",
)


class Tensor(Contents):
    """A traced array of known shape and dtype (rows may be a symbolic number)."""

    __slots__ = ()
    is_known = False

    # --- description --------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape as the model sees it: a symbolic number of rows is a `Rows`."""
        if not self.extents:
            asked_of_number("shape")
        return tuple(Rows(n) if isinstance(n, Dim) else n for n in self.extents)

    @property
    def ndim(self) -> int:
        return len(self.extents)

    @property
    def size(self) -> Any:
        """The number of elements; a `Rows` where it is just the number of rows."""
        symbolic = [n for n in self.extents if isinstance(n, Dim)]
        if len(symbolic) == 1 and all(n == 1 or n is symbolic[0] for n in self.extents):
            return Rows(symbolic[0])
        return self.node.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return self.size * self.itemsize

    def __len__(self) -> int:
        if not self.extents:
            raise TraceError("len() of a scalar", where=where(), plain=True)
        extent = self.extents[0]
        if isinstance(extent, Dim):
            raise RowsAsked(extent, "len()")
        return extent

    def __repr__(self) -> str:
        return f"{TRACED}{self.dtype.name} array of shape {shape_text(self.extents)}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return self.swapaxes(-1, -2)

    @property
    def real(self) -> Tensor:
        return self

    @property
    def imag(self) -> Tensor:
        return wrap(broadcast(const(0, self.dtype), self.extents, ()))

    @property
    def flat(self) -> Any:
        return self.reshape(-1)

    # --- what is refused ----------------------------------------------------------------------

    def _value(self, message: str, remedy: str) -> Any:
        """The value, where the graph itself says it; else a refusal."""
        node = self.node
        if is_const(node) and node.size == 1:
            return value_of(node).item()
        rows = _rows_behind(node)
        if rows is not None:
            raise RowsAsked(rows, "a number")
        raise TraceError(message, where=where(), remedy=remedy)

    def __bool__(self) -> bool:
        return bool(self._value(*_BRANCH))

    def __float__(self) -> float:
        return float(
            self._value(
                "float() of a value that is not known before the data is",
                "leave it as it is, or use .astype(np.float64); math.exp and the like of code "
                "outside the model become np.exp",
            )
        )

    def __int__(self) -> int:
        return int(
            self._value(
                "int() of a value that is not known before the data is",
                "use np.floor, np.trunc or .astype(int); loops need a number known beforehand",
            )
        )

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TraceError("only integers can be used as an index", where=where())
        return int(
            self._value(
                "an integer is needed that is not known before the data is",
                "loop over a fixed number of steps, and use np.where for what depends on data; "
                "np.take(table, index) reads from an array made outside of the model",
            )
        )

    def __array__(self, *_args: Any, **_kwargs: Any) -> Any:
        """Never converted: NumPy would otherwise make an array of objects without a word."""
        raise TraceError(
            "a plain NumPy array cannot hold a value that is not known before the data is",
            where=where(),
            remedy="make the array in the model, with np.zeros, np.array or np.copy of yours; "
            "np.float64(w) becomes w.astype(np.float64)",
        )

    def __complex__(self) -> complex:
        raise TraceError("complex numbers are not differentiated", where=where())

    def item(self, *_args: Any) -> Any:
        return self._value(
            ".item() of a value that is not known before the data is",
            "leave it an array: everything that NumPy does to numbers works on it",
        )

    def tolist(self) -> Any:
        if not self.extents:
            return self.item()
        raise TraceError(
            ".tolist() of values that are not known before the data is",
            where=where(),
            remedy="keep the array; list(x) gives the stand-ins of its elements",
        )

    def __iter__(self) -> Iterator[Any]:
        if not self.extents:
            raise TraceError("iteration over a 0-d array", where=where(), plain=True)
        if isinstance(self.extents[0], Dim):
            raise TraceError(
                "a Python loop over the rows of the data, whose number is not known",
                where=where(),
                remedy="write the model for all rows at once (x[:, 0], np.sum(x, axis=1), …)",
            )
        return (self[i] for i in range(self.extents[0]))

    def __hash__(self) -> int:
        if self.extents:
            raise TraceError("unhashable type: 'numpy.ndarray'", where=where(), plain=True)
        raise TraceError(
            "a value that is not known before the data is cannot be a key",
            where=where(),
            remedy="take what it depends on as the key, or compute the value anew",
        )

    # --- copies and attributes ----------------------------------------------------------------

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, _memo: Any) -> Any:
        return self.copy()

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TraceError(
            "a value that is not known before the data is cannot be pickled",
            where=where(),
            remedy="copy.deepcopy makes a copy; save what the model returns",
        )

    def __getattr__(self, name: str) -> Any:
        number = not self.extents
        if name.startswith("_") or not hasattr(self.dtype.type if number else np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        raise NotCoveredError(
            f".{name} of {'a number' if number else 'an array'} cannot be part of a model",
            where=where(),
            remedy="docs/numpy-coverage.md lists the methods and attributes that can",
        )

    # --- indexing -----------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = plain_index(index)
        block = indexing.basic(index, self.extents)
        if block is not None:
            if len(block.ints) == len(block.starts) and not block.shape:
                return wrap(note(self._read(block)))
            return view_of(self, block)
        return wrap(note(indexing.gather(indexing.plan(index, self.extents), self.node)))

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._view is None and self._store is None and not self.extents:
            raise TraceError(
                "a scalar cannot be written to",
                where=where(),
                remedy="assign the name anew: w = …",
            )
        index = plain_index(index)
        new = cast(as_node(value), self.dtype)
        block = indexing.basic(index, self.extents)
        if block is not None:
            self._put(block, note(indexing.fitted(new, block.shape)))
            return
        mask = _unknown_mask(index)
        if mask is not None:
            self._put(None, note(indexing.masked(self.node, mask, new)))
            return
        plan = indexing.plan(index, self.extents)
        fitted = indexing.fitted(new, indexing.result_shape(plan))
        self._put(None, note(indexing.scatter(plan, self.node, fitted)))

    def part(self, region: Region) -> Any:
        """A view; what it holds is read when it is asked for, if writes are pending."""
        view = View(self, region)
        part = Tensor(None, view=view)
        owner_store = view.root._store
        if owner_store is None or not owner_store.pieces:
            part._refreshed(view)
        return part

    # --- protocols ----------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return implementation("protocol.ufunc")(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return implementation("protocol.function")(func, args, kwargs)

    # --- operators and methods ----------------------------------------------------------------

    __add__, __radd__, __iadd__ = operator("add")
    __sub__, __rsub__, __isub__ = operator("subtract")
    __mul__, __rmul__, __imul__ = operator("multiply")
    __truediv__, __rtruediv__, __itruediv__ = operator("divide")
    __floordiv__, __rfloordiv__, __ifloordiv__ = operator("floor_divide")
    __mod__, __rmod__, __imod__ = operator("remainder")
    __pow__, __rpow__, __ipow__ = operator("power")
    __divmod__, __rdivmod__, _ = operator("divmod")
    __and__, __rand__, __iand__ = operator("bitwise_and")
    __or__, __ror__, __ior__ = operator("bitwise_or")
    __xor__, __rxor__, __ixor__ = operator("bitwise_xor")
    __lshift__, __rlshift__, __ilshift__ = operator("left_shift")
    __rshift__, __rrshift__, __irshift__ = operator("right_shift")
    __lt__, __le__ = comparison("less"), comparison("less_equal")
    __gt__, __ge__ = comparison("greater"), comparison("greater_equal")
    __eq__, __ne__ = comparison("equal"), comparison("not_equal")
    __neg__, __pos__, __abs__ = unary("negative"), unary("positive"), unary("absolute")
    __invert__, __trunc__ = unary("invert"), unary("trunc")
    __floor__, __ceil__ = unary("floor"), unary("ceil")
    __matmul__, __rmatmul__ = delegated("matmul"), delegated("rmatmul")
    __imatmul__, __round__ = delegated("imatmul"), delegated("round")

    all, any, max, min = delegated("all"), delegated("any"), delegated("max"), delegated("min")
    argmax, argmin = delegated("argmax"), delegated("argmin")
    argsort, sort = delegated("argsort"), delegated("sort")
    searchsorted, partition = delegated("searchsorted"), delegated("partition")
    astype, copy, view = delegated("astype"), delegated("copy"), delegated("view")
    clip, round, repeat = delegated("clip"), delegated("round"), delegated("repeat")
    conj, conjugate = delegated("conj"), delegated("conjugate")
    cumprod, cumsum = delegated("cumprod"), delegated("cumsum")
    diagonal, trace, dot = delegated("diagonal"), delegated("trace"), delegated("dot")
    fill, put, take = delegated("fill"), delegated("put"), delegated("take")
    flatten, ravel, reshape = delegated("flatten"), delegated("ravel"), delegated("reshape")
    mean, std, var = delegated("mean"), delegated("std"), delegated("var")
    nonzero, tobytes, ptp = delegated("nonzero"), delegated("tobytes"), delegated("ptp")
    prod, sum = delegated("prod"), delegated("sum")
    squeeze, swapaxes = delegated("squeeze"), delegated("swapaxes")
    transpose = delegated("transpose")


HANDING_ON.add(Tensor.__getattr__.__code__)


def _rows_behind(node: Node) -> Dim | None:
    """The number of rows that a scalar is computed from, if it depends on nothing else."""
    order = postorder([node])
    if any(n.op.name == "input" for n in order):
        return None
    return next((e for n in order for e in n.shape if isinstance(e, Dim)), None)


def view_of(base: Tensor, region: Region) -> Any:
    """The part of a tensor as a tensor that writes through to it."""
    return base.part(region)


def wrap(node: Node, weak: bool = False) -> Tensor:
    return Tensor(node, weak)


# --- operands -----------------------------------------------------------------------------------


def is_traced(value: Any) -> bool:
    """Whether a stand-in of unknown value stands in the value, however deep."""
    if value.__class__ is Tensor or value.__class__ is Rows:
        return True
    if isinstance(value, (list, tuple)):
        return any(is_traced(v) for v in value)
    if isinstance(value, dict):
        return any(is_traced(v) for v in value.values())
    return (
        isinstance(value, np.ndarray)
        and value.dtype == object
        and any(is_traced(v) for v in value.flat)
    )


def without_stand_ins(value: Any) -> Any:
    """The value with arrays of known value as NumPy's own, however deep."""
    if isinstance(value, Tensor) and value.is_known:
        return value._known
    if isinstance(value, (list, tuple)) and value.__class__ in (list, tuple):
        return value.__class__(without_stand_ins(v) for v in value)
    if value.__class__ is dict:
        return {k: without_stand_ins(v) for k, v in value.items()}
    return value


def as_node(value: Any, dtype: Any = None) -> Node:
    """Anything that NumPy would take for an array, as a node."""
    if isinstance(value, Tensor):
        node = value.node
        return node if dtype is None else cast(node, dtype)
    if isinstance(value, Node):
        return value
    if isinstance(value, Rows):
        return value.count()
    if isinstance(value, (list, tuple)) and is_traced(value):
        return as_node(implementation("numpy.array")(value), dtype)
    if hasattr(value, "toarray"):
        raise TraceError(
            f"a sparse {type(value).__name__} cannot be part of a computation",
            where=where(),
            remedy="write .toarray() where it is used",
        )
    found = unit_of(value)
    if found is not None:
        raise TraceError(
            f"a quantity in {found[0]} meets a number without a unit",
            where=where(),
            remedy=f"take its numbers in the unit you mean before the model: .{found[1]}",
        )
    array = np.asarray(without_stand_ins(value), dtype=dtype)
    check_data(array)
    if array.dtype.char == "g":
        array = array.astype(np.float64)
    trace = current()
    if trace is None or array.size <= 16:
        return const(array)
    return trace.capture(array)


def check_data(array: Any) -> None:
    """Refuse what cannot be an operand: complex numbers, objects, text, dates."""
    if array.dtype.kind in "biuf":
        return
    if array.dtype.kind == "c":
        raise TraceError(
            "complex numbers are not differentiated",
            where=where(),
            remedy="compute with real and imaginary parts in arrays of their own",
        )
    raise TraceError(
        f"an array of dtype {array.dtype} cannot be part of a computation",
        where=where(),
        remedy="give it as numbers, e.g. np.asarray(…, dtype=float)",
    )


# --- index helpers ------------------------------------------------------------------------------


def plain_index(index: Any) -> Any:
    """The index with stand-ins replaced: unknown ones by nodes, known ones by arrays."""
    cls = index.__class__
    if cls is int or (cls is slice and index == slice(None)):
        return index
    if cls is tuple:
        return tuple(plain_index(i) for i in index)
    if cls is slice:
        return slice(*(None if i is None else _as_int(i) for i in _ends(index)))
    if cls is Tensor:
        return index.node
    if isinstance(index, Tensor):
        return index._known[()] if not index.shape else index._known
    if cls is list and is_traced(index):
        return as_node(index)
    return without_stand_ins(index)


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


def _as_int(value: Any) -> int:
    return int(value.__index__())


def _unknown_mask(index: Any) -> Node | None:
    if isinstance(index, tuple) and len(index) == 1:
        (index,) = index
    if isinstance(index, Node) and index.dtype == BOOL and not is_const(index):
        return index
    return None
