"""The rate that falls where the loss no longer improves: by hand, native, resumed, in batches."""

import numpy as np
import pytest

import descend
from descend import networks as nn

RNG = np.random.default_rng(3)
X = np.linspace(-1.0, 1.0, 60)
Y = 2 * X + 1 + 0.3 * RNG.normal(size=60)
START = dict(a=0.0, b=0.0)
PLATEAU = descend.plateau(0.3, factor=0.5, patience=2, threshold=0.01, cooldown=3, min_lr=0.004)
TRAINED = dict(start=START, optimizer=descend.SGD(lr=PLATEAU), batch_size=7, epochs=60, seed=1)


def line(x, a, b):
    return a * x + b


def by_hand(losses, lr, factor, patience, threshold, cooldown, min_lr):
    """The rate of every epoch, with counters as torch.optim.lr_scheduler describes them."""
    rates, best, bad, rest = [], float("inf"), 0, 0
    for loss in losses:
        rates.append(lr)
        if loss < best - threshold * abs(best) or best == float("inf"):
            best, bad = loss, 0
        else:
            bad += 1
        if rest > 0:
            rest -= 1
            bad = 0
        if bad > patience:
            lr, rest, bad = max(lr * factor, min_lr), cooldown, 0
    return rates


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("held", [{}, dict(validation_split=0.25)])
def test_rates_follow_the_loss_that_is_watched(engine, held):
    fit = descend.fit(line, X, Y, engine=engine, **TRAINED, **held)
    watched = fit.history["validation_loss" if held else "loss"]
    rates = by_hand(watched, 0.3, 0.5, 2, 0.01, 3, 0.004)
    assert len(set(rates)) == 8 and rates[-1] == 0.004  # it fell to its floor
    np.testing.assert_allclose(fit.history["lr"], rates, rtol=1e-14)
    report = " ".join(str(fit).split())
    assert "SGD(lr=Plateau(lr=0.3, factor=0.5, patience=2" in report
    assert "rate 0.3 in epoch 1, 0.004 in epoch 60; 7 changes" in report


def test_both_engines_and_numpy_come_to_the_same():
    native = descend.fit(line, X, Y, **TRAINED)
    assert native.params == descend.fit(line, X, Y, engine="interpreted", **TRAINED).params
    order = [permutation(epoch) for epoch in range(60)]
    a, b = 0.0, 0.0
    for rate, rows in zip(native.history["lr"], order, strict=True):
        for i in range(0, 60, 7):
            x, y = X[rows[i : i + 7]], Y[rows[i : i + 7]]
            r = a * x + b - y
            a, b = a - rate * np.mean(2 * r * x), b - rate * np.mean(2 * r)
    np.testing.assert_allclose([native.params["a"], native.params["b"]], [a, b], rtol=1e-10)


def permutation(epoch):
    from descend.graph.program import permutation as shuffled

    return shuffled(60, 1, epoch)


@pytest.mark.filterwarnings("ignore:the loss grew")  # since it was resumed, near its end
@pytest.mark.parametrize("stop", [1, 9, 13, 30])
def test_a_resumed_run_ends_at_the_same_bits(stop, tmp_path):
    whole = descend.fit(line, X, Y, **TRAINED)
    first = descend.fit(line, X, Y, **TRAINED | dict(epochs=stop))
    first.save(tmp_path / "first.descend")
    for earlier in (first, descend.load(tmp_path / "first.descend")):
        again = descend.fit(line, X, Y, resume=earlier, **TRAINED)
        assert again.params == whole.params
        np.testing.assert_array_equal(again.history["lr"], whole.history["lr"])


def test_another_rate_goes_on_with_the_falls_so_far():
    first = descend.fit(line, X, Y, **TRAINED | dict(epochs=30))
    other = descend.SGD(lr=descend.plateau(0.6, 0.5, 2, 0.01, 3))
    again = descend.fit(line, X, Y, resume=first, **TRAINED | dict(optimizer=other, epochs=31))
    same = descend.fit(line, X, Y, **TRAINED).history["lr"][30]
    assert again.history["lr"][30] == pytest.approx(2 * same) and same < 0.3
    assert "optimizer was SGD" in again.warnings[0]


def test_steps_and_trainings_come_to_the_bits_of_one_call():
    whole = descend.fit(line, X, Y, **TRAINED)
    run = descend.start(line, X, Y, **TRAINED)
    run.step(batches=5).step(epochs=20)
    np.testing.assert_array_equal(run.history["lr"], whole.history["lr"][: len(run.history["lr"])])
    assert run.step(epochs=60).params == whole.params
    found = descend.trainings(line, X, Y, over=dict(factor=[0.25, 0.5], cooldown=[0, 3]), **TRAINED)
    np.testing.assert_array_equal(found[3].history["lr"], whole.history["lr"])
    quick = by_hand(found[0].history["loss"], 0.3, 0.25, 2, 0.01, 0, 0.004)
    np.testing.assert_allclose(found[0].history["lr"], quick, rtol=1e-14)


def test_it_may_follow_a_warm_up_and_stand_in_a_network():
    rate = descend.warmup(4, descend.plateau(0.05, factor=0.5, patience=1), start=0.2)
    fit = descend.fit(
        nn.mlp([8]), X[:, None], Y, optimizer=descend.Adam(lr=rate), batch_size=20, epochs=60,
        validation_split=0.2,
    )  # fmt: skip
    rates, losses = fit.history["lr"], fit.history["validation_loss"]
    np.testing.assert_allclose(rates[:4], 0.05 * np.array([0.2, 0.4, 0.6, 0.8]), rtol=1e-14)
    np.testing.assert_allclose(rates[4:], by_hand(losses[4:], 0.05, 0.5, 1, 1e-4, 0, 0), rtol=1e-14)
    assert rates[-1] < 0.02


def test_a_negative_loss_improves_by_falling():
    """Of −1000 the threshold is 1 below, not above, where a small rise would count as a fall."""
    schedule = descend.plateau(1.0, factor=0.5, patience=0, threshold=1e-3)
    s = schedule.begin()
    shares = []
    for loss in (-1000.0, -999.9, -1001.1, -1001.2, np.nan):
        s = schedule.watch(loss, 0.0, s)
        shares.append(float(s["share"]))
    assert shares == [1.0, 0.5, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(factor=1.0), r"Plateau: factor must lie in \(0, 1\), not 1.0"),
     (dict(patience=-1), r"Plateau: patience must lie in"),
     (dict(min_lr=0.2), "min_lr=0.2 is above lr=0.1, with which it begins"),
     (dict(threshold="x"), "threshold must be a number")],
)  # fmt: skip
def test_wrong_numbers_are_refused_in_words(options, words):
    with pytest.raises(descend.UsageError, match=words):
        descend.plateau(0.1, **options)
