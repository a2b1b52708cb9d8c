"""A descent as a film: its pictures are those of the epochs, and the file is small."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import descend
from descend import networks as nn
from descend.result.courses import course_of, film_of
from descend.show import animation

X = np.linspace(-1.0, 1.0, 30)
Y = 4 * X**2 + 5 * X + 6
RNG = np.random.default_rng(5)


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def fitted(**more):
    options = dict(optimizer="sgd", lr=0.1, epochs=90, record=["params"])
    return descend.fit(parabola, X, Y, **{**options, "start": dict(w1=1.0, w2=0.0, w3=1.0), **more})


def film(fit):
    return film_of(fit, course_of(fit, "…"))


def test_every_picture_has_the_curve_and_the_loss_of_its_epoch():
    fit = fitted()
    seen = film(fit)
    course = course_of(fit, "…")
    assert len(seen.epochs) == 60 and seen.epochs[0] == 0 and seen.epochs[-1] == 90
    for k, epoch in enumerate(seen.epochs.astype(int)):
        w = [course.params[name][epoch] for name in ("w1", "w2", "w3")]
        np.testing.assert_allclose(seen.curves[k], parabola(seen.x, *w), rtol=1e-12)
        assert seen.loss[k] == pytest.approx(np.mean((parabola(X, *w) - Y) ** 2), rel=1e-11)
    assert seen.ground is None
    assert (np.diff(seen.epochs)[:10] == 1).all() and np.diff(seen.epochs)[-2] > 1


def test_where_two_numbers_vary_a_ball_takes_their_way():
    fit = fitted(fixed=["w3"], epochs=20)
    ground = film(fit).ground
    assert ground.names == ("w1", "w2")
    np.testing.assert_allclose(ground.way[1:, 0], fit.history.params["w1"], rtol=1e-12)
    np.testing.assert_allclose(ground.way[0], [1.0, 0.0])
    a, b = ground.x[3], ground.y[5]
    assert ground.z[5, 3] == pytest.approx(np.mean((parabola(X, a, b, 1.0) - Y) ** 2), rel=1e-11)


def test_of_several_columns_the_predictions_move():
    rows = RNG.normal(size=(40, 2))
    fit = descend.fit(nn.mlp([4]), rows, rows[:, 0], lr=0.02, epochs=8, record=["params"])
    seen = film(fit)
    assert seen.x is None and seen.curves.shape == (9, 40)
    np.testing.assert_allclose(seen.curves[-1], fit.predict(rows).ravel(), rtol=1e-6)


def test_of_classes_their_boundary_moves():
    rows = RNG.normal(size=(40, 2))
    fit = descend.fit(nn.mlp([4]), rows, rows[:, 0] > 0, lr=0.02, epochs=4, record=["params"])
    seen = film(fit)
    assert len(seen.classes) == 5 and seen.rows is None
    np.testing.assert_allclose(seen.classes[-1].p, fit.predict_proba(rows), rtol=1e-5)
    assert np.abs(seen.classes[0].p - seen.classes[-1].p).max() > 1e-3
    assert fit.animate().frames == 5


def test_a_gif_is_whole_small_and_ends_with_a_rest(tmp_path):
    found = fitted(fixed=["w3"]).animate(tmp_path / "descent.gif")
    data = (tmp_path / "descent.gif").read_bytes()
    assert data == found.data and data.startswith(b"GIF89a") and len(data) <= 600_000
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (800, 416) and picture.n_frames == found.frames == 60
    frames = []
    for number in (0, 20, 59):
        picture.seek(number)
        frames.append(np.asarray(picture.convert("RGB"), int))
    assert picture.info["duration"] == 2000
    assert all((a != b).any() for a, b in itertools.pairwise(frames))
    assert tuple(frames[0][5, 790]) == (255, 255, 255)
    assert [*tmp_path.iterdir()] == [tmp_path / "descent.gif"]


def test_only_what_moves_is_drawn_anew_and_looks_as_if_all_were():
    fit = fitted(fixed=["w3"], epochs=12)
    quick, slow = (animation._sheet(fit, film(fit)) for _ in range(2))
    shown = np.array([0, 5, 12])
    pairs = zip(animation._frames(quick, shown),
                animation._frames(slow._replace(moving=None), shown), strict=True)  # fmt: skip
    for a, b in pairs:
        apart = np.abs(np.asarray(a, int) - np.asarray(b, int)).max(axis=2) > 40
        assert apart.mean() < 0.002  # lines above or below the frame of a panel


def test_a_large_film_loses_pictures_until_it_is_small(monkeypatch):
    fit = fitted(epochs=20)
    whole = fit.animate()
    monkeypatch.setattr(animation, "MOST_BYTES", len(whole.data) - 1)
    assert whole.frames == 21 and fit.animate().frames == 11


def test_a_notebook_shows_it():
    found = fitted(epochs=5).animate()
    assert found._repr_html_().startswith('<img alt="a descent" src="data:image/gif;base64,')
    assert repr(found).startswith("<animation of 6 pictures: gif, ")


def test_an_mp4_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(descend.UsageError, match="ffmpeg is not installed") as told:
        fitted(epochs=5).animate(tmp_path / "descent.mp4")
    assert "apt install ffmpeg" in str(told.value) and "write a .gif" in str(told.value)


def stand_in(folder, text):
    """Something called ffmpeg."""
    place = folder / "ffmpeg"
    place.write_text(f"#!{sys.executable}\n{text}")
    place.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
def test_an_mp4_is_what_ffmpeg_makes_of_the_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    write = "open(sys.argv[-1], 'wb').write(f'{len(data)} {sys.argv[1:-1]}'.encode())"
    stand_in(tmp_path, f"import sys\ndata = sys.stdin.buffer.read()\n{write}\n")
    found = fitted(epochs=5).animate(tmp_path / "descent.mp4")
    count, _, words = (tmp_path / "descent.mp4").read_text().partition(" ")
    assert int(count) == 6 * 800 * 416 * 3 and "'-s', '800x416'" in words
    assert found.kind == "mp4" and found._repr_html_().startswith("<video controls loop src=")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
def test_what_ffmpeg_complains_of_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    stand_in(tmp_path, "import sys\nsys.exit('Unknown encoder')\n")
    with pytest.raises(descend.UsageError, match="ffmpeg could not write the film: Unknown encod"):
        fitted(epochs=5).animate(tmp_path / "descent.mp4")


@pytest.mark.parametrize("name", ["descent.png", "nowhere/descent.gif"])
def test_a_place_where_no_film_can_be_written(tmp_path, name):
    with pytest.raises(descend.UsageError, match="the animation cannot be written"):
        fitted(epochs=5).animate(tmp_path / name)


@pytest.fixture
def call(tmp_path):
    """The words of a fit on the command line, before what is drawn."""
    rows = [f"{a},{b},{a > 0}" for a, b in zip(X, Y, strict=True)]
    (tmp_path / "points.csv").write_text("\n".join(["x,y,g", *rows]) + "\n")
    return ["fit", "points.csv", "y = w1*x**2 + w2*x + w3", "--start", "w1=1,w2=0,w3=1"]


def test_all_of_them_on_the_command_line(tmp_path, call):
    drawn = {
        "--plot-paths": "paths.png", "--plot-gradients": "gradients.svg", "--animate": "film.gif",
        "--plot-race": "race.png", "--plot-rates": "rates.pdf", "--plot-batch-sizes": "batch.png",
    }  # fmt: skip
    words = [
        *call, "--optimizer", "sgd", "--lr", "0.1", "--epochs", "20", "--race", "sgd,adam,lbfgs",
        "--rates", "0.01,0.1,3", *[word for pair in drawn.items() for word in pair],
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-W", "error", "-m", "descend", *words],
                          capture_output=True, text=True, encoding="utf-8",
                          cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for name in drawn.values():
        assert f"written: {name}" in done.stdout and (tmp_path / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--race", "sgd,adam"], "add --plot-race FILE"),
        (["--rates", "0.1,1"], "add --plot-rates FILE"),
        (["--plot-race", "race.png"], "add --race sgd,adam,rmsprop"),
        (["--plot-race", "race.png", "--race", "lr=0.1,1"], "add --optimizer sgd"),
        (["--animate", "film.png"], '".png" is not supported'),
        (["--by", "g", "--animate", "film.gif"], "--animate is for a single fit"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_the_run(command, call, words, said):
    done = command(*call, *words)
    assert done.returncode == 2 and said in done.stderr


def test_numbers_race_as_well(tmp_path, command, call):
    done = command(*call, "--optimizer", "sgd", "--epochs", "9", "--plot-race", "race.svg",
                   "--race", "lr=0.01,0.1")  # fmt: skip
    assert done.returncode == 0 and (tmp_path / "race.svg").exists(), done.stderr
