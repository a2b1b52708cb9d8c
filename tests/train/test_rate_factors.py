"""Learning rates by parameter and by layer: by hand, by any method, in every kind of run."""

import numpy as np
import pytest

import descend
from descend import networks as nn

RNG = np.random.default_rng(8)
X = RNG.normal(size=80)
Y = 2 * X + 1 + 0.3 * RNG.normal(size=80)
TABLE = RNG.normal(size=(90, 3))
NUMBERS = np.sin(TABLE[:, 0]) + TABLE[:, 1]
START = dict(a=0.5, b=3.0)
OPTIONS = dict(start=START, optimizer="sgd", lr=0.05, epochs=12)
NET = nn.mlp([8])


def line(x, a, b):
    return a * x + b


def by_hand(rates, epochs=12):
    """SGD on all rows; rates of (a, b) for each epoch."""
    p = np.array([0.5, 3.0])
    for k in range(epochs):
        r = p[0] * X + p[1] - Y
        p = p - rates(k) * np.array([np.mean(2 * r * X), np.mean(2 * r)])
    return p


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_each_parameter_moves_by_its_own_rate(engine):
    fit = descend.fit(line, X, Y, lr_factors={"a": 0.1, "b": 3.0}, engine=engine, **OPTIONS)
    found = by_hand(lambda k: 0.05 * np.array([0.1, 3.0]))
    np.testing.assert_allclose([*fit.params.values()], found, rtol=1e-12)
    schedule = OPTIONS | dict(optimizer=descend.SGD(lr=descend.exponential(0.05, 0.9)), lr=None)
    fit = descend.fit(line, X, Y, lr_factors={"b": 0.5}, engine=engine, **schedule)
    found = by_hand(lambda k: 0.05 * 0.9**k * np.array([1.0, 0.5]))
    np.testing.assert_allclose([*fit.params.values()], found, rtol=1e-12)
    np.testing.assert_allclose(fit.history["lr"], 0.05 * 0.9 ** np.arange(12), rtol=1e-14)


@pytest.mark.parametrize("method", [
    descend.SGD(lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True), descend.Adam(lr=0.05),
    descend.AdamW(lr=0.05, weight_decay=0.2), descend.RMSprop(lr=0.02), descend.Adagrad(lr=0.2),
])  # fmt: skip
def test_a_factor_for_all_is_another_rate(method):
    from dataclasses import replace

    given = OPTIONS | dict(optimizer=method, lr=None, batch_size=10)
    own = descend.fit(line, X, Y, lr_factors={"a": 0.3, "b": 0.3}, **given)
    same = descend.fit(line, X, Y, **given | dict(optimizer=replace(method, lr=0.3 * method.lr)))
    np.testing.assert_allclose([*own.params.values()], [*same.params.values()], rtol=1e-12)


def test_a_layer_is_named_whole():
    given = dict(epochs=10, lr=0.01, batch_size=16)
    whole = descend.fit(NET, TABLE, NUMBERS, lr_factors={"0": 0.1}, **given)
    parts = descend.fit(
        NET, TABLE, NUMBERS, lr_factors={"0.weight": 0.1, "0.bias": 0.1}, **given
    )
    plain = descend.fit(NET, TABLE, NUMBERS, **given)
    for name, value in parts.params.items():
        np.testing.assert_array_equal(whole.params[name], value)
    assert not np.array_equal(plain.params["0.weight"], whole.params["0.weight"])
    assert "lr times 0.1 for layer 0 " in " ".join(str(whole).split())
    still = descend.fit(NET, TABLE, NUMBERS, lr_factors={"0": 0.0}, **given)
    fixed = descend.fit(NET, TABLE, NUMBERS, fixed=["0"], **given)
    assert fixed.fixed == ("0.weight", "0.bias")
    for name, value in fixed.params.items():
        np.testing.assert_allclose(still.params[name], value, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(still.params["0.weight"], still.start["0.weight"])


def test_inner_layers_have_the_names_of_their_parameters():
    net = nn.Sequential(nn.Linear(4), nn.Residual(nn.Linear(4), "tanh", nn.Linear(4)), nn.Linear())
    given = dict(epochs=4, lr=0.01)
    fit = descend.fit(net, TABLE, NUMBERS, lr_factors={"1": 0.0, "2.bias": 0.0}, **given)
    for name, value in fit.params.items():
        still = name.startswith("1.") or name == "2.bias"
        assert np.array_equal(value, fit.start[name]) == still
    inner = descend.fit(net, TABLE, NUMBERS, lr_factors={"1.2": 0.0}, **given)
    assert np.array_equal(inner.params["1.2.weight"], inner.start["1.2.weight"])
    assert not np.array_equal(inner.params["1.0.weight"], inner.start["1.0.weight"])


def test_a_penalty_of_a_layer_is_of_its_weights():
    given = dict(epochs=6, lr=0.01)
    layer = descend.fit(NET, TABLE, NUMBERS, penalty={"0": "l2(0.2)"}, **given)
    weight = descend.fit(NET, TABLE, NUMBERS, penalty={"0.weight": "l2(0.2)"}, **given)
    for name, value in weight.params.items():
        np.testing.assert_array_equal(layer.params[name], value)
    assert layer.loss_name == "mse + L2(weight=0.2) of layer 0"


def test_trees_scales_and_ties_keep_their_rates():
    def model(x, p, c):
        return p["a"] * x + p["b"] + c

    given = dict(optimizer="sgd", lr=0.05, epochs=12)
    start = dict(p=dict(a=0.5, b=3.0), c=1.0)
    fit = descend.fit(model, X, Y + 1, start=start, lr_factors={"p": 0.2}, fixed=["c"], **given)
    found = by_hand(lambda k: np.array([0.01, 0.01]))
    np.testing.assert_allclose([fit.params["p"]["a"], fit.params["p"]["b"]], found, rtol=1e-12)
    one = descend.fit(model, X, Y, start=start, lr_factors={"p.a": 0.0}, **given)
    assert one.params["p"]["a"] == 0.5 and one.params["p"]["b"] != 3.0
    log = descend.Parameter(0.5, min=1e-3, scale="log")
    scaled = descend.fit(
        line, X, Y, start=dict(a=log, b=3.0), optimizer="sgd", lr=0.05, epochs=12,
        lr_factors={"a": 0.0},
    )  # fmt: skip
    assert scaled.params["a"] == pytest.approx(0.5) and scaled.params["b"] < 3.0


def test_it_is_saved_resumed_and_changed_on_the_way(tmp_path):
    given = OPTIONS | dict(optimizer="adam", batch_size=9, lr_factors={"a": 0.2})
    whole = descend.fit(line, X, Y, **given)
    first = descend.fit(line, X, Y, **given | dict(epochs=5))
    first.save(tmp_path / "first.descend")
    earlier = descend.load(tmp_path / "first.descend")
    assert descend.fit(line, X, Y, resume=earlier, **given).params == whole.params
    other = descend.fit(line, X, Y, resume=earlier, **given | dict(lr_factors={"b": 0.2}))
    assert "lr_factors was {'a': 0.2} and is {'b': 0.2}" in other.warnings[0]
    assert earlier.lr_factors == {"a": 0.2}
    run = descend.start(line, X, Y, **given).step(epochs=5)
    assert run.step(epochs=7).params == whole.params
    run = descend.start(line, X, Y, **given).step(epochs=5)
    before = run.params["a"]
    run.set(**{"lr_factors[a]": 0.0}).step(batches=3)
    assert run.params["a"] == before


def test_many_trainings_differ_in_it_and_repeated_fits_do_not():
    given = OPTIONS | dict(lr_factors={"a": 0.5})
    found = descend.trainings(line, X, Y, over={"lr_factors[a]": [0.5, 0.0, 2.0]}, **given)
    for own, fit in zip(found.settings, found, strict=True):
        factor = own["lr_factors[a]"]
        expected = by_hand(lambda k, f=factor: 0.05 * np.array([f, 1.0]))
        np.testing.assert_allclose([*fit.params.values()], expected, rtol=1e-12)
    fits = [descend.fit(line, X, Y, **OPTIONS, lr_factors={"a": f}) for f in (0.5, 0.0, 2.0)]
    assert [fit.params for fit in fits] == [fit.params for fit in found]


def test_with_batches_joined_and_an_average_beside_it():
    given = OPTIONS | dict(batch_size=10, accumulate=8, shuffle=False, lr_factors={"a": 0.1})
    fit = descend.fit(line, X, Y, ema=0.0, **given)
    found = by_hand(lambda k: 0.05 * np.array([0.1, 1.0]))
    np.testing.assert_allclose([*fit.params.values()], found, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(lr_factors={"c": 1.0}), r'lr_factors names "c", which is no parameter'),
     (dict(lr_factors={"x": 1.0}), r'lr_factors names "x", which is no parameter'),
     (dict(lr_factors={"a": -1.0}), 'the factor of "a" in lr_factors must be a number of at least'),
     (dict(lr_factors={"a": "slow"}), 'the factor of "a" in lr_factors must be a number'),
     (dict(lr_factors={"a": np.inf}), 'the factor of "a" in lr_factors is infinite'),
     (dict(lr_factors=0.1), 'is a dict of parameters or layers with their factors, not 0.1'),
     (dict(lr_factors={}), "is a dict of parameters or layers"),
     (dict(lr_factors={"a": 0.1}, fixed=["a"]), 'names "a", which is fixed or tied'),
     (dict(lr_factors={"a": 0.1}, optimizer="lm", lr=None), "and LevenbergMarquardt has none"),
     (dict(lr_factors={"a": 0.1}, optimizer="bfgs", lr=None), "and BFGS has none"),
     (dict(lr_mult={"a": 0.1}), 'here it is called "lr_factors"')],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_in_words(options, words):
    with pytest.raises(descend.UsageError, match=words):
        descend.fit(line, X, Y, **OPTIONS | options)


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(lr_factors={"0.wieght": 1.0}), r'did you mean "0.weight"'),
     (dict(lr_factors={"1": 1.0}), r'names "1", which is no parameter'),
     (dict(lr_factors={"0": 0.1, "0.bias": 1.0}), 'gives 0.bias two factors: by "0" and by'),
     (dict(lr_factors={"0.bias": 0.1}, fixed=["0"]), 'names "0.bias", which is fixed'),
     (dict(fixed={"0": 1.0}), "fixed gives 0 the value 1.0, and it is a layer"),
     (dict(penalty={"1": "l2(1)"}), 'penalty names "1", which is no parameter')],
)  # fmt: skip
def test_layers_that_are_none_are_refused_in_words(options, words):
    with pytest.raises(descend.UsageError, match=words):
        descend.fit(NET, TABLE, NUMBERS, **options)
