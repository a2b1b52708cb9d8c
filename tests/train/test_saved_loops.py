"""Saved models with graphs inside: loops, loops in loops, functions with a rule of their own."""

import json
import zipfile

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 1.0, 30)


def loop(x, a, k):
    """Five steps of Euler's method for every row, all of which are used."""

    def step(c, t):
        return c + 0.1 * (a - k * c * t), c

    last, passed = descend.scan(step, x + 1.0, np.arange(5.0))
    return last + passed.sum(axis=0) * x


def loop_in_a_loop(x, a, k):
    def outer(c, t):
        def inner(d, s):
            return d * 0.9 + a * s, None

        return descend.scan(inner, c, np.arange(3.0))[0] + k * t, None

    return descend.scan(outer, x, np.arange(4.0))[0]


@descend.custom_derivative
def softplus(z):
    return np.log1p(np.exp(z))


softplus.defvjp(lambda z: (softplus(z), z), lambda z, g: (g / (1 + np.exp(-z)),))


def with_a_rule(x, a, k):
    return a * softplus(k * x) + softplus(x)


def gradient_inside(x, a, k):
    return a * x + descend.grad(lambda v: np.sum(np.sin(k * v)))(x)


@pytest.mark.parametrize("model", [loop, loop_in_a_loop, with_a_rule, gradient_inside])
def test_a_loaded_model_predicts_any_number_of_rows(model, tmp_path):
    y = model(X, 2.0, 0.7) if model is not gradient_inside else 2 * X + 0.7 * np.cos(0.7 * X)
    fit = descend.fit(model, X, y, start=dict(a=1.9, k=0.6), optimizer="adam", epochs=3)
    fit.save(tmp_path / "m.descend")
    back = descend.load(tmp_path / "m.descend")
    for rows in (X, X[:1], np.linspace(-2, 3, 101)):
        np.testing.assert_array_equal(back.predict(rows), fit.predict(rows))
        if model in (loop, loop_in_a_loop):
            own = model(rows, **fit.params)
            np.testing.assert_allclose(back.predict(rows), own, rtol=1e-12)


def test_results_of_one_loop_share_its_body(tmp_path):
    fit = descend.fit(loop, X, loop(X, 2.0, 0.7), start=dict(a=1.9, k=0.6))
    fit.save(tmp_path / "m.descend")
    with zipfile.ZipFile(tmp_path / "m.descend") as archive:
        name = next(n for n in archive.namelist() if n.endswith(".json"))
        graph = json.loads(archive.read(name))["model"]["graph"]
    assert [n["op"] for n in graph["nodes"]].count("scan") == 2
    assert len(graph["bodies"]) == 1
