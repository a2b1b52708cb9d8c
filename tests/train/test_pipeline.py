"""The passes in order, programs that are as small as can be, graphs that obey the grammar."""

from collections import Counter

import numpy as np
import pytest

import descend
from descend.graph.blocks import BLOCK
from descend.graph.check import check_graph
from descend.graph.node import postorder
from descend.graph.program import program_graphs
from descend.methods.table import OPTIMIZERS, as_loss, as_optimizer
from descend.task.options import Options
from descend.train.reading import Reading

X = np.linspace(0.0, 2.0, 20)
Y = 2 * X + 1


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def built(**options):
    fixed = {"start": {"w1": 1, "w2": 0, "w3": 1}, "engine": "interpreted"}
    return Reading(parabola, X, Y, Options("fit", **{**fixed, **options})).job.build()[0]


def test_the_story_in_order():
    made = built(optimizer=descend.SGD(lr=0.1), batch_size=1)
    names = [p.name for p in made.descent.passes]
    assert names == ["trace", "loss", "gradient", "update", "simplify"]
    text = str(made.descent.passes[0])
    assert text.splitlines()[-1].startswith("prediction = %")
    assert "d loss / d w1 = " in str(made.descent.passes[2])
    by_lm = built()
    assert [p.name for p in by_lm.descent.passes][2] == "normal equations"


def test_plain_descent_carries_its_parameters_and_nothing_else():
    made = built(optimizer=descend.SGD(lr=0.1), batch_size=1).descent
    assert made.state == ("w1", "w2", "w3")
    assert made.data == ("x", "target")
    assert made.fixed == ("optimizer.lr",)
    assert made.records == ("loss",)
    per_row = [n.op.name for n in postorder([slot.step for slot in made.program.slots]) if n.shape]
    arithmetic = sorted(name for name in per_row if name not in ("input", "broadcast"))
    assert arithmetic == ["add", "add", "mul", "mul", "mul", "mul", "mul", "sub"]


def test_sigmas_that_were_checked_cost_one_division_and_no_guard():
    def decay(x, a, b, c):
        return a * np.exp(-b * x) + c

    def by_rows(**weights):
        options = Options("fit", start={"a": 1, "b": 1, "c": 0}, engine="interpreted", **weights)
        made = Reading(decay, X, Y, options).job.build()[0].descent
        order = postorder([slot.step for slot in made.program.slots])
        return Counter(n.op.name for n in order if made.program.rows in n.shape)

    plain, scaled = by_rows(), by_rows(sigma=np.full(20, 0.5))
    assert (plain["div"], scaled["div"]) == (0, 1)
    assert [scaled[name] for name in ("mul0", "mul_sat", "select")] == [
        plain[name] for name in ("mul0", "mul_sat", "select")
    ]


def test_unused_columns_are_not_bound():
    options = Options("fit", start={"a": 1}, engine="interpreted")
    fitting = Reading(lambda u, v, a: a * u, {"u": X, "v": X}, Y, options)
    assert fitting.job.build()[0].descent.data == ("u", "target")


COMBINATIONS = [
    (optimizer, loss)
    for optimizer in sorted(OPTIMIZERS)
    for loss in ("mse", "mae", "huber", "log_cosh", "quantile", "poisson")
    if loss == "mse" or as_optimizer(optimizer).needs != "gauss_newton"
]


@pytest.mark.parametrize(("optimizer", "loss"), COMBINATIONS)
def test_every_combination_obeys_the_grammar(optimizer, loss):
    options = {"patience": 3, "keep_best": True, "record": ("params", "gradient")}
    made = built(optimizer=optimizer, loss=as_loss(loss), **options).descent
    for _, graph in program_graphs(made.program):
        assert check_graph(graph.values()) > 0
    given = {*made.program.state, *made.program.data, *made.program.fixed}
    given |= {made.program.epoch.index, made.program.epoch.loss}
    for _, graph in program_graphs(made.program):
        inputs = {n for n in postorder(graph.values()) if n.op.name == "input"}
        assert inputs <= given


def test_same_recipe_same_program():
    """Hash-consing and fixed orders: the text of a program does not depend on the run."""
    texts = []
    for _ in range(2):
        made = Reading(
            lambda x, a, b: a * np.tanh(b * x),
            X,
            Y,
            Options("fit", start={"a": 1, "b": 1}, optimizer="adam", engine="interpreted"),
        ).job.build()[0]
        texts.append([str(p) for p in made.descent.passes])
    assert texts[0] == texts[1]


def test_many_parameters_take_the_batched_jacobian():
    """Forty cosines: beyond 32 numbers the tangents are an axis of their own."""
    x = (np.arange(200) + 0.5) / 200
    k = np.arange(40)
    truth = 1.0 / (1 + k)

    def model(x, w):
        return np.tanh(np.cos(np.pi * x[:, None] * k) @ w / 4)

    y = model(x, truth)
    native, plain = (
        descend.fit(model, x, y, start={"w": np.zeros(40)}, epochs=30, engine=engine)
        for engine in ("native", "interpreted")
    )
    assert native.optimizer == "LevenbergMarquardt()"
    np.testing.assert_allclose(native.history["loss"][:4], plain.history["loss"][:4], rtol=1e-9)
    for fit in (native, plain):
        np.testing.assert_allclose(fit.params["w"], truth, atol=1e-9)


def test_many_parameters_and_rows():
    """Thirty-six parameters by name, more rows than a block: each step against NumPy's."""
    names = [f"a{k}" for k in range(36)]
    formula = "y = tanh(" + " + ".join(f"{n}*cos({k}*x)" for k, n in enumerate(names)) + ")"
    n = BLOCK + 1234
    x = np.pi * (np.arange(n) + 0.5) / n
    table = np.cos(np.arange(36) * x[:, None])
    w = 0.5 / (1 + np.arange(36.0))
    y = np.tanh(table @ w) + 0.01 * np.sin(1000 * x)
    found = descend.fit(formula, {"x": x, "y": y}, start=dict.fromkeys(names, 0.0))
    assert found.status == "converged", found.message
    w = np.array([found.params[name] for name in names])
    value = np.tanh(table @ w)
    jacobian = table * (1 - value**2)[:, None]
    step = np.linalg.lstsq(jacobian, y - value, rcond=None)[0]
    inverse = np.linalg.inv(jacobian.T @ jacobian)
    errors = np.sqrt(np.diag(inverse) * np.sum((y - value) ** 2) / (n - 36))
    assert np.all(np.abs(step) < 1e-3 * errors)
    np.testing.assert_allclose([found.stderr[name] for name in names], errors, rtol=1e-8)


@pytest.mark.parametrize("optimizer", ["adam", "lm"])
@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_names_of_the_users_clash_with_none_of_ours(engine, optimizer):
    def model(target, sigma, sample_weight, t, lr, parameters, method, best, epoch):
        return target * t + sigma * lr + sample_weight * parameters + method * best + epoch

    data = {"target": X, "sigma": X**2, "sample_weight": np.sin(3 * X)}
    y = 2 * X + X**2 - np.sin(3 * X) + 1
    start = dict.fromkeys(("t", "lr", "parameters", "epoch"), 0.5) | {"method": 1.0, "best": 0.5}
    fit = descend.fit(
        model, data, y, start=start, optimizer=optimizer, engine=engine, epochs=4, record="params",
        sigma=np.linspace(1, 2, 20), sample_weight=np.linspace(1, 3, 20), keep_best=True,
        ftol=1e-12, patience=3,
    )  # fmt: skip
    other = descend.fit(
        lambda u, v, w, a, b, c, d, e, f: u * a + v * b + w * c + d * e + f,
        tuple(data.values()), y, start=dict(zip("abcdef", start.values(), strict=True))
        | {"d": 1.0, "e": 0.5, "f": 0.5}, optimizer=optimizer, engine=engine, epochs=4,
        sigma=np.linspace(1, 2, 20), sample_weight=np.linspace(1, 3, 20), keep_best=True,
        ftol=1e-12, patience=3,
    )  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), list(other.params.values()), rtol=1e-12)
    assert fit.loss == pytest.approx(other.loss, rel=1e-12)
    assert "sigma = " in str(fit.explain(3))
