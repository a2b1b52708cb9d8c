"""Every optimiser's step and every loss, traced: the graph computes what the NumPy code does."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from descend.graph.evaluate import evaluate
from descend.graph.source import input_node
from descend.methods.losses import CrossEntropy, GaussianNLL, Hinge, KLDivergence
from descend.methods.schedules import as_schedule, cosine, exponential, step, warmup
from descend.methods.table import LOSSES, OPTIMIZERS, as_loss, as_optimizer
from descend.trace.tensor import wrap
from descend.trace.trace import trace_function

VARIANTS = [
    *((name, {}) for name in OPTIMIZERS),
    ("sgd", {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("sgd", {"lr": 1e-5, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("rmsprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("adam", {"amsgrad": True, "weight_decay": 0.1}),
]


class Inputs:
    """Stand-ins for arrays, and the arrays they stand for at the moment."""

    def __init__(self):
        self.nodes, self.values = {}, {}

    def put(self, name, array):
        array = np.asarray(array)
        if name not in self.nodes:
            self.nodes[name] = input_node(name, array.shape, array.dtype)
        self.values[self.nodes[name]] = array
        return wrap(self.nodes[name])

    def group(self, prefix, arrays):
        return {name: self.put(f"{prefix}.{name}", a) for name, a in arrays.items()}


def valley(p):
    """Rosenbrock's function, a sum of squares, with everything a method may need."""
    r = np.array([1 - p[0], 10 * (p[1] - p[0] ** 2)], p.dtype)
    jacobian = np.array([[-1, 0], [-20 * p[0], 10]], p.dtype)
    bent = np.array([[-20 * r[1], 0], [0, 0]], p.dtype)
    return {
        "loss": r @ r,
        "gradient": 2 * jacobian.T @ r,
        "jtj": jacobian.T @ jacobian,
        "jtr": jacobian.T @ r,
        "hessian": 2 * (jacobian.T @ jacobian + bent),
        "bending": -20 * jacobian[1],
    }


def evaluated(given):
    """What a method sees: arrays or stand-ins, and functions of a direction."""
    e = SimpleNamespace(**given)
    e.hvp = lambda v: np.sum(e.hessian * v[None, :], axis=1)
    e.jt_rvv = lambda v: e.bending * v[0] ** 2
    return e


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_traced_step_is_the_step(name, options, dtype):
    method, inputs = as_optimizer(name, **options), Inputs()
    p = np.array([-1.2, 1.0], dtype)
    s = method.init(p)

    def arguments(t):
        bound = method.bind(inputs.group("h", method.numbers()))
        h = SimpleNamespace(**{f.name: getattr(bound, f.name) for f in fields(bound)})
        h.t = inputs.put("t", t)
        e = evaluated(inputs.group("e", valley(p)))
        return inputs.put("p", p), e, inputs.group("s", s), h

    moved, after = trace_function(method.step, arguments(1.0)).result
    for t in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        arguments(t)
        found = evaluate([moved, *after.values()], inputs.values)
        e, h = evaluated(valley(p)), method.hyper(method.numbers(), t=t)
        p, s = method.step(p, e, s, h)
        for label, value, expected in zip(
            ["p", *after], found, [p, *(s[key] for key in after)], strict=True
        ):
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape), label
            rtol = 1e-13 if dtype == np.float64 else 1e-5
            np.testing.assert_allclose(value, expected, rtol=rtol, err_msg=label)


def example(loss):
    rng = np.random.default_rng(3)
    if isinstance(loss, GaussianNLL):
        return rng.normal(size=(6, 2)), rng.normal(size=6)
    if isinstance(loss, CrossEntropy):
        return rng.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0])
    if isinstance(loss, KLDivergence):
        return rng.dirichlet(np.ones(3), size=6), rng.dirichlet(np.ones(3), size=6)
    target = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    return rng.uniform(0.1, 0.9, size=6), 2 * target - 1 if isinstance(loss, Hinge) else target


@pytest.mark.parametrize(
    "loss",
    [*(as_loss(name) for name in LOSSES), CrossEntropy(label_smoothing=0.1)],
    ids=lambda loss: str(loss)[:50],
)
def test_a_traced_loss_is_the_loss(loss):
    inputs = Inputs()
    prediction, target = example(loss)
    bound = loss.bind(inputs.group("loss", loss.numbers()))
    given = inputs.put("prediction", prediction), inputs.put("target", target)
    (found,) = evaluate(trace_function(bound.per_row, given).outputs, inputs.values)
    np.testing.assert_allclose(found, loss.per_row(prediction, target), rtol=1e-13)


@pytest.mark.parametrize(
    "schedule",
    [
        as_schedule(0.1),
        step(0.1, every=3),
        exponential(0.1),
        cosine(0.1, epochs=5),
        warmup(3, then=cosine(0.1, epochs=5)),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_traced_schedule_is_the_schedule(schedule):
    inputs = Inputs()
    bound = schedule.bind(inputs.group("lr", schedule.numbers()))
    outputs = trace_function(bound.value, (inputs.put("epoch", 0.0),)).outputs
    for epoch in (0.0, 2.0, 3.0, 7.0, 20.0):
        inputs.put("epoch", epoch)
        assert evaluate(outputs, inputs.values)[0] == pytest.approx(float(schedule.value(epoch)))
