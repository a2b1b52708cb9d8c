"""Complex numbers on the way between real ones: pairs of a real and an imaginary part.

So `special.wofz((x + 1j*gamma) / s).real` works as it is written. The operators +, -, *, / and
whole powers are there, absolute values, conjugates, exp, log and wofz, parts and indexing. Models
take and return real numbers all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import NotCoveredError, TraceError
from descend.graph.elementwise import call
from descend.trace.context import note, where
from descend.trace.operands import float_node
from descend.trace.operators import COMPLEX
from descend.trace.table import covers, implementation
from descend.trace.tensor import Tensor, wrap
from descend.trace.typing_rules import broadcast_shapes, to_shape

__all__ = ["Pair"]

HIGHEST_POWER = 16


def _refused(what: str) -> TraceError:
    return NotCoveredError(
        f"{what}: of complex numbers there are +, -, *, /, whole powers, abs, conj, exp, log, "
        "wofz, .real and .imag",
        where=where(),
        remedy="compute with real and imaginary parts in arrays of their own",
    )


def _sum(a: Any, b: Any) -> Any:
    if type(a) is float and a == 0.0:
        return b
    return a if type(b) is float and b == 0.0 else a + b


def _product(a: Any, b: Any) -> Any:
    for x, y in ((a, b), (b, a)):
        if type(x) is float and x in (0.0, 1.0):
            return y if x else 0.0
    return a * b


def _minus(a: Any) -> Any:
    return 0.0 if type(a) is float and a == 0.0 else -a


def _parts(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part; a part that is 0 everywhere is the number 0.0."""
    if isinstance(value, Pair):
        return value.re, value.im
    if isinstance(value, (complex, np.complexfloating)):
        return float(value.real), float(value.imag)
    return value, 0.0


class Pair:
    """A traced complex array: its real and its imaginary part, and the line that made it."""

    __slots__ = ("im", "place", "re")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, re: Any, im: Any) -> None:
        self.re, self.im, self.place = re, im, where()

    def _part(self, part: Any, other: Any) -> Any:
        """A part in the shape of both."""
        if not isinstance(part, Tensor):
            return part + other * 0.0
        alike = not isinstance(other, Tensor) or part.shape == other.shape
        return part if alike else part + other * 0.0

    @property
    def real(self) -> Any:
        """The real part, of the whole shape."""
        return self._part(self.re, self.im)

    @property
    def imag(self) -> Any:
        """The imaginary part, of the whole shape."""
        return self._part(self.im, self.re)

    @property
    def shape(self) -> Any:
        return self.real.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<traced complex array of shape {self.shape}>"

    def __getitem__(self, index: Any) -> Pair:
        return Pair(self.real[index], self.imag[index])

    def sum(self, *args: Any, **kwargs: Any) -> Pair:
        return Pair(self.real.sum(*args, **kwargs), self.imag.sum(*args, **kwargs))

    def mean(self, *args: Any, **kwargs: Any) -> Pair:
        return Pair(self.real.mean(*args, **kwargs), self.imag.mean(*args, **kwargs))

    def conj(self) -> Pair:
        return Pair(self.re, _minus(self.im))

    conjugate = conj

    def __array__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise TraceError(
            "complex numbers are not differentiated",
            where=self.place,
            remedy="take .real, .imag or abs() of them: real and imaginary parts are",
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rule = _UFUNCS.get(ufunc.__name__)
        if rule is None or method != "__call__" or kwargs:
            raise _refused(f"np.{ufunc.__name__}")
        return rule(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        simple = {"real": "real", "imag": "imag", "sum": "sum", "mean": "mean"}
        name = simple.get(func.__name__)
        if name is None or not isinstance(args[0], Pair):
            raise _refused(f"np.{func.__name__}")
        found = getattr(args[0], name)
        return found(*args[1:], **kwargs) if callable(found) else found

    # Operators

    def __add__(self, other: Any) -> Pair:
        return _add(self, other)

    def __sub__(self, other: Any) -> Pair:
        return _add(self, _negative(other))

    def __rsub__(self, other: Any) -> Pair:
        return _add(other, _negative(self))

    def __mul__(self, other: Any) -> Pair:
        return _multiply(self, other)

    def __truediv__(self, other: Any) -> Pair:
        return _divide(self, other)

    def __rtruediv__(self, other: Any) -> Pair:
        return _divide(other, self)

    def __pow__(self, other: Any) -> Pair:
        return _power(self, other)

    def __neg__(self) -> Pair:
        return _negative(self)

    def __pos__(self) -> Pair:
        return self

    def __abs__(self) -> Any:
        return _absolute(self)

    __radd__, __rmul__ = __add__, __mul__


COMPLEX.add(Pair)


def _add(a: Any, b: Any) -> Pair:
    (ar, ai), (br, bi) = _parts(a), _parts(b)
    return Pair(_sum(ar, br), _sum(ai, bi))


def _negative(a: Any) -> Pair:
    re, im = _parts(a)
    return Pair(_minus(re), _minus(im))


def _multiply(a: Any, b: Any) -> Pair:
    (ar, ai), (br, bi) = _parts(a), _parts(b)
    re = _sum(_product(ar, br), _minus(_product(ai, bi)))
    return Pair(re, _sum(_product(ar, bi), _product(ai, br)))


def _divide(a: Any, b: Any) -> Pair:
    br, bi = _parts(b)
    if type(bi) is float and bi == 0.0:
        ar, ai = _parts(a)
        return Pair(*(0.0 if type(v) is float and v == 0.0 else v / br for v in (ar, ai)))
    size = _sum(_product(br, br), _product(bi, bi))
    top = _multiply(a, Pair(br, _minus(bi)))
    return _divide(top, size)


def _power(a: Any, b: Any) -> Pair:
    if not isinstance(b, int) or not 0 < b <= HIGHEST_POWER:
        raise _refused(f"a complex number to the power {b!r}")
    result = a
    for _ in range(b - 1):
        result = _multiply(result, a)
    return result  # type: ignore[no-any-return]


def _absolute(a: Any) -> Any:
    return implementation("numpy.hypot")(a.real, a.imag)


def _exp(a: Any) -> Pair:
    size, angle = implementation("numpy.exp")(a.real), a.imag
    cos, sin = implementation("numpy.cos"), implementation("numpy.sin")
    return Pair(size * cos(angle), size * sin(angle))


def _log(a: Any) -> Pair:
    angle = implementation("numpy.arctan2")(a.imag, a.real)
    return Pair(implementation("numpy.log")(_absolute(a)), angle)


@covers("wofz", module="scipy.special", remark="of a complex array of which .real or .imag is used")
def _wofz(z: Any) -> Pair:
    """The Faddeeva function w(z) = exp(-z²)·erfc(-iz)."""
    pair = z if isinstance(z, Pair) else Pair(z, 0.0)
    x, y = (float_node(part) for part in (pair.real, pair.imag))
    shape = broadcast_shapes([x.shape, y.shape])
    x, y = to_shape(x, shape), to_shape(y, shape)
    return Pair(*(wrap(note(call(name, x, y))) for name in ("wofz_real", "wofz_imag")))


_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": _add,
    "subtract": lambda a, b: _add(a, _negative(b)),
    "multiply": _multiply,
    "divide": _divide,
    "true_divide": _divide,
    "power": _power,
    "square": lambda a: _multiply(a, a),
    "negative": _negative,
    "positive": lambda a: a,
    "conjugate": lambda a: a.conj(),
    "absolute": _absolute,
    "exp": _exp,
    "log": _log,
    "wofz": _wofz,
}


@covers("complex", module="operator")
def _operator(rule: Any, a: Any, b: Any) -> Any:
    """An operator one of whose operands is complex."""
    found = _UFUNCS.get(rule.name)
    if found is None:
        raise _refused(f"np.{rule.name}")
    return found(a, b)
