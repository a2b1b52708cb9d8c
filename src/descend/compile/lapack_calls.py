"""Calls of LAPACK: matrix by matrix, on copies, with NaN where a routine reports a failure.

LAPACK's matrices are stored by columns: in memory they are the transposed of ours, so that our
lower triangle is its upper one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from descend.compile.access import Counters
from descend.compile.kinds import Value
from descend.compile.llvm import BlockWriter
from descend.compile.loops import Address, Axis, Call, Index, Place
from descend.compile.operations import kind_of
from descend.compile.writing import axes_of, get, nested, over, put, variable, when

__all__ = ["LAPACK_CALLS"]

Indices = tuple[Index, ...]

# Up to so many rows one right-hand side is solved at a time, and nothing is cut into blocks: for
# several, OpenBLAS would wake its threads, which takes longer than the work.
ALONE = 64


class Routine:
    """What all routines need while they are written: arguments by reference, blocks, failures."""

    def __init__(self, w: BlockWriter, call: Call) -> None:
        self.w, self.e, self.target = w, w.e, call.target
        self.sources, self.attrs = call.sources, call.attrs
        self.kind = kind_of(call.target.dtype)
        self.lead = axes_of(call.target)[:-2]
        self.counters: Counters = {}

    def each(self, body: Callable[[], None]) -> None:
        """Write the body for every matrix of the leading axes."""

        def one(counters: Counters) -> None:
            self.counters = counters
            body()

        nested(self.w, self.lead, one)

    # Arguments

    def number(self, n: int) -> str:
        """A pointer to an integer."""
        name = self.w.frame.alloca("i32")
        self.e.line(f"store i32 {n}, ptr {name}")
        return name

    def letter(self, letter: str) -> str:
        """A pointer to a letter."""
        name = self.w.frame.alloca("i8")
        self.e.line(f"store i8 {ord(letter)}, ptr {name}")
        return name

    def block(self, place: Place, row: int = 0) -> str:
        """A pointer to the present matrix of an array, from one of its rows on."""
        lead = over(self.lead) if len(place.shape) > 2 else ()
        rest = (Index(row), *[Index()] * (len(place.shape) - len(lead) - 1))
        return self.w.pointer_to(Address(place, (*lead, *rest)), self.counters)

    def run(self, name: str, *pointers: str) -> Value:
        """Call a routine of the precision at hand, and give its `info`."""
        info = self.number(0)
        letter = "d" if self.kind == "f64" else "s"
        routine = self.e.library("lapack", letter + name)
        arguments = ", ".join(f"ptr {p}" for p in (*pointers, info))
        self.e.line(f"call void {routine}({arguments})")
        return self.e.op(f"load i32, ptr {info}", "i32", 1)

    def solve(self, name: str, letters: str, count: int, *factors: str) -> None:
        """Replace right-hand sides, which lie in the rows of the result, by solutions."""
        n = int(self.target.shape[-1])  # type: ignore[arg-type]
        order, first = self.number(n), [self.letter(x) for x in letters]
        if n > ALONE:
            sides = (self.number(count), *factors, self.block(self.target), order)
            self.fail_if(self.failed(self.run(name, *first, order, *sides)))
            return
        one, row = self.number(1), Axis("k", count)
        problems = variable(self.w, "i32", self.e.const(0, "i32", 1))

        def solve(counters: Counters) -> None:
            at = (*(over(self.lead) if len(self.target.shape) > 2 else ()), *over([row]), Index())
            side = self.w.pointer_to(Address(self.target, at), counters)
            info = self.run(name, *first, order, one, *factors, side, order)
            put(self.w, problems, self.e.or_(get(self.w, problems, "i32"), info))

        nested(self.w, [row], solve, self.counters)
        self.fail_if(self.failed(get(self.w, problems, "i32")))

    # Elements

    def cell(self, place: Place, i: Axis, j: Axis, row: int = 0, turned: bool = False) -> Address:
        """Element (i, j) of the present matrix (of the transposed one if `turned`)."""
        lead = over(self.lead) if len(place.shape) > 2 else ()
        at = [Index(row, ((i, 1),)), Index(0, ((j, 1),))]
        return Address(place, (*lead, *(at[::-1] if turned else at)))

    def copy(
        self, source: Place, target: Place, row: int = 0, turned: bool = False,
        watch: str | None = None,
    ) -> None:  # fmt: skip
        """Copy the matrix of one array into another's rows; `watch` becomes NaN if one is there."""
        i, j = axes_of(source)[-2:]
        i, j = (j, i) if turned else (i, j)

        def one(counters: Counters) -> None:
            value = self.w.load(self.cell(source, i, j, turned=turned), counters, 1)
            self.w.store(self.cell(target, i, j, row), value, counters, None)
            if watch is not None:
                seen = self.e.add(get(self.w, watch, self.kind), self.e.mul(value, 0.0))
                put(self.w, watch, seen)

        nested(self.w, [i, j], one, self.counters)

    def fill(self, number: float) -> None:
        """Fill the present matrix of the result."""
        i, j = axes_of(self.target)[-2:]
        value = self.e.const(number, self.kind, 1)
        at = self.cell(self.target, i, j)
        nested(self.w, [i, j], lambda c: self.w.store(at, value, c, None), self.counters)

    def fail_if(self, condition: Value, otherwise: Callable[[], None] = lambda: None) -> None:
        """NaN in the whole result where the condition holds."""
        when(self.w, condition, lambda: self.fill(math.nan), otherwise)

    def failed(self, info: Value) -> Value:
        return self.e.ne(info, 0)

    def watch(self) -> str:
        return variable(self.w, self.kind, self.e.const(0.0, self.kind, 1))

    def watched(self, watch: str) -> Value:
        return self.e.isnan(get(self.w, watch, self.kind))


def _extents(place: Place) -> tuple[int, int]:
    m, n = place.shape[-2:]
    return int(m), int(n)  # type: ignore[arg-type]


def getrf(r: Routine) -> None:
    """P A = L U: the factors, and below them the exchanges, counted from 0."""
    a, pivots = r.sources
    n = _extents(a)[0]
    r.copy(a, r.target)
    order = r.number(n)
    r.run("getrf", order, order, r.block(r.target), order, r.w.frame.pointer(pivots))
    k = Axis("k", n)
    source = Address(pivots, over([k]))
    target = Address(r.target, (*over(r.lead), Index(n), *over([k])))

    def one(counters: Counters) -> None:
        place = r.e.sub(r.w.load(source, counters, 1), 1)
        r.w.store(target, r.e.convert(place, r.kind), counters, None)

    nested(r.w, [k], one, r.counters)


def getrs(r: Routine) -> None:
    """Right-hand sides, which lie in rows, replaced by the solutions."""
    factored, b, pivots = r.sources
    n, count = _extents(factored)[1], _extents(b)[0]
    r.copy(b, r.target)
    k = Axis("k", n)
    zeros = variable(r.w, "i64", r.e.const(0, "i64", 1))

    def one(counters: Counters) -> None:
        at = Address(factored, (*over(r.lead), Index(n), *over([k])))
        place = r.e.convert(r.w.load(at, counters, 1), "i32")
        r.w.store(Address(pivots, over([k])), r.e.add(place, 1), counters, None)
        diagonal = r.w.load(r.cell(factored, k, k), counters, 1)
        zero = r.e.convert(r.e.eq(diagonal, 0.0), "i64")
        put(r.w, zeros, r.e.add(get(r.w, zeros, "i64"), zero))

    nested(r.w, [k], one, r.counters)

    def solve() -> None:
        factors = (r.block(factored), r.number(n), r.w.frame.pointer(pivots))
        r.solve("getrs", "N" if r.attrs["transposed"] else "T", count, *factors)

    r.fail_if(r.e.gt(get(r.w, zeros, "i64"), 0), solve)


def trtrs(r: Routine) -> None:
    """The same with one triangle of a matrix."""
    t, b, work = r.sources
    n, count = _extents(t)[0], _extents(b)[0]
    r.copy(t, work)
    r.copy(b, r.target)
    letters = ("U" if r.attrs["lower"] else "L") + ("N" if r.attrs["transposed"] else "T") + "N"
    r.solve("trtrs", letters, count, r.w.frame.pointer(work), r.number(n))


def potrf(r: Routine) -> None:
    """The Cholesky factor; above the diagonal the matrix is left as it was."""
    (a,) = r.sources
    n = _extents(a)[0]
    order, name = r.number(n), "potf2" if n <= ALONE else "potrf"
    r.copy(a, r.target)
    r.fail_if(r.failed(r.run(name, r.letter("U"), order, r.block(r.target), order)))


def syevd(r: Routine) -> None:
    """Eigenvalues, and below them the eigenvectors as rows."""
    a, work, whole = r.sources
    order, watch = r.number(_extents(a)[0]), r.watch()
    triangle = "U" if r.attrs["upper"] else "L"  # of a symmetric matrix: it settles the signs
    r.copy(a, r.target, row=1, watch=watch)

    def decompose() -> None:
        pointers = (r.block(r.target, 1), order, r.block(r.target), *_lent(r, work, whole))
        info = r.run("syevd", r.letter("V"), r.letter(triangle), order, *pointers)
        r.fail_if(r.failed(info))

    r.fail_if(r.watched(watch), decompose)


def gesdd(r: Routine) -> None:
    """U, singular values, Vᵀ, one below the other; the argument has the columns as rows.

    If `turned`, it is the transposed matrix that is decomposed: the argument has rows as rows.
    """
    columns, copied, left, right, work, whole = r.sources
    n, m = _extents(columns)
    watch, turned = r.watch(), r.attrs["turned"]
    r.copy(columns, copied, watch=watch)
    size, tall = (r.number(m), r.number(n)), max(m, n)
    small = size[0] if turned else size[1]

    def decompose() -> None:
        matrix, u, v, scratch, counts = map(r.w.frame.pointer, (copied, left, right, work, whole))
        parts = (matrix, size[0], r.block(r.target, tall), u, size[0], v, small)
        room = r.number(int(work.shape[0]))  # type: ignore[arg-type]
        info = r.run("gesdd", r.letter("S"), *size, *parts, scratch, room, counts)
        if turned:
            r.copy(right, r.target)
            r.copy(left, r.target, row=tall + 1)
        else:
            r.copy(left, r.target, turned=True)
            r.copy(right, r.target, row=tall + 1, turned=True)
        r.fail_if(r.failed(info))

    r.fail_if(r.watched(watch), decompose)


def _lent(r: Routine, *places: Place) -> list[str]:
    """Each work array with its length."""
    lent = []
    for place in places:
        lent += [r.w.frame.pointer(place), r.number(int(place.shape[0]))]  # type: ignore[arg-type]
    return lent


def geqrf(r: Routine) -> None:
    """Q, and R below it; the argument has the matrix's columns as rows."""
    columns, copied, scales, work = r.sources
    n, m = _extents(columns)
    r.copy(columns, copied)
    size = (r.number(m), r.number(n))
    pointers = (r.w.frame.pointer(copied), size[0], r.w.frame.pointer(scales), *_lent(r, work))
    r.run("geqrf", *size, *pointers)
    i, j = Axis("i", n), Axis("j", n)

    def upper(counters: Counters) -> None:
        value = r.w.load(r.cell(copied, i, j, turned=True), counters, 1)
        inside = r.e.le(counters[i], counters[j])
        value = r.e.select(inside, value, r.e.const(0.0, r.kind, 1))
        r.w.store(r.cell(r.target, i, j, m), value, counters, None)

    nested(r.w, [i, j], upper, r.counters)
    r.run("orgqr", *size, size[1], *pointers)
    r.copy(copied, r.target, turned=True)


def _call(write: Callable[[Routine], None]) -> Callable[[BlockWriter, Call], Any]:
    def algorithm(w: BlockWriter, call: Call) -> None:
        routine = Routine(w, call)
        routine.each(lambda: write(routine))

    return algorithm


_ALL: Sequence[Callable[[Routine], None]] = (getrf, getrs, trtrs, potrf, syevd, gesdd, geqrf)
LAPACK_CALLS = {write.__name__: _call(write) for write in _ALL}
