"""What each elementwise function of scipy.special is in primitives, where it is not one of them.

As in `ufunc_rules`: an entry receives nodes of one dtype and shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import descend.graph.special  # noqa: F401  (its primitives are entered)
from descend.graph.elementwise import ScipyUfunc, call, full_like, select
from descend.graph.node import PRIMITIVES, Node

__all__ = ["SPECIAL_EMIT"]

Emit = Callable[..., Any]
_EXPREL = [1.0 / math.factorial(k + 1) for k in range(18)]


def primitive(name: str) -> Emit:
    """The primitive of a name, applied."""
    return PRIMITIVES[name].apply


def is_nan(x: Node) -> Node:
    """Whether each element is NaN."""
    return call("ne", x, x)


def _logit(p: Node) -> Node:
    """log(p / (1 - p)), exact near one half: log1p where p is not small."""
    near = call("sub", call("mul", p, 2.0), 1.0)
    inside = call("lt", call("abs", near), 0.4)
    safe = select(inside, near, full_like(p, 0))
    middle = call("sub", call("log1p", safe), call("log1p", call("neg", safe)))
    outer = select(inside, full_like(p, 0.25), p)
    tail = call("sub", call("log", outer), call("log1p", call("neg", outer)))
    return select(inside, middle, tail)


def _xlogy(x: Node, y: Node) -> Node:
    return select(is_nan(y), y, call("mul0", x, call("log", y)))


def _xlog1py(x: Node, y: Node) -> Node:
    return select(is_nan(y), y, call("mul0", x, call("log1p", y)))


def _entr(x: Node) -> Node:
    inside = call("neg", call("mul0", x, call("log", x)))
    return select(call("lt", x, 0), full_like(x, -math.inf), inside)


def _rel_entr(x: Node, y: Node) -> Node:
    """x log(x / y), 0 at x = 0 ≤ y, infinite outside the quadrant."""
    valid = call("and", call("le", full_like(x, 0), x), call("le", full_like(y, 0), y))
    valid = call("or", valid, call("or", is_nan(x), is_nan(y)))
    inside = call("mul0", x, call("sub", call("log", x), call("log", y)))
    return select(valid, inside, full_like(x, math.inf))


def _kl_div(x: Node, y: Node) -> Node:
    return call("add", call("sub", _rel_entr(x, y), x), y)


def _log_expit(x: Node) -> Node:
    """-log(1 + exp(-x)), without overflow: min(x, 0) - log1p(exp(-|x|)), smooth at 0."""
    below = call("lt", x, 0)
    shrink = call("exp", select(below, x, call("neg", x)))
    return call("sub", select(below, x, full_like(x, 0)), call("log1p", shrink))


def _ndtr(x: Node) -> Node:
    return call("mul", call("erfc", call("mul", x, -math.sqrt(0.5))), 0.5)


def _huber(delta: Node, r: Node) -> Node:
    size = call("abs", r)
    near = call("mul", call("mul", r, r), 0.5)
    far = call("mul", delta, call("sub", size, call("mul", delta, 0.5)))
    inside = select(call("le", size, delta), near, far)
    return select(call("lt", delta, 0), full_like(r, math.inf), inside)


def _pseudo_huber(delta: Node, r: Node) -> Node:
    ratio = call("div", r, delta)
    grown = call("add", call("mul", ratio, ratio), 1.0)
    bowl = call("sub", call("sqrt", grown), 1.0)
    return call("mul", call("mul", delta, delta), bowl)


def _exprel(x: Node) -> Node:
    """(exp(x) - 1)/x, by its series near 0, where it keeps its derivatives' digits."""
    near = call("lt", call("abs", x), 1.0)
    small = select(near, x, 0.0)
    series = full_like(x, _EXPREL[-1])
    for factor in reversed(_EXPREL[:-1]):
        series = call("add", call("mul", series, small), factor)
    large = select(near, full_like(x, 1.0), x)
    return select(near, series, call("div", call("expm1", large), large))


def _boxcox(x: Node, power: Node) -> Node:
    """(x^λ - 1)/λ, log x at λ = 0."""
    logarithm = call("log", x)
    return call("mul", logarithm, _exprel(call("mul", power, logarithm)))


def _boxcox1p(x: Node, power: Node) -> Node:
    logarithm = call("log1p", x)
    return call("mul", logarithm, _exprel(call("mul", power, logarithm)))


def _cosm1(x: Node) -> Node:
    half = call("sin", call("mul", x, 0.5))
    return call("mul", call("mul", half, half), -2.0)


def _voigt_profile(x: Node, sigma: Node, gamma: Node) -> Node:
    """Re w((x + iγ)/(σ√2))/(σ√(2π)); a Lorentzian where σ = 0, a Gaussian where γ = 0."""
    sharp = call("eq", sigma, 0.0)
    spread = select(sharp, full_like(sigma, 1.0), sigma)
    scaled = call("mul", spread, math.sqrt(2.0))
    inside = call("wofz_real", call("div", x, scaled), call("div", gamma, scaled))
    voigt = call("div", call("mul", inside, 1.0 / math.sqrt(math.pi)), scaled)
    square = call("add", call("mul", x, x), call("mul", gamma, gamma))
    lorentz = call("div", call("mul", gamma, 1.0 / math.pi), square)
    return select(sharp, lorentz, voigt)


def _half(x: Node) -> Node:
    return call("mul", x, 0.5)


def _share(p: Node, q: Node, x: Node) -> Node:
    """p·x/(p·x + q)."""
    grown = call("mul", p, x)
    return call("div", grown, call("add", grown, q))


def _stdtr(df: Node, t: Node) -> Node:
    """Student's distribution, by the incomplete beta function of the side of t."""
    square = call("mul", t, t)
    share = call("div", df, call("add", df, square))
    tail = _half(call("betainc", _half(df), full_like(df, 0.5), share))
    return select(call("lt", t, 0.0), tail, call("sub", full_like(t, 1.0), tail))


def _bessel(name: str, order: int) -> Emit:
    return lambda x: call(name, x, order=float(order))


SPECIAL_EMIT: dict[str, Emit] = {
    **{p.meaning.name: p.apply for p in PRIMITIVES.values() if isinstance(p.meaning, ScipyUfunc)},
    "logit": _logit,
    "log_expit": _log_expit,
    "xlogy": _xlogy,
    "xlog1py": _xlog1py,
    "loggamma": primitive("gammaln"),
    "psi": primitive("digamma"),
    "entr": _entr,
    "rel_entr": _rel_entr,
    "kl_div": _kl_div,
    "ndtr": _ndtr,
    "huber": _huber,
    "pseudo_huber": _pseudo_huber,
    "exp2": primitive("exp2"),
    "exp10": lambda x: call("pow", full_like(x, 10.0), x),
    "expm1": primitive("expm1"),
    "log1p": primitive("log1p"),
    "cbrt": primitive("cbrt"),
    **{
        f"{kind}{order}{end}": _bessel(f"{kind}v{end}", order)
        for kind, end in (("j", ""), ("y", ""), ("i", ""), ("k", ""), ("i", "e"), ("k", "e"))
        for order in (0, 1)
    },
    "voigt_profile": _voigt_profile,
    "exprel": _exprel,
    "boxcox": _boxcox,
    "boxcox1p": _boxcox1p,
    "cosm1": _cosm1,
    "gdtr": lambda a, b, x: call("gammainc", b, call("mul", a, x)),
    "gdtrc": lambda a, b, x: call("gammaincc", b, call("mul", a, x)),
    "chdtr": lambda v, x: call("gammainc", _half(v), _half(x)),
    "chdtrc": lambda v, x: call("gammaincc", _half(v), _half(x)),
    "fdtr": lambda p, q, x: call("betainc", _half(p), _half(q), _share(p, q, x)),
    "fdtrc": lambda p, q, x: call("betaincc", _half(p), _half(q), _share(p, q, x)),
    "stdtr": _stdtr,
}
