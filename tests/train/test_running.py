"""Running values of a model: batch normalisation against a loop in NumPy, states, refusals."""

import pickle
from typing import Any

import numpy as np
import pytest

import descend
from descend.graph.program import permutation

RNG = np.random.default_rng(8)
X, W, U = RNG.normal(size=(11, 3)) * [1, 5, 0.2] + 2, RNG.normal(size=(3, 4)), RNG.normal(size=4)
Y = np.sin(X[:, 0])
START = dict(w=W, u=U)
EPS = 1e-5


def normalised(x, w, u):
    h = x @ w
    mean = descend.running("mean", h.mean(0))
    var = descend.running("var", h.var(0), begin=1.0, kept=h.var(0, ddof=1))
    return (h - mean) / np.sqrt(var + EPS) @ u


def adam(**given: Any) -> Any:
    options: dict[str, Any] = dict(start=START, optimizer="adam", lr=0.01, epochs=4, batch_size=4)
    return descend.fit(normalised, X, Y, **{**options, **given})


class Loop:
    """Batch normalisation trained by SGD, its gradient by the chain rule, as in textbooks."""

    def __init__(self) -> None:
        self.w, self.u, self.mean, self.var = W, U, np.zeros(4), np.ones(4)
        self.losses: list[float] = []

    def step(self, rows: np.ndarray) -> None:
        h, n = X[rows] @ self.w, len(rows)
        m, v = h.mean(0), h.var(0)
        root = np.sqrt(v + EPS)
        z = (h - m) / root
        r = z @ self.u - Y[rows]
        self.losses.append(float((r**2).mean()))
        of_z = 2 / n * np.outer(r, self.u)
        of_h = (of_z - of_z.mean(0) - z * (of_z * z).mean(0)) / root
        self.w, self.u = self.w - 0.1 * X[rows].T @ of_h, self.u - 0.1 * 2 / n * z.T @ r
        self.mean = 0.9 * self.mean + 0.1 * m
        self.var = 0.9 * self.var + 0.1 * h.var(0, ddof=1)

    def serve(self, x: np.ndarray) -> np.ndarray:
        return (x @ self.w - self.mean) / np.sqrt(self.var + EPS) @ self.u


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize(("batch", "shuffle"), [(11, False), (4, False), (4, True)])
def test_batch_normalisation_is_that_of_a_loop(batch: int, shuffle: bool, engine: str) -> None:
    fit = adam(optimizer="sgd", lr=0.1, batch_size=batch, shuffle=shuffle, engine=engine)
    loop = Loop()
    for epoch in range(4):
        order = permutation(11, 0, epoch) if shuffle else np.arange(11)
        for first in range(0, 11, batch):
            loop.step(order[first : first + batch])
    np.testing.assert_allclose(fit.params["w"], loop.w, rtol=1e-10)
    np.testing.assert_allclose(fit.running["mean"], loop.mean, rtol=1e-10)
    np.testing.assert_allclose(fit.running["var"], loop.var, rtol=1e-10)
    np.testing.assert_allclose(fit.predict(X), loop.serve(X), rtol=1e-10)
    assert fit.loss == pytest.approx(((loop.serve(X) - Y) ** 2).mean(), rel=1e-10)
    assert "the running values of mean, var" in str(fit)


def test_what_is_not_finite_is_not_kept() -> None:
    """A batch of one row has no unbiased variance."""
    fit = descend.fit(
        normalised, X[:9], Y[:9], start=START, optimizer="sgd", lr=0.0, epochs=1, batch_size=4,
        shuffle=False,
    )  # fmt: skip
    h = X @ W
    var = 0.9 * (0.9 + 0.1 * h[:4].var(0, ddof=1)) + 0.1 * h[4:8].var(0, ddof=1)
    np.testing.assert_allclose(fit.running["var"], var, rtol=1e-13)
    mean = 0.9 * (0.9 * 0.1 * h[:4].mean(0) + 0.1 * h[4:8].mean(0)) + 0.1 * h[8]
    np.testing.assert_allclose(fit.running["mean"], mean, rtol=1e-13)


def test_a_row_alone_is_predicted_as_in_company() -> None:
    fit = adam()
    alone = [float(fit.predict(row[None])[0]) for row in X]
    np.testing.assert_allclose(alone, fit.predict(X), rtol=1e-14)


def test_a_resumed_run_is_an_unbroken_one_in_bits(tmp_path: Any) -> None:
    file = tmp_path / "run.checkpoint"
    whole, half = adam(epochs=8), adam(checkpoint=file)
    for earlier in (half, descend.load(file), pickle.loads(pickle.dumps(half))):
        again = adam(epochs=8, resume=earlier)
        assert np.array_equal(again.params["w"], whole.params["w"])
        assert np.array_equal(again.running["mean"], whole.running["mean"])
        assert np.array_equal(again.predict(X), whole.predict(X))


def test_a_saved_fit_serves_with_what_was_kept(tmp_path: Any) -> None:
    fit = adam()
    fit.save(tmp_path / "net.descend")
    for other in (descend.load(tmp_path / "net.descend"), pickle.loads(pickle.dumps(fit))):
        assert np.array_equal(other.predict(X), fit.predict(X))
        assert np.array_equal(other.running["var"], fit.running["var"])


def test_a_program_that_is_used_again_begins_anew() -> None:
    first, second = adam(), adam()
    assert np.array_equal(first.running["mean"], second.running["mean"])
    longer = adam(epochs=9)
    assert not np.array_equal(first.running["mean"], longer.running["mean"])
    assert np.array_equal(first.predict(X), second.predict(X))


def test_rows_held_back_are_judged_by_what_was_kept() -> None:
    fit = adam(validation_split=0.3)
    own = np.array([x for x in X if not (x == fit.x["x"]).all(1).any()])
    loss = ((fit.predict(own) - np.sin(own[:, 0])) ** 2).mean()
    assert fit.history["validation_loss"][-1] == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("held", [0.0, 0.3])
def test_the_best_parameters_come_with_their_running_values(held: float) -> None:
    """A shorter run ends where the best epoch of the longer one did."""
    size = 4 if held else None
    given: dict[str, Any] = dict(
        optimizer=descend.SGD(lr=0.05, momentum=0.9), lr=None, epochs=12, batch_size=size, seed=1,
        validation_split=held, start=dict(w=W, u=3 * U),
    )  # fmt: skip
    fit = adam(**given, keep_best=True)
    assert 0 < fit.best_epoch < 12
    short = adam(**{**given, "epochs": fit.best_epoch}, keep_best=False)
    np.testing.assert_allclose(fit.params["w"], short.params["w"], rtol=1e-11)
    np.testing.assert_allclose(fit.running["mean"], short.running["mean"], rtol=1e-11)
    assert fit.loss == pytest.approx(short.loss, rel=1e-11)
    if held:
        last = short.history["validation_loss"][-1]
        assert fit.validation_loss == pytest.approx(last, rel=1e-11)


def test_threads_and_blocks_change_no_bit() -> None:
    n = 140_000
    x = np.sin(np.arange(3.0 * n)).reshape(n, 3)
    given: dict[str, Any] = dict(start=START, optimizer="adam", lr=0.05, epochs=3)
    one, two, read = (
        descend.fit(normalised, x, x[:, 0], **given, **more)
        for more in ({"threads": 1}, {"threads": 2}, {"engine": "interpreted"})
    )
    assert np.array_equal(one.params["w"], two.params["w"])
    assert np.array_equal(one.running["mean"], two.running["mean"])
    np.testing.assert_allclose(one.running["var"], read.running["var"], rtol=1e-10)


def test_a_running_value_has_no_slope_and_keeps_its_dtype() -> None:
    """With a learning rate of 0, what is kept follows from the data alone."""

    def model(x, a):
        top = descend.running("top", (a * x).max(), momentum=0.25, begin=7.0)
        return a * x + top

    x = np.array([1.0, 2.0, 4.0], np.float32)
    start = {"a": np.float32(2.0)}
    fit = descend.fit(model, x, 0 * x, start=start, optimizer="sgd", lr=0.0, epochs=2)
    assert fit.running["top"] == 0.75 * (0.75 * 7 + 0.25 * 8) + 0.25 * 8
    np.testing.assert_array_equal(fit.predict(x), 2 * x + np.float32(fit.running["top"]))
    assert fit.predict(x).dtype == np.float32


def test_a_tied_or_held_parameter_reaches_what_is_kept() -> None:
    def model(x, a, b):
        return a * x + descend.running("m", (b * x).mean(), momentum=1.0)

    given: dict[str, Any] = dict(start={"a": 1.0}, optimizer="sgd", lr=0.01, epochs=3)
    tied = descend.fit(model, X[:, 0], Y, **given, ties={"b": "2*a"})
    held = descend.fit(model, X[:, 0], Y, **given, fixed={"b": 3.0})
    assert held.running["m"] == pytest.approx(3 * X[:, 0].mean(), rel=1e-13)
    assert tied.running["m"] != pytest.approx(tied.params["b"] * X[:, 0].mean(), rel=1e-9)
    before = descend.fit(model, X[:, 0], Y, **{**given, "epochs": 2}, ties={"b": "2*a"})
    assert tied.running["m"] == pytest.approx(before.params["b"] * X[:, 0].mean(), rel=1e-13)


def test_an_unfitted_function_has_the_value_itself() -> None:
    h = np.array([1.0, 3.0])
    assert descend.running("m", h.mean()) == 2.0
    slope = descend.grad(lambda v: descend.running("m", (v**2).mean()))(h)
    np.testing.assert_allclose(slope, h)


def batch_value(x, a):
    return a * x - descend.running("m", (a * x).mean())


REFUSED: dict[str, tuple[Any, str]] = {
    "twice": (
        lambda x, a: a * x + descend.running("m", x.mean()) - descend.running("m", x.std()),
        'running("m") is called twice',
    ),
    "rows": (lambda x, a: descend.running("m", a * x), "one entry a row"),
    "a start of another shape": (
        lambda x, a: a * x + descend.running("m", x.mean(), begin=[0.0, 1.0]),
        "the value has the shape (), and what it begins with (2,)",
    ),
    "another kept": (
        lambda x, a: a * x + descend.running("m", x.mean(), kept=np.ones(3)),
        "what is kept (3,)",
    ),
    "in a gradient": (
        lambda x, a: x * descend.grad(lambda b: descend.running("m", b**2))(a),
        "in a function of its own",
    ),
    "in a loop": (
        lambda x, a: descend.scan(lambda c, t: (descend.running("m", c), 0.0), a, length=2)[0] * x,
        "in a function of its own",
    ),
    "a name": (lambda x, a: a * x + descend.running(3, x.mean()), "takes a name first, not 3"),
    "a momentum": (
        lambda x, a: a * x + descend.running("m", x.mean(), 1.5),
        "momentum is a number above 0 and at most 1, not 1.5",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_kept_is_refused(what: str) -> None:
    model, words = REFUSED[what]
    with pytest.raises(descend.UsageError) as caught:
        descend.fit(model, X[:, 0], Y, start={"a": 0.5}, optimizer="adam", epochs=2)
    assert words in str(caught.value)


def test_a_method_that_compares_losses_refuses() -> None:
    with pytest.raises(descend.UsageError, match="keeps running values") as caught:
        descend.fit(batch_value, X[:, 0], Y, start={"a": 1.0})
    assert 'optimizer="adam"' in str(caught.value)


def test_a_global_fit_of_several_datasets_keeps_none() -> None:
    given: dict[str, Any] = dict(shared="a", start={"a": 1.0}, optimizer="adam", epochs=3)
    x, y = X[:, 0], Y
    with pytest.raises(descend.UsageError, match="a global fit calls its model once for each"):
        descend.fit_global(batch_value, [x, x[:6]], [y, y[:6]], **given)
    one = descend.fit_global(batch_value, [x], [y], **given)
    np.testing.assert_allclose(one.datasets[0].predict(x), one.datasets[0].fitted, rtol=1e-14)


def test_rows_that_meet_elsewhere_are_refused_in_batches_as_before() -> None:
    def model(x, a):
        return batch_value(x, a) + x.mean()

    given: dict[str, Any] = dict(start={"a": 1.0}, optimizer="adam", epochs=2)
    with pytest.raises(descend.UsageError, match="couples the rows"):
        descend.fit(model, X[:, 0], Y, **given, batch_size=4)
    descend.fit(batch_value, X[:, 0], Y, **given, batch_size=4)
