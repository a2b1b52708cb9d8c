"""What is taken away makes the same numbers again; an address brings nothing but a state."""

import base64
import contextlib
import dataclasses
import io
import json
import shlex
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.cli.app import main
from descend.errors import UsageError
from descend.studio.opened import sample_setup
from descend.studio.samples import Table
from descend.studio.session import Session
from descend.studio.setup import PARABOLA, Layer, Schedule, Setup, Source, hash_of
from descend.studio.takeaway import (
    FRAGMENT,
    LONGEST_FRAGMENT,
    command,
    file_name,
    from_fragment,
    python_code,
    table_csv,
    to_fragment,
)  # fmt: skip
from descend.studio.way import Leg
from descend.train.start import start

ODD: Table = {
    "time in s": np.linspace(0.1, 2.0, 30), "y, measured": np.exp(-np.linspace(0.1, 2.0, 30)),
}  # fmt: skip
ODD_SOURCE = Source(own="-rf; $(x)'\".csv", digest=hash_of(ODD))
IRIS_INPUTS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def changed(**fields: Any) -> Setup:
    return dataclasses.replace(PARABOLA, **fields)


SETUPS: dict[str, Setup] = {
    "lesson": PARABOLA,
    "batches in a drawn order": changed(batch_size=20, shuffle=True, seed=7, lr=0.05),
    "momentum": changed(numbers={"momentum": 0.9, "nesterov": 1}, batch_size=10),
    "a schedule": changed(schedule=Schedule("cosine", {"epochs": 50}), lr=0.1 + 0.2, batch_size=10),
    "a schedule's later number": changed(schedule=Schedule("plateau", {"patience": 2}), lr=0.01),
    "adam with betas": changed(optimizer="adam", numbers={"betas.1": 0.99}, lr=0.01, batch_size=5),
    "a robust loss": changed(loss="huber(0.5)", lr=0.05, batch_size=25),
    "a penalty, rows held back": changed(
        penalty="l2(0.01)", held=0.25, batch_size=15, shuffle=True
    ),
    "all rows": changed(batch_size=None, lr=0.1),
    "odd names": Setup(
        ODD_SOURCE, "y, measured", ("time in s",), formula="`y, measured` = a*exp(-k*`time in s`)",
        start={"a": 0.5, "k": 0.1}, lr=0.05, batch_size=6,
    ),
}  # fmt: skip
WAYS = {"whole epochs": 3, "within an epoch": 2}


def table_of(setup: Setup) -> Table:
    return setup.source.table() if setup.source.sample else ODD


def by_hand(setup: Setup, batches: int) -> dict[str, Any]:
    call = setup.call(table_of(setup))
    return start(call.model, call.x, call.y, **call.options).step(batches=batches).params


def each_epoch(setup: Setup) -> int:
    """How many batches an epoch has, by arithmetic."""
    rows = len(next(iter(table_of(setup).values())))
    rows -= round(rows * setup.held)
    return -(-rows // (setup.batch_size or rows))


def run_code(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "taken.py", "exec"), names)
    return dict(names["run"].params)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Setup], None]:
    monkeypatch.chdir(tmp_path)

    def write(setup: Setup) -> None:
        Path(file_name(setup)).write_text(table_csv(table_of(setup)), encoding="utf-8")

    return write


@pytest.mark.parametrize("name", SETUPS)
def test_the_code_makes_the_same_parameters_to_the_last_bit(
    name: str, folder: Callable[[Setup], None]
) -> None:
    setup = SETUPS[name]
    folder(setup)
    batches = 3 * each_epoch(setup) + 1
    found = run_code(python_code(setup, table_of(setup), [Leg(batches)]))
    assert found == by_hand(setup, batches)


@pytest.mark.parametrize("name", SETUPS)
def test_the_command_makes_the_same_parameters_to_the_last_bit(
    name: str, folder: Callable[[Setup], None], capsys: pytest.CaptureFixture[str]
) -> None:
    setup = SETUPS[name]
    folder(setup)
    words = shlex.split(command(setup, table_of(setup), 3))
    assert words[:2] == ["descend", "fit"]
    assert main([*words[1:], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["epochs"] == 3
    assert found["params"] == by_hand(setup, 3 * each_epoch(setup))


def test_a_changed_rate_is_part_of_the_way(folder: Callable[[Setup], None]) -> None:
    folder(PARABOLA)
    code = python_code(PARABOLA, PARABOLA.source.table(), [Leg(150), Leg(30, 0.01), Leg(0, 0.02)])
    w = np.array([1.0, 0.0, 1.0])
    for i in range(180):
        x = i % 100 / 100
        slope = 2 * (w @ [x * x, x, 1] - (4 * x * x + 5 * x + 6))
        w = w - (0.001 if i < 150 else 0.01) * slope * np.array([x * x, x, 1])
    assert list(run_code(code).values()) == pytest.approx(w, rel=1e-12)


def test_what_was_set_by_hand_is_part_of_the_way(folder: Callable[[Setup], None]) -> None:
    """The code sets it after as many updates, and gives the session's numbers to the last bit."""
    layers = (Layer(6, "tanh"), Layer(4, "tanh"))
    setup = dataclasses.replace(sample_setup("xor"), layers=layers, lr=0.05, held=0.2)
    folder(setup)
    session = Session(setup)
    for name, value in (
        ("batch", 7), ("edit", [3, 1, 0.1]), ("edit", [8, 4, -2.5]), ("batch", 5), ("lr", 0.01),
        ("edit", [3, 2, 1.0]), ("batch", 30), ("edit", [3, 1, 0.3]), ("undo", 1), ("batch", 2),
    ):  # fmt: skip
        session.order(name, value)
    done = threading.Event()
    session._changed = lambda _: done.set()
    session.order("play")  # what is told when all before it is done
    assert done.wait(20)
    session.close()
    session._thread.join(20)
    way = session.way
    assert [len(leg.edits) for leg in way] == [0, 2, 1]
    code = python_code(setup, table_of(setup), [way[0]._replace(lr=None), *way[1:]])
    assert "params['0.weight'][3, 1] = 0.1" in code and "params['0.bias'][3] = 1.0" in code
    found = run_code(code)
    for leaf, wanted in session.run.params.items():
        np.testing.assert_array_equal(found[leaf], wanted)


def test_a_network_is_taken_away_as_code(folder: Callable[[Setup], None]) -> None:
    setup = Setup(
        Source("iris"), "species", tuple(list(Source("iris").table())[:4]),
        layers=(Layer(6, "tanh"),), optimizer="adam", lr=0.01, batch_size=16, seed=3,
    )  # fmt: skip
    folder(setup)
    found, wanted = run_code(python_code(setup, table_of(setup), [Leg(25)])), by_hand(setup, 25)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(found[key], value)
    with pytest.raises(UsageError, match="descend fit takes a formula"):
        command(setup, table_of(setup))


def test_a_files_name_is_harmless() -> None:
    assert file_name(SETUPS["odd names"]) == "rf-x.csv"
    for own in ("../../etc/passwd", "数据", "-", "a b.xlsx", "x" * 200):
        name = file_name(changed(source=Source(own=own, digest="0")))
        assert not name.startswith("-") and not {*name[:-4]} & {*"/\\. ;$'\""} and len(name) < 70


# --- fragments


def coded(raw: bytes) -> str:
    return f"#{FRAGMENT}{base64.urlsafe_b64encode(zlib.compress(raw, 9)).decode()}"


def fragment(plain: Any) -> str:
    return coded(json.dumps(plain).encode())


@pytest.mark.parametrize("name", SETUPS)
def test_a_state_comes_back_from_its_address(name: str) -> None:
    text = to_fragment(SETUPS[name])
    assert len(text) < 1000 and from_fragment(text) == SETUPS[name]


def test_a_fragment_holds_no_data() -> None:
    secret = {"x": np.array([123456.789]), "y": np.array([987654.321])}
    setup = changed(source=Source(own="salaries.csv", digest=hash_of(secret)))
    coded = to_fragment(setup).removeprefix(FRAGMENT)
    plain = zlib.decompress(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))).decode()
    assert "123456" not in plain and "987654" not in plain


def test_a_state_that_is_too_long_is_not_put_into_an_address() -> None:
    names = "".join(map(chr, np.random.default_rng(0).integers(0x4E00, 0x9FA0, 5000)))
    with pytest.raises(UsageError, match="too long for an address") as caught:
        to_fragment(changed(formula=f"y = {names}*x", start={}))
    assert caught.value.remedy == "save it as a file"


HOSTILE: dict[str, tuple[str, str]] = {
    "nothing": ("", "holds no state"),
    "another one": ("#section-2", "holds no state"),
    "another version": ("#descend=2.abc", "holds no state"),
    "no base64": (f"#{FRAGMENT}???", "damaged"),
    "other signs": (f"#{FRAGMENT}学习", "damaged"),
    "no deflate": (f"#{FRAGMENT}AAAA", "damaged"),
    "cut": (f"#{to_fragment(PARABOLA)[:-9]}", "damaged"),
    "too long": (f"#{FRAGMENT}{'A' * LONGEST_FRAGMENT}", "longer than"),
    "a bomb": (coded(b" " * 5_000_000), "damaged"),
    "no table": (fragment([1]), "table of names"),
    "deeply nested": (coded(b"[" * 60_000), "no JSON"),
    "data": (fragment({**PARABOLA.plain(), "data": {"x": [1]}}), 'no "data"'),
    "a query": (fragment({**PARABOLA.plain(), "sql": "select 1"}), 'no "sql"'),
    "a query as source": (fragment({**PARABOLA.plain(), "source": {"sql": "x"}}), 'no "sql"'),
    "a path": (
        fragment({**PARABOLA.plain(), "source": {"own": "../../etc/passwd", "digest": "0"}}),
        "names a path",
    ),
    "a path of Windows": (
        fragment({**PARABOLA.plain(), "source": {"own": "C:\\data.csv", "digest": "0"}}),
        "names a path",
    ),
    "another sample": (fragment({**PARABOLA.plain(), "source": {"sample": "../x"}}), "no sample"),
    "an infinite rate": (fragment({**PARABOLA.plain(), "lr": float("inf")}), "learning rate"),
    "a rate of text": (fragment({**PARABOLA.plain(), "lr": "1e3"}), "learning rate"),
    "a great network": (
        fragment({**PARABOLA.plain(), "formula": "", "layers": [[10**6, "tanh"]]}), "units",
    ),
    "an optimizer of ours": (fragment({**PARABOLA.plain(), "optimizer": "__class__"}), "optimizer"),
    "markup": (fragment({**PARABOLA.plain(), "loss": "<script>alert(1)</script>"}), "loss"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_address_is_refused_in_words(name: str) -> None:
    text, words = HOSTILE[name]
    with pytest.raises(UsageError, match=words):
        from_fragment(text)


def test_opening_an_address_reads_and_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("something was read or run")

    monkeypatch.setattr("builtins.open", forbidden)
    monkeypatch.setattr("descend.train.start.start", forbidden)
    monkeypatch.setattr("descend.studio.setup.Source.table", forbidden)
    assert from_fragment(to_fragment(PARABOLA)) == PARABOLA


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.text(max_size=8)
JSONS = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.fuzz
@given(st.text())
def test_any_text_is_a_state_or_refused(text: str) -> None:
    for given_text in (text, f"#{FRAGMENT}{text}"):
        with contextlib.suppress(UsageError):
            from_fragment(given_text)


@pytest.mark.fuzz
@given(st.dictionaries(st.sampled_from([*PARABOLA.plain()]), JSONS, max_size=3))
def test_any_field_is_taken_or_refused(fields: dict[str, Any]) -> None:
    with contextlib.suppress(UsageError):
        found = from_fragment(fragment({**PARABOLA.plain(), **fields}))
        assert from_fragment(to_fragment(found)) == found
