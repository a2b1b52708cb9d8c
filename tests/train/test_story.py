"""What a run says of itself: the epoch returned, divergence, what was resumed, units."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 3.0, 20)
Y = 2 * X + 1 + np.sin(9 * X)


def line(x, a, b):
    return a * x + b


def quiet(*data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.errors.DescendWarning)
        return descend.fit(line, *(data or (X, Y)), **{"start": {"a": 0, "b": 0}, **options})


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_the_best_epoch_is_named_and_its_losses_are_given(engine, validation):
    fit = quiet(
        optimizer=descend.SGD(lr=0.28), epochs=40, keep_best=True, validation_split=validation,
        record="params", engine=engine, clip=descend.clip_norm(1.0), patience=1000,
    )  # fmt: skip
    watched = fit.history["validation_loss" if validation else "loss"]
    best = int(np.argmin(watched)) + (1 if validation else 0)
    assert 0 < best < 40 and fit.best_epoch == best
    assert fit.params["a"] == fit.history["params"]["a"][best - 1]
    if validation:
        assert fit.validation_loss == watched.min() < watched[-1]
    else:
        assert fit.loss == pytest.approx(watched.min(), rel=1e-14)
    assert f"returned    the parameters of epoch {best}, the best of 40" in fit.report()
    assert quiet(optimizer="adam", epochs=3).best_epoch is None


def test_the_start_may_be_the_best():
    fit = quiet(X, 0 * X, optimizer=descend.SGD(lr=1.0), epochs=3, keep_best=True)
    assert fit.best_epoch == 0 and fit.params == {"a": 0.0, "b": 0.0}
    assert "the parameters of the start, the best of 3 epochs" in fit.report()


@pytest.mark.parametrize("optimizer", ["lm", "bfgs"])
@pytest.mark.parametrize("start, loss", [(1.0, "nan"), (800.0, "inf")])
def test_a_loss_that_is_not_finite_stands_in_the_history_as_it_is(optimizer, start, loss):
    def model(x, a):
        return np.where(a < 10, np.log(-a), np.exp(a)) + 0 * x

    with pytest.warns(descend.errors.DivergedWarning):
        fit = descend.fit(model, X, Y, start={"a": start}, optimizer=optimizer, starts=1)
    assert str(fit.history["loss"][-1]) == loss == str(fit.running_loss)
    assert fit.to_json_dict()["history"]["loss"] == [None]


@pytest.mark.parametrize("lr", [1e14, 1e30])
def test_a_rate_to_try_is_found_however_far_away(lr):
    fit = quiet(optimizer=descend.SGD(lr=lr), epochs=1000)
    tried = float(fit.message.split("Try lr=")[1].rstrip("."))
    again = quiet(optimizer=descend.SGD(lr=tried), epochs=1000)
    assert fit.status == "diverged" and again.success and again.loss < Y.var()
    assert fit.report().count("inf") == 0


def test_evaluations_are_counted():
    fit = quiet(optimizer="sgd", lr=0.01, epochs=3, batch_size=7)
    assert fit.n_evaluations == fit.n_updates == 9
    assert "3 (9 updates)" in fit.report()


def test_a_resumed_run_says_what_has_changed():
    first = quiet(optimizer=descend.SGD(lr=0.1), epochs=4, batch_size=5, seed=7)
    more = quiet(
        optimizer=descend.SGD(lr=0.05), epochs=9, batch_size=4, resume=first, start=None, xtol=0.0
    )
    assert more.seed == 7 and more.epochs == 9
    assert more.warnings == [
        "resume: from epoch 5 on, optimizer was SGD(lr=0.1) and is SGD(lr=0.05), "
        "batch_size was 5 and is 4."
    ]
    same = quiet(optimizer=descend.SGD(lr=0.1), epochs=9, batch_size=5, resume=first, start=None)
    assert same.warnings == []


def test_a_schedule_that_is_taken_up_later_begins_at_its_epoch():
    first = quiet(optimizer=descend.SGD(lr=0.1), epochs=4)
    schedule = descend.exponential(0.1, gamma=0.5)
    more = quiet(optimizer=descend.SGD(lr=schedule), epochs=6, resume=first, start=None)
    assert more.history["lr"][4:].tolist() == [0.1 * 0.5**4, 0.1 * 0.5**5]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"optimizer": "adam"}, "the earlier run was SGD, and this one is Adam"),
        ({"seed": 8}, "has the seed 7, and seed=8 would be another run"),
        ({"rows": 19}, "had 20 training rows, and there are 19 now"),
        ({"batch_size": 4, "part": True}, "stopped within an epoch, after 2 batches of 5 rows"),
    ],
)
def test_another_run_is_not_resumed(change, words):
    first = quiet(optimizer=descend.SGD(lr=0.1), epochs=4, batch_size=5, seed=7)
    if change.pop("part", False):
        first._evidence.state.batch = 2
    rows = change.pop("rows", 20)
    options = {"optimizer": descend.SGD(lr=0.1), "batch_size": 5, "epochs": 9, "start": None}
    with pytest.raises(descend.UsageError, match=words):
        quiet(X[:rows], Y[:rows], resume=first, **{**options, **change})


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_standardized_fits_report_in_the_units_of_the_data(loss):
    x, y = 1e4 + 1e3 * X, 50.0 * Y - 700.0
    seen = []
    fit = descend.fit(
        line, x, y, start={"a": 0, "b": 0}, loss=loss, optimizer="adam", lr=0.05, epochs=300,
        standardize=True, validation_split=0.2, callback=lambda m: seen.append(m.loss),
    )  # fmt: skip
    new = np.array([9e3, 1.5e4])
    a, b = fit.params["a"], fit.params["b"]
    (mx, sx), (my, sy) = fit.scales["x"], fit.scales["y"]
    slope, shift = a * sy / sx, my + sy * (b - a * mx / sx)
    assert fit.predict(new) == pytest.approx(slope * new + shift, rel=1e-12)
    residual = fit.y - (slope * fit.x["x"] + shift)
    assert fit.residuals == pytest.approx(residual, abs=1e-9)
    size = np.mean(residual**2 if loss == "mse" else np.abs(residual))
    assert fit.loss == pytest.approx(size, rel=1e-12)
    assert fit.history["loss"][-1] == pytest.approx(size, rel=0.05) == fit.running_loss
    assert seen == fit.history["loss"].tolist()
    assert "They belong to rescaled columns (x, y)" in fit.report()
    assert fit.scales["y"] == (fit.y.mean(), fit.y.std())


def test_losses_with_options_are_reported_by_their_names():
    fit = quiet(X, (Y > 3) * 1.0, loss="bce_with_logits")
    assert fit.loss_name == "bce_with_logits"


def test_maximising_without_end_says_so():
    with pytest.warns(descend.errors.DescendWarning, match="rises without end: there is no max"):
        descend.maximize(lambda x: x**2, start=1.0)


def test_a_chosen_start_of_a_minimum_is_told():
    found = descend.minimize(lambda x, y: (x - 3) ** 2 + y**2, start={"y": 2.0})
    assert found.start_source == "y given; x the best of 32 candidates (seed 0)"
    assert found.start_source in found.report()
    assert found.start["y"] == 2.0 and found.start["x"] != 0
    assert "given" not in descend.minimize(lambda x: x**2, start=1.0).report()


def test_code_from_the_disk_is_not_said_to_be_compiled(tmp_path):
    source = (
        "import descend, numpy as np; x = np.arange(5.0);"
        "f = descend.fit(lambda x, a: np.sinh(a*x), x, x, start={'a': 1}, epochs=2,"
        " optimizer=descend.SGD(lr=0.001)); print(f)"
    )
    env = {"DESCEND_CACHE_DIR": str(tmp_path / "cache"), "PATH": ""}
    said = [
        subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert "native code (compiled in" in said[0].stdout
    assert "native code (loaded from the cache)" in said[1].stdout


@pytest.mark.parametrize("extra", [["--verbose"], ["--quiet"], ["--json"], []])
def test_the_command_tells_a_story_once(extra, tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x},{x}\n" for x in range(9)))
    words = ["fit", "t.csv", "y = a*x", "--start", "a=0", "--optimizer", "sgd", "--lr"]
    command = [sys.executable, "-m", "descend", *words, "10", *extra]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 4
    assert (told.stdout + told.stderr).count("last finite parameters") == (extra != ["--quiet"])
    assert told.stderr.splitlines()[-1].startswith("warning: diverged in epoch")
    assert "inf" not in told.stdout.replace("infinit", "")
    if extra == ["--json"]:
        assert json.loads(told.stdout)["status"] == "diverged"
    if extra == ["--verbose"]:
        command[-2] = "0.001"
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (told.stdout + told.stderr).count("epochs were spent") == 1


def test_threads_are_at_least_one():
    with pytest.raises(descend.UsageError, match="threads must be a whole number of at least 1"):
        quiet(threads=0)
