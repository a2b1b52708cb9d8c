"""Updates of several batches: those of one batch as large, by hand, resumed, refused in words."""

import itertools

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.graph.program import permutation
from whole import sampled

RNG = np.random.default_rng(5)
X = RNG.normal(size=100)
Y = 2 * X + 1 + 0.1 * RNG.normal(size=100)
WEIGHTS = RNG.uniform(0.5, 2.0, 100)
TABLE = RNG.normal(size=(130, 4))
LABELS = np.array(["low", "mid", "high"])[np.digitize(TABLE[:, 0] * TABLE[:, 1], [-0.3, 0.4])]
START = dict(a=0.0, b=0.0)
METHODS = {
    "sgd": descend.SGD(lr=0.05), "momentum": descend.SGD(lr=0.02, momentum=0.9, dampening=0.1),
    "adam": descend.Adam(lr=0.05), "adamw": descend.AdamW(lr=0.05, amsgrad=True),
    "rmsprop": descend.RMSprop(lr=0.02, centered=True, momentum=0.5),
    "adagrad": descend.Adagrad(lr=0.3, lr_decay=0.1),
}  # fmt: skip


def line(x, a, b):
    return a * x + b


def trained(engine="native", **options):
    return descend.fit(line, X, Y, start=START, epochs=7, engine=engine, **options)


SIZES = [6, 4, 25]  # 17 batches of which the last is smaller, 25, and 4


@sampled("size, method, engine", itertools.product(SIZES, METHODS, ["native", "interpreted"]), 5)
def test_it_is_one_batch_as_large(method, size, engine):
    options = dict(optimizer=METHODS[method], engine=engine)
    own = trained(batch_size=size, accumulate=4, **options)
    same = trained(batch_size=4 * size, **options)
    np.testing.assert_allclose([*own.params.values()], [*same.params.values()], rtol=1e-12)
    np.testing.assert_allclose(own.history["loss"], same.history["loss"], rtol=1e-12)
    assert (own.n_updates, own.batch_size, own.accumulate) == (same.n_updates, size, 4)


@pytest.mark.parametrize(
    "options",
    [dict(sample_weight=WEIGHTS), dict(penalty="l2(0.1)"), dict(clip=descend.clip_norm(0.5)),
     dict(bounds={"a": (0.0, 1.5)}), dict(sigma=WEIGHTS), dict(shuffle=False, loss="huber"),
     dict(optimizer=descend.Adam(lr=descend.cosine(0.1, 5)), validation_split=0.2, keep_best=True),
     dict(gtol=0.3, record=("params", "gradient")), dict(batch_size=30, accumulate=9)],
)  # fmt: skip
def test_the_same_beside_other_options(options):
    given = dict(optimizer="adam", lr=0.05) | options
    given = {n: v for n, v in given.items() if n != "lr" or isinstance(given["optimizer"], str)}
    own = trained(**dict(batch_size=5, accumulate=6) | given)
    size = 30 if "batch_size" not in options else None
    same = trained(**given | dict(batch_size=size, accumulate=1))
    np.testing.assert_allclose([*own.params.values()], [*same.params.values()], rtol=1e-11)
    assert own.epochs == same.epochs and own.best_epoch == same.best_epoch
    for name in ("loss", "validation_loss", "grad_norm", "lr"):
        kept = getattr(own.history, name), getattr(same.history, name)
        if kept[1] is not None:
            np.testing.assert_allclose(*kept, rtol=1e-10)


def test_by_hand_as_one_does_it_in_a_loop():
    """loss.backward() of each batch's share of the rows; step and zero_grad after every third."""
    fit = trained(optimizer=METHODS["momentum"], batch_size=8, accumulate=3, seed=2)
    p, velocity, t = np.zeros(2), np.zeros(2), 0
    for epoch in range(7):
        rows = permutation(100, 2, epoch)
        batches = [rows[i : i + 8] for i in range(0, 100, 8)]
        for first in range(0, len(batches), 3):
            group = batches[first : first + 3]
            gradient, count = np.zeros(2), sum(map(len, group))
            for part in group:
                r = p[0] * X[part] + p[1] - Y[part]
                mean = np.array([np.mean(2 * r * X[part]), np.mean(2 * r)])
                gradient += mean * len(part) / count
            t += 1
            velocity = gradient if t == 1 else 0.9 * velocity + 0.9 * gradient
            p = p - 0.02 * velocity
    np.testing.assert_allclose([*fit.params.values()], p, rtol=1e-12)
    assert fit.n_updates == t == 7 * 5


@pytest.mark.filterwarnings("ignore:Every row is taken for")
@pytest.mark.parametrize("net", [nn.mlp([16]), nn.mlp([16, 8], activation="tanh", dropout=0.2)])
def test_a_network_and_its_draws_are_those_of_the_larger_batch(net):
    options = dict(epochs=6, lr=0.01, seed=4)
    own = descend.fit(net, TABLE, LABELS, batch_size=8, accumulate=4, **options)
    same = descend.fit(net, TABLE, LABELS, batch_size=32, **options)
    for name, value in same.params.items():
        np.testing.assert_allclose(own.params[name], value, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(own.history["loss"], same.history["loss"], rtol=1e-5)
    other = descend.fit(net, TABLE, LABELS, batch_size=8, **options)
    assert not np.allclose(other.params["0.weight"], same.params["0.weight"], rtol=1e-2)
    assert "batches of 8 rows, shuffled, 4 to an update" in " ".join(str(own).split())


def test_batch_normalisation_sees_each_batch_by_itself():
    net = nn.Sequential(nn.Linear(16, bias=False), nn.BatchNorm(), "relu", nn.Linear())
    options, numbers = dict(epochs=3, lr=0.01), TABLE[:, 0]
    own = descend.fit(net, TABLE, numbers, batch_size=16, accumulate=2, **options)
    again = descend.fit(
        net, TABLE, numbers, batch_size=16, accumulate=2, engine="interpreted", **options
    )
    np.testing.assert_allclose(own.predict(TABLE), again.predict(TABLE), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(own.history["loss"], again.history["loss"], rtol=1e-5)
    larger = descend.fit(net, TABLE, numbers, batch_size=32, **options)
    assert not np.allclose(own.params["0.weight"], larger.params["0.weight"], rtol=1e-3)


@pytest.mark.parametrize("batches", [1, 7, 17, 20, 33])
def test_a_run_stopped_anywhere_goes_on_to_the_same_bits(batches, tmp_path):
    options = dict(start=START, optimizer="adam", lr=0.05, batch_size=6, accumulate=4, epochs=7)
    whole = descend.fit(line, X, Y, **options)
    run = descend.start(line, X, Y, **options).step(batches=batches)
    each = batches // 17 * 5 + batches % 17 // 4
    assert run.updates == each
    run.fit.save(tmp_path / "part.descend")
    again = descend.fit(line, X, Y, resume=descend.load(tmp_path / "part.descend"), **options)
    assert again.params == whole.params and again.n_updates == whole.n_updates == 35
    assert run.step(epochs=9).params == whole.params


def test_it_may_change_where_an_epoch_ends():
    options = dict(start=START, optimizer="adam", lr=0.05, batch_size=6)
    first = descend.fit(line, X, Y, epochs=2, **options)
    second = descend.fit(line, X, Y, epochs=4, accumulate=4, resume=first, **options)
    assert second.n_updates == 2 * 17 + 2 * 5
    assert "accumulate was 1 and is 4" in second.warnings[0]
    third = descend.fit(line, X, Y, epochs=5, resume=second, **options)
    assert third.n_updates == 2 * 17 + 2 * 5 + 17
    part = descend.start(line, X, Y, accumulate=4, **options).step(batches=3).fit
    with pytest.raises(descend.UsageError, match="accumulate=2 would join its batches otherwise"):
        descend.fit(line, X, Y, epochs=5, accumulate=2, resume=part, **options)


def test_trainings_and_a_stepped_run_change_it_without_compiling():
    options = dict(start=START, optimizer="sgd", lr=0.05, batch_size=6, epochs=5)
    found = descend.trainings(line, X, Y, over=dict(accumulate=[3, 2, 1]), **options)
    for own, fit in zip(found.settings, found, strict=True):
        same = descend.fit(line, X, Y, accumulate=own["accumulate"], **options)
        np.testing.assert_allclose([*fit.params.values()], [*same.params.values()], rtol=1e-13)
        assert fit.accumulate == same.accumulate
    run = descend.start(line, X, Y, accumulate=4, **options).step(epochs=1).set(accumulate=2)
    assert run.step(epochs=1).updates == 5 + 9


def test_repeated_fits_begin_with_nothing_gathered():
    options = dict(optimizer="adam", lr=0.05, batch_size=7, accumulate=3)
    first = [trained(**options).params for _ in range(4)]
    assert first[0] == first[1] == first[2] == first[3]


@pytest.mark.parametrize("rows", [100, 60])
def test_all_rows_in_one_batch_are_one_update(rows):
    own = trained(optimizer="adam", lr=0.05, batch_size=rows, accumulate=2)
    same = trained(optimizer="adam", lr=0.05)
    np.testing.assert_allclose([*own.params.values()], [*same.params.values()], rtol=1e-12)
    assert own.n_updates == 7


def test_a_divergence_leaves_the_last_finite_parameters():
    with pytest.warns(descend.DescendWarning, match="diverged in epoch"):
        fit = descend.fit(
            line, X, 1e150 * Y, start=START, optimizer="sgd", lr=1e9, batch_size=10, accumulate=3,
            epochs=50,
        )  # fmt: skip
    assert not fit.success and np.isfinite([*fit.params.values()]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(), "joins batches, and LevenbergMarquardt takes all rows at once"),
     (dict(optimizer="lbfgs"), "and LBFGS takes all rows at once"),
     (dict(optimizer="adam"), "of 4 batches, and all rows are one batch"),
     (dict(accumulate=0), "accumulate must be a whole number of at least 1, not 0"),
     (dict(accumulate=2.5), "accumulate must be a whole number"),
     (dict(gradient_accumulation_steps=4), 'here it is called "accumulate"')],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_in_words(options, words):
    with pytest.raises(descend.UsageError, match=words):
        descend.fit(line, X, Y, start=START, **dict(accumulate=4) | options)
