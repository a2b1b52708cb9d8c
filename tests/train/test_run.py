"""The course of a run: interruption, time, callbacks, checkpoints, resuming to the same bits."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import descend
from descend.graph.program import Control
from descend.run.course import Course
from descend.run.drive import _next_budget

X = np.linspace(0.0, 2.0, 50)
Y = 2 * X + 1 + np.sin(7 * X)
ENGINES = ["native", "interpreted"]


def line(x, a, b):
    return a * x + b


def run(**options):
    fixed = {
        "start": {"a": 0, "b": 0}, "optimizer": descend.Adam(lr=0.01), "batch_size": 7,
        "epochs": 30, "seed": 3,
    }  # fmt: skip
    return descend.fit(line, X, Y, **{**fixed, **options})


@pytest.mark.parametrize("engine", ENGINES)
def test_resuming_gives_the_bits_of_the_whole_run(engine):
    whole = run(engine=engine, record="params")
    half = run(engine=engine, record="params", epochs=11)
    rest = run(engine=engine, record="params", resume=half, start=None)
    assert rest.params == whole.params
    assert np.array_equal(rest.history["loss"], whole.history["loss"])
    assert np.array_equal(rest.history["params"]["a"], whole.history["params"]["a"])
    assert rest.epochs == 30 and rest.n_updates == whole.n_updates
    assert rest.start_source == "resumed"


def test_a_checkpoint_resumes_to_the_same_bits(tmp_path):
    path = tmp_path / "run.checkpoint"
    whole = run(epochs=4000)
    seen = []

    def stop(moment):
        seen.append(moment.epoch)
        return moment.epoch >= 1234

    part = run(epochs=4000, checkpoint=path, callback=stop)
    assert part.epochs == 1234 and seen == list(range(1, 1235))
    loaded = descend.load(path)
    assert np.isnan(loaded.loss) and loaded.params == part.params
    assert loaded.errors_note == "a checkpoint: nothing was evaluated for it"
    again = run(epochs=4000, resume=loaded)
    assert again.params == whole.params
    assert np.array_equal(again.history["loss"], whole.history["loss"])


def test_resuming_another_descent_is_refused():
    half = run(epochs=5)
    with pytest.raises(descend.UsageError, match="the earlier run was Adam"):
        run(optimizer=descend.SGD(lr=0.1), resume=half)
    with pytest.raises(descend.UsageError, match="has done 5 epochs, and epochs=5 counts them too"):
        run(epochs=5, resume=half)


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_returns_the_last_completed_update(engine):
    threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    fit = run(epochs=10**9, engine=engine)
    assert time.monotonic() - begin < 60, 'a billion epochs would take hours'
    assert fit.status == "interrupted" and not fit.success and fit.exit_code == 130
    assert fit.message == "interrupted; the last completed update is returned"
    assert fit.n_updates > 0 and np.isfinite(list(fit.params.values())).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_time_allowed():
    begin = time.monotonic()
    fit = run(epochs=10**9, max_seconds=0.2)
    assert 0.2 <= time.monotonic() - begin < 60
    assert fit.status == "time_spent" and fit.success


def test_the_callback_sees_every_epoch():
    seen = []
    fit = run(callback=lambda m: seen.append((m.epoch, m.loss, m.params["a"])), record="params")
    assert [s[0] for s in seen] == list(range(1, 31))
    assert [s[1] for s in seen] == fit.history["loss"].tolist()
    assert [s[2] for s in seen] == fit.history["params"]["a"].tolist()


def test_verbose_prints_the_loss_of_each_epoch(capsys):
    fit = run(verbose=True, epochs=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"epoch {k}/3  loss {v:.9g}" for k, v in enumerate(fit.history["loss"], 1)]


def test_two_threads_at_once():
    results = {}

    def work(seed):
        results[seed] = [run(seed=seed, epochs=300).params for _ in range(5)]

    threads = [threading.Thread(target=work, args=(s,)) for s in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for seed in (1, 2):
        alone = run(seed=seed, epochs=300).params
        assert all(r == alone for r in results[seed])


def test_the_budget_follows_the_speed():
    assert _next_budget(100, 100, 0.01) == 300
    assert _next_budget(100, 100, 1e-6) == 1600
    assert _next_budget(100, 100, 10.0) == 1


def test_the_course_takes_blocks():
    control = Control(5)
    control.records = [(np.array([1.0, 2.0]), np.array([[1.0], [2.0]]))]
    course = Course(["loss", "params.w"])
    course.take(control)
    assert control.records == [] and course.last == 2.0
    assert course.column("params.w").shape == (2, 1)
