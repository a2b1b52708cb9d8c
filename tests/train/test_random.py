"""Models that draw: against loops in NumPy over the same numbers, and the same bits everywhere."""

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import descend
from descend.graph.program import permutation
from oracles import draws as plain

RNG = np.random.default_rng(5)
X, W1, W2 = RNG.normal(size=(10, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
Y = np.sin(X[:, 0])
START = dict(w1=W1, w2=W2)
P = 0.6


def dropped(x, w1, w2):
    h = np.tanh(x @ w1)
    return (h * descend.random.bernoulli(P, h.shape) / P) @ w2


def sgd(**given: Any) -> Any:
    options: dict[str, Any] = dict(start=START, optimizer="sgd", lr=0.1, epochs=3)
    return descend.fit(dropped, X, Y, **{**options, **given})


def by_hand(batch: int, seed: int = 0, shuffle: bool = False) -> tuple[np.ndarray, ...]:
    """Three epochs of SGD, its gradient worked out with the mask that the loss has seen."""
    w1, w2, step, losses = W1, W2, 0, []
    for epoch in range(3):
        order = permutation(len(X), seed, epoch) if shuffle else np.arange(len(X))
        total = 0.0
        for first in range(0, len(X), batch):
            rows = order[first : first + batch]
            mask = plain.bernoulli(P, rows, 4, seed, step, 0) / P
            h = np.tanh(X[rows] @ w1)
            r = (h * mask) @ w2 - Y[rows]
            total += (r**2).sum()
            back = 2 / len(rows) * np.outer(r, w2) * mask * (1 - h**2)
            w1, w2 = w1 - 0.1 * X[rows].T @ back, w2 - 0.1 * 2 / len(rows) * (h * mask).T @ r
            step += 1
        losses.append(total / len(X))
    return w1, w2, np.array(losses)


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize(("batch", "shuffle"), [(10, False), (4, False), (4, True), (1, True)])
def test_dropout_trains_as_a_loop_over_the_same_masks(
    batch: int, shuffle: bool, engine: str
) -> None:
    fit = sgd(batch_size=batch, shuffle=shuffle, seed=3, engine=engine)
    w1, w2, losses = by_hand(batch, 3, shuffle)
    np.testing.assert_allclose(fit.params["w1"], w1, rtol=1e-12)
    np.testing.assert_allclose(fit.params["w2"], w2, rtol=1e-12)
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-12)


def test_what_comes_after_the_training_takes_the_means() -> None:
    fit = sgd(batch_size=4)
    mean = np.tanh(X @ fit.params["w1"]) @ fit.params["w2"]
    np.testing.assert_allclose(fit.predict(X), mean, rtol=1e-13)
    np.testing.assert_allclose(fit.fitted, mean, rtol=1e-13)
    assert fit.loss == pytest.approx(((mean - Y) ** 2).mean(), rel=1e-13)
    assert fit.loss != pytest.approx(fit.running_loss, rel=0.01)
    assert fit.draws == 1 and "serves with the mean of every draw" in str(fit)
    np.testing.assert_allclose(dropped(X, **fit.params), mean, rtol=1e-13)


def test_rows_held_back_are_judged_by_the_means() -> None:
    fit = sgd(batch_size=4, validation_split=0.3, epochs=1)
    held = sorted({*map(tuple, X)} - {*map(tuple, fit.x["x"])})
    y = np.sin(np.array(held)[:, 0])
    loss = ((fit.predict(np.array(held)) - y) ** 2).mean()
    assert fit.history["validation_loss"][-1] == pytest.approx(loss, rel=1e-12)


def test_rows_held_back_change_no_draw_of_the_others() -> None:
    """A row draws by its number in the data, and not by its place among the rows that are left."""
    fit = sgd(validation_split=0.3, epochs=1)
    rows = np.flatnonzero((X[:, None] == fit.x["x"]).all(2).any(1))
    h, mask = np.tanh(X[rows] @ W1), plain.bernoulli(P, rows, 4, 0, 0, 0) / P
    loss = (((h * mask) @ W2 - Y[rows]) ** 2).mean()
    assert fit.history["loss"][0] == pytest.approx(loss, rel=1e-12)


def test_rows_that_are_left_out_change_no_draw_of_the_others() -> None:
    y = np.where(np.arange(10) == 3, np.nan, Y)
    fit = descend.fit(dropped, X, y, start=START, optimizer="sgd", epochs=1, missing="drop")
    rows = np.delete(np.arange(10), 3)
    h, mask = np.tanh(X[rows] @ W1), plain.bernoulli(P, rows, 4, 0, 0, 0) / P
    loss = (((h * mask) @ W2 - Y[rows]) ** 2).mean()
    assert fit.history["loss"][0] == pytest.approx(loss, rel=1e-12)


def test_a_global_fit_draws_for_each_dataset() -> None:
    given: dict[str, Any] = dict(shared="a", start={"a": 1.0}, optimizer="sgd", lr=0.0, epochs=2)
    fit = descend.fit_global(noisy, [X[:, 0], X[:6, 0]], [Y, Y[:6]], **given)
    assert fit.history["loss"][0] != fit.history["loss"][1]
    np.testing.assert_allclose(fit.datasets[1].fitted, X[:6, 0], rtol=1e-14)


def test_every_draw_of_a_model_is_its_own() -> None:
    """Two equal calls are two draws; their shapes say whether rows share them."""

    def model(x, a):
        r = descend.random
        first, second = r.normal(x.shape), r.normal(x.shape)
        return a * x + first - 2 * second + r.uniform(2)[1] + r.uniform() * r.bernoulli(0.5, 5)[3]

    fit = descend.fit(model, X[:, 0], Y, start={"a": 1.0}, optimizer="sgd", lr=0.0, epochs=3)
    rows = range(10)
    for step, loss in enumerate(fit.history["loss"]):
        a, b = (plain.normal(rows, 1, 0, step, i)[:, 0] for i in (0, 1))
        shared = plain.uniform([0], 2, 0, step, 2)[0, 1]
        gate = plain.bernoulli(0.5, [0], 5, 0, step, 4)[0, 3]
        made = X[:, 0] + a - 2 * b + shared + plain.uniform([0], 1, 0, step, 3)[0, 0] * gate
        assert loss == pytest.approx(((made - Y) ** 2).mean(), rel=1e-12)
    np.testing.assert_allclose(fit.predict(X[:, 0]), X[:, 0] + 0.5 + 0.25, rtol=1e-14)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_a_resumed_run_is_an_unbroken_one_in_bits(optimizer: str, tmp_path: Any) -> None:
    given: dict[str, Any] = dict(optimizer=optimizer, lr=0.01, batch_size=4)
    whole = sgd(**given, epochs=6)
    file = tmp_path / "run.checkpoint"
    half = sgd(**given, epochs=3, checkpoint=file)
    for earlier in (half, descend.load(file), pickle.loads(pickle.dumps(half))):
        again = sgd(**given, epochs=6, resume=earlier)
        assert np.array_equal(again.params["w1"], whole.params["w1"])
        assert np.array_equal(again.history["loss"], whole.history["loss"])


def test_a_run_that_was_stopped_within_an_epoch_goes_on_in_bits(tmp_path: Any) -> None:
    file = tmp_path / "run.checkpoint"
    given: dict[str, Any] = dict(
        start=START, optimizer="sgd", lr=1e-4, batch_size=1, epochs=8000
    )
    whole = descend.fit(dropped, X[:7], Y[:7], **given)
    cut = descend.fit(dropped, X[:7], Y[:7], **given, max_seconds=1e-9, checkpoint=file)
    assert cut.n_updates < whole.n_updates and cut.n_updates % 7
    again = descend.fit(dropped, X[:7], Y[:7], **given, resume=descend.load(file))
    assert np.array_equal(again.params["w1"], whole.params["w1"])


def test_one_start_among_several_is_the_same_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        among = sgd(starts=3)
    again = sgd(starts=1, start=among.start)
    assert np.array_equal(again.params["w1"], among.params["w1"])


def test_threads_and_blocks_change_no_bit() -> None:
    n = 140_000
    x = np.linspace(-1.0, 1.0, 3 * n).reshape(n, 3)
    given: dict[str, Any] = dict(start=START, optimizer="adam", lr=0.05, epochs=3)
    one, two, read = (
        descend.fit(dropped, x, x[:, 0], **given, **more)
        for more in ({"threads": 1}, {"threads": 2}, {"engine": "interpreted"})
    )
    assert np.array_equal(one.params["w1"], two.params["w1"])
    np.testing.assert_allclose(one.params["w1"], read.params["w1"], rtol=1e-10)


def test_rows_of_blocks_draw_by_their_own_numbers() -> None:
    n = 140_000

    def model(x, a):
        return a + x * descend.random.bernoulli(0.5, x.shape)

    rows = [0, 1, 65_535, 65_536, 131_072, n - 1]
    x = np.zeros(n)
    x[rows] = 2.0 ** np.arange(6)
    fit = descend.fit(model, x, 0 * x, start={"a": 0.0}, optimizer="sgd", lr=0.0, epochs=2)
    for step in (0, 1):
        drawn = plain.bernoulli(0.5, rows, 1, 0, step, 0)[:, 0]
        assert fit.history["loss"][step] * n == pytest.approx((drawn * 4.0 ** np.arange(6)).sum())


def recurrent(x, a, c):
    """Dropout of the carry, anew in every iteration; noise that all rows share."""

    def step(h, t):
        drop = descend.random.bernoulli(P, x.shape[:1]) / P
        return np.tanh(a * h * drop + c * x[:, t]), descend.random.normal()

    h, noise = descend.scan(step, np.ones(len(x)), np.arange(3))
    return h + 0.1 * noise.sum() + descend.random.uniform(x.shape[:1])


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("batch", [4, 10])
def test_a_loop_draws_by_its_iterations(batch: int, engine: str) -> None:
    fit = descend.fit(
        recurrent, X, Y, start={"a": 0.5, "c": 0.8}, optimizer="sgd", lr=0.1, epochs=2,
        batch_size=batch, shuffle=False, engine=engine,
    )  # fmt: skip

    def loss_at(p: np.ndarray, step: int, rows: np.ndarray) -> float:
        h, noise = np.ones(len(rows)), 0.0
        for t in range(3):
            drop = plain.bernoulli(P, rows, 1, 0, step, 0, [t])[:, 0] / P
            h = np.tanh(p[0] * h * drop + p[1] * X[rows, t])
            noise += plain.normal([0], 1, 0, step, 1, [t])[0, 0]
        made = h + 0.1 * noise + plain.uniform(rows, 1, 0, step, 2)[:, 0]
        return float(((made - Y[rows]) ** 2).mean())

    p, step = np.array([0.5, 0.8]), 0
    for epoch in range(2):
        total = 0.0
        for first in range(0, 10, batch):
            rows = np.arange(10)[first : first + batch]
            total += len(rows) * loss_at(p, step, rows)
            moves = 1e-5 * np.eye(2)
            slope = [loss_at(p + d, step, rows) - loss_at(p - d, step, rows) for d in moves]
            p, step = p - 0.1 * np.array(slope) / 2e-5, step + 1
        assert fit.history["loss"][epoch] == pytest.approx(total / 10, rel=1e-8)
    np.testing.assert_allclose([fit.params["a"], fit.params["c"]], p, rtol=1e-8)


def test_an_unfitted_function_draws_means() -> None:
    def f(p):
        return np.sum(p**2) * descend.random.bernoulli(0.25) + descend.random.uniform()

    assert f(np.ones(4)) == 1.5
    np.testing.assert_allclose(descend.grad(f)(np.ones(4)), 0.5)
    assert descend.random.normal((2, 3), np.float32).dtype == np.float32


def test_a_function_with_noise_is_minimised_by_a_first_order_method() -> None:
    def f(p):
        return np.sum((p - 1) ** 2) + descend.random.normal(2) @ p

    found = descend.minimize(f, np.zeros(2), optimizer="sgd", lr=0.1, max_iter=7)
    p = np.zeros(2)
    for step in range(7):
        p = p - 0.1 * (2 * (p - 1) + plain.normal([0], 2, 0, step, 0)[0])
    np.testing.assert_allclose(found.params, p, rtol=1e-13)
    assert found.value == pytest.approx(((p - 1) ** 2).sum())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_noise_about_a_minimum_is_no_growth(seed: int, epochs: int) -> None:
    """Warnings are errors here: the model as it serves moves away from where it began."""
    given: dict[str, Any] = dict(start={"a": 1.0}, optimizer="sgd", lr=0.05, batch_size=5)
    fit = descend.fit(noisy, X[:, 0], X[:, 0], **given, epochs=epochs, seed=seed)
    assert fit.success and fit.loss > 0


def test_a_noisy_descent_that_goes_up_is_said_to() -> None:
    given: dict[str, Any] = dict(start={"a": 0.0}, optimizer="sgd", lr=3.0, epochs=12)
    with pytest.warns(descend.DivergedWarning, match="the loss in training grew from"):
        fit = descend.fit(noisy, X[:, 0], Y, **given)
    assert fit.status == "grew" and not fit.success


def noisy(x, a):
    return a * x + descend.random.normal(x.shape)


def refused(call: Callable[..., Any], *given: Any, **options: Any) -> str:
    with pytest.raises(descend.DescendError) as caught:
        call(*given, **options)
    return str(caught.value)


def test_methods_that_compare_losses_refuse_and_the_remedy_works() -> None:
    said = refused(descend.fit, noisy, X[:, 0], Y, start={"a": 1.0})
    assert "LevenbergMarquardt compares the losses of one function" in said
    assert "the model draws random numbers" in said and "descend.random.normal(x.shape)" in said
    assert 'optimizer="adam"' in said
    descend.fit(noisy, X[:, 0], Y, start={"a": 1.0}, optimizer="adam", epochs=3)
    said = refused(descend.minimize, lambda p: p**2 + descend.random.normal(), 1.0)
    assert "BFGS compares" in said
    said = refused(descend.fit_many, noisy, X[:, 0], np.stack([Y, Y]), start={"a": 1.0})
    assert "each method of fit_many" in said and 'descend.fit(…, optimizer="adam")' in said


WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "np.random": (lambda x, a: a * np.random.rand(), "write descend.random.normal, .uniform or"),
    "p of the model": (lambda x, a: x * descend.random.bernoulli(a), "known number from 0 to 1"),
    "p too large": (lambda x, a: a * x * descend.random.bernoulli(1.5), "from 0 to 1, not 1.5"),
    "a shape": (lambda x, a: a * x * descend.random.uniform(2.5), "2.5 is no extent of an array"),
    "a dtype": (lambda x, a: a * x * descend.random.uniform(3, int), "choose float32 or float64"),
    "rows behind": (
        lambda x, a: a * x * descend.random.normal((2, *x.shape)).sum(0),
        "with the rows on the first axis",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_drawn_is_refused(what: str) -> None:
    model, words = WRONG[what]
    given: dict[str, Any] = dict(start={"a": 0.5}, optimizer="adam", epochs=2)
    assert words in refused(descend.fit, model, X[:, 0], Y, **given)


def test_a_loss_draws_nothing() -> None:
    def loss(prediction, y):
        return (prediction - y) ** 2 * descend.random.bernoulli(0.5, y.shape)

    said = refused(descend.fit, lambda x, a: a * x, X[:, 0], Y, start={"a": 0.5}, loss=loss)
    assert "descend.random.bernoulli stands in a loss" in said and "write it in the model" in said
