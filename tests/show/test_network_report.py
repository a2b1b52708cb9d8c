"""Reports of networks and classifiers: layers in place of weights, and how often they are right."""

import io
import re

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.records.layers import LayerRecord
from descend.result.saved import read_fit
from descend.result.schema import check_record

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2)) * [1.0, 50.0] + [0.0, 7.0]
COLOURS = np.array(["blue", "green", "red"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 7)]
NUMBERS = X[:, 0] ** 2 + X[:, 1] / 50
QUICK = dict(lr=0.01, epochs=30)


@pytest.fixture(scope="module")
def classifier():
    return descend.fit(nn.mlp([16]), X, COLOURS, **QUICK)


@pytest.fixture(scope="module")
def regression():
    return descend.fit(nn.mlp([16]), X, NUMBERS, **QUICK)


def test_what_was_inferred_and_what_is_rescaled_is_said(classifier, regression):
    said = str(classifier)
    assert "inferred    y holds 3 classes (blue, green, red): loss cross_entropy\n" in said
    assert "loss        cross_entropy\n" in said
    assert "columns are standardised inside; predictions are in the original" in said
    assert "columns and target are standardised inside" in str(regression)
    assert classifier.warnings == regression.warnings == [] and "Warnings" not in said
    named = descend.fit(nn.mlp([4]), X, COLOURS, loss="cross_entropy", **QUICK)
    assert "inferred" not in str(named)


def test_layers_stand_in_place_of_weights(classifier):
    said = str(classifier)
    assert max(map(len, said.splitlines())) <= 80
    assert "± error" not in said and "standard error" not in said and "0.bias[0]" not in said
    table = said[said.index("Layers") :].splitlines()
    assert table[1].split() == ["layer", "row", "parameters", "weights", "activations", "gradient"]
    assert table[2].split()[:4] == ["0", "Linear(16)", "16", "48"]
    assert table[3].split()[:3] == ["1", "ReLU()", "16"]
    assert table[4].split()[:4] == ["2", "Linear()", "3", "51"]
    assert table[5].split()[:2] == ["total", "99"]


def test_the_numbers_of_layers_are_those_of_numpy(classifier):
    w, b, v, c = (
        np.float64(classifier.params[n]) for n in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    z = (X - X.mean(0)) / X.std(0)
    first = z @ w.T + b
    hidden = np.maximum(first, 0)
    out = hidden @ v.T + c
    p = np.exp(out) / np.exp(out).sum(1, keepdims=True)
    error = p - (COLOURS[:, None] == np.array(["blue", "green", "red"]))
    back = (error @ v) * (first > 0)
    slopes = [[back.T @ z, back.sum(0)], [error.T @ hidden, error.sum(0)]]
    norms = [np.sqrt(sum(np.sum((s / 300) ** 2) for s in own)) for own in slopes]
    one, relu, two = classifier.layers
    assert (one.weights, two.weights) == pytest.approx((np.linalg.norm(w), np.linalg.norm(v)))
    sizes = [layer.activations for layer in classifier.layers]
    assert sizes == pytest.approx([np.sqrt(np.mean(a**2)) for a in (first, hidden, out)], rel=1e-5)
    assert (one.gradient, two.gradient) == pytest.approx(norms, rel=1e-4)
    assert np.isnan([relu.weights, relu.gradient]).all()


def test_layers_are_seen_as_the_network_serves():
    net = nn.Sequential(
        nn.Linear(8), nn.BatchNorm(), "relu", nn.Dropout(0.5), nn.Residual(nn.Linear(8), "tanh"),
        nn.Linear(),
    )  # fmt: skip
    fit = descend.fit(net, X, X[:, 0] > 0, **QUICK)
    sizes = [layer.activations for layer in fit.layers]
    assert sizes[-1] == pytest.approx(np.sqrt(np.mean(fit.fitted**2)), rel=1e-5)
    assert max(map(len, str(fit).splitlines())) <= 80 and "4 Residual(Li…" in str(fit)
    assert sizes[2] == sizes[3]  # a draw is its mean
    w, b, c, s = (np.float64(fit.params[n]) for n in ("0.weight", "0.bias", "1.bias", "1.weight"))
    first = (X - X.mean(0)) / X.std(0) @ w.T + b
    batch = (first - first.mean(0)) / np.sqrt(first.var(0) + 1e-5) * s + c
    # What was kept of many batches is near the mean of all rows, and another number.
    assert sizes[1] == pytest.approx(np.sqrt(np.mean(batch**2)), rel=0.2)
    assert sizes[1] != pytest.approx(np.sqrt(np.mean(batch**2)), rel=1e-6)


def test_what_is_fixed_has_no_gradient():
    fit = descend.fit(nn.mlp([4]), X, NUMBERS, fixed=["0.weight", "0.bias"], **QUICK)
    assert np.isnan(fit.layers[0].gradient) and fit.layers[2].gradient > 0


def test_at_most_a_thousand_rows_are_looked_at():
    x = np.r_[np.ones((500_000, 1)), -np.ones((500_000, 1))]
    fit = descend.fit(nn.mlp([4]), x, x[:, 0] > 0, lr=0.1, epochs=3, batch_size=100_000)
    assert "on 1000 rows." in str(fit)


def test_classifiers_say_how_often_they_are_right(classifier):
    accuracy = np.mean(classifier.predict(X) == COLOURS)
    lines = {line[2:18].strip(): line for line in str(classifier).splitlines()}
    assert lines["accuracy"].split()[1] == f"{accuracy:.10f}"
    assert float(lines["base rate"].split()[2]) == pytest.approx(np.mean(COLOURS == "green"))
    assert float(lines["log loss"].split()[2]) == pytest.approx(classifier.loss, rel=1e-6)
    assert lines["classes"].split()[1] == "3" and classifier.n_classes == 3


def test_plain_functions_whose_loss_tells_classes_say_so_too():
    fit = descend.fit(
        lambda x, w, b: x @ w + b, X, X[:, 0] > 0.3 * RNG.normal(size=300),
        start=dict(w=np.zeros(2), b=0.0), loss="bce_with_logits",
    )  # fmt: skip
    assert re.search(r"accuracy +0\.\d+", str(fit)) and re.search(r"classes +2 ", str(fit))
    assert "± error" in str(fit)
    plain = descend.fit(lambda x, w: x @ w, X, NUMBERS, start=dict(w=np.zeros(2)))
    assert "RMSE" not in str(plain) and "classes" not in str(plain)


def test_numbers_have_their_errors(regression):
    lines = {line[2:18].strip(): line for line in str(regression).splitlines()}
    left = NUMBERS - regression.predict(X)
    assert float(lines["RMSE"].split()[1]) == pytest.approx(np.sqrt(np.mean(left**2)))
    assert float(lines["MAE"].split()[1]) == pytest.approx(np.mean(np.abs(left)))
    assert "R²" in lines and "accuracy" not in str(regression)


def test_labels_of_which_a_row_may_have_several():
    y = np.c_[X[:, 0] > 0, X[:, 1] > 7]
    said = str(descend.fit(nn.mlp([4]), X, y, **QUICK))
    assert "share of the labels that are right" in said and "all labels right" in said


def test_a_loaded_fit_says_the_same(classifier, tmp_path):
    classifier.save(tmp_path / "a.descend")
    loaded = descend.load(tmp_path / "a.descend")
    assert str(loaded) == str(classifier)
    np.testing.assert_equal(loaded.layers, classifier.layers)
    assert isinstance(loaded.layers[0], LayerRecord)
    assert loaded._repr_html_() == classifier._repr_html_()


def test_a_file_with_other_layers_is_refused(classifier, tmp_path):
    classifier.save(tmp_path / "a.descend")
    record = read_fit(io.BytesIO((tmp_path / "a.descend").read_bytes())).record
    record["history"] = {"loss": np.zeros(1)}
    check_record(record)
    for layers in (
        "text", ((1, 2),), (("Linear()", (2,), 3, 1.0, 1.0, "gradient"),),
        (("Linear()", (2.5,), 3, 1.0, 1.0, 1.0),),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="layers cannot be"):
            check_record(record | {"layers": layers})


def test_notebooks_show_the_same_sections(classifier):
    page = classifier._repr_html_()
    for words in ("inferred", "Layers", "Linear(16)", "accuracy", "standardised inside"):
        assert words in page


def test_options_of_a_loss_that_are_off_are_not_named():
    start = dict(w=np.zeros((2, 3)))
    y = np.unique(COLOURS, return_inverse=True)[1]
    smooth = descend.CrossEntropy(label_smoothing=0.1)
    named = [
        descend.fit(lambda x, w: x @ w, X, y, start=start, loss=loss, optimizer="adam", epochs=1)
        for loss in ("cross_entropy", smooth)
    ]
    assert [fit.loss_name for fit in named] == ["cross_entropy", "cross_entropy(0.1)"]
