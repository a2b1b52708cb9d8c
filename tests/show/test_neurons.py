"""The units of a network over two columns, and the boundary over any two of them."""

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.result.neurons import neurons_of
from show.test_plots import assert_nothing_overlaps, labels

RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(150, 2))
ROUND = np.where((ROWS**2).sum(axis=1) > 1.2, "outside", "inside")


def classifier(net=None, rows=ROWS, y=ROUND, **more):
    net = nn.mlp([6, 3], activation="tanh") if net is None else net
    return descend.fit(net, rows, y, **{"lr": 0.02, "epochs": 60, **more})


def seen(fit, over=None):
    return neurons_of(fit, fit._evidence.ran("…"), over)


def test_maps_and_weights_are_those_of_the_network():
    fit = classifier()
    layers, names, x, y, *_ = seen(fit)
    assert names == ("x[0]", "x[1]")
    assert [layer.title for layer in layers] == [
        "inputs, standardised", "Linear(6), Tanh()", "Linear(3), Tanh()", "Linear()",
    ]  # fmt: skip
    across, up = np.meshgrid(x, y)
    h = np.stack([across.ravel(), up.ravel()], axis=1)
    h = (h - ROWS.mean(axis=0)) / ROWS.std(axis=0)
    for number, layer in zip((0, 2, 4), layers[1:], strict=True):
        weight, bias = fit.params[f"{number}.weight"], fit.params[f"{number}.bias"]
        np.testing.assert_array_equal(layer.weights, weight)
        h = h @ weight.T + bias
        h = np.tanh(h) if number < 4 else h
        np.testing.assert_allclose(layer.maps.reshape(len(weight), -1).T, h, atol=2e-5)
    assert layers[-1].names == ("y = outside",)


def test_a_network_is_seen_as_it_serves():
    net = nn.Sequential(nn.Linear(5), nn.BatchNorm(), "relu", nn.Dropout(0.3), nn.Linear())
    fit = classifier(net)
    layers, _, x, y, *_ = seen(fit)
    assert layers[1].title == "Linear(5), BatchNorm(), ReLU(), Dropout(0.3)"
    across, up = np.meshgrid(x, y)
    p = fit.predict_proba(np.stack([across.ravel(), up.ravel()], axis=1))[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-layers[-1].maps.ravel())), p, atol=1e-5)


def test_of_many_columns_two_are_chosen_and_the_others_held():
    rows = RNG.normal(size=(120, 4))
    table = {name: rows[:, k] for k, name in enumerate("abcd")}
    table["kind"] = np.where(rows[:, 0] * rows[:, 2] > 0, "yes", "no")
    fit = descend.fit(nn.mlp([4]), table, "kind", lr=0.02, epochs=30)
    layers, names, *_, held = seen(fit, ("c", "a"))
    assert names == ("c", "a")
    np.testing.assert_array_equal(layers[1].weights, fit.params["0.weight"][:, [2, 0]])
    b, d = (float(np.median(rows[:, k])) for k in (1, 3))
    assert held == [f"at the medians of the others: b = {b:.4g}, d = {d:.4g}"]
    for figure in (fit.plot_neurons(over=("c", "a")), fit.plot_boundary(over=("c", "a"))):
        assert held[0] in [text.get_text() for text in figure.texts]


def test_a_layer_of_many_units_shows_those_that_reach_farthest():
    fit = classifier(nn.mlp([20]))
    figure = fit.plot_neurons()
    assert "8 of 20 units, ±" in " ".join(text.get_text() for text in figure.axes[0].texts)
    assert len(figure.axes) == 1 + 2 + 8 + 1
    weights = np.abs(fit.params["2.weight"][0])
    drawn = figure.axes[0].lines[-8:]
    wide = sorted(line.get_linewidth() for line in drawn)
    kept = np.sort(weights)[-8:]
    np.testing.assert_allclose(wide, 0.25 + 4.25 * kept / kept.max(), rtol=1e-5)


def test_signs_are_told_by_colour_and_dashes():
    fit = classifier(nn.mlp([3]))
    lines = fit.plot_neurons().axes[0].lines[-3:]
    signs = fit.params["2.weight"][0] > 0
    assert [line.get_linestyle() == "-" for line in lines] == signs.tolist()
    assert len({(line.get_color(), s) for line, s in zip(lines, signs, strict=True)}) == len(
        {*signs.tolist()}
    )


@pytest.mark.parametrize("hidden", [[4], [32, 16]])
def test_nothing_overlaps(hidden, tmp_path):
    kinds = np.where(ROUND == "inside", "inside", np.where(ROWS[:, 0] > 0, "right", "left"))
    figure = classifier(nn.mlp(hidden), y=kinds).plot_neurons(tmp_path / "neurons.svg")
    assert_nothing_overlaps(figure)
    assert (tmp_path / "neurons.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_boundary_over_two_columns_of_more():
    rows = RNG.normal(size=(120, 3))
    fit = classifier(nn.mlp([6]), rows, rows[:, 0] > rows[:, 1])
    axes = fit.plot_boundary(over=("x[0]", "x[1]")).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x[0]", "x[1]")
    assert labels(axes)[:2] == ["False", "True"]
    image = axes.images[0].get_array()
    (_, right, low, _), side = axes.images[0].get_extent(), len(image)
    corner = fit.predict_proba([[right, low, np.median(rows[:, 2])]])[0]
    warm = image[0, side - 1]  # the lower right corner is of the second class, which is orange
    assert corner[1] > 0.9 and warm[0] > warm[2]


def test_what_cannot_be_drawn():
    numbers = descend.fit(nn.mlp([4]), ROWS, ROWS[:, 0], epochs=2)
    three = classifier(rows=RNG.normal(size=(150, 3)), epochs=2)
    line = descend.fit(lambda x, a: a * x, ROWS[:, 0], ROWS[:, 1], start=dict(a=1.0))
    for call, said in (
        (lambda: numbers.plot_boundary(), "a boundary lies between classes"),
        (lambda: three.plot_boundary(), "is over two columns, and there are 3"),
        (lambda: three.plot_neurons(over=("x[0]", "z")), 'over "z", and there is no such column'),
        (lambda: three.plot_neurons(over="x[0]"), "over two columns, not 1"),
        (lambda: line.plot_neurons(), "this model is none"),
    ):
        with pytest.raises(descend.UsageError, match=said):
            call()


def test_a_boundary_on_the_command_line(tmp_path, command):
    rows = [f"{a},{b},{int(a > b)}" for a, b in ROWS.tolist()]
    (tmp_path / "points.csv").write_text("\n".join(["a,b,kind", *rows]) + "\n")
    done = command(
        "fit", "points.csv", "kind = w1*a + w2*b", "--loss", "bce_with_logits", "--start",
        "w1=0,w2=0", "--optimizer", "sgd", "--lr", "0.1", "--epochs", "50", "--over", "b,a",
        "--plot-boundary", "boundary.png",
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert (tmp_path / "boundary.png").read_bytes().startswith(b"\x89PNG")
