"""The loss over two parameters: its values, its plane, the way on it, and what is refused."""

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.show.surface import plane_of

X = np.linspace(-1.0, 1.0, 30)
Y = 4 * X**2 + 5 * X + 6
DESCENT = dict(optimizer="sgd", lr=0.05, batch_size=10, epochs=20, record=["params"])
START = dict(w1=1.0, w2=0.0, w3=1.0)


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def fitted(**more):
    return descend.fit(parabola, X, Y, start=START, **{**DESCENT, **more})


def test_the_loss_is_that_of_the_rows_and_the_way_goes_from_start_to_end():
    fit = fitted()
    seen = fit._evidence.surface(fit)
    assert seen.names == seen.varied == ["w1", "w2", "w3"]
    np.testing.assert_array_equal(seen.way[0], [1.0, 0.0, 1.0])
    np.testing.assert_array_equal(seen.way[-1], [fit.params[n] for n in seen.names])
    np.testing.assert_array_equal(seen.way[1:-1, 1], fit.history.params["w2"])
    for numbers in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], seen.way[-1]):
        by_hand = np.mean((parabola(X, *numbers) - Y) ** 2)
        assert seen.loss(np.array(numbers)) == pytest.approx(by_hand, rel=1e-12, abs=1e-25)


def test_scaled_rows_and_maxima_have_the_loss_of_the_users_units():
    fit = fitted(standardize=True, lr=0.1)
    seen = fit._evidence.surface(fit)
    assert seen.loss(seen.way[-1]) == pytest.approx(fit.loss, rel=1e-9)


def test_the_plane_of_two_names():
    fit = fitted(fixed=["w3"])
    seen = fit._evidence.surface(fit)
    assert seen.varied == ["w1", "w2"]
    plane = plane_of(seen.names, seen.varied, seen.way, seen.way[-1], None)
    assert plane.labels == ("w1", "w2")
    np.testing.assert_allclose(plane.coordinates(seen.way), seen.way[:, :2], rtol=1e-14)
    np.testing.assert_allclose(plane.point(np.array([7.0, 8.0])), [7.0, 8.0, 1.0])
    other = plane_of(seen.names, seen.varied, seen.way, seen.way[-1], ("w3", "w1"))
    np.testing.assert_allclose(other.point(np.array([7.0, 8.0]))[[2, 0]], [7.0, 8.0])


def test_the_plane_of_the_way_holds_as_much_of_it_as_a_plane_can():
    net = nn.mlp([6])
    rows = np.random.default_rng(0).normal(size=(80, 2))
    fit = descend.fit(net, rows, rows[:, 0] * rows[:, 1], lr=0.02, epochs=30, record=["params"])
    seen = fit._evidence.surface(fit)
    plane = plane_of(seen.names, seen.varied, seen.way, seen.way[-1], None)
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(plane.coordinates(seen.way[-1:]), 0.0, atol=1e-12)
    held = np.sum(plane.coordinates(seen.way) ** 2)
    best = np.linalg.eigvalsh((seen.way - seen.way[-1]).T @ (seen.way - seen.way[-1]))[-2:].sum()
    assert held == pytest.approx(best, rel=1e-9)
    assert "% of the way" in plane.labels[0]
    figure = fit.plot_surface()
    assert figure.axes[0].get_xlabel() == plane.labels[0]


@pytest.mark.parametrize(
    ("fit", "over", "said"),
    [
        (fitted, ("w1", "q"), 'over "q", and there is no such number'),
        (fitted, ["w1"], "over two numbers, not 1"),
        (fitted, "w1", "over two numbers, not 1"),
        (lambda: fitted(record=[]), None, r'fit with record=\["params"\]'),
        (lambda: fitted(fixed=["w1", "w2"]), None, "one varies"),
    ],
)
def test_what_cannot_be_drawn(fit, over, said):
    with pytest.raises(descend.UsageError, match=said):
        fit().plot_surface(over=over)


def test_a_loaded_fit_has_no_rows(tmp_path):
    fitted().save(tmp_path / "fit.descend")
    with pytest.raises(descend.UsageError, match="a loaded fit has no rows"):
        descend.load(tmp_path / "fit.descend").plot_surface(over=("w1", "w2"))


def test_start_and_end_are_drawn_where_the_way_is_not_known(tmp_path):
    fitted(record=[]).plot_surface(tmp_path / "surface.svg", over=("w1", "w2"))
    assert (tmp_path / "surface.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_on_the_command_line(tmp_path, command):
    table = tmp_path / "points.csv"
    table.write_text("x,y\n" + "\n".join(f"{a},{b}" for a, b in zip(X, Y, strict=True)) + "\n")
    call = ["fit", str(table), "y = w1*x**2 + w2*x + w3"]
    picture = tmp_path / "surface.png"
    run = command(*call, "--plot-surface", str(picture), "--over", "w1, w3")
    assert run.returncode == 0 and f"written: {picture}" in run.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    wrong = command(*call, "--over", "w1,w3")
    assert wrong.returncode == 2 and "add --plot-surface FILE" in wrong.stderr

