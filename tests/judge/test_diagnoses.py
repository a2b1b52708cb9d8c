"""What is wrong with a network or a classifier is said in words, and of a sound one nothing is."""

import re
import warnings

import numpy as np
import pytest
from scipy import special

import descend
from descend import networks as nn
from descend.graph.evaluate import Prepared
from descend.judge.diagnoses import _alike

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
NUMBERS = np.sin(X[:, 0]) + X[:, 1]
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
NET = dict(lr=0.02, epochs=150)


def told(*args, **options):
    """A fit, what was warned of, and all that it says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = descend.fit(*args, **options)
    warned = " ".join(str(w.message) for w in caught)
    return fit, warned, " ".join([warned, *fit.findings, *fit.warnings])


def hidden(x, w1, b1, w2, b2):
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def sized(scale, units=8, seed=0, columns=3):
    rng = np.random.default_rng(seed)
    return dict(
        w1=scale * rng.normal(size=(columns, units)), b1=np.zeros(units),
        w2=scale * rng.normal(size=units), b2=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "y", "options"),
    [
        (nn.mlp([16]), NUMBERS, NET),
        (nn.mlp([16]), CLASSES, NET),
        (nn.mlp([16], activation="tanh"), X[:, 0] > 0, NET),
        (nn.mlp([16]), RNG.poisson(np.exp(X[:, 0])) * 1.0, NET),
        (nn.mlp([16]), np.c_[X[:, 0] > 0, X[:, 1] > 0], NET),
        (hidden, NUMBERS, dict(start=sized(0.5), optimizer="adam", lr=0.02, epochs=200)),
        (lambda x, w, b: x @ w + b, (X[:, 0] > 0.3 * RNG.normal(size=300)) * 1.0,
         dict(start=dict(w=np.zeros(3), b=0.0), loss="bce_with_logits")),
    ],
)  # fmt: skip
def test_of_what_went_well_nothing_is_said(model, y, options):
    fit, _, said = told(model, X, y, **options)
    assert fit.success and said.strip() == ""


# --- a constant


def dead_start():
    start = sized(0.5)
    return start | {"b1": np.full(8, -100.0)}


def test_a_constant_prediction_is_no_success():
    fit, warned, said = told(
        hidden, X, NUMBERS, start=dead_start(), optimizer="adam", lr=0.01, epochs=20
    )
    assert (fit.status, fit.verdict, fit.success, fit.arrived) == (
        "constant", "side minimum", False, "no",
    )  # fmt: skip
    assert np.ptp(fit.predict(X)) == 0.0
    pattern = r"every row has the same prediction \((\S+)\), R² = (\S+): the columns have no say"
    value, share = re.search(pattern, warned).groups()
    assert float(value) == pytest.approx(fit.predict(X)[0], rel=1e-3)
    assert float(share) == pytest.approx(fit.r2, rel=0.05)
    assert "leave" not in said and "Leave it out" not in said
    assert f"FAILED      {fit.message}"[:40] in str(fit) and fit.exit_code == 4


def test_a_network_with_a_constant_prediction_is_no_success():
    net = nn.Sequential(nn.Linear(8, init=0.0), nn.ReLU(), nn.Linear(init=0.0))
    fit, warned, said = told(net, X, NUMBERS + 7, standardize=False, **NET)
    assert not fit.success and fit.verdict == "side minimum"
    assert float(re.search(r"same prediction \((\S+)\)", warned)[1]) == pytest.approx(
        fit.predict(X)[0], rel=1e-3
    )
    assert "8 of the 8 units of layer 0, Linear(8), do the same as another" in said
    random = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear())
    better, _, said = told(random, X, NUMBERS + 7, **NET)
    assert better.success and better.r2 > 0.9 and said.strip() == ""


def test_a_start_that_was_to_be_kept_to_succeeds_with_a_warning():
    fit, warned, _ = told(
        hidden, X, NUMBERS, start=dead_start(), optimizer="adam", lr=0.01, epochs=20, starts=1
    )
    assert fit.success and fit.status == "side_minimum_kept" and "every row has" in warned


def test_what_a_penalty_makes_constant_is_told_and_succeeds():
    fit, warned, _ = told(
        lambda x, w, b: x @ w + b, X, NUMBERS, start=dict(w=np.zeros(3), b=0.0),
        optimizer="sgd", lr=0.01, epochs=50, penalty="l1(1000)",
    )  # fmt: skip
    if np.ptp(fit.predict(X)) == 0:
        assert fit.success and "Every row has the same prediction" in warned
    else:
        assert "same prediction" not in warned


@pytest.mark.parametrize(
    ("x", "y", "model"),
    [(X, np.ones(300), "w + 0*x"), (np.ones((300, 3)), NUMBERS, "x"), (X, NUMBERS, "mean")],
)
def test_a_constant_is_right_where_there_is_nothing_to_tell_apart(x, y, model):
    functions = {
        "w + 0*x": lambda x, w: 0 * x[:, 0] + w[0], "x": lambda x, w: x @ w,
        "mean": lambda x, w: w[0] + np.zeros(x.shape[0]),
    }  # fmt: skip
    _, warned, _ = told(
        functions[model], x, y, start=dict(w=np.zeros(3 if model == "x" else 1)),
        optimizer="adam", lr=0.01, epochs=200,
    )  # fmt: skip
    assert "same prediction" not in warned or model == "x"


def test_a_constant_at_which_a_method_has_arrived_is_the_answer():
    x = np.r_[X, X]
    y = np.r_[X[:, 0] > 0, X[:, 0] <= 0].astype(float)  # each row once with either
    fit, _, said = told(
        lambda x, w: x @ w, x, y, start=dict(w=np.zeros(3)), loss="bce_with_logits"
    )
    assert fit.success and "same prediction" not in said
    np.testing.assert_allclose(fit.params["w"], 0, atol=1e-8)


# --- classes


def test_one_class_for_all_rows_of_which_nothing_was_learnt():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3000, 3)), np.where(rng.uniform(size=3000) < 0.1, "rare", "common")
    fit, warned, _ = told(nn.mlp([]), x, y, lr=0.05, epochs=50)
    assert fit.success and fit.metrics["accuracy"] == fit.metrics["base_rate"]
    pattern = r"Every row is taken for common, which (\S+)% of the rows are: nothing was learnt"
    assert float(re.search(pattern, warned)[1]) == pytest.approx(100 * np.mean(y == "common"), 0.01)


def test_one_class_for_all_rows_whose_probabilities_differ_is_only_noted():
    x = RNG.normal(size=(2000, 1))
    y = (RNG.uniform(size=2000) < special.expit(-4 + x[:, 0])).astype(float)
    fit, warned, said = told(
        lambda x, w, b: x @ w + b, x, y, start=dict(w=np.zeros(1), b=0.0), loss="bce_with_logits"
    )
    assert warned == "" and fit.success
    assert "the probabilities tell more (AUC 0." in said and "predict_proba" in said
    chosen = fit.predict_proba(x)[:, 1] > 0.02  # a threshold of one's own tells some of them
    assert 0 < chosen.mean() < 1 and y[chosen].mean() > 1.5 * y.mean()


def test_an_accuracy_at_the_base_rate():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3))
    for share, poor in ((0.2, True), (0.5, False)):  # what is guessed is half of the rows
        y = ((x[:, 0] > 0) if not poor else (rng.uniform(size=300) < share)).astype(float)
        fit, warned, _ = told(
            lambda x, w: x @ w, x, y, start=dict(w=np.array([0.03, 0, 0])), optimizer="sgd",
            lr=1e-6, epochs=2, loss="bce_with_logits",
        )  # fmt: skip
        assert (fit.metrics["accuracy"] < fit.metrics["base_rate"]) == poor
        shown = re.search(r"The accuracy, (\S+), is no better than the base rate (\S+),", warned)
        assert (shown is not None) == poor
        if shown:
            assert [float(n) for n in shown.groups()] == pytest.approx(
                [fit.metrics["accuracy"], fit.metrics["base_rate"]], rel=1e-3
            )


# --- units


def test_dead_units_are_counted():
    for killed, warns in ((5, True), (2, False), (0, False)):
        begun = nn.mlp([8]).begin(np.random.default_rng(0), (3,), 1)
        bias = np.where(np.arange(8) < killed, -100.0, 0.0)
        fit, warned, said = told(
            nn.mlp([8]), X, NUMBERS, start={"0.bias": bias, **_but(begun, "0.bias")}, **NET
        )
        z = (X - X.mean(0)) / X.std(0)
        output = z @ fit.params["0.weight"].T + fit.params["0.bias"]
        assert np.sum((output <= 0).all(axis=0)) == killed
        words = f"ead are {killed} of the 8 units of layer 1, ReLU(): 0 on each of 300 rows"
        assert (words in said) == (killed > 0) and (words in warned) == warns


def _but(begun, name):
    return {n: a for n, a in begun.items() if n != name}


def test_the_named_activations_have_a_slope_below_0():
    for layer in (nn.LeakyReLU(), nn.GELU()):
        assert descend.grad(lambda z: layer(z))(-1.0) != 0.0  # noqa: B023
    assert descend.grad(lambda z: nn.ReLU()(z))(-1.0) == 0.0


def test_some_identical_units_are_noted():
    begun = nn.mlp([8]).begin(np.random.default_rng(0), (3,), 1)
    begun["0.weight"][1] = begun["0.weight"][0]
    begun["2.weight"][0, 1] = begun["2.weight"][0, 0]
    fit, warned, said = told(nn.mlp([8]), X, NUMBERS, start=dict(begun), **NET)
    np.testing.assert_array_equal(fit.params["0.weight"][0], fit.params["0.weight"][1])
    assert "2 of the 8 units of layer 0, Linear(8), do the same as another" in said
    assert warned == ""


# --- gradients


def deep(activation, count, init="kaiming_uniform"):
    layers = [part for _ in range(count) for part in (nn.Linear(8, init=init), activation())]
    return nn.Sequential(*layers, nn.Linear())


def test_gradients_that_vanish():
    fit, _, said = told(deep(nn.Sigmoid, 8), X, NUMBERS, epochs=2)
    found = re.search(r"that of layer 0, Linear\(8\), is (\S+) times that of layer 16", said)
    first, last = fit.layers[0], fit.layers[-1]
    assert "gradients vanish on their way back" in said and float(found[1]) < 1e-3
    # With biases among the gradients, the table's norms give about the same.
    shares = [layer.gradient / layer.weights for layer in (first, last)]
    assert shares[0] / shares[1] < 1e-2
    _, _, said = told(deep(nn.ReLU, 8), X, NUMBERS, epochs=2)
    assert "vanish" not in said


def test_gradients_that_explode():
    # Sines keep signals small, and hand gradients back eight times the weights' size.
    wide = lambda rng, shape, gain: rng.normal(size=shape) * 8  # noqa: E731
    _, _, said = told(deep(lambda: np.sin, 6, wide), X, NUMBERS, lr=1e-12, epochs=1)
    found = re.search(r"that of layer 0, Linear\(8\), is (\S+) times that of layer 12", said)
    assert "gradients explode on their way back" in said and "clip=" in said
    assert float(found[1]) > 1e3
    _, _, said = told(deep(lambda: np.sin, 6), X, NUMBERS, epochs=1)
    assert "explode" not in said


# --- what stands before a loss of logits

PARAMS = dict(w=np.zeros((3, 3)), b=np.zeros(3))


def softmax(x, w, b):
    e = np.exp(x @ w + b)
    return e / e.sum(1, keepdims=True)


def test_a_softmax_before_a_loss_of_logits():
    options = dict(start=PARAMS, loss="cross_entropy", optimizer="adam", lr=0.1, epochs=300)
    fit, warned, said = told(softmax, X, CLASSES, **options)
    assert "it cannot fall below 0.551. Return what stands before the softmax." in warned
    assert fit.warnings and "softmax" in said and fit.loss > np.log(1 + 2 / np.e)
    again = told(softmax, X, CLASSES, **options)[1]
    assert "Return what stands before the softmax" in again
    better, warned, _ = told(lambda x, w, b: x @ w + b, X, CLASSES, **options)
    assert warned == "" and better.loss < fit.loss


def test_a_softmax_as_the_last_layer_of_a_network():

    def last(x):
        e = np.exp(x)
        return e / e.sum(1, keepdims=True)

    _, warned, _ = told(nn.Sequential(nn.Linear(), last), X, CLASSES, epochs=5)
    assert "The model ends in a softmax" in warned


def test_a_sigmoid_before_a_loss_of_log_odds():
    y = (X[:, 0] > 0.3 * RNG.normal(size=300)).astype(float)
    start = dict(w=np.zeros(3), b=0.0)
    given = lambda x, w, b: special.expit(x @ w + b)  # noqa: E731
    fit, warned, _ = told(given, X, y, start=start, loss="bce_with_logits")
    assert 'or write loss="bce"' in warned and "lies between 0 and 1" in warned
    both = [
        told(given, X, y, start=start, loss="bce"),
        told(lambda x, w, b: x @ w + b, X, y, start=start, loss="bce_with_logits"),
    ]
    for better, warned, _ in both:
        assert "sigmoid" not in warned and better.loss < fit.loss


def test_logits_that_happen_to_lie_between_0_and_1_are_none():
    y = (RNG.uniform(size=300) < 0.6).astype(float)
    fit, warned, _ = told(
        lambda x, w, b: 1e-3 * (x @ w) + b, X, y, start=dict(w=np.ones(3), b=0.4),
        loss="bce_with_logits", optimizer="sgd", lr=1e-6, epochs=2,
    )  # fmt: skip
    assert 0 < fit.fitted.min() < fit.fitted.max() < 1 and "sigmoid" not in warned


# --- scales

OTHER = np.random.default_rng(0)
BIG = np.abs(OTHER.normal(size=(400, 10))) * 100
SUM = BIG[:, 0] + 0.5 * BIG[:, 1]
SLOW = dict(optimizer=descend.SGD(lr=0.001), batch_size=32, epochs=50)


def test_unscaled_columns_where_the_training_came_to_nothing():
    rng = np.random.default_rng(0)
    rng.normal(size=(400, 10))
    start = dict(
        w1=rng.normal(size=(10, 8)) * 0.45, b1=np.zeros(8), w2=rng.normal(size=8) * 0.5, b2=0.0
    )
    fit, warned, said = told(hidden, BIG, SUM, start=start, **SLOW)
    assert not fit.success and "very row has the same prediction" in said and fit.r2 < 0
    pattern = r"The columns are far from 1 .* with standardize=True the same descent comes to the "
    reached = re.search(pattern + r"loss (\S+), and not (\S+)\.", said).groups()
    better, warned, _ = told(hidden, BIG, SUM, start=start, standardize=True, **SLOW)
    assert warned == "" or "standardize" in warned
    assert float(reached[0]) == pytest.approx(better.loss, rel=1e-3)
    assert float(reached[1]) == pytest.approx(fit.loss, rel=1e-3)


def test_a_column_that_is_much_larger_than_others():
    x = X * [1.0, 1.0, 1e4]
    y = (X[:, 0] > 0).astype(float)
    fit, _, said = told(
        lambda x, w, b: x @ w + b, x, y, start=dict(w=np.zeros(3), b=0.0), loss="bce_with_logits",
        optimizer="sgd", lr=1.0, epochs=100,
    )  # fmt: skip
    assert re.search(r"[Xx]\[2\] is about 1e\+04 times as large as [Xx]\[[01]\]", said) or (
        fit.status == "grew"
    )
    assert "standardize=True" in said


def test_columns_of_any_size_that_were_learnt_from_are_left_alone():
    x = X * [1.0, 1.0, 1e3]
    _, _, said = told(
        lambda x, w, b: x @ w + b, x, X[:, 0] + 1e-3 * x[:, 2], start=dict(w=np.zeros(3), b=0.0),
        optimizer="adam", lr=0.05, epochs=3000,
    )  # fmt: skip
    assert "standardize" not in said


def test_noise_is_not_blamed_on_scales():
    y = RNG.normal(size=300)
    _, _, said = told(
        hidden, X * 50, y, start=sized(0.01), optimizer="adam", lr=0.001, epochs=50
    )
    assert "standardize" not in said


def test_the_findings_are_in_the_report_and_in_the_file(tmp_path):
    fit, _, _ = told(deep(nn.Sigmoid, 8), X, NUMBERS, epochs=2)
    fit.save(tmp_path / "a.descend")
    for each in (fit, descend.load(tmp_path / "a.descend")):
        assert "gradients vanish" in " ".join(str(each).split())


def test_a_network_is_evaluated_once_at_its_end(monkeypatch):
    """Once at its start, once at its end, and once for its layers, whoever looks."""
    x = RNG.standard_normal((200, 4)).astype(np.float32)
    y = np.argmax(x[:, :3], axis=1)
    made, call = [], Prepared.__call__

    def counted(self, arrays, extents):
        if any(step.node.op.name == "contract" for step in self.steps):
            made.append(self)
        return call(self, arrays, extents)

    monkeypatch.setattr(Prepared, "__call__", counted)
    for layers in ([8], [8, 8, 8]):  # of three layers and more, gradients are seen
        network = nn.mlp(layers)
        descend.fit(network, x, y, **NET)  # the first looks at the model too
        made.clear()
        fit = descend.fit(network, x, y, **NET)
        assert len(made) == 3
    assert fit.metrics["accuracy"] > 0.9 and len(made) == 4


def test_units_that_are_alike():
    output = RNG.standard_normal((100, 6))
    output[:, 4] = output[:, 1] + 1e-9
    output[40:, 5] = output[40:, 0]
    output[:40, 5] = output[:40, 0] + 1.0
    assert _alike(output, 1e-6) == 2
    output[:, 5] = output[:, 2] = 0.0
    output[:, 2] *= -1.0
    assert _alike(output, 1e-6) == 4
    assert _alike(output[:3], 1e-6) == 4


def wide(units):
    """A network whose weights begin far from 0."""
    return nn.Sequential(nn.Linear(units, init="kaiming_uniform"), "relu", nn.Linear())


def test_dead_units_that_did_not_begin_alike_are_not_called_identical():
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(200, 5))) * 100
    with pytest.warns(descend.DescendWarning):
        fit = descend.fit(
            wide(16), x, x[:, 0], standardize=False, optimizer="sgd", lr=0.01, epochs=20,
            batch_size=32,
        )  # fmt: skip
    said = " ".join(fit.findings)
    assert "Dead are 16 of the 16 units" in said and "do the same" not in said


def test_numbers_farther_off_than_their_mean_are_noted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    y = x[:, 0] - x[:, 1]
    still = descend.fit(wide(8), x, y, optimizer="sgd", lr=1e-9, epochs=3)
    assert still.r2 < 0 and f"R² = {still.r2:.2g} on the rows of the fit" in still.findings[0]
    learnt = descend.fit(nn.mlp([8]), x, y, lr=0.02, epochs=100)
    assert learnt.r2 > 0.9 and not learnt.findings
