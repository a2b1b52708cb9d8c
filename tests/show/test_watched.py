"""A run on the terminal: the dots lie where the numbers are."""

import io
from pathlib import Path

import numpy as np
import pytest

from descend.cli.app import main
from descend.show.watched import CURVE, Dots, Watched

PARABOLA = str(Path(__file__).parents[2] / "examples" / "parabola.csv")


def marks(dots: Dots, layer: int) -> set[tuple[int, int]]:
    """Columns and rows of the signs that hold a dot, rows from below."""
    rows, columns = np.nonzero(dots.signs[layer])
    return {(c, dots.height - 1 - r) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)}


@pytest.mark.parametrize("braille", [True, False])
def test_points_lie_at_their_places(braille: bool) -> None:
    dots = Dots(10, 5, (0, 9), (0, 4), braille)
    dots.points(np.array([0.0, 9.0, 4.5, 20.0, np.nan]), np.array([0.0, 4.0, 2.0, 1.0, 1.0]))
    found = marks(dots, 0)
    assert {(0, 0), (9, 4)} <= found
    assert len(found) == 3
    assert any(c in (4, 5) and r == 2 for c, r in found)


def test_every_dot_of_a_sign_is_its_own_bit() -> None:
    seen = set()
    for i in range(2):
        for j in range(4):
            dots = Dots(1, 1, (0, 1), (0, 3))
            dots.points(np.array([float(i)]), np.array([float(j)]))
            seen.add(dots.text()[0])
    assert len(seen) == 8
    whole = Dots(1, 1, (0, 1), (0, 3))
    for i in range(2):
        for j in range(4):
            whole.points(np.array([float(i)]), np.array([float(j)]))
    assert whole.text() == ["⣿"]


def test_a_line_rises_without_holes() -> None:
    dots = Dots(20, 6, (0, 1), (0, 1))
    dots.line(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert {c for c, _ in marks(dots, CURVE)} == set(range(20))


def test_nothing_finite_draws_nothing() -> None:
    dots = Dots(20, 6, (0, 1), (0, 1))
    dots.line(np.array([0.0, np.nan]), np.array([np.inf, 1.0]))
    assert not marks(dots, CURVE)


def test_the_last_picture_stays(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["fit", PARABOLA, "y = w1*x**2 + w2*x + w3", "--start", "w1=1,w2=0,w3=1", "--optimizer",
         "sgd", "--lr", "0.01", "--epochs", "30", "--watch", "--json"]
    )  # fmt: skip
    drawn = capfd.readouterr().err
    assert code == 0
    assert "data and curve" in drawn
    assert "loss" in drawn
    assert "epoch 30" in drawn
    assert any("⠀" < sign <= "⣿" for sign in drawn)


def test_signs_that_an_encoding_has() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    x = np.linspace(0, 1, 20)
    meter = Watched(stream, (x, x**2, lambda grid, a: a * grid**2))
    meter.start(5)
    for epoch in range(1, 6):
        meter.params = {"a": 1.0}
        meter.update(epoch, 10.0 ** (3 - epoch), 20 * epoch)
    meter.close()
    stream.seek(0)
    told = stream.read()
    assert "*" in told
    assert "loss, by powers of ten" in told
    assert "1000" not in told


@pytest.mark.parametrize("other", [["--by", "x"], ["--quiet"], ["--verbose"]])
def test_what_has_no_picture_is_refused(
    other: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", PARABOLA, "y = w1*x + w3", "--watch", *other]) == 2
    assert "--watch draws one fit while it goes on" in capsys.readouterr().err
