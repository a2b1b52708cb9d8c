"""Special functions as elementwise primitives: gamma and beta, error functions, Bessel functions.

The values are SciPy's. Partial derivatives are those of the NIST Digital Library of Mathematical
Functions (chapters 5 to 10), written so that they keep their digits where the textbook's form
cancels. Orders of Bessel functions are attributes: they have no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from descend.graph.elementwise import (
    ScipyUfunc,
    add,
    call,
    declare,
    div,
    full_like,
    mul,
    neg,
    select,
    settling,
    smooth,
    sub,
)
from descend.graph.node import ONCE, Array, Node, Partial
from descend.graph.quadrature import shape_of_betainc, shape_of_gammainc

__all__ = ["BESSEL", "bessel", "library_function"]

_SQRT_PI = math.sqrt(math.pi)
_FAR = 12.0
_FADED = 80.0  # exp(-80) is far below rounding
_TERMS = 13  # of Hankel's series: at |x| = 60 the next one is below rounding
# (2k + 1)!! / 2^k, of the asymptotic series of w': at |z| = 12 the next one is below rounding.
_SERIES = [math.prod(range(1, 2 * k + 2, 2)) / 2.0**k for k in range(14)]
_MILLS = math.sqrt(2.0 / math.pi)

BESSEL = ("jv", "yv", "iv", "kv", "ive", "kve")
_BY_ORDER = {
    ("jv", 0.0): "j0", ("jv", 1.0): "j1", ("yv", 0.0): "y0", ("yv", 1.0): "y1",
    ("iv", 0.0): "i0", ("iv", 1.0): "i1", ("ive", 0.0): "i0e", ("ive", 1.0): "i1e",
    ("kv", 0.0): "k0", ("kv", 1.0): "k1", ("kve", 0.0): "k0e", ("kve", 1.0): "k1e",
}  # fmt: skip


def library_function(name: str, order: float | None) -> tuple[str, tuple[float, ...]]:
    """SciPy's function behind a primitive, and the numbers that come before its arguments.

    >>> library_function("jv", 0.0), library_function("jv", 2.0), library_function("erfcx", None)
    (('j0', ()), ('jv', (2.0,)), ('erfcx', ()))
    """
    if order is None:
        return name, ()
    found = _BY_ORDER.get((name, float(order)))
    return (name, (order,)) if found is None else (found, ())


def _of_order(name: str) -> Callable[..., Array]:
    """SciPy's function of an order in float64, rounded to the dtype of the argument."""

    def meaning(x: Array, *, order: float) -> Array:
        from scipy import special

        function, before = library_function(name, order)
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(getattr(special, function)(*before, wide)).astype(x.dtype)

    return meaning


def bessel(name: str, order: float, x: Node) -> Node:
    """One of the `BESSEL` functions of a known order."""
    return call(name, x, order=float(order))


# --- partial derivatives ------------------------------------------------------------------------


def _one(x: Node) -> Node:
    return full_like(x, 1.0)


def _horner(x: Node, table: Sequence[float]) -> Node:
    total = full_like(x, table[-1])
    for factor in reversed(table[:-1]):
        total = add(mul(total, x), factor)
    return total


def _gauss(x: Node, factor: float) -> Node:
    """factor · exp(x²)."""
    return mul(call("exp", mul(x, x)), factor)


def _square_slope(x: Node, near: Node, sign: float) -> Node:
    """`near` where |x| < 12, else sign·t·Σ cₖ(sign·t)ᵏ with t = 1/x²: what is left of it there."""
    far = call("lt", full_like(x, _FAR), call("abs", x))
    inverse = select(far, div(_one(x), x), 0.0)
    t = mul(mul(inverse, inverse), sign)
    return select(far, mul(t, _horner(t, _SERIES)), near)


def _erfcx_slope(x: Node, out: Node) -> Node:
    near = sub(mul(mul(x, out), 2.0), 2.0 / _SQRT_PI)
    far = call("lt", full_like(x, _FAR), x)
    return select(far, mul(_square_slope(x, near, -1.0), 1.0 / _SQRT_PI), near)


def _dawsn_slope(x: Node, out: Node) -> Node:
    near = sub(_one(x), mul(mul(x, out), 2.0))
    far = call("lt", full_like(x, _FAR), call("abs", x))
    return select(far, mul(_square_slope(x, near, 1.0), -0.5), near)


def _complex_series(tr: Node, ti: Node) -> tuple[Node, Node]:
    """t·Σ cₖtᵏ for complex t."""
    re, im = full_like(tr, _SERIES[-1]), full_like(tr, 0.0)
    for factor in (*reversed(_SERIES[:-1]), 0.0):
        grown = sub(mul(re, tr), mul(im, ti))
        im = add(mul(re, ti), mul(im, tr))
        re = add(grown, factor)
    return re, im


def _faddeeva_slope(x: Node, y: Node) -> tuple[Node, Node]:
    """Real and imaginary part of w'(z) = -2z·w(z) + 2i/√π at z = x + iy (DLMF 7.10.2).

    Far above the real line both terms cancel but for the asymptotic series
    w' = -(i/√π)·Σ (2k+1)!!/(2^k z^(2k+2)), which stands in there; below it, too, where the
    further term of w, 2·exp(-z²), is below rounding.
    """
    u, v = call("wofz_real", x, y), call("wofz_imag", x, y)
    re = mul(sub(mul(y, v), mul(x, u)), 2.0)
    im = sub(full_like(x, 2.0 / _SQRT_PI), mul(add(mul(x, v), mul(y, u)), 2.0))
    across, along = mul(x, x), mul(y, y)
    size = add(across, along)
    above = call("or", call("le", full_like(y, 0.0), y), call("le", add(along, _FADED), across))
    far = call("and", above, call("lt", full_like(x, _FAR**2), size))
    inverse = select(far, div(_one(x), size), 0.0)
    p, q = mul(x, inverse), neg(mul(y, inverse))  # 1/z
    sr, si = _complex_series(sub(mul(p, p), mul(q, q)), mul(mul(p, q), 2.0))
    scale = 1.0 / _SQRT_PI
    return select(far, mul(si, scale), re), select(far, mul(sr, -scale), im)


def _mills(x: Array) -> Array:
    """φ(x)/Φ(x), by erfcx without underflow."""
    from scipy import special

    with np.errstate(all="ignore"):
        scaled = special.erfcx(x.astype(np.float64) * -math.sqrt(0.5))
        return np.asarray(_MILLS / scaled).astype(x.dtype)


def _mills_slope(x: Node, out: Node) -> Node:
    """-s·(x + s), and far to the left, where it cancels, the series that tends to -1."""
    near = neg(mul(out, add(x, out)))
    far = call("lt", x, full_like(x, -16.0))
    inverse = select(far, div(_one(x), x), 0.0)
    return select(far, neg(_horner(mul(inverse, inverse), _mills_series())), near)


@cache
def _mills_series() -> list[float]:
    """-s' as a series in 1/x², from s = -x/Σ (2k - 1)!!·(-1/x²)ᵏ (DLMF 7.12.1)."""
    c = [float(math.prod(range(1 - 2 * k, 0, 2))) for k in range(_TERMS)]
    s: list[float] = []
    for k in range(_TERMS):
        s.append((k == 0) - sum(s[j] * c[k - j] for j in range(k)))
    return [(1 - 2 * k) * s[k] for k in range(_TERMS)]


def _psi(x: Node) -> Node:
    return call("digamma", x)


def _gamma_density(a: Node, x: Node) -> Node:
    """x^(a-1)·exp(-x)/Γ(a)."""
    power = call("mul0", sub(a, 1.0), call("log", x))
    return call("exp", sub(sub(power, x), call("gammaln", a)))


def _beta_density(a: Node, b: Node, x: Node) -> Node:
    """x^(a-1)·(1-x)^(b-1)/B(a, b)."""
    low = call("mul0", sub(a, 1.0), call("log", x))
    high = call("mul0", sub(b, 1.0), call("log1p", neg(x)))
    return call("exp", sub(add(low, high), call("betaln", a, b)))


def _around(name: str, x: Node, out: Node) -> tuple[Node, Node]:
    """The neighbours of lower and higher order, by |order| alone at order 0."""
    order = out.attrs["order"]
    return bessel(name, order - 1.0, x), bessel(name, order + 1.0, x)


def _oscillating_slope(name: str) -> Callable[[Node, Node], Node]:
    """C' = (C₋ - C₊)/2 for J and Y; -C₁ at order 0."""

    def slope(x: Node, out: Node) -> Node:
        if out.attrs["order"] == 0.0:
            return neg(bessel(name, 1.0, x))
        below, above = _around(name, x, out)
        return mul(sub(below, above), 0.5)

    return slope


def _modified_slope(name: str, sign: float) -> Callable[[Node, Node], Node]:
    """±(Z₋ + Z₊)/2 for I and K; ±Z₁ at order 0."""

    def slope(x: Node, out: Node) -> Node:
        if out.attrs["order"] == 0.0:
            return mul(bessel(name, 1.0, x), sign)
        below, above = _around(name, x, out)
        return mul(add(below, above), 0.5 * sign)

    return slope


def _scaled_slope(sign: float, near: Node, x: Node, out: Node) -> Node:
    """`near`, and -f/(2x)·R(1/|x|) far out, where the terms of the former cancel.

    By Hankel's expansions of I and K (DLMF 10.40.1, 10.40.2): f = x^(-½)·Σ cₖ/xᵏ.
    """
    ratio, least = _hankel(out.attrs["order"], sign)
    far = call("lt", full_like(x, least), call("abs", x))
    inverse = select(far, div(_one(x), x), 0.0)
    series = _horner(call("abs", inverse), ratio)
    return select(far, mul(mul(mul(out, inverse), -0.5), series), near)


@cache
def _hankel(order: float, sign: float) -> tuple[list[float], float]:
    """R = Σ (2k + 1)cₖtᵏ / Σ cₖtᵏ as a series in t, and from which x on it is right."""
    mu, c = 4.0 * order**2, [1.0]
    for k in range(1, _TERMS):
        c.append(sign * c[-1] * (mu - (2 * k - 1) ** 2) / (8 * k))
    ratio: list[float] = []
    for k in range(_TERMS):
        ratio.append((2 * k + 1) * c[k] - sum(ratio[j] * c[k - j] for j in range(k)))
    return ratio, max(60.0, mu)


def _expn_slope(x: Node, out: Node) -> Node:
    order = int(out.attrs["order"])
    if order == 0:
        return neg(mul(out, add(div(_one(x), x), 1.0)))
    return neg(call("expn", x, order=order - 1))


def _wofz(part: str) -> Callable[..., Array]:
    def meaning(x: Array, y: Array) -> Array:
        from scipy import special

        z = np.empty(x.shape, np.complex128)
        z.real, z.imag = x, y
        return np.asarray(getattr(special.wofz(z), part)).astype(x.dtype)

    return meaning


# --- the table ----------------------------------------------------------------------------------


def _declare(
    name: str, *partials: Callable[..., Node] | Partial,
    meaning: Callable[..., Array] | None = None, fails: str = "",
) -> None:  # fmt: skip
    """Register a primitive that SciPy computes: its ufunc of this name, or another meaning."""
    meaning = meaning or ScipyUfunc(name, wide=True)
    declare(name, "library", ONCE, fails or False, meaning, *partials)


# fmt: off
_declare("gamma", lambda x, o: mul(o, _psi(x)),
         fails="a pole of the gamma function, or overflow")
_declare("betaln",
         lambda a, b, o: sub(_psi(a), _psi(add(a, b))),
         lambda a, b, o: sub(_psi(b), _psi(add(a, b))))
_declare("beta",
         lambda a, b, o: mul(o, sub(_psi(a), _psi(add(a, b)))),
         lambda a, b, o: mul(o, sub(_psi(b), _psi(add(a, b)))))
_declare("binom",
         lambda n, k, o: mul(o, sub(_psi(add(n, 1.0)), _psi(add(sub(n, k), 1.0)))),
         lambda n, k, o: mul(o, sub(_psi(add(sub(n, k), 1.0)), _psi(add(k, 1.0)))))
_declare("poch",
         lambda z, m, o: mul(o, sub(_psi(add(z, m)), _psi(z))),
         lambda z, m, o: mul(o, _psi(add(z, m))))
_declare("erfinv", lambda x, o: _gauss(o, _SQRT_PI / 2.0))
_declare("erfcinv", lambda x, o: _gauss(o, -_SQRT_PI / 2.0))
_declare("ndtri",
         lambda x, o: _gauss(mul(o, math.sqrt(0.5)), math.sqrt(2.0 * math.pi)))
_declare("erfcx", settling(_erfcx_slope))
_declare("erfi", smooth(lambda x, o: _gauss(x, 2.0 / _SQRT_PI), isolated=False))
_declare("dawsn", settling(_dawsn_slope, isolated=True))
_declare("log_ndtr", settling(lambda x, o: call("mills", x)))
_declare("mills", smooth(_mills_slope, isolated=False), meaning=_mills)
_declare("exp1", settling(lambda x, o: neg(div(call("exp", neg(x)), x)), pole=True))
_declare("expi", lambda x, o: div(call("exp", x), x))
_declare("expn", settling(_expn_slope, pole=True), meaning=_of_order("expn"))
_declare("zeta",
         lambda q, o: mul(call("zeta", q, order=o.attrs["order"] + 1.0), -o.attrs["order"]),
         meaning=_of_order("zeta"))
_declare("wofz_real",
         settling(lambda x, y, o: _faddeeva_slope(x, y)[0], isolated=True),
         settling(lambda x, y, o: neg(_faddeeva_slope(x, y)[1]), isolated=True),
         meaning=_wofz("real"))
_declare("wofz_imag",
         settling(lambda x, y, o: _faddeeva_slope(x, y)[1], isolated=True),
         settling(lambda x, y, o: _faddeeva_slope(x, y)[0], isolated=True),
         meaning=_wofz("imag"))
_declare("gammainc",
         lambda a, x, o: shape_of_gammainc(a, x),
         settling(lambda a, x, o: _gamma_density(a, x), pole=True))
_declare("gammaincc",
         lambda a, x, o: neg(shape_of_gammainc(a, x)),
         settling(lambda a, x, o: neg(_gamma_density(a, x)), pole=True))
_declare("gammaincinv",
         lambda a, p, o: neg(div(shape_of_gammainc(a, o), _gamma_density(a, o))),
         lambda a, p, o: div(_one(p), _gamma_density(a, o)))
_declare("betainc",
         lambda a, b, x, o: shape_of_betainc(a, b, x),
         lambda a, b, x, o: neg(shape_of_betainc(a, b, x, mirrored=True)),
         lambda a, b, x, o: _beta_density(a, b, x))
_declare("betaincc",
         lambda a, b, x, o: neg(shape_of_betainc(a, b, x)),
         lambda a, b, x, o: shape_of_betainc(a, b, x, mirrored=True),
         lambda a, b, x, o: neg(_beta_density(a, b, x)))
_declare("betaincinv",
         lambda a, b, p, o: neg(div(shape_of_betainc(a, b, o), _beta_density(a, b, o))),
         lambda a, b, p, o: div(shape_of_betainc(a, b, o, mirrored=True), _beta_density(a, b, o)),
         lambda a, b, p, o: div(_one(p), _beta_density(a, b, o)))
_declare("jv", settling(_oscillating_slope("jv"), isolated=True), meaning=_of_order("jv"))
_declare("yv", settling(_oscillating_slope("yv"), pole=True, isolated=True),
         meaning=_of_order("yv"))
_declare("iv", smooth(_modified_slope("iv", 1.0)), meaning=_of_order("iv"))
_declare("kv", settling(_modified_slope("kv", -1.0), pole=True), meaning=_of_order("kv"))
_declare("ive",
         lambda x, o: _scaled_slope(
             -1.0, sub(_modified_slope("ive", 1.0)(x, o), mul(call("sign", x), o)), x, o),
         meaning=_of_order("ive"))
_declare("kve",
         lambda x, o: _scaled_slope(1.0, add(_modified_slope("kve", -1.0)(x, o), o), x, o),
         meaning=_of_order("kve"))
# fmt: on
