"""Parameters and gradients epoch by epoch: the numbers that are drawn, and what is said of them."""

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.result.courses import course_of, early_first, gradient_norms
from show.test_plots import assert_nothing_overlaps, labels

X = np.linspace(-1.0, 1.0, 30)
Y = 4 * X**2 + 5 * X + 6
START = dict(w1=1.0, w2=0.0, w3=1.0)
KEPT = dict(record=["params"])
RNG = np.random.default_rng(3)


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def fitted(**more):
    options = dict(optimizer="sgd", lr=0.05, batch_size=10, epochs=40, start=START, **KEPT)
    return descend.fit(parabola, X, Y, **{**options, **more})


def headings(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_paths_begin_at_the_start_and_are_those_of_the_history():
    fit = fitted()
    figure = fit.plot_paths()
    paths, loss = figure.axes
    for line, name in zip(paths.lines, START, strict=True):
        epochs, values = line.get_data()
        np.testing.assert_array_equal(epochs, np.arange(41))
        np.testing.assert_array_equal(values, [START[name], *fit.history.params[name]])
    assert labels(paths)[0].startswith("w1 ") and loss.get_xlabel() == "epoch"
    assert_nothing_overlaps(figure)


def test_what_is_fixed_has_no_path():
    assert [label[:2] for label in labels(fitted(fixed=["w2"]).plot_paths().axes[0])] == [
        "w1", "w3",
    ]  # fmt: skip


def test_of_a_network_each_array_has_a_panel_that_says_how_many_of_its_numbers_it_shows():
    rows = RNG.normal(size=(60, 2))
    fit = descend.fit(nn.mlp([8, 8]), rows, rows[:, 0], lr=0.02, epochs=12, **KEPT)
    figure = fit.plot_paths()
    *panels, _ = figure.axes
    titles = [axes.texts[0].get_text() for axes in panels]
    assert titles == ["0.weight, 16", "0.bias, 8", "2.weight, 40 of 64", "2.bias, 8",
                      "4.weight, 8", "4.bias, 1"]  # fmt: skip
    assert [len(axes.lines) for axes in panels] == [16, 8, 40, 8, 8, 1]
    drawn = np.array([line.get_ydata()[-1] for line in panels[0].lines])
    np.testing.assert_array_equal(drawn, fit.params["0.weight"].ravel())
    assert_nothing_overlaps(figure)


def test_a_descent_that_is_lost_is_drawn_as_far_as_it_came():
    with pytest.warns(descend.DescendWarning):
        fit = fitted(lr=20.0, batch_size=None, epochs=400)
    assert fit.status == "diverged"
    loss, left = fit.history.loss, int(np.argmax(fit.history.loss > 1e4 * fit.history.loss[0]))
    last = np.flatnonzero(np.isfinite(loss))[-1]
    said = f"loss {loss[last]:.4g} in epoch {last + 1}"
    for figure in (fit.plot_paths(), fit.plot_gradients(), fit.plot_surface(over=("w1", "w3"))):
        assert f"diverged: drawn up to epoch {left + 1}, where it left, {said}" in headings(figure)
        assert_nothing_overlaps(figure)
    assert f"w3 {fit.history.params['w3'][np.isfinite(fit.history.params['w3'])][-1]:.4g}" in (
        labels(fit.plot_paths().axes[0])
    )
    x, y = fit.plot_paths().axes[0].lines[1].get_data()
    np.testing.assert_array_equal(y, [0.0, *fit.history.params["w2"][: left + 1]])
    x, y = fit.plot_surface(over=("w1", "w3")).axes[0].lines[0].get_data()
    np.testing.assert_allclose(x[1:], fit.history.params["w1"][: left + 1], rtol=1e-9)
    assert fit.animate().frames == left + 2


def test_gradients_of_parameters_are_those_by_hand():
    fit = fitted()
    epochs, norms, layers = gradient_norms(fit._evidence.ran("…"), course_of(fit, "…"))
    assert not layers and [*norms] == ["w1", "w2", "w3"]
    design = np.stack([X**2, X, np.ones(30)], axis=1)
    course = course_of(fit, "…")
    for place, epoch in enumerate(epochs.astype(int)):
        w = np.array([course.params[name][epoch] for name in START])
        by_hand = np.abs(2 * design.T @ (design @ w - Y) / 30)
        found = [norms[name][place] for name in START]
        np.testing.assert_allclose(found, by_hand, rtol=1e-11, atol=1e-13)


def test_gradients_of_layers_end_as_the_layers_of_the_report():
    rows = RNG.normal(size=(60, 2))
    net = nn.Sequential(nn.Linear(6), "tanh", nn.Linear(4), "tanh", nn.Linear())
    fit = descend.fit(net, rows, rows[:, 0] * rows[:, 1], lr=0.02, epochs=20, **KEPT)
    _, norms, layers = gradient_norms(fit._evidence.ran("…"), course_of(fit, "…"))
    assert layers and [*norms] == ["0 Linear(6)", "2 Linear(4)", "4 Linear()"]
    said = [layer.gradient for layer in fit.layers if layer.parameters]
    np.testing.assert_allclose([values[-1] for values in norms.values()], said, rtol=1e-5)


def deep(activation, **more):
    rows = RNG.normal(size=(50, 2))
    stack = [part for _ in range(8) for part in (nn.Linear(6, **more), activation)]
    net = nn.Sequential(*stack, nn.Linear())
    return descend.fit(net, rows, rows[:, 0], lr=1e-4, epochs=3, **KEPT)


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_a_gradient_that_vanishes_is_said_to_and_tinted():
    figure = deep("sigmoid").plot_gradients()
    assert "it VANISHES" in headings(figure)
    assert "vanishing: first < last / 1000" in labels(figure.axes[0])
    assert_nothing_overlaps(figure)


def test_a_gradient_that_neither_vanishes_nor_explodes_is_not():
    figure = deep("tanh").plot_gradients()
    assert "VANISHES" not in headings(figure) and "EXPLODES" not in headings(figure)
    assert not any("first" in label for label in labels(figure.axes[0]))


def test_what_was_not_recorded_cannot_be_drawn(tmp_path):
    for method in ("plot_paths", "plot_gradients", "animate"):
        with pytest.raises(descend.UsageError, match="needs the parameters of every epoch") as told:
            getattr(fitted(record=[]), method)()
        assert 'fit with record=["params"]' in str(told.value)
    fitted().save(tmp_path / "fit.descend")
    loaded = descend.load(tmp_path / "fit.descend")
    loaded.plot_paths(tmp_path / "paths.svg")
    with pytest.raises(descend.UsageError, match="a loaded fit has no rows, on which the grad"):
        loaded.plot_gradients()


def test_without_an_epoch_there_is_no_course():
    with pytest.warns(descend.DivergedWarning):
        fit = fitted(lr=1e300, batch_size=None, engine="interpreted", start=dict(START, w1=1e300))
    assert fit.history.epochs == 0
    with pytest.raises(descend.UsageError, match="is of epochs, and none was completed: "):
        fit.plot_paths()


@pytest.mark.parametrize("count", [2, 59, 60, 61, 300, 5000])
def test_epochs_are_chosen_early_first(count):
    places = early_first(np.arange(float(count)), 60)
    assert places[0] == 0 and places[-1] == count - 1
    assert len(places) == min(count, 60) and (np.diff(places) > 0).all()
    if count >= 300:
        assert np.diff(places)[0] == 1 < np.diff(places)[-2]
        assert places[30] < count / 6
