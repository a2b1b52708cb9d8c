"""What is descended, as one value: to JSON and back, hostile texts, and what `fit` makes of it."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

import descend
from descend.errors import UsageError
from descend.studio.samples import SAMPLES
from descend.studio.setup import (
    PARABOLA,
    Layer,
    Schedule,
    Setup,
    Source,
    hash_of,
    quoted,
    ready_formula,
)
from descend.train.start import start

NETWORK = Setup(
    Source("xor", {"noise": 0.1}), "label", ("x1", "x2"), layers=(Layer(8, "tanh"),),
    optimizer="adam", numbers={"betas.0": 0.8}, lr=0.03, batch_size=10, held=0.2,
    schedule=Schedule("cosine", {"epochs": 100.0}), penalty="l2(0.001)", seed=3,
)  # fmt: skip
OWN = Setup(
    Source(own="时间.csv", digest="0123"), "电压", ("时间",), formula="`电压` = a*`时间` + b",
    optimizer="lm", epochs=50,
)  # fmt: skip


@pytest.mark.parametrize("setup", [PARABOLA, NETWORK, OWN])
def test_to_json_and_back(setup: Setup) -> None:
    text = setup.to_json()
    assert Setup.from_json(text) == setup
    assert Setup.from_json(json.dumps(json.loads(text), indent=2)) == setup
    assert "\n" not in text and json.loads(text)["version"] == 1


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in PARABOLA.plain().items() if key != name}


def with_(**changed: Any) -> dict[str, Any]:
    return {**PARABOLA.plain(), **changed}


HOSTILE: list[tuple[Any, str]] = [
    ([], "the state is a table"),
    ({}, "another version than 1"),
    (with_(version=2), "another version than 1"),
    (with_(__class__="x"), 'the state has no "__class__"'),
    (with_(optimiser="sgd"), r'no "optimiser" \(did you mean "optimizer"\?\)'),
    (without("source"), "the state has no source"),
    (with_(source="parabola"), "the source of the data is a table"),
    (with_(source={"sample": "/etc/passwd"}), 'there is no sample "/etc/passwd"'),
    (with_(source={"sample": "xor", "options": {"noise": 9}}), "noise is a number from 0 to 0.5"),
    (with_(source={"sample": "xor", "options": {"rows": 1}}), "no number of this sample"),
    (with_(source={"sample": "xor", "options": []}), "are names and numbers"),
    (with_(source={"own": "x" * 201, "digest": "1"}), "a table's name is a text of 1 to 200"),
    (with_(source={"path": "/etc/passwd"}), 'has no "path"'),
    (with_(target=None), "the target is a text"),
    (with_(inputs="x"), "the inputs are a list"),
    (with_(inputs=["x", "x"]), "an input once"),
    (with_(inputs=["x"] * 1001), "at most 1000 columns"),
    (with_(formula="x" * 10_001), "at most 10000 signs"),
    (with_(formula=["x"]), "a formula is a text"),
    (with_(layers=[[8, "tanh"]]), "a formula or has layers"),
    (with_(formula="", layers=[[8, "exec"]]), 'no activation "exec"'),
    (with_(formula="", layers=[[10**9, "tanh"]]), "from 1 to 512"),
    (with_(formula="", layers=[[1.5, "tanh"]]), "from 1 to 512"),
    (with_(formula="", layers=[[8, "tanh"]] * 9), "at most 8 hidden layers"),
    (with_(formula="", layers=[8]), "layers are pairs"),
    (with_(formula="", inputs=[]), "a network needs columns"),
    (with_(start=[1]), "start values are names and numbers"),
    (with_(start={"w": "1"}), "w is a number"),
    (with_(start={"w": True}), "w is a number"),
    (with_(loss="os.system"), "no loss"),
    (with_(loss=7), "a loss or penalty is a text"),
    (with_(optimizer="adma"), r'no optimizer "adma" \(did you mean "adam"'),
    (with_(optimizer={}), "no optimizer"),
    (with_(numbers={"__init__": 1}), 'has no number "__init__"'),
    (with_(lr=0), "the learning rate is a number"),
    (with_(lr="1"), "the learning rate is a number"),
    (with_(schedule={"name": "warmup"}), 'no schedule "warmup"'),
    (with_(schedule={"name": "cosine", "numbers": {"function": 1}}), 'no number "function"'),
    (with_(batch_size=0), "the batch size is a whole number"),
    (with_(batch_size=True), "the batch size is a whole number"),
    (with_(penalty="l3(1)"), "no penalty"),
    (with_(seed=-1), "the seed is a whole number"),
    (with_(shuffle="yes"), "'yes' is no bool"),
    (with_(held=1), "held back is a number from 0 to 0.9"),
    (with_(epochs=1e9), "the number of epochs is a whole number"),
    (with_(stop_loss=-1), "the loss to stop at"),
]


@pytest.mark.parametrize(("found", "words"), HOSTILE)
def test_what_cannot_be_meant_is_refused(found: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Setup.from_json(json.dumps(found))


@pytest.mark.parametrize("text", ["", "{", "NaN x", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no JSON"):
        Setup.from_json(text)


def test_no_number_is_no_number() -> None:
    text = PARABOLA.to_json().replace('"lr":0.001', '"lr":NaN')
    with pytest.raises(UsageError, match="not nan"):
        Setup.from_json(text)


def test_the_parabola_keeps_the_lessons_bits() -> None:
    """The formula makes the same program as the plain function."""
    x = np.arange(100) / 100

    def parabola(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
        return w1 * x**2 + w2 * x + w3

    by_function = start(
        parabola, x, 4 * x**2 + 5 * x + 6, start=dict(w1=1.0, w2=0.0, w3=1.0), loss="mse",
        optimizer="sgd", lr=0.001, batch_size=1, shuffle=False, stop_loss=1e-5,
    )  # fmt: skip
    model, table, y, options = PARABOLA.call(PARABOLA.source.table())
    by_setup = start(model, table, y, **options)
    assert by_setup.step(epochs=5000).params == by_function.step(epochs=5000).params
    assert by_setup.epoch == 4830


def test_a_networks_call_is_that_of_fit() -> None:
    setup = dataclasses.replace(NETWORK, epochs=20)
    table = setup.source.table()
    model, x, y, options = setup.call(table)
    given = descend.fit(
        descend.networks.mlp([8], activation="tanh"), dict(table), "label", seed=3,
        optimizer=descend.Adam(lr=descend.cosine(0.03, epochs=100), betas=(0.8, 0.999)),
        batch_size=10, shuffle=True, validation_split=0.2, penalty="l2(0.001)", epochs=20,
    )  # fmt: skip
    found = descend.fit(model, x, y, **options)
    for name, value in given.params.items():
        np.testing.assert_array_equal(found.params[name], value)


def test_what_differs() -> None:
    other = dataclasses.replace(PARABOLA, lr=0.1, batch_size=10)
    assert other.differs(PARABOLA) == {"lr": 0.1, "batch_size": 10}


def test_names_in_formulas() -> None:
    assert [quoted(name) for name in ("x", "a b", "exp", "pi", "时间")] == [
        "x", "`a b`", "`exp`", "`pi`", "时间",
    ]  # fmt: skip
    assert ready_formula("linear", "y", ("x",)) == "y = linear(x)"


def test_the_hash_follows_names_and_cells() -> None:
    table = {"x": np.arange(3.0), "y": np.arange(3.0)}
    assert hash_of(table) == hash_of({name: column.copy() for name, column in table.items()})
    others = [
        {"x": table["x"], "z": table["y"]}, {"x": table["x"], "y": table["y"] + 1e-9},
        {"x": table["x"].astype(np.float32), "y": table["y"]},
    ]  # fmt: skip
    assert len({hash_of(other) for other in (table, *others)}) == 4


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_whole_and_the_same_each_time(name: str) -> None:
    first, again = SAMPLES[name].table(), SAMPLES[name].table()
    assert len({len(column) for column in first.values()}) == 1
    for column, other in zip(first.values(), again.values(), strict=True):
        np.testing.assert_array_equal(column, other)
        assert column.dtype.kind == "U" or np.isfinite(column).all()


def test_noise_moves_points() -> None:
    for name in ("circle", "xor", "gauss", "spiral"):
        calm, noisy = SAMPLES[name].table(), SAMPLES[name].table({"noise": 0.3})
        np.testing.assert_array_equal(calm["label"], noisy["label"])
        assert np.abs(calm["x1"] - noisy["x1"]).max() > 0.5
