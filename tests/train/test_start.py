"""A run that is stepped: the bits of one call, numbers that change on the way, copies."""

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.methods.schedules import Cosine
from whole import covered

RNG = np.random.default_rng(0)
X = RNG.normal(size=(103, 3))
Y = np.sin(X[:, 0])
LINE = np.linspace(0.0, 1.0, 30)
DECAY = dict(model="y = a*exp(-k*x)", x={"x": LINE, "y": 2 * np.exp(-3 * LINE)})
CALLS = {
    "network": dict(model=nn.mlp([8]), x=X, y=Y, batch_size=20, lr=0.01, epochs=8),
    "held back": dict(model=nn.mlp([8]), x=X, y=Y, validation_split=0.2, patience=3, lr=0.05,
                      batch_size=20, epochs=60),
    "one row": dict(DECAY, start=dict(a=1.0, k=1.0), optimizer="sgd", lr=0.1, batch_size=1,
                    epochs=20),
    "momentum": dict(DECAY, start=dict(a=1.0, k=1.0), optimizer=descend.SGD(0.1, momentum=0.9),
                     epochs=50),
    "running values": dict(model=nn.mlp([8], batch_norm=True, dropout=0.1), x=X, y=Y, lr=0.02,
                           batch_size=20, validation_split=0.2, patience=3, epochs=12),
    "schedule": dict(DECAY, start=dict(a=1.0, k=1.0), batch_size=7, epochs=30,
                     optimizer=descend.SGD(lr=Cosine(0.1, 30))),
    "squares": dict(DECAY, start=dict(a=1.0, k=1.0)),
    "quasi-newton": dict(DECAY, start=dict(a=1.0, k=1.0), loss="log_cosh", optimizer="bfgs"),
    "bounds": dict(DECAY, start=dict(a=1.0, k=1.0), bounds={"k": (0, 2)}, optimizer="adam",
                   lr=0.05, epochs=40),
}  # fmt: skip


def begun(**call):
    return descend.start(call.pop("model"), call.pop("x"), call.pop("y", None), **call)


@covered("name, sizes", CALLS, [(1,), (7, 2, 30)])
def test_steps_end_at_the_bits_of_one_call(name, sizes):
    call = CALLS[name]
    whole = descend.fit(call["model"], call["x"], call.get("y"), starts=1,
                        **{k: v for k, v in call.items() if k not in ("model", "x", "y")})
    run, turn = begun(**call), 0
    while not run.ended:
        run.step(batches=sizes[turn % len(sizes)])
        turn += 1
    found = run.fit
    for parameter, value in whole.params.items():
        np.testing.assert_array_equal(found.params[parameter], value)
    assert (found.status, found.epochs, found.loss) == (whole.status, whole.epochs, whole.loss)
    np.testing.assert_array_equal(found.predict(call["x"]), whole.predict(call["x"]))
    np.testing.assert_array_equal(found.history["loss"], whole.history["loss"])
    again = run.step(epochs=5).fit
    assert again.epochs == whole.epochs


def test_on_the_way_it_serves_with_the_running_values_of_where_it_stands():
    call = CALLS["running values"] | {"validation_split": 0.0, "patience": None}
    short = {k: v for k, v in call.items() if k not in ("model", "x", "y")} | {"epochs": 5}
    whole = descend.fit(call["model"], X, Y, **short)
    run = begun(**call).step(epochs=5)
    assert not run.ended and run.loss == pytest.approx(whole.loss, rel=1e-6)
    np.testing.assert_array_equal(run.fit.predict(X), whole.predict(X))
    np.testing.assert_array_equal(run.copy().fit.predict(X), whole.predict(X))


def test_it_goes_by_rows_batches_and_epochs():
    run = begun(**CALLS["network"])
    assert (run.epoch, run.updates) == (0, 0)
    run.step()
    assert run.updates == 1
    run.step(batches=4).step(examples=3)
    assert (run.epoch, run.updates) == (1, 6)
    run.step(epochs=2).step(examples=40)
    assert (run.epoch, run.updates) == (3, 20)
    assert len(run.history["loss"]) == 3
    assert "epoch 3, 20 updates, loss" in repr(run)


def test_a_loss_is_that_of_the_parameters_as_they_are():
    run = begun(**CALLS["one row"]).step(epochs=3)
    a, k = run.params["a"], run.params["k"]
    np.testing.assert_allclose(run.loss, np.mean((a * np.exp(-k * LINE) - DECAY["x"]["y"]) ** 2))


def test_numbers_change_without_compiling_and_are_told():
    run = begun(**CALLS["network"]).step(epochs=2)
    fit = run.set(lr=0.05).step(epochs=2).fit
    first = descend.fit(nn.mlp([8]), X, Y, batch_size=20, lr=0.01, epochs=2)
    rest = descend.fit(nn.mlp([8]), X, Y, batch_size=20, lr=0.05, epochs=4, resume=first)
    np.testing.assert_array_equal(fit.params["0.weight"], rest.params["0.weight"])
    assert fit.optimizer == "Adam(lr=0.05)"
    run = begun(**CALLS["momentum"]).step(epochs=2).set(momentum=0.0, lr=0.2)
    before = run.params["k"]
    slope = descend.grad(
        lambda k, a: np.mean((a * np.exp(-k * LINE) - 2 * np.exp(-3 * LINE)) ** 2)
    )(before, run.params["a"])
    np.testing.assert_allclose(run.step().params["k"], before - 0.2 * slope)


def test_parameters_are_set_all_or_some():
    run = begun(**CALLS["one row"])
    run.params = dict(a=2.0, k=3.0)
    assert run.loss == 0.0
    run.params = dict(k=2.5)
    assert run.params == dict(a=2.0, k=2.5)
    squares = begun(**CALLS["squares"]).step()
    squares.params = dict(k=2.5)
    assert squares.params == dict(a=1.0, k=2.5)
    np.testing.assert_allclose(squares.step(batches=100).fit.params["k"], 3.0)
    network = begun(**CALLS["network"])
    weight = np.zeros((8, 3))
    network.params = {"0.weight": weight}
    np.testing.assert_array_equal(network.params["0.weight"], weight)


def test_a_copy_goes_its_own_way():
    run = begun(**CALLS["network"]).step(epochs=1)
    other = run.copy()
    other.set(lr=1.0).step(epochs=2)
    assert (run.epoch, other.epoch) == (1, 3)
    same = begun(**CALLS["network"]).step(epochs=3)
    np.testing.assert_array_equal(
        run.step(epochs=2).params["0.weight"], same.params["0.weight"]
    )


def test_what_stands_is_a_fit_and_can_go_on():
    run = begun(**CALLS["network"]).step(epochs=3)
    fit = run.fit
    assert (fit.status, fit.verdict, fit.success) == ("paused", "interrupted", False)
    assert fit.message == "stands after 3 epochs, and may go on"
    run.step(epochs=5)
    assert fit.epochs == 3
    rest = descend.fit(nn.mlp([8]), X, Y, batch_size=20, lr=0.01, epochs=8, resume=fit)
    np.testing.assert_array_equal(rest.params["0.weight"], run.params["0.weight"])


def test_a_callback_ends_a_step():
    seen = []
    run = descend.start(
        nn.mlp([8]), X, Y, batch_size=20, callback=lambda m: seen.append(m.epoch) or m.epoch == 2
    )
    run.step(epochs=5)
    assert seen == [1, 2] and run.epoch == 2
    assert run.step(epochs=1).epoch == 3


@pytest.mark.parametrize(("wrong", "told"), [
    (lambda run: run.set(lrr=1.0), r'no number "lrr" .did you mean "lr".*numbers are lr, betas.0'),
    (lambda run: run.set(momentum=0.9), r'no number "momentum".*what is 0 or not said at the st'),
    (lambda run: run.step(examples=7), r"7 rows end within a batch of 20(.|\n)*batch_size=7"),
    (lambda run: run.step(examples=20, epochs=1), "goes on by examples or by epochs"),
    (lambda run: run.set(lr=-0.1), "lr must lie in"),
    (lambda run: run.step(batches=1.5), "whole numbers of batches, not by 1.5"),
    (lambda run: run.step(batches=-1), "goes forwards only, not by -1"),
    (lambda run: setattr(run, "params", {"w": 1.0}), 'params names "w", which is no parameter'),
    (lambda run: setattr(run, "params", {"0.bias": np.zeros(3)}), r"given the shape .3,., and has"),
    (lambda run: descend.start(nn.mlp([8]), X, Y, epoch=3), r'no option "epoch" .did you mean'),
])  # fmt: skip
def test_what_cannot_be_meant_is_told(wrong, told):
    run = begun(**CALLS["network"])
    with pytest.raises(descend.UsageError, match=told.replace(".*", r"(.|\n)*")):
        wrong(run)
