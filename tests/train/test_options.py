"""The table of options is what the entries, their documents and the command line say."""

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import descend
from descend.cli.app import _COMMANDS
from descend.cli.options import TYPES, with_options
from descend.errors import DescendError, UsageError
from descend.task.checks import CHECKS
from descend.task.foreign import foreign_names
from descend.task.option_table import ENTRIES, TABLE, command_rows, default_of, names_of
from descend.task.options import Options, read_options
from descend.task.values import EPOCHS, SEED

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "fit": descend.fit, "fit_many": descend.fit_many, "fit_global": descend.fit_global,
    "minimize": descend.minimize,
}  # fmt: skip
DATA = {"model", "function", "datasets", "x", "y"}
UNCHECKED = {"", "text", "words", "texts", "real", "whole"}
PLACES = [(entry, name) for entry in ENTRIES for name in ENTRIES[entry]]


def explicit(function: Callable[..., Any]) -> dict[str, Any]:
    """The options in a signature, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    return {p.name: p.default for p in named if p.name not in DATA}


@pytest.mark.parametrize("entry", ["fit", "fit_many", "minimize"])
def test_signatures_repeat_the_table(entry: str) -> None:
    # None stands for what suits the model, where that differs.
    assert explicit(FUNCTIONS[entry]) == {
        n: None if ENTRIES[entry][n].varies == entry else default_of(entry, n)
        for n in names_of(entry)
    }


def test_datasets_side_by_side_have_options_of_their_own_and_those_of_fit() -> None:
    own = explicit(descend.fit_global)
    assert own == {name: default_of("fit_global", name) for name in own}
    for name in names_of("fit_global"):
        assert name in own or default_of("fit_global", name) == default_of("fit", name)


@pytest.mark.parametrize("entry", sorted(FUNCTIONS))
def test_documents_name_every_option(entry: str) -> None:
    document = inspect.getdoc(FUNCTIONS[entry]) or ""
    said = document.partition("Args:")[2].partition("Raises:")[0]
    told = {*re.findall(r"\w+", said)}
    assert not {*explicit(FUNCTIONS[entry])} - told
    named = re.findall(r"^ {4}([a-z_]\w*(?:, [a-z_]\w*)*):", said, re.M)
    assert {n for part in named for n in part.split(", ")} - DATA <= {*names_of(entry), "options"}


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_commands_have_the_options_of_the_table(command: str) -> None:
    whole = inspect.signature(with_options(_COMMANDS[command], command)).parameters.values()
    rows = command_rows(command)
    assert [p.name for p in whole if p.kind is p.KEYWORD_ONLY] == [*rows]
    assert all(row.help.endswith((".", '".', "….")) for row in rows.values())


def test_rows_are_whole() -> None:
    for row in TABLE:
        assert row.kind in CHECKS or row.kind in UNCHECKED or "|" in row.kind, row.name
        assert {*row.entries.split()} <= ENTRIES.keys(), row.name
        assert {*row.commands.split()} <= _COMMANDS.keys(), row.name
        assert row.entries or row.commands, row.name
        assert bool(row.help) == bool(row.commands), row.name
    for takers in ("entries", "commands"):
        pairs = [(row.name, taker) for row in TABLE for taker in getattr(row, takers).split()]
        assert len(pairs) == len({*pairs})
    assert {*TYPES} <= {*CHECKS} | UNCHECKED


@pytest.mark.parametrize(("entry", "name"), PLACES)
def test_what_cannot_be_meant_is_refused_by_every_entry_alike(entry: str, name: str) -> None:
    row = ENTRIES[entry][name]
    assert read_options(entry, {name: row.default}) is not None
    if row.kind in UNCHECKED:
        return
    wrong = "/no/such/folder/a.json" if row.kind == "place" else 0.5 if "|" in row.kind else "x y"
    with pytest.raises(DescendError, match=name if row.kind != "place" else "no/such"):
        read_options(entry, {name: wrong})


@pytest.mark.parametrize("entry", sorted(ENTRIES))
def test_names_of_others_lead_to_one_of_ours(entry: str) -> None:
    rows = ENTRIES[entry].values()
    foreign = [name for row in rows for name in row.foreign.split()]
    assert len(foreign) == len({*foreign})
    for name in {*foreign} - {*names_of(entry)}:
        with pytest.raises(UsageError, match=f'here it is called "{foreign_names(entry)[name]}"'):
            read_options(entry, {"unknown": {name: 1}})


def test_what_needs_another_option_is_refused_without_it() -> None:
    for entry in ("fit", "minimize"):
        with pytest.raises(UsageError, match="min_delta belongs to patience"):
            read_options(entry, {"min_delta": 0.1, "patience": None})
    for entry in ("fit", "fit_many"):
        with pytest.raises(UsageError, match="absolute_sigma says something of sigma"):
            read_options(entry, {"absolute_sigma": True, "sigma": None})


def test_options_of_a_call() -> None:
    options = Options("minimize", seed=3)
    assert (options.seed, options.max_iter, options.stop_loss) == (3, 1000, None)
    assert options.but(seed=4).seed == 4 and options.is_default("max_iter")
    with pytest.raises(AttributeError, match="there is no option sede"):
        options.sede  # noqa: B018
    with pytest.raises(AttributeError, match="immutable"):
        options.seed = 5
    with pytest.raises(TypeError, match="minimize has no option epochs"):
        Options("minimize", epochs=3)


def test_a_known_call_is_taken_apart_where_its_options_stand() -> None:
    options = [*inspect.signature(descend.fit).parameters][4:]
    assert (options[EPOCHS], options[SEED]) == ("epochs", "seed")


def test_datasets_side_by_side_refuse_what_they_do_not_have() -> None:
    sets = [descend.Dataset("y = a*x", {"x": [1.0, 2.0], "y": [2.0, 4.0]})]
    for options, words in (
        ({"epoch": 3}, r'fit_global has no option "epoch" \(did you mean "epochs"\?\)'),
        ({"p0": 3}, 'fit_global has no option "p0" .here it is called "start"'),
        ({"batch_size": 1}, "fit_global has no batch_size: the datasets are fitted side by side"),
    ):
        with pytest.raises(UsageError, match=words):
            descend.fit_global(sets, shared="a", **options)


def test_defaults_that_are_functions_or_modules_are_no_parameters():
    """`xp=np` of the array API, and a curve handed in: the model is linear in a."""
    x = np.linspace(0.1, 2.0, 20)

    def by_module(x, a, xp=np):
        return a * xp.exp(-x)

    def by_function(x, a, curve=math.sqrt):
        return a * curve(2.0) * np.exp(-x)

    y = 3.0 * np.exp(-x)
    assert descend.fit(by_module, x, y).params == pytest.approx({"a": 3.0})
    assert descend.fit(by_function, x, y).params == pytest.approx({"a": 3.0 / math.sqrt(2.0)})
    found = descend.minimize(lambda a, f=math.exp: (f(a) - 3.0) ** 2, start=dict(a=0.5))
    assert found.params == pytest.approx({"a": math.log(3.0)}, rel=1e-7)
    shared = descend.fit_global(by_module, [x, x], [y, y], shared="a")
    assert shared.params == pytest.approx({"a": 3.0})


def test_a_function_among_the_constants_is_looked_at_in_each_call():
    def model(x, a, f):
        return a * f(x)

    x = np.arange(1.0, 5.0)
    for f in (np.log, np.sqrt, lambda v: v**2, np.log):
        fit = descend.fit(model, x, 2.0 * f(x), constants={"f": f}, start={"a": 1.0})
        assert fit.params["a"] == pytest.approx(2.0, rel=1e-9)


@pytest.mark.parametrize("name", ["momentum", "weight_decay", "betas"])
def test_an_option_of_a_method_is_told_where_it_belongs(name):
    with pytest.raises(descend.UsageError, match=f'no option "{name}"(.|\n)*belongs to the method'):
        descend.fit("y = a*x", {"x": [1.0, 2.0], "y": [1.0, 2.0]}, **{name: 0.1})
