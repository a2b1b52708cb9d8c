"""Products of partials, and what 0 times infinity is in them.

What is carried along a chain (a tangent, or a cotangent) may be 0 or infinite for reasons of which
the number tells nothing. A 0 may say that nothing depends here on anything (a branch not taken, a
tangent that is 0), that a function is stationary at one point (x² at 0), or that it is saturated
(1/w for an infinite w). An infinity may come by overflow (exp(800)) or from a pole (1/x at 0).

Two rules decide. Where nothing depends, the product is 0, whatever the partial. Where a value is
infinite by overflow, it is so in a whole neighbourhood; so a finite result above it is constant
there, and its derivative 0. Of a pole this is not true: 0 times infinity stays NaN, as for √x² at
0. Each step is told apart by what its primitive declares (`graph.node.Partial`), not by numbers;
so what is written costs nothing where it has nothing to decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Literal

from descend.differentiate.flow import Alive, Flow, nonzero
from descend.differentiate.overflow import Overflow, is_parameter
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.node import Node, Partial
from descend.graph.ranges import away_from_zero, constant

__all__ = ["added", "ahead", "back"]

_FADE = frozenset(("exp", "exp2", "expm1", "erf", "erfc", "expit", "log_ndtr"))
_STEEP = frozenset(("sqrt", "cbrt", "pow", "arcsin", "arccos", "arccosh", "root_square_less_one"))
_EVERYWHERE = frozenset(("broadcast", "sum", "reshape", "transpose", "flip", "cumsum"))


# --- one step -----------------------------------------------------------------------------------


def _answer(asked: bool | Callable[..., bool], node: Node, moving: Sequence[bool]) -> bool:
    return asked if isinstance(asked, bool) else asked(node, moving)


def _guarded(d: Flow, pole: bool, made: Node) -> Node:
    """0 outside of where d is alive, where the partial may be infinite or undefined there."""
    if d.alive is None or not (pole or d.branch):
        return made
    return select(d.alive(), made, 0.0)


def _fixed(d: Flow, p: Node, pole: bool) -> Flow:
    """Times a partial that does not move: where it is 0, nothing depends."""
    if d.steep:
        both = call("mul_sat", d.node, p, both=True) if pole else call("mul0", p, d.node)
        made = _guarded(d, pole, both)
    elif d.exact:
        made = call("mul0", d.node, p)
    else:
        plain = call("mul_sat", d.node, p, both=False) if pole else call("mul", d.node, p)
        made = _guarded(d, pole, plain)
    whole = d.of(made, nonzero(made) if d.exact else None)
    whole.big = d.big or pole
    return whole


def _sided(d: Flow, p: Node) -> Flow:
    """Times a partial of sides: where it is 0, another one was chosen."""
    made = _only_where(d, p, call("mul0", p, d.node) if d.steep else call("mul0", d.node, p))
    made.saturated = True
    return made


def _only_where(d: Flow, p: Node, made: Node) -> Flow:
    """Alive only where p is not 0."""
    before, chosen = d.alive, nonzero(p)

    def alive() -> Node:
        return chosen() if before is None else call("and", before(), chosen())

    return d.of(made, Alive(alive, before))


def _times(
    d: Flow, node: Node, place: int, partial: Partial, moving: Sequence[bool], known: Overflow,
    backward: bool,
) -> Flow:  # fmt: skip
    """What is carried, times the partial for one argument."""
    how = partial.how
    if how == "one":
        return d
    if how == "minus":
        return d.of(call("neg", d.node))
    p = partial.local(*node.args, node)
    value = constant(p)
    if value == value and 0 < abs(value) < math.inf:
        return d.of(call("mul", d.node, p))
    if how == "0mul":
        return _only_where(d, p, call("mul0", p, d.node))
    if how == "mul0":
        limit = d.big and not d.wild and p in known.above
        product = call("mul_sat", d.node, p, both=True) if limit else call("mul0", d.node, p)
        made = d.of(product)
        made.wild = d.wild or p in known.singular
        return made
    if how == "mask":
        return _sided(d, p)
    pole = _answer(partial.pole, node, moving)
    if partial.apart and sum(moving) == 1:
        return _fixed(d, p, pole and not is_parameter(node.args[1 - place]))
    isolated = _answer(partial.isolated, node, moving)
    large = node in known.large
    grown = not known.large.isdisjoint(node.args)
    over, under = _limits(d, node, place, partial, pole, isolated, known, backward)
    first, *rest = _split(node, place, p, known)
    product = _product(d, first, over, under)
    if d.wild and _answer(partial.still, node, moving):
        product, rest = call("mul0", p, d.node), []
    far = _far(node, known) if pole and backward and d.saturated else None
    if far is not None:
        settled = call("mul_sat", d.node, first, both=True)
        product = settled if far is True else select(far, settled, product)
    for factor in rest:
        if d.exact and pole:
            product = call("mul0", product, factor)
        elif away_from_zero(node.args[place]):
            product = call("mul", product, factor)
        else:
            product = call("mul_sat", product, factor, both=True)
    if not d.exact or under:
        product = _guarded(d, pole, product)
    whole = d.of(product)
    whole.exact = d.exact and not backward and not isolated and not _underflows(node, place, known)
    whole.wild = d.wild or pole
    whole.steep = d.steep or (pole and node.op.name in _STEEP)
    ends = grown or (backward and not known.singular.isdisjoint(node.args))
    whole.saturated = d.saturated or (partial.settles and ends) or how == "mul_sat"
    whole.big = d.big or how == "mul_sat" or (large and not backward)
    return whole


def _limits(
    d: Flow, node: Node, place: int, partial: Partial, pole: bool, isolated: bool,
    known: Overflow, backward: bool,
) -> tuple[bool, bool]:  # fmt: skip
    """Whether 0 · ∞, and whether ∞ · 0, is 0 in d times the partial."""
    if partial.how == "mul_sat":
        return True, not d.wild
    nothing = d.saturated if backward else d.alive is not None and not d.exact
    over = nothing and node in known.large and not pole
    if d.wild:
        fades = node.op.name in _FADE or not known.large.isdisjoint(node.args)
        return over, backward and partial.settles and not isolated and fades
    if not d.big or partial.settles:
        return over, d.big
    return over, any(a in known.above for i, a in enumerate(node.args) if i != place)


def _far(node: Node, known: Overflow) -> Node | Literal[True] | None:
    """Where a partial that has a pole is infinite for another reason, which holds all around.

    A power is so for an infinite base; others where their argument is 0 whatever moves, as a rate
    times a time of 0. Of a dose over a number that moves nothing else is left.
    """
    argument = node.args[1 if node.op.name == "div" else 0]
    dead = _dead(argument, known)
    if node.op.name != "pow":
        return dead
    while argument.op.name == "neg":
        argument = argument.args[0]
    if argument.op.name == "div" and argument.args[0] not in known.moving:
        return True
    away = call("ne", argument, 0.0)
    return away if dead is None else call("or", away, dead)


def _dead(node: Node, known: Overflow) -> Node | None:
    """Where a node is 0 on account of a factor that does not move."""
    found: Node | None = None
    while node in known.moving:
        name, args = node.op.name, node.args
        if name not in ("mul", "div", "neg"):
            break
        still = [a for a in args if a not in known.moving and math.isnan(constant(a))]
        if still and (name == "mul" or still[0] is args[0]):
            own = call("eq", still[0], 0.0)
            found = own if found is None else call("or", found, own)
        node = next(a for a in args if a in known.moving)
    return found


def _underflows(node: Node, place: int, known: Overflow) -> bool:
    """Whether a partial is 0 where numbers are large, but neither the value nor they are at an end.

    That of c/w is −c/w², which is 0 from w = 1e162 on.
    """
    name, args = node.op.name, node.args
    if not known.large.isdisjoint(args):
        return False
    over = name == "div" and place == 1 and constant(args[0]) == constant(args[0])
    return over or (name == "pow" and place == 0 and constant(args[1]) < 0.0)


def _split(node: Node, place: int, p: Node, known: Overflow) -> list[Node]:
    """Factors of a partial, of which none underflows before it meets what is as large.

    The slope of 1/w is −1/w², which is 0 from w = 1e162 on; what comes in may be as large as w.
    """
    name, args = node.op.name, node.args
    if name == "div" and place == 1 and args[1] in known.large:
        return [call("div", full_like(p, 1.0), args[1]), call("neg", node)]
    if name == "pow" and place == 0 and args[0] in known.large and constant(args[1]) < 0.0:
        return [call("div", full_like(p, 1.0), args[0]), call("mul", node, args[1])]
    return [p]


def _product(d: Flow, p: Node, over: bool, under: bool) -> Node:
    """d · p; `over`: 0 · ∞ is 0, `under`: ∞ · 0 is 0."""
    if under and (over or d.exact):
        return call("mul_sat", d.node, p, both=True)
    if under:
        return call("mul_sat", p, d.node, both=False)
    if d.exact:
        return call("mul0", d.node, p)
    if over:
        return call("mul_sat", d.node, p, both=False)
    return call("mul", d.node, p)


# --- one node -----------------------------------------------------------------------------------


def ahead(tangents: Sequence[Flow | None], node: Node, known: Overflow) -> Flow | None:
    """The tangent of a node from those of its arguments."""
    op = node.op
    if op.partials is not None:
        moving = [t is not None for t in tangents]
        terms = [
            _times(t, node, i, p, moving, known, backward=False)
            for i, (t, p) in enumerate(zip(tangents, op.partials, strict=True))
            if t is not None and p is not None
        ]
        return added(terms, total) if terms else None
    made = op.jvp([None if t is None else t.node for t in tangents], node)
    if made is None:
        return None
    parts = [t for t in tangents if t is not None]
    if op.name == "select":
        return _chosen(tangents, node, made)
    whole = _merged(parts, made)
    if op.kind == "opaque":
        return _opaque(whole, made)
    if op.kind == "multilinear":
        return _multiplied(whole, made, len(parts))
    if whole.alive is not None or op.masks or len(parts) < len(node.args):

        def alive() -> Node:
            return _where(op.jvp([None if t is None else _mask(t) for t in tangents], node))

        whole.alive = Alive(alive, *[t.alive for t in parts])
    return whole


def back(d: Flow, node: Node, wanted: Sequence[bool], known: Overflow) -> list[Flow | None]:
    """The cotangents that a node sends to its arguments."""
    op = node.op
    if op.partials is not None:
        return [
            _times(d, node, i, p, wanted, known, backward=True) if w and p is not None else None
            for i, (w, p) in enumerate(zip(wanted, op.partials, strict=True))
        ]
    return [
        None if made is None else _sent(d, node, wanted, i, made)
        for i, made in enumerate(op.vjp(d.node, node, wanted))
    ]


def _sent(d: Flow, node: Node, wanted: Sequence[bool], i: int, made: Node) -> Flow:
    op = node.op
    if op.name == "select":
        return _branch(d, node, i, made)
    if op.kind == "opaque":
        return _opaque(d, made)
    if op.kind == "multilinear":
        return _multiplied(d, made, sum(wanted))
    whole = d.of(made)
    if d.alive is not None or op.name not in _EVERYWHERE:
        before = d.alive
        whole.alive = Alive(lambda: _where(op.vjp(_mask(d), node, wanted)[i]), before)
    return whole


def _multiplied(d: Flow, made: Node, moving: int) -> Flow:
    """What a product of arrays makes, of which so many move."""
    whole = d.of(made, d.alive and nonzero(made))
    whole.exact, whole.branch = d.exact and moving == 1, False
    return whole


def _opaque(d: Flow, made: Node) -> Flow:
    """What comes out of an operation of which nothing is known."""
    whole = _multiplied(d, made, 2)
    whole.wild = whole.steep = True
    return whole


def _where(mask: Node | None) -> Node:
    """Where a derivative of masks says that something is alive."""
    assert mask is not None
    return call("ne", mask, 0.0)


def _mask(d: Flow) -> Node:
    """1 where a derivative is alive, else 0."""
    return full_like(d.node, 1.0) if d.alive is None else cast(d.alive(), d.node.dtype)


def _branch(d: Flow, node: Node, place: int, made: Node) -> Flow:
    """What goes back into one branch."""
    condition, before = node.args[0], d.alive

    def alive() -> Node:
        own = condition if place == 1 else call("not", condition)
        return own if before is None else call("and", own, before())

    whole = d.of(made, Alive(alive, before))
    whole.branch = True
    return whole


def _chosen(tangents: Sequence[Flow | None], node: Node, made: Node) -> Flow:
    """The tangent of a choice between two branches."""
    branches = tangents[1:]
    whole = _merged([t for t in branches if t is not None], made)
    if any(t is None or t.alive is not None for t in branches):
        condition = node.args[0]
        yes, no = (
            full_like(condition, False) if t is None
            else full_like(condition, True) if t.alive is None else t.alive
            for t in branches
        )  # fmt: skip
        whole.branch = True
        before = [t.alive for t in branches if t is not None]
        whole.alive = Alive(lambda: select(condition, _made(yes), _made(no)), *before)
    return whole


def _made(condition: Node | Alive) -> Node:
    return condition if isinstance(condition, Node) else condition()


def _merged(parts: Sequence[Flow], made: Node) -> Flow:
    """What is known of a node that is made of several derivatives."""
    whole = parts[0].of(made)
    for part in parts[1:]:
        whole.exact = whole.exact and part.exact
        whole.branch = whole.branch or part.branch
        whole.wild = whole.wild or part.wild
        whole.steep = whole.steep or part.steep
        whole.saturated = whole.saturated or part.saturated
        whole.big = whole.big or part.big
        if part.alive is None:
            whole.alive = None
    if len(parts) > 1 and whole.alive is not None:
        alive = [part.alive for part in parts if part.alive is not None]
        whole.alive = Alive(
            lambda: reduce(lambda x, y: call("or", x, y), [a() for a in alive]), *alive
        )
    return whole


def added(parts: Sequence[Flow], sum_of: Callable[[Sequence[Node]], Node]) -> Flow:
    """The sum of derivatives that meet in one node."""
    if len(parts) == 1:
        return parts[0]
    return _merged(parts, sum_of([part.node for part in parts]))


def total(parts: Sequence[Node]) -> Node:
    """The sum of the parts, left to right."""
    return reduce(lambda x, y: call("add", x, y), parts)
