"""Every differentiable primitive where its derivatives are hardest to tell: no wrong finite number.

The oracle is arbitrary precision, which neither overflows nor underflows. A derivative is right if
it is the exact one for arguments within a few units in the last place, to 8 digits. What is below
the smallest normal number may be 0, above the largest infinite. What all floating-point arithmetic
loses is allowed for, and nothing else: the rounding error of the largest derivative of the same
order, and that of the order below over a change of the argument by 1 (or by its own size, if that
is larger). At a kink a slope between those of both sides is right, and where there is no slope
nothing is asked of the second derivative. Where the value itself is not right (SciPy's digits
end), nothing is asked, either. Every derivative may be NaN; where it exists few are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import isfinite, isinf, isnan

import mpmath as mp
import numpy as np
import pytest

import descend.graph.determinant  # noqa: F401  (its primitives are entered)
from descend.compile.function import compile_graph
from descend.differentiate.forward import forward
from descend.differentiate.overflow import doubted
from descend.differentiate.reverse import reverse
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast
from descend.graph.node import PRIMITIVES, Node, Primitive
from descend.graph.source import const, input_node
from descend.simplify.driver import simplify
from differentiate.array_hard_points import ARRAYS
from differentiate.hard_points import LIMITS, ROWS, UNDEFINED, Place, Row
from differentiate.jets import BESIDE, Jet, Nothing, jets, value
from whole import WHOLE

PART = 3
"""How many points the ordinary run takes of a function of one argument."""

What = tuple[str, tuple[int, ...]]
INSIDE = {
    "scan": "what stands inside of it is differentiated",
    "custom": "the user's own rule",
    "black_box": "differences of the user's function",
    "shared": "what stands inside of it is differentiated",
    "sound_solve": "of the descent, after differentiation",
}
INDEX = {"argmax", "argmin", "argsort"}


def differentiable(op: Primitive) -> bool:
    if op.kind == "elementwise" and op.partials is not None:
        return any(p is not None for p in op.partials)
    return op.kind != "source" and op.name not in INDEX


def test_no_differentiable_operation_is_without_hard_points() -> None:
    covered = {row.name for row in ROWS} | {case.name for case in ARRAYS} | set(INSIDE)
    missing = {name for name, op in PRIMITIVES.items() if differentiable(op)} - covered
    assert not missing, f"no hard points: {sorted(missing)}"


def derivatives(row: Row, count: int) -> tuple[list[Node], dict[What, Node]]:
    """The inputs, and the value with its derivatives of both orders in every mode."""
    inputs = [input_node(f"x{i}", (count,)) for i in range(len(row.points[0]))]
    one = broadcast(const(1.0), (count,), ())
    out = row.build(*inputs)
    made: dict[What, Node] = {("value", ()): out}

    def slopes(of: Node, mode: str, which: tuple[int, ...]) -> None:
        backward = reverse([of], [one], inputs)
        for i, x in enumerate(inputs):
            (ahead,) = forward([of], [x], [one])
            pair = doubted([backward[i], ahead], of, [of])
            for name, d in zip(("reverse", "forward"), pair, strict=True):
                made[f"{name} over {mode}" if mode else name, (*which, i)] = d

    slopes(out, "", ())
    for (mode, which), d in list(made.items())[1:]:
        slopes(d, mode, which)
    return inputs, made


def computed(row: Row, points: Sequence[Place], native: bool) -> dict[What, np.ndarray]:
    inputs, made = derivatives(row, len(points))
    outputs = simplify(list(made.values()), final=True)
    given = [np.array(column) for column in zip(*points, strict=True)]
    with np.errstate(all="ignore"):
        if native:
            got = compile_graph(outputs, inputs)(given)
        else:
            got = evaluate(outputs, dict(zip(inputs, given, strict=True)))
    return dict(zip(made, got, strict=True))


# --- what is right ------------------------------------------------------------------------------


def truth(row: Row, place: Place) -> tuple[Jet, ...]:
    return jets(row.meaning, place, row.may_break(place), row.digits)


def within(got: float, low: mp.mpf, high: mp.mpf, allowed: mp.mpf) -> bool:
    if isinf(got):
        return bool((high if got > 0 else -low) > mp.mpf("1e307"))
    return bool(low - allowed <= mp.mpf(got) <= high + allowed)


def is_right(
    got: float, found: Sequence[Jet], which: tuple[int, ...], place: Place, row: Row
) -> bool:
    wants = [jet.entry(which) for jet in found]
    low, high = min(wants), max(wants)
    below, last = which[:-1], which[-1]
    if row.whole and len(which) == 2:
        largest = max(abs(bend) for jet in found for bend in jet.second.values())
    else:
        largest = max(abs(jet.entry((*below, i))) for jet in found for i in range(len(place)))
    sizes = [min(abs(v), 1e250) for v in place]
    if row.whole:
        unit = (min if PRIMITIVES[row.name].kind == "elementwise" else max)(sizes) or 1.0
    else:
        unit = max(1.0, sizes[last])
    allowed = mp.mpf("1e-8") * max(abs(low), abs(high)) + mp.mpf("1e-307") + row.rounding
    allowed += mp.mpf("1e-13") * largest
    allowed += mp.mpf("2e-14") * max(abs(jet.entry(below)) for jet in found) / unit
    if row.whole and len(which) == 2:
        allowed += mp.mpf("2e-14") * max(abs(jet.value) for jet in found) / mp.mpf(unit) ** 2
    if row.may_break(place) and len(which) == 1:
        allowed += 2 * BESIDE * max(abs(bend) for jet in found for bend in jet.second.values())
    elif row.may_break(place) or any(map(isinf, place)):
        allowed += mp.mpf("1e-20")
    return within(got, low, high, allowed)


def about(row: Row, place: Place) -> list[Jet]:
    """The derivatives for arguments within a few units in the last place."""
    found = list(truth(row, place))
    for signs in itertools.product((1.0, -1.0), repeat=len(place)):
        try:
            found += truth(
                row, tuple(v * (1 + s * 4e-15) for v, s in zip(place, signs, strict=True))
            )
        except Nothing:
            continue
    return found


def exists(found: Sequence[Jet], which: tuple[int, ...]) -> bool:
    wants = [jet.entry(which) for jet in found]
    size = max(map(abs, wants))
    if size > 1e300:
        return False
    return bool(max(wants) - min(wants) <= mp.mpf("1e-8") * size + mp.mpf("1e-20"))


def has_value(row: Row, place: Place, got: float) -> bool:
    """Whether the value is finite and right: else nothing is asked of the derivatives."""
    if not isfinite(got):
        return False
    try:
        want = value(row.meaning, place, row.digits)
    except Nothing:
        return True
    return bool(abs(mp.mpf(got) - want) <= mp.mpf("1e-9") * abs(want) + mp.mpf("1e-307"))


def is_asked(row: Row, place: Place) -> bool:
    """Whether a derivative that exists should be a number."""
    shapes = place[: UNDEFINED.get(row.name, 0)]
    regular = all(map(isfinite, place)) and not row.may_break(place)
    return regular and all(shape >= 1e-4 for shape in shapes)


Verdict = tuple[str, bool, bool]


def compared(row: Row, points: Sequence[Place], native: bool) -> Iterator[Verdict]:
    """For each derivative: what it is, whether it is finite, whether it is right."""
    got = computed(row, points, native)
    for k, place in enumerate(points):
        if (str(row), place) in LIMITS or not has_value(row, place, float(got["value", ()][k])):
            continue
        try:
            found: Sequence[Jet] = truth(row, place)
        except Nothing:
            found = []
        for (mode, which), column in got.items():
            if not which:
                continue
            d = float(column[k])
            what = f"{mode} of {row} by {which} at {place}: {d}"
            if not found:
                yield what, isfinite(d), not isfinite(d)
                continue
            what += f", not {mp.nstr(found[0].entry(which), 12)}"
            bend = len(which) == 2 and not exists(found, which[:1])
            right = bend or (not isnan(d) and is_right(d, found, which, place, row))
            if not right and isfinite(d):
                right = is_right(d, about(row, place), which, place, row)
            asked = is_asked(row, place) and exists(found, which)
            yield what, isfinite(d), right or (not isfinite(d) and not asked)


def part(row: Row) -> list[Place]:
    """A few of the points, from all over them; fewer of several arguments."""
    count = max(1, PART // len(row.points[0]))
    return list(row.points[1 :: max(1, len(row.points) // count) | 1])


@pytest.mark.fuzz
@pytest.mark.parametrize("row", [*ROWS, *ARRAYS], ids=str)
def test_hard_points(row: Row) -> None:
    """A few of them in the ordinary run, all where fuzzing is asked for."""
    points = row.points if WHOLE else part(row)
    found = [
        v
        for native in ((False, True) if WHOLE else (False,))
        for v in compared(row, points, native)
    ]
    wrong = [what for what, finite, right in found if finite and not right]
    assert not wrong, "\n".join(wrong)
    silent = [what for what, finite, right in found if not finite and not right]
    assert len(silent) <= 0.05 * len(found) + 4, "\n".join(silent)
