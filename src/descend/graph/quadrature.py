"""How the incomplete gamma and beta functions change with their shape parameters.

There is no closed form, but an integral of elementary functions. Over the logarithm of t (for
beta: its logit) it is smooth and decays at both ends at least exponentially, so the
double-exponential rule (Takahasi and Mori, Publ. RIMS 9, 1974) with 112 fixed points gives some
13 digits. The derivative of the whole integral is 0; so the side of x is taken on which the
integrand falls off smoothly. All is graph: it can be differentiated again. Small shapes cost
digits, as ψ(a) is -1/a there: at 1e-4 eight are left, and of smaller ones the derivative is NaN.
"""

from __future__ import annotations

import math

import numpy as np

from descend.graph.elementwise import add, call, div, full_like, mul, neg, select, sub
from descend.graph.linear import broadcast, reduce_sum
from descend.graph.node import Node
from descend.graph.source import const

__all__ = ["shape_of_betainc", "shape_of_gammainc"]

_LEAST = 1e-4
_U = np.linspace(-3.6, 4.0, 112)
_POINTS = np.exp(_U - np.exp(-_U))
_WEIGHTS = (_U[1] - _U[0]) * (1.0 + np.exp(-_U)) * _POINTS


def _wide(x: Node) -> Node:
    """The same number for every point of the rule, along a new last axis."""
    return broadcast(x, (*x.shape, len(_POINTS)), tuple(range(x.ndim)))


def _points(scale: Node) -> tuple[Node, Node]:
    """The points τ and their weights, in units of `scale`."""
    shape, last = (*scale.shape, len(_POINTS)), (scale.ndim,)
    points = broadcast(const(_POINTS, scale.dtype), shape, last)
    weights = broadcast(const(_WEIGHTS, scale.dtype), shape, last)
    return mul(_wide(scale), points), mul(_wide(scale), weights)


def _width(slope: Node, curvature: Node) -> Node:
    """Over which length exp(-slope·τ - curvature·(τ - 1 + exp(-τ))) falls off."""
    least = call("min", curvature, call("sqrt", curvature))
    return div(full_like(slope, 1.0), add(slope, least))


def _integrated(exponent: Node, factor: Node, weights: Node) -> Node:
    inside = mul(weights, call("mul0", call("exp", exponent), factor))
    return reduce_sum(inside, (inside.ndim - 1,))


def _held(x: Node) -> Node:
    """The same number, constant to derivatives: where the points lie does not matter to them."""
    return call("stop_gradient", x)


def shape_of_gammainc(a: Node, x: Node) -> Node:
    """∂P(a, x)/∂a = 1/Γ(a) · ∫ exp(a·s - exp(s))·(s - ψ(a)) ds over s < log x."""
    left = call("le", x, call("max", a, full_like(a, 1.0)))
    sign = select(left, full_like(a, -1.0), full_like(a, 1.0))
    gap = mul(sub(x, a), sign)
    root = call("sqrt", x)
    curved = select(left, call("min", x, root), root)
    tau, weights = _points(_held(div(full_like(a, 1.0), add(gap, curved))))
    step = mul(tau, _wide(sign))
    logarithm = call("log", x)
    front = sub(sub(call("mul0", a, logarithm), x), call("gammaln", a))
    grown = sub(mul(_wide(a), step), mul(_wide(x), call("expm1", step)))
    factor = add(_wide(sub(logarithm, call("digamma", a))), step)
    total = _integrated(add(_wide(front), grown), factor, weights)
    return select(call("lt", a, _LEAST), math.nan, neg(mul(total, sign)))


def shape_of_betainc(a: Node, b: Node, x: Node, mirrored: bool = False) -> Node:
    """∂I(a, b; x)/∂a, or with `mirrored` the same for a and b exchanged and 1 - x for x.

    It is 1/B(a, b) · ∫ t^a (1-t)^b (log t - ψ(a) + ψ(a + b)) ds over s = logit t < logit x.
    """
    one = full_like(x, 1.0)
    y = sub(one, x)
    log_x, log_y = call("log", x), call("log1p", neg(x))
    if mirrored:
        a, b, x, y, log_x, log_y = b, a, y, x, log_y, log_x
    both = add(a, b)
    p, q = call("max", a, one), call("max", b, one)
    left = call("le", x, div(p, add(p, q)))
    near, far = select(left, x, y), select(left, a, b)
    curvature = mul(both, mul(x, y))
    tau, weights = _points(_held(_width(sub(far, mul(both, near)), curvature)))
    shrunk = call("log1p", mul(_wide(near), call("expm1", neg(tau))))
    front = sub(add(call("mul0", a, log_x), call("mul0", b, log_y)), call("betaln", a, b))
    grown = neg(add(mul(_wide(far), tau), mul(_wide(both), shrunk)))
    moved = select(_wide(left), neg(tau), 0.0)
    mean = sub(call("digamma", a), call("digamma", both))
    factor = add(_wide(sub(log_x, mean)), sub(moved, shrunk))
    total = _integrated(add(_wide(front), grown), factor, weights)
    least = call("lt", call("min", a, b), _LEAST)
    return select(least, math.nan, select(left, total, neg(total)))
