"""Pictures of what tells classes apart: every panel shows what it says, and nothing overlaps."""

import itertools

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from scipy import stats

import descend
from descend import networks as nn
from descend.errors import UsageError
from descend.records.record import FitRecord, History
from descend.show import canvas
from descend.show.classes import classified, plot_classes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
COLOURS = np.array(["blue", "green", "red"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
QUICK = dict(lr=0.02, epochs=60)


def logits(x, w, b):
    return x @ w + b


def records(y, fitted, **given):
    known = {
        "model": "scores", "n_rows": len(y), "params": {"w": 1.0}, "optimizer": "Adam(lr=0.01)",
        "loss_name": "cross_entropy", "loss": 0.5, "epochs": 3, "y": y, "fitted": fitted,
        "history": History(loss=[1.0, 0.7, 0.5]), "x": {"x": np.zeros((len(y), 5))},
    }  # fmt: skip
    return FitRecord(**(known | given))


def words(axes):
    legend = axes.get_legend()
    shown = [t.get_text() for t in legend.get_texts()] if legend else []
    return {axes.get_xlabel(), axes.get_ylabel(), *shown, *(t.get_text() for t in axes.texts)}


def assert_nothing_overlaps(figure):
    figure.canvas.draw()
    renderer, found = figure.canvas.get_renderer(), list(figure.texts)
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label, *axes.texts]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            found += [
                tick.label1 for tick in axis.get_major_ticks()
                if min(ends) <= tick.get_loc() <= max(ends)
            ]  # fmt: skip
    boxes = [
        (t.get_text(), t.get_window_extent(renderer)) for t in found
        if t.get_visible() and t.get_text().strip()
    ]  # fmt: skip
    page = figure.bbox
    for text, box in boxes:
        inside = box.x0 >= page.x0 and box.x1 <= page.x1 + 1
        assert inside and box.y0 >= page.y0 and box.y1 <= page.y1, text
    for (first, a), (second, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, (first, second)


def no_residuals(figure):
    return not any("residual" in w or "= actual" in w for a in figure.axes for w in words(a))


def test_two_columns_have_a_boundary_with_the_rows():
    fit = descend.fit(nn.mlp([16]), X, COLOURS, **QUICK)
    figure = fit.plot()
    boundary, table, calibration, loss = figure.axes
    assert {"x[0]", "x[1]", "blue", "green", "red"} <= words(boundary)
    shown = [len(c.get_offsets()) for c in boundary.collections if isinstance(c, PathCollection)]
    wrong = int(np.sum(fit.predict(X) != COLOURS))
    assert wrong and shown[-1] == wrong and sum(shown[:-1]) == 300
    assert "taken for another" in words(boundary)
    (image,) = boundary.images
    left, right, low, high = image.get_extent()
    assert left < X[:, 0].min() and right > X[:, 0].max() and low < X[:, 1].min()
    corner = fit.predict(np.array([[left, low], [right, high]]))
    assert corner.tolist() == ["blue", "red"]
    for at, number in ((image.get_array()[0, 0], 0), (image.get_array()[-1, -1], 2)):
        tint = 1 - np.array(canvas_rgb(canvas.class_look(number)[0]))
        np.testing.assert_allclose((1 - at) / tint, (1 - at)[0] / tint[0], rtol=1e-9)
    assert {"y, predicted", "y, actual"} <= words(table)
    assert {"predicted probability", "observed share"} <= words(calibration)
    assert "running loss" in " ".join(words(loss))
    assert no_residuals(figure)
    assert_nothing_overlaps(figure)


def canvas_rgb(colour):
    return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency" (2009): what linear colours become where one kind of cones is missing.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(linear):
    """CIELAB of linear sRGB, in daylight (D65)."""
    t = TO_XYZ @ linear / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_classes_differ_for_every_kind_of_colour_vision(vision):
    looks = [canvas.class_look(k) for k in range(10)]
    assert len({marker for _, marker in looks}) == 10
    seen = []
    for colour, _ in looks:
        c = np.array(canvas_rgb(colour))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        seen.append(lab(np.clip(VISIONS[vision] @ linear, 0, 1)))
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(apart) > 25  # one of 2.3 is just noticeable


def test_one_column_has_probabilities_over_it():
    y = X[:, 0] + 0.5 * X[:, 1] > 0.3
    fit = descend.fit(
        lambda x, a, b: a * x + b, X[:, 0], y, start=dict(a=1, b=0), loss="bce_with_logits"
    )
    curve = fit.plot().axes[0]
    x, p = curve.lines[0].get_data()
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-fit.params["a"] * x - fit.params["b"])))
    assert "probability of 1" in words(curve)
    several = descend.fit(nn.mlp([4]), X[:, :1], np.digitize(X[:, 0], [-0.5, 0.5]), **QUICK)
    lines = several.plot().axes[0].lines
    np.testing.assert_allclose(sum(line.get_ydata() for line in lines), 1.0, rtol=1e-6)


def test_hits_and_misses_are_counted():
    y = RNG.integers(0, 4, 300)
    scores = np.eye(4)[y] * 3
    scores[:30] = scores[:30, ::-1]
    record = records(y, scores)
    table = plot_classes(record, classified(record, "softmax")).axes[0]
    numbers = [t.get_text().split("\n") for t in table.texts[:16]]
    assert sum(int(n[0]) for n in numbers) == 300
    first = np.sum(y[30:] == 0)
    assert numbers[0][0] == str(first) and numbers[0][1] == f"{first / np.sum(y == 0):.0%}"
    assert "accuracy 90.00%" in words(table)


def test_scores_of_a_loss_that_says_nothing_of_probabilities_are_counted_alone():
    record = records(np.array([0, 1, 2, 1]), np.eye(3)[[0, 1, 2, 2]])
    figure = plot_classes(record, classified(record))
    assert len(figure.axes) == 2 and "accuracy 75.00%" in words(figure.axes[0])
    assert classified(records(np.array([0.5, 1.0]), np.array([0.5, 0.9]))) is None


def test_a_perfect_classifier_looks_perfect():
    y = X[:, 0] > 0
    x = np.c_[X[:, 0] + np.sign(X[:, 0]), X]
    fit = descend.fit(nn.mlp([16]), x, y, lr=0.02)
    table, calibration, _ = fit.plot().axes
    assert fit.metrics["accuracy"] == 1.0
    assert "accuracy 100.00%, base rate" in " ".join(words(table))
    np.testing.assert_allclose(table.images[0].get_array()[[0, 1], [1, 0]], 1.0)
    places = calibration.collections[-1].get_offsets()
    np.testing.assert_allclose(places[:, 0], places[:, 1], atol=0.02)
    assert len(places) == 2


def test_calibration_is_that_of_the_rows():
    p = RNG.uniform(size=5000)
    y = (RNG.uniform(size=5000) < p**2).astype(float)
    record = records(y, p)
    axes = plot_classes(record, classified(record, "identity")).axes[1]
    said, seen = np.array(axes.collections[-1].get_offsets()).T
    for k in range(10):
        mine = (p >= k / 10) & (p < (k + 1) / 10)
        assert said[k] == pytest.approx(p[mine].mean())
        assert seen[k] == pytest.approx(y[mine].mean())
        low, high = stats.binomtest(int(y[mine].sum()), int(mine.sum())).proportion_ci(
            method="wilson"
        )
        bar = axes.collections[0].get_segments()[k][:, 1]
        np.testing.assert_allclose(bar, [low, high], rtol=1e-9, atol=1e-15)


def test_labels_of_which_a_row_may_have_several():
    y = np.c_[X[:, 0] > 0, X[:, 1] > 0, X.sum(1) > 1].astype(float)
    fit = descend.fit(nn.mlp([8]), X, y, **QUICK)
    table = fit.plot().axes[0]
    first = [int(t.get_text().split("\n")[0]) for t in table.texts[:4]]
    said = fit.predict(X)[:, 0] > 0
    yes = y[:, 0] > 0
    assert first == [np.sum(yes & said), np.sum(yes & ~said), np.sum(~yes & said),
                     np.sum(~yes & ~said)]  # fmt: skip


def test_shares_as_targets_are_only_calibrated():
    p = RNG.uniform(size=(50, 3))
    p /= p.sum(1, keepdims=True)
    record = records(p, np.log(p))
    assert len(plot_classes(record, classified(record, "softmax")).axes) == 2


def test_accuracy_is_drawn_where_it_was_recorded():
    options = dict(metrics=["accuracy"], validation_split=0.2, **QUICK)
    fit = descend.fit(nn.mlp([4]), np.c_[X, X], COLOURS, **options)
    axes = fit.plot().axes[2]
    last = [fit.history[name][-1] for name in ("accuracy", "validation_accuracy")]
    assert f"accuracy {last[0]:.4g}" in words(axes)
    assert f"validation {last[1]:.4g}" in words(axes)
    assert_nothing_overlaps(fit.plot())


def test_columns_of_a_table_have_their_names():
    table = {"height": X[:, 0], "weight": X[:, 1], "colour": COLOURS}
    fit = descend.fit(nn.mlp([8]), table, "colour", **QUICK)
    figure = fit.plot()
    assert {"height", "weight"} <= words(figure.axes[0])
    assert "colour, actual" in words(figure.axes[1])


def test_whole_numbers_that_are_embedded_have_no_boundary():
    x = RNG.integers(0, 5, (200, 2))
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear())
    fit = descend.fit(net, x, x[:, 0] > x[:, 1], **QUICK)
    assert len(fit.plot().axes) == 3


def test_an_index_has_no_probabilities_between_its_numbers():
    k = RNG.integers(0, 4, 200)
    y = (RNG.uniform(size=200) < np.array([0.1, 0.4, 0.6, 0.9])[k]).astype(float)
    fit = descend.fit(
        lambda k, w: w[k], k, y, start=dict(w=np.zeros(4)), loss="bce_with_logits"
    )
    assert len(fit.plot().axes) == 3
    numbers = descend.fit(lambda k, w: w[k], k, y, start=dict(w=np.zeros(4)))
    assert len(numbers.plot().axes) == 4


ODD = {
    "one row": lambda: records(np.array([1]), np.array([[0.0, 3.0]])),
    "many classes": lambda: records(RNG.integers(0, 60, 500), RNG.normal(size=(500, 60))),
    "twelve long labels": lambda: records(RNG.integers(0, 12, 500), RNG.normal(size=(500, 12))),
    "huge logits": lambda: records(np.array([0.0, 1.0]), np.array([-1e30, 1e30])),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_rows_are_drawn_without_overlap(case, tmp_path):
    record = ODD[case]()
    link = "softmax" if record.fitted.ndim > 1 else "logistic"
    labels = [f"a long $label$ no. {k}" for k in range(12)] if "labels" in case else None
    figure = plot_classes(record, classified(record, link, labels), tmp_path / "classes.svg")
    assert_nothing_overlaps(figure)


def test_a_loaded_fit_draws_its_course(tmp_path):
    fit = descend.fit(nn.mlp([4]), X, COLOURS, **QUICK)
    fit.save(tmp_path / "a.descend")
    (loss,) = descend.load(tmp_path / "a.descend").plot().axes
    assert "running loss" in " ".join(words(loss))


def test_bands_are_for_numbers():
    fit = descend.fit(nn.mlp([4]), X, COLOURS, **QUICK)
    with pytest.raises(UsageError, match="this model tells classes apart\n  do: leave bands out"):
        fit.plot(bands=True)


def test_a_network_of_one_column_has_a_curve():
    x = np.linspace(-2, 2, 80)[:, None]
    fit = descend.fit(nn.mlp([16], activation="tanh"), x, np.sin(x[:, 0]), **QUICK)
    data = fit.plot().axes[0]
    at, curve = data.lines[0].get_data()
    assert len(at) == 600
    np.testing.assert_allclose(curve, fit.predict(at[:, None]), rtol=1e-6)


def test_counts_are_drawn_beside_their_rates():
    y = RNG.poisson(np.exp(1 + X[:, 0] / 2)).astype(float)
    fit = descend.fit(logits, X, y, start=dict(w=np.zeros(2), b=0.0), loss="poisson_log_rate")
    data = fit.plot().axes[0]
    places = data.collections[0].get_offsets()
    np.testing.assert_allclose(places[:, 0], np.exp(X @ fit.params["w"] + fit.params["b"]))
