"""How the texts of options are read, and how optimizers are built from them."""

import math
from dataclasses import fields

import pytest

from descend.cli.method import build_optimizer
from descend.cli.options import number, numbers, of_method, rows_of
from descend.errors import UsageError
from descend.lean import dataclass
from descend.methods.first_order import SGD
from descend.methods.table import OPTIMIZERS


def test_numbers() -> None:
    assert numbers("w1=1,w2=-0.5, w3=1e-3", "--start") == {"w1": 1.0, "w2": -0.5, "w3": 1e-3}
    assert numbers("a=pi/2,b=max(1, 2)", "--start") == {"a": math.pi / 2, "b": 2.0}
    assert numbers("`my a`=1", "--start") == {"my a": 1.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("w1", '"w1" is not of the form name=number'),
        ("w1=1;w2=2", 'write --start "w1=1,w2=2"'),
        ("w1=one", '--start w1 must be a number, not "one"'),
        ("w1=", "--start w1 must be a number"),
        ("=1", "is not of the form name=number"),
        ("w1=1,w1=2", "gives w1 twice"),
        ("", "--start is empty"),
        ("w1=__import__(os)", "must be a number"),
        ("w1=9**9**9**9", "must be a number"),
    ],
)
def test_no_numbers(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        numbers(text, "--start")
    assert words in str(caught.value)


def test_number_is_a_number_or_a_formula_of_numbers() -> None:
    assert number(" 2**10 ", "--x") == 1024.0
    assert number("-1e-3", "--x") == -1e-3


def test_every_field_of_every_optimizer_can_be_written() -> None:
    for make in OPTIMIZERS.values():
        assert {field.name for field in fields(make)} - {"maximize"} <= rows_of("fit").keys()


def test_numbers_of_a_method_that_the_table_lacks_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Sharp(SGD):
        """A method with a number of its own."""

        sharpness: "float" = 0.5

    monkeypatch.setattr("descend.cli.options.OPTIMIZERS", {**OPTIMIZERS, "sharp": Sharp})
    assert "sharpness" not in rows_of("fit", {"--momentum", "--seed"})
    row = rows_of("fit", {"--sharpness"})["sharpness"]
    assert (row.kind, row.heading, row.written) == ("real", "Method", "--sharpness")
    assert of_method("fit", {"sharpness": 0.1, "seed": 3}) == {"sharpness": 0.1}


def test_optimizer_takes_its_options() -> None:
    sgd = build_optimizer(dict(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True), {})
    assert (sgd.lr, sgd.momentum, sgd.nesterov) == (0.1, 0.9, True)
    adam = build_optimizer(dict(optimizer="adam", betas="0.5,0.9"), {})
    assert (adam.lr, adam.betas) == (1e-3, (0.5, 0.9))
    assert build_optimizer({}, {}) is None


def test_tolerances_go_to_an_optimizer_that_knows_them() -> None:
    others = {"xtol": 1e-3, "patience": 5}
    assert build_optimizer(dict(optimizer="lm"), others).xtol == 1e-3
    assert others == {"patience": 5}
    others = {"xtol": 1e-3}
    build_optimizer(dict(optimizer="sgd"), others)
    assert others == {"xtol": 1e-3}


def test_clipping_is_an_option_of_the_run() -> None:
    others: dict = {}
    build_optimizer(dict(clip_norm=2.0), others)
    assert others["clip"].limit == 2.0


@pytest.mark.parametrize(
    ("text", "epoch", "expected"),
    [
        ("step(10, 0.5)", 20.0, 0.025),
        ("exponential(0.5)", 2.0, 0.025),
        ("cosine(100)", 50.0, 0.05),
        ("constant", 3.0, 0.1),
        ("warmup(4, 0)", 2.0, 0.05),
        ("warmup(4)+exponential(0.5)", 5.0, 0.05),
    ],
)
def test_schedules(text: str, epoch: float, expected: float) -> None:
    method = build_optimizer(dict(optimizer="sgd", lr=0.1, schedule=text), {})
    assert float(method.lr.value(epoch)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "smd"}, 'there is no optimizer "smd" (did you mean "sgd"?)'),
        ({"optimizer": "sgd", "alpha": 1.0}, "--alpha belongs to rmsprop"),
        ({"optimizer": "lm", "lr": 1.0}, "the optimizer lm has no --lr"),
        ({"optimizer": "bfgs", "schedule": "step"}, "the optimizer bfgs has no --lr"),
        ({"optimizer": "sgd", "lr": -1.0}, "lr must lie in [0, inf), not -1.0"),
        ({"optimizer": "adam", "betas": "0.9"}, "write --betas 0.9,0.999"),
        ({"lr": 0.1}, "--lr needs an optimizer"),
        ({"schedule": "step"}, "--schedule needs an optimizer"),
        ({"optimizer": "sgd", "schedule": "stp(3)"}, 'no schedule "stp" (did you mean "step"?)'),
        ({"optimizer": "sgd", "schedule": "cosine"}, 'the schedule "cosine" cannot be read'),
        ({"optimizer": "sgd", "schedule": "cosine(a)"}, "cannot be read"),
        ({"optimizer": "sgd", "schedule": "step(2)+cosine(3)"}, "only warmup can stand before"),
        ({"clip_norm": 1.0, "clip_value": 1.0}, "exclude each other"),
    ],
)
def test_refused(options: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_optimizer(options, {})
    assert words in str(caught.value)
