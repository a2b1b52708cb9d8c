"""The examples run, and their own assertions hold; the data is what it says."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PICTURES = {
    "loss_surface.py": ("surface.png",),
    "paths.py": ("paths.png",),
    "vanishing_gradients.py": ("gradients.png", "tanh.png"),
    "race.py": ("race.png",),
    "learning_rates.py": ("rates.png", "batch_sizes.png"),
    "neurons.py": ("neurons.png", "boundary.png"),
    "map.py": ("map.png",),
    "film.py": ("descent.gif",),
    "graph.py": ("graph.svg", "layers.svg"),
}
SCRIPTS = [*sorted(p.name for p in EXAMPLES.glob("lesson_*.py")), *PICTURES]
WORDS = {
    "lesson_1_minimum.py": "minimize: x = 2.000000",
    "lesson_2_gradient.py": "gradient = [ 6.  8. 10.]",
    "lesson_3_descent.py": "minimize, the same five steps",
    "lesson_4_backpropagation.py": "by backpropagation",
    "lesson_5_training.py": "w = (4.334302857, 4.653193452, 6.061894967)",
    "lesson_6_beyond.py": "from the saved fit: 830",
    "loss_surface.py": "from (-6, -4) to (4.000, 5.000)",
    "paths.py": "w3 rises to 9.47 on its way to 6.00",
    "vanishing_gradients.py": "after 200 epochs: sigmoid 0.93, tanh 0.",
    "race.py": "L-BFGS",
    "learning_rates.py": "2/λmax = 0.8881",
    "neurons.py": "right: 9",
    "map.py": "640 trainings",
    "film.py": "60 pictures",
    "graph.py": "what comes back vanishes in 0 Linear(6), 1 Sigmoid()",
}


NETWORKS = {
    "linear.py": "found [",
    "softmax.py": "['iris' 'rose']",
    "digits.py": "of the digits held back 9",
    "dropout.py": "'dropout': 0.",
    "embedding.py": "Embedding(100, 4)",
    "ensemble.py": "within the data and beyond",
}


@pytest.fixture
def printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """What an example prints, run in the test's own directory, without a process of its own."""

    def run(script: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [script])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run


def in_a_process(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / script)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script: str, tmp_path: Path, printed: Callable[[str], str]) -> None:
    assert WORDS[script] in printed(script)
    assert {*PICTURES.get(script, ())} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("networks/*.py")))
def test_network_draws_its_picture(
    script: str, tmp_path: Path, printed: Callable[[str], str]
) -> None:
    assert NETWORKS[script] in printed(f"networks/{script}")
    (picture,) = tmp_path.glob("*.png")
    assert picture.stem == Path(script).stem
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000
    assert len((EXAMPLES / "networks" / script).read_text().splitlines()) <= 30


def test_the_digits_are_the_published_ones() -> None:
    data = np.load(EXAMPLES / "networks" / "digits.npz")
    assert data["images"].shape == (1797, 64) and data["images"].max() == 16
    # Counts of each digit as the repository states them for its test part.
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(data["digits"]).tolist() == counts
    assert (EXAMPLES / "networks" / "digits.npz").stat().st_size <= 60_000


def test_demo_draws_both_pictures(tmp_path: Path) -> None:
    done = in_a_process("demo.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The numbers are the known ones." in done.stdout
    for name in ("parabola.png", "thurber.png"):
        picture = (tmp_path / "demo-output" / name).read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


def test_parabola_is_the_lessons_table() -> None:
    x, y = np.loadtxt(EXAMPLES / "parabola.csv", delimiter=",", skiprows=1).T
    assert np.array_equal(x, np.arange(100) / 100)
    assert np.allclose(y, 4 * x**2 + 5 * x + 6, rtol=1e-15)


def test_thurber_reaches_the_certified_sum_at_the_certified_parameters() -> None:
    x, y = np.loadtxt(EXAMPLES / "thurber.csv", delimiter=",", skiprows=1).T
    b = [1.2881396800e3, 1.4910792535e3, 5.8323836877e2, 7.5416644291e1]
    c = [9.6629502864e-1, 3.9797285797e-1, 4.9727297349e-2]
    above = b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3
    below = 1 + c[0] * x + c[1] * x**2 + c[2] * x**3
    assert len(x) == 37
    assert abs(np.sum((y - above / below) ** 2) / 5642.7082397 - 1) < 1e-9
