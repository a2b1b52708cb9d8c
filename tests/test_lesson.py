"""The lesson on gradient descent and backpropagation, number by number, in both engines."""

import json

import numpy as np
import pytest

import descend
from whole import whole_alone

X = np.arange(100) / 100
Y = 4 * X**2 + 5 * X + 6
START = {"w1": 1, "w2": 0, "w3": 1}
ENGINES = ["native", "interpreted"]


def model(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def lesson(engine="native", **options):
    fixed = {
        "start": START, "loss": "mse", "optimizer": descend.SGD(lr=0.001), "batch_size": 1,
        "shuffle": False, "epochs": 1000, "stop_loss": 1e-5, "engine": engine,
    }  # fmt: skip
    return descend.fit(model, X, Y, **{**fixed, **options})


def test_the_training_job(engine="native"):
    fit = lesson(engine)
    assert fit.engine == engine
    assert fit.epochs == 1000 and fit.n_updates == 100_000
    assert fit.status == "epochs_spent" and fit.success
    assert f"{fit.running_loss:.8g}" == "0.00064228662"
    assert [f"{fit.params[n]:.9f}" for n in START] == ["4.334302857", "4.653193452", "6.061894967"]
    assert len(fit.history["loss"]) == 1000
    assert fit.history["loss"][-1] == fit.running_loss


@whole_alone
def test_the_interpreter_ends_there_too():
    """A hundred thousand updates one by one; twenty epochs of them are compared in every run."""
    test_the_training_job("interpreted")


def test_it_stops_where_the_lesson_says():
    fit = lesson(epochs=100_000)
    assert fit.epochs == 4830 and fit.status == "stop_loss"
    assert f"{fit.running_loss:.6g}" == "9.99145e-06"
    assert [f"{fit.params[n]:.9f}" for n in START] == ["4.041695580", "4.956744910", "6.007719786"]
    assert fit.history["loss"][-2] >= 1e-5


@pytest.mark.parametrize("engine", ENGINES)
def test_the_losses_are_those_of_plain_python(engine):
    """An independent loop, derivatives by hand."""
    w1, w2, w3 = 1.0, 0.0, 1.0
    means = []
    for _ in range(20):
        total = 0.0
        for x, y in zip(X.tolist(), Y.tolist(), strict=True):
            error = w1 * x * x + w2 * x + w3 - y
            total += error * error
            w1, w2, w3 = (w - 0.001 * 2 * error * d for w, d in ((w1, x * x), (w2, x), (w3, 1)))
        means.append(total / 100)
    fit = lesson(engine, epochs=20)
    np.testing.assert_allclose(fit.history["loss"], means, rtol=1e-12)
    np.testing.assert_allclose(list(fit.params.values()), [w1, w2, w3], rtol=1e-12)


def test_a_formula_gives_the_same():
    fit = descend.fit(
        "y = w1*x**2 + w2*x + w3", {"x": X, "y": Y}, start=START, optimizer="sgd", lr=0.001,
        batch_size=1, shuffle=False, epochs=1000, stop_loss=1e-5,
    )  # fmt: skip
    assert f"{fit.running_loss:.8g}" == "0.00064228662"
    assert f"{fit.params['w1']:.9f}" == "4.334302857"


def test_the_default_finds_the_truth():
    fit = descend.fit(model, X, Y)
    np.testing.assert_allclose(list(fit.params.values()), [4, 5, 6], rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_minimum_in_one_dimension(engine):
    found = descend.minimize(
        lambda x: (x - 3.0) ** 2 + 1.0, start=10.0, optimizer=descend.SGD(lr=0.1), engine=engine
    )
    assert found.status == "parameters_still"
    assert found.params == pytest.approx(3.0, abs=1e-9) and found.value == pytest.approx(1.0)
    highest = descend.maximize(
        lambda x: 5.0 - (x - 3.0) ** 2, start=0.0, optimizer=descend.SGD(lr=0.1), engine=engine
    )
    assert highest.params == pytest.approx(3.0, abs=1e-9) and highest.value == pytest.approx(5.0)


def test_the_gradient_of_several_variables():
    assert descend.grad(lambda x: 3 * x**2)(1.0) == 6.0
    gradient = descend.grad(lambda x: 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2)(np.ones(3))
    np.testing.assert_array_equal(gradient, [6, 8, 10])


def test_gradient_descent_by_hand():
    """θ_new = θ_old − α ∇J(θ), three times."""
    found = descend.minimize(
        lambda x: 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2, start=[1.0, 1.0, 1.0],
        optimizer=descend.SGD(lr=0.05), max_iter=3, record="params",
    )  # fmt: skip
    expected = np.ones(3)
    for k in range(3):
        expected = expected - 0.05 * np.array([6, 8, 10]) * expected
        np.testing.assert_allclose(found.history["params"]["x"][k], expected, rtol=1e-14)
    np.testing.assert_allclose(found.params, expected, rtol=1e-14)


def test_backpropagation_on_one_row():
    """Row 25 is x = 0.25, y = 7.5: every number by hand."""
    fit = lesson(epochs=1)
    told = fit.explain(row=25)
    forward = {step.label: float(step.value) for step in told.forward}
    assert list(forward.values()) == [0.0625, 0.0625, 0.0, 0.0625, 1.0625, -6.4375, 41.44140625]
    written = [step.written for step in told.forward[:5]]
    assert written == [
        "x**2", "w1 * x**2", "w2 * x", "w1 * x**2 + w2 * x", "w1 * x**2 + w2 * x + w3"
    ]  # fmt: skip
    (error,) = told.backward[0].sent
    assert (error.to, error.rule) == ("v6", "2 · v6")
    assert (float(error.local), float(error.value)) == (-12.875, -12.875)
    slopes = {name: float(value) for name, value in told.gradient.items()}
    assert slopes == {"w1": -0.8046875, "w2": -3.21875, "w3": -12.875}
    new = {u.name: float(u.new) for u in told.updates}
    assert new == pytest.approx({"w1": 1.0008046875, "w2": 0.00321875, "w3": 1.012875}, rel=1e-15)
    text = str(told)
    for line in (
        "data: x = 0.25, y = 7.5",
        "v6 = v5 - y  = -6.4375",
        "local      d loss/d v6 = 2 · v6 = -12.875",
        "d loss/d w1 = d loss/d v6 · d v6/d v5 · d v5/d v4 · d v4/d v2 · d v2/d w1",
        "= (-12.875) · 1 · 1 · 1 · 0.0625",
        "local      d v3/d w2 = x = 0.25",
        "goes out   to w2: (-12.875) × 0.25 = -3.21875",
        "w1 ← 1 - 0.001 × (-0.8046875) = 1.000804688",
    ):
        assert line in text
    assert json.loads(json.dumps(told.to_json_dict()))["gradient"]["w2"] == -3.21875


def test_the_explained_update_is_the_one_that_is_made():
    told = descend.explain(model, X, Y, row=25, start=START, optimizer=descend.SGD(lr=0.001))
    one = descend.fit(
        model, X[25:27], Y[25:27], start=START, optimizer=descend.SGD(lr=0.001), batch_size=1,
        shuffle=False, epochs=1, record="params", engine="interpreted", stop_loss=0,
    )  # fmt: skip
    first = {u.name: float(u.new) for u in told.updates}
    moved = descend.explain(
        model, X, Y, row=26, start=first, optimizer=descend.SGD(lr=0.001)
    )
    assert {u.name: float(u.new) for u in moved.updates} == one.params


@pytest.mark.parametrize(
    ("batch", "optimizer", "loss"),
    [
        (10, descend.SGD(lr=0.05), "mse"),
        (64, descend.Adam(lr=0.1), "mse"),
        (100, descend.Adagrad(lr=0.5), "mse"),
        (20, descend.AdamW(lr=0.01, weight_decay=0), "mae"),
        (7, descend.RMSprop(lr=0.01), "huber"),
        (50, descend.SGD(lr=0.1, momentum=0.9, nesterov=True), "log_cosh"),
    ],
    ids=lambda v: str(v).split("(")[0],
)
def test_any_batch_size_optimizer_and_loss(batch, optimizer, loss):
    fit = descend.fit(
        model, X, Y, start=START, optimizer=optimizer, loss=loss, batch_size=batch, epochs=3000
    )
    assert fit.loss < 0.01
    again = descend.fit(
        model, X, Y, start=START, optimizer=optimizer, loss=loss, batch_size=batch, epochs=5,
        engine="interpreted",
    )  # fmt: skip
    np.testing.assert_allclose(again.history["loss"], fit.history["loss"][:5], rtol=1e-9)


def test_a_start_from_earlier_training(tmp_path):
    fit = lesson(epochs=4000)
    fit.save(tmp_path / "parabola.descend")
    again = lesson(epochs=5000, start=descend.load(tmp_path / "parabola.descend"))
    assert again.start == fit.params and again.start_source == "from an earlier fit"
    assert again.epochs == 4830 - 4000
