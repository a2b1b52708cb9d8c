"""A method's step that is compiled by itself: once for all models of as many parameters."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import descend
from descend.compile import cache, function
from descend.compile.function import compile_graph
from descend.errors import InternalError
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.shared import SHARED
from descend.graph.source import input_node
from descend.graph.subgraph import Body
from descend.program.pipeline import LEAST_SHARED
from descend.run.build import BUILT
from descend.simplify import apart
from descend.simplify.apart import set_apart
from descend.train.plans import PLANS

X = np.linspace(-1, 1, 60)


def wave(x, c):
    return np.tanh(np.cos(np.pi * x[:, None] * np.arange(c.size)) @ c)


def powers(x, c):
    return np.exp(np.polynomial.chebyshev.chebval(x, c))


def data(seed, size=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=size) / 3, 0.01 * rng.normal(size=X.size)


def fitted(model, size=12, **options):
    c, noise = data(size, size)
    y = model(X, c) + noise
    return descend.fit(model, X, y, start={"c": np.zeros(size)}, optimizer="lm", **options)


def forget():
    """All that this process has compiled."""
    cache._loaded.clear()
    apart._the_one.cache_clear()
    BUILT._kept.clear()
    PLANS.clear()


@pytest.fixture
def apart_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that are compiled by themselves; before, none is in memory or on disk."""
    monkeypatch.setenv("DESCEND_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("DESCEND_CACHE", raising=False)
    forget()
    texts: list[str] = []
    emit = function.emit_object

    def counted(text: str) -> bytes:
        texts.append(text)
        return emit(text)

    monkeypatch.setattr(function, "emit_object", counted)
    return texts


def test_models_of_as_many_parameters_share_the_step(apart_texts):
    assert fitted(wave).success and len(apart_texts) == 1
    assert fitted(powers).success and len(apart_texts) == 1
    assert fitted(powers, size=13).success and len(apart_texts) == 2
    assert fitted(wave, size=LEAST_SHARED - 1).success and len(apart_texts) == 2


def test_another_structure_of_the_method_is_another_step(apart_texts):
    fitted(powers)
    fitted(powers, bounds={"c": (-3, 3)})
    assert len(apart_texts) == 2
    fitted(wave, bounds={"c": (-2, 2)})
    assert len(apart_texts) == 2


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from test_shared import fitted, powers, wave
print(fitted({"wave": wave, "powers": powers}[sys.argv[2]]).params["c"].tobytes().hex())
"""


def other_process(model: str, directory: Path) -> bytes:
    child = [sys.executable, "-c", textwrap.dedent(CHILD), str(Path(__file__).parent), model]
    env = os.environ | {"DESCEND_CACHE_DIR": str(directory)}
    made = subprocess.run(child, env=env, capture_output=True, text=True, check=True)
    return bytes.fromhex(made.stdout)


def test_a_second_process_finds_the_step_of_another_model(apart_texts, tmp_path):
    bits = fitted(wave).params["c"].tobytes()
    before = {path.name for path in tmp_path.iterdir()}
    assert other_process("wave", tmp_path) == bits
    assert {path.name for path in tmp_path.iterdir()} == before
    here = fitted(powers).params["c"].tobytes()
    both = {path.name for path in tmp_path.iterdir()}
    assert len(apart_texts) == 1 and before < both
    assert other_process("powers", tmp_path) == here
    assert {path.name for path in tmp_path.iterdir()} == both


def test_damaged_files_are_compiled_again_to_the_same_bits(apart_texts, tmp_path):
    bits = fitted(wave).params["c"].tobytes()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] + b"x" + content[len(content) // 2 + 1 :])
    forget()
    assert fitted(wave).params["c"].tobytes() == bits
    assert len(apart_texts) == 2 and apart_texts[0] == apart_texts[1]


@pytest.mark.parametrize("model", [wave, powers])
@pytest.mark.parametrize("bounds", [None, {"c": (-0.2, 0.3)}])
@pytest.mark.parametrize("optimizer", ["lm", "gauss_newton"])
def test_the_interpreter_agrees(model, bounds, optimizer):
    c, noise = data(2)
    y, found = model(X, c) + noise, []
    for engine in ("native", "interpreted"):
        found.append(
            descend.fit(model, X, y, start={"c": np.zeros(12)}, bounds=bounds, engine=engine,
                        optimizer=optimizer, starts=1)
        )  # fmt: skip
    native, interpreted = found
    assert native.status == interpreted.status
    np.testing.assert_allclose(native.params["c"], interpreted.params["c"], rtol=1e-7, atol=1e-9)


# --- the cut -------------------------------------------------------------------------------------


def inputs():
    return input_node("x", (3,)), input_node("y", (3,)), input_node("z")


def test_only_what_is_computed_stands_inside():
    x, y, z = inputs()
    product = call("mul", x, y)
    made = set_apart([call("add", product, x), x, product, product], [x, y, z])
    assert [n.op is SHARED for n in made] == [True, False, True, True]
    assert made[1] is x and made[2] is made[3]
    values = {x: np.arange(3.0), y: np.full(3, 2.0), z: np.array(1.0)}
    expected = [[0, 3, 6], [0, 1, 2], [0, 2, 4], [0, 2, 4]]
    for got, want in zip(evaluate(made, values), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    # A function of its own has nowhere to call: it is written out.
    native = compile_graph(made, [x, y, z])(list(values.values()))
    for got, want in zip(native, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_equal_parts_of_two_graphs_are_one_body():
    x, y, _ = inputs()
    u, v = call("exp", x), call("sin", y)
    (one,) = set_apart([call("mul", x, y)], [x, y])
    (other,) = set_apart([call("mul", u, v)], [u, v])
    assert one.attrs["body"] is other.attrs["body"]


def test_what_is_not_closed_stays():
    x, y, _ = inputs()
    inner = call("mul", x, y)
    outside = call("exp", inner)
    outputs = [call("add", outside, inner)]
    assert set_apart(outputs, [x]) == outputs  # y is missing
    assert set_apart(outputs, [x, y, outside]) == outputs  # inner would be computed twice
    assert [n.op for n in set_apart(outputs, [x, y])] == [SHARED]


def test_a_body_is_checked_where_it_is_applied():
    x, _, z = inputs()
    body = Body((x,), (call("exp", x),))
    with pytest.raises(InternalError, match="shared: argument"):
        SHARED.apply(z, body=body, index=0)
