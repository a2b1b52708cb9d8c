"""Random programs: both modes, both orders, simplified or not, against differences."""

import numpy as np
import pytest
from hypothesis import given

from descend.differentiate.batch import batch
from descend.differentiate.check import ridders
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.evaluate import evaluate
from descend.graph.source import const, input_node
from descend.simplify.driver import simplify
from differentiate.random_programs import SHAPE, Step, build, programs, seeds
from fuzz.rounding import check_close, expect


def near(a: object, b: object, tolerance: float = 1e-9) -> None:
    a, b = np.asarray(a), np.asarray(b)
    scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


@pytest.mark.fuzz
@given(programs, seeds)
def test_random_programs(program: list[Step], seed: int) -> None:
    inputs, loss = build(program)
    rng = np.random.default_rng(seed)
    x, y, u, v = rng.uniform(-1.5, 1.5, (4, *SHAPE))
    point = dict(zip(inputs, (x, y), strict=True))
    one, directions = const(1.0), [const(u), const(v)]
    gradients = reverse([loss], [one], inputs)
    (slope,) = forward([loss], inputs, directions)
    curved = forward(gradients, inputs, directions)
    again = reverse(gradients, directions, inputs)
    graph = [loss, slope, *gradients, *curved, *again]
    check_graph(graph)
    smaller = simplify(graph, final=True)
    check_graph(smaller)
    assert simplify(smaller, final=True) == smaller
    plain = evaluate(graph, point)
    fewer = evaluate(smaller, point)
    try:
        for a, b in zip(fewer, plain, strict=True):
            near(a, b)
    except AssertionError:  # the program itself may magnify its last places
        check_close(fewer, expect(graph, point, also=[smaller]))
    _, along, gx, gy, cx, cy, hx, hy = plain
    near(along, np.sum(gx * u) + np.sum(gy * v))
    near(cx, hx)
    near(cy, hy)

    def line(t: np.ndarray) -> np.ndarray:
        return evaluate([loss], dict(zip(inputs, (x + t * u, y + t * v), strict=True)))[0]

    expected, error = ridders(line, np.zeros(()), 0, 0.02)
    if error < 1e-7:
        near(along, expected, 1e-6 + 100 * error)


@pytest.mark.fuzz
@given(programs, seeds)
def test_random_programs_batched(program: list[Step], seed: int) -> None:
    inputs, loss = build(program)
    rng = np.random.default_rng(seed)
    xs, ys = rng.uniform(-1.5, 1.5, (2, 3, *SHAPE))
    outputs = [loss, *reverse([loss], [const(1.0)], inputs)]
    for flags in ((True, False), (True, True)):
        many = {n: input_node("many", (3, *SHAPE)) for n, f in zip(inputs, flags, strict=True) if f}
        given_many = dict(zip(many.values(), (xs, ys), strict=False))
        together = evaluate(simplify(batch(outputs, many, 3)), {inputs[1]: ys[0]} | given_many)
        for k in range(3):
            point = {inputs[0]: xs[k], inputs[1]: ys[k] if flags[1] else ys[0]}
            alone = evaluate(outputs, point)
            try:
                for a, b in zip(together, alone, strict=True):
                    near(a[k], b)
            except AssertionError:  # the program itself may magnify its last places
                check_close([a[k] for a in together], expect(outputs, point))
