"""Numbers below the smallest normal one: 0 while a program of products runs, and only then."""

from __future__ import annotations

import numpy as np
import pytest

import descend
from descend.compile.module import FunctionText
from descend.compile.native import emit_object
from descend.compile.underflow import WRITERS

TINY = np.finfo(np.float32).tiny


def fitted(model, start, x):
    y = np.zeros((len(x), 20), np.float32)
    fit = descend.fit(
        model, x, y, start=start, optimizer=descend.SGD(lr=0.0), batch_size=4, epochs=1,
        keep_best=False,
    )  # fmt: skip
    return float(fit.loss)


def test_a_network_takes_them_as_zero():
    """The weights are smaller than any normal number, and what they are multiplied by is large."""
    x = np.full((8, 9), 1e30, np.float32)
    start = {"w": np.full((9, 20), TINY / 4, np.float32)}
    assert fitted(lambda x, w: x @ w, start, x) == 0


def test_what_comes_after_it_has_them_again():
    test_a_network_takes_them_as_zero()
    assert np.float32(TINY) / np.float32(4) > 0
    x = np.full((8, 20), 1e30, np.float32)
    start = {"w": np.full(20, TINY / 4, np.float32)}
    found = fitted(lambda x, w: x * w, start, x)
    np.testing.assert_allclose(found, (1e30 * float(TINY) / 4) ** 2, rtol=1e-5)


@pytest.mark.parametrize("family", WRITERS)
def test_every_family_of_processors_has_valid_text(family):
    binding = pytest.importorskip("llvmlite.binding")
    emit_object("define i64 @run() { ret i64 0 }")  # LLVM is ready
    f = FunctionText()
    WRITERS[family](f)()
    f.e.line("ret i64 0")
    binding.parse_assembly(f.text()).verify()
