"""The map of trainings: what is drawn is what was trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import descend
from descend.cli.app import main
from descend.show.heat_map import edges_of, plot_map

X = np.linspace(0, 1, 30)
PARABOLA = str(Path(__file__).parents[2] / "examples" / "parabola.csv")
FORMULA = "y = w1*x**2 + w2*x + w3"
FIT = ["fit", PARABOLA, FORMULA, "--start", "w1=1,w2=0,w3=1", "--optimizer", "sgd", "--lr", "0.01",
       "--epochs", "20", "--batch-size", "10", "--quiet"]  # fmt: skip


def mesh_of(figure: Any) -> Any:
    (mesh,) = [c for c in figure.axes[0].collections if type(c).__name__ == "QuadMesh"]
    return mesh


def test_cells_are_losses_and_lost_ones_are_left_out() -> None:
    over = dict(lr=np.geomspace(0.01, 5, 12), batch_size=[1, 5, 30])
    found = descend.heat_map(
        "y = a*x + b", {"x": X, "y": 2 * X + 1}, start=dict(a=0, b=0), optimizer="sgd", epochs=40,
        over=over,
    )  # fmt: skip
    figure = found.plot()
    drawn = mesh_of(figure).get_array()
    lost = found.diverged | found.grew
    assert lost.any()
    assert not lost.all()
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn), lost)
    np.testing.assert_array_equal(drawn.data[~lost], found.loss[~lost])
    said = " ".join(t.get_text() for t in figure.texts)
    assert f"{int(lost.sum())} diverged or grew" in said
    i, j = found.best
    assert f"lr = {found.values[0][i]:.4g} and batch_size = {found.values[1][j]}" in said
    assert figure.axes[0].get_yscale() == "log"


def test_edges_lie_between_values() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    edges = edges_of(values)
    assert (edges[:-1] < values).all()
    assert (values < edges[1:]).all()


def test_a_map_of_nothing_but_divergence() -> None:
    lost = np.full((3, 4), np.nan)
    figure = plot_map(("lr", "w"), [1.0, 2.0, 4.0], [0.0, 1.0, 2.0, 3.0], lost)
    assert "12 diverged" in " ".join(t.get_text() for t in figure.texts)


def test_the_command_draws_it(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    asked = ["--plot-map", str(path), "--map", "lr=0.001:0.5:9,batch-size=1:50:6"]
    assert main([*FIT, *asked]) == 0
    assert path.read_text().startswith("<?xml")


REFUSED = {
    ("--plot-map", "map.svg"): "--plot-map draws trainings over two numbers, and none are named",
    ("--map", "lr=1:2,w1=0:1"): "--map says over what --plot-map draws, and there is none",
    ("--plot-map", "map.svg", "--map", "lr=0.1:1"): "--map is over two numbers, not 1",
    ("--plot-map", "map.svg", "--map", "lr=0.1,w1=0:1"): '"lr=0.1" is no range of a number',
    ("--plot-map", "map.svg", "--map", "lr=1:0.1,w1=0:1"): "--map lr goes from one value to a",
    ("--plot-map", "map.svg", "--map", "rl=0.1:1,w1=0:1"): 'over names "rl"',
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([*FIT, *words]) == 2
    assert REFUSED[words] in capsys.readouterr().err
    assert not Path("map.svg").exists()
