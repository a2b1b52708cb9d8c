"""Functions of one number as expressions, for descend's graphs and for arbitrary precision.

An expression is a tuple: `("x",)`, `(name, u)` for a function of `taylor.FUNCTIONS` or `neg`,
`("+", 1.0, u)` and `("*", 2.0, u)` with constants, `("**", p, u)`, and `("+", u, v)`,
`("-", u, v)`, `("*", u, v)`, `("/", u, v)`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import mpmath as mp
import numpy as np

import descend.graph.special  # noqa: F401  (its primitives are entered)
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call, full_like
from descend.graph.linear import broadcast
from descend.graph.node import Node
from descend.graph.source import const, input_node
from differentiate import taylor
from differentiate.taylor import Taylor

Expression = tuple[Any, ...]
X: Expression = ("x",)

OFTEN = {"exp": 4, "reciprocal": 3, "sqrt": 2, "log": 2}
NAMES = [name for name in taylor.FUNCTIONS if name != "erfcx"]
FACTORS = (1.0, 2.0, -1.0, 0.5, 3.0)
POWERS = (-2.0, -1.5, -1.0, -0.5, 0.25, 0.5, 1.5, 2.0, 3.0)
NODES = {"+": "add", "-": "sub", "*": "mul", "/": "div"}

ORDERS = {
    "reverse": 1,
    "forward": 1,
    "reverse over reverse": 2,
    "forward over reverse": 2,
    "reverse over forward": 2,
    "forward over forward": 2,
}


def drawn(seed: int) -> Expression:
    rng = random.Random(seed)
    return _drawn(rng, rng.choice([2, 3, 4, 5]))


def _drawn(rng: random.Random, depth: int) -> Expression:
    if not depth:
        return X
    kind = rng.random()
    if kind < 0.5:
        name = rng.choices(NAMES, [OFTEN.get(n, 1) for n in NAMES])[0]
        return name, _drawn(rng, depth - 1)
    if kind < 0.6:
        return "neg", _drawn(rng, depth - 1)
    if kind < 0.72:
        return rng.choice("+*"), rng.choice(FACTORS), _drawn(rng, depth - 1)
    if kind < 0.82:
        return "**", rng.choice(POWERS), _drawn(rng, depth - 1)
    shorter = rng.randrange(depth)
    return rng.choice("+-**//"), _drawn(rng, shorter), _drawn(rng, depth - 1)


def written(e: Expression) -> str:
    """An expression as a formula."""
    if e == X:
        return "x"
    if len(e) == 2:
        return f"-({written(e[1])})" if e[0] == "neg" else f"{e[0]}({written(e[1])})"
    left = written(e[1]) if isinstance(e[1], tuple) else f"{e[1]:g}"
    if e[0] == "**":
        return f"({written(e[2])})**{left}"
    return f"({left} {e[0]} {written(e[2])})"


def graph(e: Expression, x: Node) -> Node:
    if e == X:
        return x
    if len(e) == 2:
        u = graph(e[1], x)
        if e[0] in ("square", "cube"):
            return call("mul", u, u) if e[0] == "square" else call("pow", u, 3.0)
        return call("div", 1.0, u) if e[0] == "reciprocal" else call(e[0], u)
    if isinstance(e[1], tuple):
        return call(NODES[e[0]], graph(e[1], x), graph(e[2], x))
    u = graph(e[2], x)
    fixed = full_like(u, e[1])
    return call("pow", u, fixed) if e[0] == "**" else call(NODES[e[0]], fixed, u)


def exact(e: Expression, x: Taylor) -> Taylor:
    if e == X:
        return x
    if len(e) == 2:
        u = exact(e[1], x)
        return u * taylor.constant(-1) if e[0] == "neg" else u.through(taylor.FUNCTIONS[e[0]])
    if e[0] == "**":
        return exact(e[2], x).through(taylor.power(e[1]))
    u = exact(e[1], x) if isinstance(e[1], tuple) else taylor.constant(e[1])
    v = exact(e[2], x)
    if e[0] == "+":
        return u + v
    if e[0] == "-":
        return u - v
    return u * v if e[0] == "*" else u / v


def truth(e: Expression, x: float) -> tuple[bool, list[Taylor]]:
    """Whether f has derivatives at x, and f, f′ and f″; else those beside it on both sides.

    Raises `taylor.Unknown` where arbitrary precision does not settle it, either.
    """
    try:
        with mp.workdps(50):
            rough = exact(e, taylor.variable(x))
        with mp.workdps(90):
            fine = exact(e, taylor.variable(x))
    except taylor.Singular:
        return False, _sides(e, x)
    for a, b in ((rough.first, fine.first), (rough.second, fine.second)):
        if abs(a - b) > mp.mpf(10) ** -12 * abs(b) + mp.mpf(10) ** -300:
            raise taylor.Unknown
    return True, [fine]


def _sides(e: Expression, x: float) -> list[Taylor]:
    found = []
    with mp.workdps(150):
        step = mp.mpf(10) ** -60 * (abs(mp.mpf(x)) or 1)
        for side in (step, -step):
            try:
                found.append(exact(e, taylor.variable(mp.mpf(x) + side)))
            except taylor.Singular:
                continue
    if not found:
        raise taylor.Unknown
    return found


def derivatives(e: Expression, points: Sequence[float]) -> tuple[Node, list[Node]]:
    """The input, and the value with its derivatives of both orders in every mode."""
    x = input_node("x", (len(points),))
    one = broadcast(const(1.0), x.shape, ())
    f = graph(e, x)
    (back,) = reverse([f], [one], [x])
    (ahead,) = forward([f], [x], [one])
    second = [
        walked
        for first in (back, ahead)
        for walked in (*reverse([first], [one], [x]), *forward([first], [x], [one]))
    ]
    return x, [f, back, ahead, *second]


def is_right(got: float, order: int, true: Sequence[Taylor]) -> bool:
    """Whether a number is the derivative up to rounding, or between those of both sides.

    At a kink the slope is taken between those of the sides (0 of |x|, ½ of a tie), and of a bend
    there is nothing to compare with.
    """
    if order == 2 and len(true) == 2 and abs(true[0].first - true[1].first) > 1e-9:
        return True
    wants = [float(t.first if order == 1 else t.second) for t in true]
    terms = max(float(t.terms if order == 1 else t.second_terms) for t in true)
    allowed = 1e-6 * max(map(abs, wants)) + 1e-9 * terms + 1e-12
    return bool(np.isinf(allowed) or min(wants) - allowed <= got <= max(wants) + allowed)
