"""Races and many trainings in one picture: nothing left out, divergences with their numbers."""

import numpy as np
import pytest

import descend
from descend.show.heat_map import plot_map
from descend.show.rates import Series, edge_of
from descend.train.pictures import _limit, series_of
from descend.trust.derivatives import LossSlopes
from show.test_plots import assert_nothing_overlaps, labels

X = np.linspace(-1.0, 1.0, 30)
Y = 4 * X**2 + 5 * X + 6
START = dict(w1=1.0, w2=0.0, w3=1.0)
DESIGN = np.stack([X**2, X, np.ones(30)], axis=1)
LARGEST = np.linalg.eigvalsh(2 * DESIGN.T @ DESIGN / 30)[-1]


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def fitted(**more):
    return descend.fit(parabola, X, Y, **{"optimizer": "sgd", "start": START, **more})


def drawn_texts(axes):
    return [text.get_text() for text in axes.texts]


def race():
    return {
        "slow": fitted(lr=0.01, epochs=30), "fast": fitted(lr=0.3, epochs=60),
        "lost": fitted(lr=5.0, epochs=2000),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_a_race_draws_every_run_and_says_what_each_came_to():
    runs = race()
    figure = descend.plot_race(runs)
    losses, table = figure.axes
    for line, run in zip(losses.lines, runs.values(), strict=True):
        epoch, loss = line.get_data()
        seen = np.isfinite(run.history.loss)
        np.testing.assert_array_equal(epoch, run.history.epoch[seen][: len(epoch)])
        inside = loss < 1e200
        np.testing.assert_array_equal(loss[inside], run.history.loss[seen][inside])
    told = drawn_texts(table)
    assert "slow" in told and f"{runs['fast'].loss:.4g}" in told and "60" in told
    lost = runs["lost"]
    finite = np.flatnonzero(np.isfinite(lost.history.loss))[-1]
    value, epoch = lost.history.loss[finite], lost.history.epoch[finite]
    assert lost.status == "diverged"
    assert f"{value:.3g} in epoch {epoch}, then lost" in told
    assert "3 runs; 1 of them diverged" in figure.texts[1].get_text()
    assert_nothing_overlaps(figure)


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_trainings_race_under_the_names_of_what_differs(tmp_path):
    found = descend.trainings(
        parabola, X, Y, over={"lr": [0.01, 0.1]}, optimizer="sgd", epochs=9, start=START
    )
    table = descend.plot_race(found, tmp_path / "race.svg").axes[1]
    assert {"lr 0.01", "lr 0.1"} <= {*drawn_texts(table)}
    assert (tmp_path / "race.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("runs", "said"),
    [({}, "there are none"), ([1], "there are none"), ({"a": 1.0}, '"a" is no fit, but float'),
     (dict.fromkeys(range(17)), "17 runs cannot be told apart")],
)  # fmt: skip
def test_what_is_no_race(runs, said):
    with pytest.raises(descend.UsageError, match=said):
        descend.plot_race(runs)


# --- the largest curvature, and the edge of divergence


def slopes_of(fit):
    run = fit._evidence.finished
    return LossSlopes(run.job, run.built, run.leaves()), run.leaves()


def test_the_sharpness_is_the_largest_eigenvalue():
    slopes, leaves = slopes_of(fitted(lr=0.1, epochs=3))
    assert slopes.sharpness(leaves) == pytest.approx(LARGEST, rel=1e-13)
    np.testing.assert_allclose(
        slopes.times(leaves, np.array([1.0, -2.0, 3.0])),
        2 * DESIGN.T @ DESIGN @ [1.0, -2.0, 3.0] / 30, rtol=1e-12,
    )  # fmt: skip


def test_of_many_numbers_it_is_found_by_products():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(120, 90)) * rng.uniform(0.1, 3, 90)
    fit = descend.fit(
        lambda x, w: x @ w, a, a @ rng.normal(size=90), start=dict(w=np.zeros(90)),
        optimizer="sgd", lr=0.001, epochs=2, penalty="l2(0.25)",
    )  # fmt: skip
    slopes, leaves = slopes_of(fit)
    largest = np.linalg.eigvalsh(2 * a.T @ a / 120)[-1] + 0.5
    assert slopes.sharpness(leaves) == pytest.approx(largest, rel=1e-8)


def test_what_is_fixed_is_no_part_of_it():
    slopes, leaves = slopes_of(fitted(lr=0.1, epochs=3, fixed=["w3"]))
    largest = np.linalg.eigvalsh(2 * DESIGN[:, :2].T @ DESIGN[:, :2] / 30)[-1]
    assert slopes.sharpness(leaves) == pytest.approx(largest, rel=1e-13)


def series(limit, method, epochs=6000):
    rates = limit * np.array([0.5, 0.9, 0.995, 1.005, 1.1])
    found = descend.trainings(
        parabola, X, Y, over={"lr": rates.tolist()}, optimizer=method, start=START, epochs=epochs
    )
    return series_of(found, "lr", rates, _limit)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_descent_on_all_rows_diverges_exactly_beyond_the_limit(momentum):
    limit = 2 * (1 + momentum) / LARGEST
    found = series(limit, descend.SGD(lr=limit, momentum=momentum))
    assert found.limit == pytest.approx(limit, rel=1e-10)
    assert found.fell.tolist() == [True, True, True, False, False]
    assert edge_of(found) == pytest.approx((0.995 * limit, 1.005 * limit))


def test_a_method_without_such_a_limit_has_none():
    for method in (descend.Adam(lr=0.1), descend.SGD(lr=0.1, momentum=0.9, nesterov=True),
                   descend.SGD(lr=0.1, weight_decay=0.1)):  # fmt: skip
        run = descend.start(parabola, X, Y, start=START, optimizer=method)._run
        assert np.isnan(_limit(run)[0])
    factors = dict(optimizer="sgd", lr=0.1, lr_factors={"w1": 0.5})
    assert np.isnan(_limit(descend.start(parabola, X, Y, start=START, **factors)._run)[0])


def test_rates_are_drawn_with_the_edge_and_the_epochs_in_which_runs_were_lost():
    figure = descend.plot_rates(parabola, X, Y, start=START, epochs=400)
    losses, lost = figure.axes
    assert f"2/λmax = {2 / LARGEST:.4g}" in labels(losses)
    assert any(label.startswith("above the picture, up to ") for label in labels(losses))
    assert lost.get_ylabel() == "lost in epoch"
    points = np.ma.getdata(lost.collections[0].get_offsets())
    rate, epoch = points[-1]
    with pytest.warns(descend.DivergedWarning):
        alone = fitted(lr=rate, epochs=400)
    assert alone.status == "diverged" and alone.history.epochs == epoch
    drawn = sum(len(c.get_offsets()) for c in losses.collections if len(c.get_offsets()) > 0)
    assert drawn + len(points) == 49
    assert_nothing_overlaps(figure)


def test_losses_that_are_exactly_0_have_a_mark_of_their_own():
    rates = [0.05, 0.5]
    figure = descend.plot_rates(
        lambda x, a: a * x, X, 0 * X, lr=rates, start=dict(a=1.0), epochs=1500
    )
    assert "exactly 0" in labels(figure.axes[0])


def test_sizes_of_batches_go_up_to_all_rows():
    figure = descend.plot_batch_sizes(parabola, X, Y, start=START, lr=0.05, epochs=30)
    x, y = figure.axes[0].lines[0].get_data()
    assert x.tolist() == [1, 2, 4, 8, 16, 30]
    alone = fitted(lr=0.05, epochs=30, batch_size=4)
    assert y[2] == pytest.approx(alone.running_loss, rel=1e-9)
    assert_nothing_overlaps(figure)


@pytest.mark.parametrize("lr", [[0.1], [0.0, 0.1], [np.inf, 1.0]])
def test_rates_that_cannot_be_meant(lr):
    with pytest.raises(descend.UsageError, match="lr takes two or more numbers above 0"):
        descend.plot_rates(parabola, X, Y, lr=lr, start=START, epochs=5)


@pytest.mark.parametrize("draw", [descend.plot_rates, descend.plot_batch_sizes])
def test_a_place_is_tried_before_the_trainings(draw, tmp_path):
    with pytest.raises(descend.UsageError, match="does not exist"):
        draw("no formula at all", path=tmp_path / "nowhere" / "rates.png")


def test_a_series_without_an_edge():
    lost = np.full(2, np.nan)
    assert edge_of(Series("lr", np.array([1.0, 2.0]), np.ones(2), lost, 3.0, 5)) is None


# --- over two numbers


def valley():
    a, b = np.geomspace(1e-3, 1, 30), np.geomspace(1, 64, 20)
    across, up = np.meshgrid(b, a)
    loss = 1e-4 + np.abs(np.log(up / 0.03)) + 0.1 * np.log(across)
    loss[up > 0.5], loss[0, 0] = np.inf, np.nan
    return a, b, loss


def test_a_map_counts_what_diverged_and_marks_the_best():
    a, b, loss = valley()
    figure = plot_map(("lr", "batch_size"), a, b, loss)
    axes = figure.axes[0]
    lost = int((~np.isfinite(loss)).sum())
    assert {f"{lost} diverged", "the best"} <= {*labels(axes)}
    assert axes.get_xscale() == axes.get_yscale() == "log"
    best = axes.collections[-1].get_offsets()[0]
    i, j = np.unravel_index(np.nanargmin(loss), loss.shape)
    np.testing.assert_allclose(best, [b[j], a[i]])
    said = figure.texts[1].get_text()
    assert f"600 trainings  ·  least loss {loss[i, j]:.4g} at lr = {a[i]:.4g}" in said
    cells = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(cells).ravel(), ~np.isfinite(loss).ravel())
    np.testing.assert_array_equal(cells.compressed(), loss[np.isfinite(loss)])
    assert_nothing_overlaps(figure)


def test_each_cell_lies_around_its_values():
    values = np.linspace(1.0, 2.0, 5), np.linspace(0.0, 3.0, 4)
    figure = plot_map(("a", "b"), *values, np.arange(20.0).reshape(5, 4))
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "linear"
    corners = axes.collections[0].get_coordinates()
    middles = (corners[1:, 1:] + corners[:-1, :-1]) / 2
    np.testing.assert_allclose(middles[:, 0, 1], values[0])
    np.testing.assert_allclose(middles[0, :, 0], values[1])
    assert "none diverged" in figure.texts[1].get_text()


def test_a_map_where_all_diverged(tmp_path):
    figure = plot_map(
        ("lr", "momentum"), [0.1, 1.0], [0.0, 0.9], np.full((2, 2), np.inf), tmp_path / "map.png"
    )
    assert labels(figure.axes[0]) == ["4 diverged"]
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
