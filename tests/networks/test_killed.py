"""A training that is killed again and again comes to the bits of one that never was."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import descend
from whole import WHOLE

KILLS = 100 if WHOLE else 2
TRAINING = """
import os, sys
import numpy as np
import descend
from descend import networks as nn
from descend.train import descents

class Watch(descents.Watch):  # as in a long run, in a short one
    checkpoint_seconds = property(lambda self: 0.02, lambda self, value: None)

descents.Watch = Watch
rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 8))
y = (x[:, 0] * x[:, 1] > 0)
file = sys.argv[1]
resume = descend.load(file) if os.path.exists(file) else None
epochs = int(sys.argv[2])
fit = resume if resume is not None and resume.epochs == epochs else descend.fit(
    nn.mlp([32, 32], dropout=0.1, batch_norm=True), x, y, batch_size=20, epochs=epochs, seed=3,
    lr=descend.warmup(5, descend.plateau(0.001, factor=0.5, patience=2)), lr_factors={"0": 0.5},
    accumulate=3, ema=0.99, checkpoint=file, resume=resume, threads=int(sys.argv[3]),
)
fit.save(sys.argv[4])
"""


def started(file, epochs, threads, saved):
    words = [sys.executable, "-W", "ignore", "-c", TRAINING, file, str(epochs), str(threads), saved]
    return subprocess.Popen([*map(str, words)], stderr=subprocess.DEVNULL)


@pytest.mark.fuzz
def test_a_killed_training_ends_at_the_same_bits(tmp_path):
    epochs = 1500 if WHOLE else 150
    whole, killed, file = (tmp_path / name for name in ("whole.descend", "killed.descend", "run"))
    assert started(tmp_path / "other", epochs, 1, whole).wait() == 0
    moments, kills, met, ends = random.Random(0), 0, 0, 0
    while kills < KILLS or not ends:
        process = started(file, epochs, 1 + kills % 2, killed)
        if kills < KILLS:
            wait(process, file, moments)
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
        met += code != 0 and file.exists()
        if code == 0:
            check(descend.load(whole), descend.load(killed))
            file.unlink()
            ends += 1
    assert met > KILLS // 4  # else it was killed before it trained


def wait(process, file, moments):
    """A moment after the start, or mostly one after this process has written its first state."""
    before = written(file)
    if moments.random() < 0.2:
        time.sleep(moments.uniform(0.1, 3.0))
        return
    while written(file) == before and process.poll() is None:
        time.sleep(0.01)
    time.sleep(moments.uniform(0.0, 0.6))


def written(file):
    return file.stat().st_mtime_ns if file.exists() else 0


def check(one, other):
    for name, value in one.params.items():
        np.testing.assert_array_equal(other.params[name], value)
    for name, value in one.running.items():
        np.testing.assert_array_equal(other.running[name], value)
    np.testing.assert_array_equal(other.history["loss"], one.history["loss"])
