"""Pictures: everything is drawn, nothing overlaps, odd runs are drawn as well, files are whole."""

import itertools
import struct
import sys
import threading

import numpy as np
import pytest

from descend.errors import UsageError
from descend.records.record import FitRecord, History, Minimum
from descend.show import canvas
from descend.show.paths import plot_minimum
from descend.show.plots import plot_fit

RANDOM = np.random.default_rng(0)


def parabola(**changes):
    x = np.arange(100) / 100
    y = 4 * x**2 + 5 * x + 6
    fitted = 4.33 * x**2 + 4.65 * x + 6.06
    given = {
        "model": "y = w1*x**2 + w2*x + w3",
        "n_rows": 100,
        "params": {"w1": 4.33, "w2": 4.65, "w3": 6.06},
        "optimizer": "SGD(lr=0.001)",
        "batch_size": 1,
        "loss": 6.4e-4,
        "epochs": 1000,
        "seconds": 6e-4,
        "stop_loss": 1e-5,
        "history": History(loss=np.geomspace(60, 6e-4, 1000)),
        "x": {"x": x},
        "y": y,
        "fitted": fitted,
        "residuals": y - fitted,
    }
    return FitRecord(**(given | changes))


def predict(columns):
    return 4.33 * columns["x"] ** 2 + 4.65 * columns["x"] + 6.06


def texts(figure):
    """All texts that are drawn, with their boxes in pixels."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = list(figure.texts)
    for axes in figure.axes:
        found += [axes.xaxis.label, axes.yaxis.label, *axes.texts]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            within = [
                tick
                for tick in axis.get_major_ticks()
                if min(limits) <= tick.get_loc() <= max(limits)
            ]
            found += [axis.get_offset_text()]
            found += [tick.label1 for tick in within if tick.label1.get_visible()]
    return [
        (entry.get_text(), entry.get_window_extent(renderer))
        for entry in found
        if entry.get_visible() and entry.get_text().strip()
    ]


def assert_nothing_overlaps(figure):
    for (first, a), (second, b) in itertools.combinations(texts(figure), 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, (first, second)


def labels(axes):
    return [entry.get_text() for entry in axes.get_legend().get_texts()]


def test_the_lesson_is_drawn_whole():
    figure = plot_fit(parabola(), predict=predict)
    data, loss, residuals, spread = figure.axes
    assert labels(data) == ["y, 100 rows", "prediction"]
    assert labels(loss) == ["running loss, last 0.0006", "stop at 1e-05"]
    assert loss.get_yscale() == "log"
    assert (data.get_ylabel(), residuals.get_ylabel(), residuals.get_xlabel()) == (
        "y", "residual", "x",
    )  # fmt: skip
    headings = [text.get_text() for text in figure.texts]
    assert headings[0] == "y = w1*x**2 + w2*x + w3"
    assert headings[1] == "w1 = 4.33    w2 = 4.65    w3 = 6.06"
    points = data.collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 1], parabola().y)
    assert spread.get_xlabel() == "rows per residual"
    assert_nothing_overlaps(figure)


def test_the_curve_is_the_model_between_the_data():
    data = plot_fit(parabola(), predict=predict).axes[0]
    x, y = data.lines[0].get_data()
    assert len(x) == 600 and x[0] == 0.0 and x[-1] == 0.99
    np.testing.assert_allclose(y, 4.33 * x**2 + 4.65 * x + 6.06)


def thirty():
    columns = {f"c{i}": RANDOM.normal(size=800) for i in range(30)}
    y = sum((i + 1) * column for i, column in enumerate(columns.values()))
    loss = np.r_[np.geomspace(1e6, 1e3, 40), 1e30, np.inf, [np.nan] * 20]
    return parabola(
        model="price ($) = " + " + ".join(f"w{i}*c{i}" for i in range(30)),
        target="price ($)",
        n_rows=800,
        params={f"w{i}": float(RANDOM.normal() * 10.0 ** (i - 15)) for i in range(30)},
        status="diverged",
        history=History(loss=loss, validation_loss=2 * loss),
        x=columns,
        y=y,
        fitted=y + RANDOM.normal(size=800),
    )


def million():
    x = RANDOM.normal(size=1_000_000)
    y = 2 * x + RANDOM.normal(size=x.size)
    return parabola(n_rows=x.size, x={"x": x}, y=y, fitted=2 * x, history=History(loss=[0.3]))


ODD = {
    "many inputs, diverged": thirty,
    "a million rows, one epoch": million,
    "no epoch": lambda: parabola(history=History(), stop_loss=None),
    "loss not positive": lambda: parabola(history=History(loss=np.linspace(2, -3, 50))),
    "all losses NaN": lambda: parabola(history=History(loss=[np.nan] * 5)),
    "loss zero": lambda: parabola(history=History(loss=np.zeros(5)), stop_loss=None),
    "huge losses": lambda: parabola(history=History(loss=[1e300, 1e308])),
    "one row": lambda: parabola(
        n_rows=1, x={"x": np.array([1.0])}, y=np.array([2.0]), fitted=np.array([2.5])
    ),
    "a perfect fit": lambda: parabola(fitted=parabola().y),
    "fitted NaN": lambda: parabola(fitted=np.full(100, np.nan)),
    "integers": lambda: parabola(x={"x": np.arange(100)}, y=np.arange(100)),
    "several targets": lambda: parabola(y=np.ones((100, 2)), fitted=np.zeros((100, 2))),
    "only numbers": lambda: FitRecord(model="y = a*x", params={"a": 1.0}, n_rows=2),
    "large values": lambda: parabola(y=parabola().y * 1e9, fitted=parabola().fitted * 1e9),
    "small range": lambda: parabola(y=parabola().y * 1e-9, fitted=parabola().fitted * 1e-9),
    "long names": lambda: parabola(
        target="t" * 90,
        x={"a rather long name of a column, with units [km/h] " * 2: parabola().x["x"]},
    ),
    "a text of several lines": lambda: parabola(model="def model(x, a):\n    return a * x"),
    "other scripts": lambda: parabola(target="价格", model="价格 = a*x"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:no font for Chinese")  # boxes, where so
@pytest.mark.parametrize("case", ODD)
def test_odd_runs_are_drawn_without_overlap(case):
    assert_nothing_overlaps(plot_fit(ODD[case]()))


def test_lost_epochs_are_marked():
    loss = plot_fit(thirty()).axes[1]
    assert "not finite from epoch 42" in labels(loss)
    assert "running loss, last 1e+30" in labels(loss)


def test_losses_that_are_not_positive_stand_on_an_even_scale():
    assert plot_fit(ODD["loss not positive"]()).axes[1].get_yscale() == "linear"


def test_a_level_loss_is_drawn_level():
    history = History(loss=[0.5 + 1e-13, 0.5, 0.5 - 1e-13])
    low, high = plot_fit(parabola(history=history, stop_loss=None)).axes[1].get_ylim()
    assert low == pytest.approx(0.45) and high == pytest.approx(0.55)


def test_names_are_never_read_as_mathematics():
    figure = plot_fit(parabola(target="cost ($) per $x$", x={"a_1 ^ $": parabola().x["x"]}))
    assert_nothing_overlaps(figure)
    assert figure.axes[2].xaxis.label.get_parse_math() is False


def test_a_million_rows_become_a_density_and_not_a_million_markers():
    data = plot_fit(million()).axes[0]
    drawn = sum(len(collection.get_offsets()) for collection in data.collections)
    assert 100 < drawn < 20_000


def test_thinning_keeps_peaks():
    y = np.zeros(1_000_000)
    y[123_457], y[765_433] = 5.0, -7.0
    x, kept = canvas.thinned(np.arange(y.size), y)
    assert len(x) <= 4002
    assert (kept.max(), kept.min()) == (5.0, -7.0)
    assert x[kept.argmax()] == 123_457


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".jpg", b"\xff\xd8\xff"),
     (".webp", b"RIFF")],
)  # fmt: skip
def test_formats(tmp_path, suffix, begins):
    plot_fit(parabola(), tmp_path / f"fit{suffix}")
    assert (tmp_path / f"fit{suffix}").read_bytes().startswith(begins)
    assert len(list(tmp_path.iterdir())) == 1


def test_pictures_are_large_enough_and_repeat_to_the_bit(tmp_path):
    for name in ("a.png", "b.png"):
        plot_fit(parabola(), tmp_path / name, predict)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert struct.unpack(">II", first[16:24]) == (1800, 1200)
    assert first == second


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        plot_fit(parabola(), tmp_path / "nowhere" / "fit.png")


def test_pyplot_and_its_global_state_stay_untouched(tmp_path):
    import matplotlib

    before, pyplot = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    threads = [
        threading.Thread(target=plot_fit, args=(parabola(), tmp_path / f"{k}.png"))
        for k in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.iterdir())) == 2
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot


def test_notebooks_get_a_picture():
    assert plot_fit(parabola())._repr_png_().startswith(b"\x89PNG")


def descent(function, gradient, start, lr, steps):
    places = [np.array(start, dtype=float)]
    for _ in range(steps):
        places.append(places[-1] - lr * gradient(places[-1]))
    way = np.array(places[1:])
    return way, np.array([function(place) for place in way])


def minimum(**changes):
    way, values = descent(lambda p: p @ p, lambda p: 2 * p, [1.0, -2.0], 0.1, 30)
    given = {
        "function": "x**2 + y**2",
        "params": {"x": way[-1, 0], "y": way[-1, 1]},
        "start": {"x": 1.0, "y": -2.0},
        "value": values[-1],
        "iterations": 30,
        "history": History(loss=values, params={"x": way[:, 0], "y": way[:, 1]}),
    }
    return Minimum(**(given | changes))


def test_a_path_in_the_plane_begins_at_the_start():
    figure = plot_minimum(minimum(), function=lambda p: float(p @ p))
    plane, value = figure.axes
    x, y = plane.lines[0].get_data()
    assert (x[0], y[0]) == (1.0, -2.0) and len(x) == 31
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("x", "y")
    assert value.get_yscale() == "log"
    assert_nothing_overlaps(figure)


def test_a_path_in_one_dimension_lies_on_the_function():
    way, values = descent(lambda p: p[0] ** 2, lambda p: 2 * p, [3.0], 0.1, 20)
    record = minimum(
        params=way[-1], start=[3.0], history=History(loss=values, params={"x": way})
    )  # fmt: skip
    curve, *_ = plot_minimum(record, function=lambda p: float(p[0] ** 2)).axes
    assert labels(curve) == ["the function", "the way taken", "start", "end"]
    x, y = curve.lines[1].get_data()
    np.testing.assert_allclose(y, x**2)


def test_functions_may_fail_beyond_their_domain():
    def logarithmic(place):
        if place.min() <= 0:
            raise ValueError("math domain error")
        return float(np.log(place).sum())

    figure = plot_minimum(minimum(), function=logarithmic)
    assert len(figure.axes) == 2


def lost():
    way = {"x": np.array([1.0, np.nan]), "y": np.array([1.0, np.inf])}
    return minimum(status="diverged", history=History(loss=[1.0, np.nan], params=way))


def five():
    history = History(loss=[1.0], params={"x": np.ones((1, 5))})
    return minimum(history=history, params=np.ones(5), start=None)


@pytest.mark.parametrize(
    ("record", "panels"),
    [
        (minimum(history=History(loss=[3.0, 2.0, -1.0])), 1),
        (minimum(history=History()), 1),
        (five(), 1),
        (lost(), 2),
    ],
)
def test_odd_minimisations_are_drawn(record, panels):
    figure = plot_minimum(record, function=lambda p: float(p @ p))
    assert len(figure.axes) == panels
    assert_nothing_overlaps(figure)


def test_sigmas_are_bars_on_data_and_residuals():
    sigma = np.linspace(0.1, 0.5, 100)
    data, _, residuals, _ = plot_fit(parabola(), predict=predict, sigma=sigma).axes
    for axes, middle in ((data, parabola().y), (residuals, parabola().y - parabola().fitted)):
        ends = np.array(axes.collections[-1].get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, np.stack([middle - sigma, middle + sigma], axis=1))


def test_a_wide_legend_takes_rows_not_room():
    x = parabola().x["x"]
    parts = {f"a long name of component {k}": x for k in range(4)}
    narrow, wide = (
        plot_fit(parabola(), predict=predict, components=found)
        for found in (None, lambda columns: dict.fromkeys(parts, columns["x"]))
    )
    for figure in (narrow, wide):
        figure.draw_without_rendering()
    widths = [figure.axes[0].get_position().width for figure in (narrow, wide)]
    assert widths[1] > 0.97 * widths[0]
