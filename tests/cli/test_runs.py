"""Past runs: kept by what was written and what it came to, for one user alone, never with data."""

import json
import os
import shlex
import sqlite3
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from descend.cli import journal
from descend.cli.app import main
from descend.cli.runs import again

FORMULA = "y = a*x + b"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table to fit, in a folder of its own, and a home for the runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESCEND_RUNS", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    x = np.linspace(0, 1, 12)
    rows = "\n".join(f"{a},{2 * a + 1 + 0.01 * (-1) ** i}" for i, a in enumerate(x.tolist()))
    Path("points 1.csv").write_text(f"x,y\n{rows}\n")
    return tmp_path


def fitted(*words: str) -> int:
    return main(["fit", "points 1.csv", FORMULA, "--quiet", *words])


def test_a_run_is_kept_with_its_result(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fitted("--start", "a=1", "--no-shuffle", "--tie", "b = a/2") == 0
    (one,) = journal.read(5)
    assert (one.command, one.formula, one.code) == ("fit", FORMULA, 0)
    assert one.data == str(own / "points 1.csv")
    assert one.verdict == "minimum"
    assert one.options["start"] == "a=1"
    assert one.options["shuffle"] is False
    assert one.params["b"] == pytest.approx(one.params["a"] / 2)
    assert one.loss is not None
    assert one.loss > 0
    main(["runs"])
    listed = capsys.readouterr().out
    assert "points 1.csv" in listed
    assert FORMULA in listed
    assert "minimum" in listed


def test_the_command_of_a_run_repeats_it(own: Path) -> None:
    method = ["--optimizer", "sgd", "--lr", "0.1", "--epochs", "7", "--no-shuffle"]
    fitted("--start", "a=1,b=1", *method, "--fix", "b=0.5")
    (first,) = journal.read(1)
    words = shlex.split(again(first))
    assert words[:2] == ["descend", "fit"]
    assert main(words[1:]) == 0
    second = journal.kept(2)
    assert second.params == first.params
    assert second.options == first.options


def test_one_run_in_full_and_as_json(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted("--start", "a=1,b=1")
    assert main(["runs", "1"]) == 0
    told = capsys.readouterr().out
    assert "verdict   minimum" in told
    assert f"descend fit '{own / 'points 1.csv'}' '{FORMULA}' --start a=1,b=1 --quiet" in told
    main(["runs", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["params"]["a"] == pytest.approx(2, abs=0.05)


def test_no_data_are_kept_and_nobody_else_reads_it(own: Path) -> None:
    fitted("--start", "a=1,b=1")
    file = own / "state" / "descend" / "runs.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    kept = file.read_bytes()
    assert b"points 1.csv" in kept
    for cell in Path("points 1.csv").read_text().split("\n")[3].split(","):
        assert cell.encode() not in kept


def test_the_hash_tells_whether_the_file_is_the_same(own: Path) -> None:
    fitted("--start", "a=1,b=1")
    fitted("--start", "a=1,b=1")
    with open("points 1.csv", "a") as file:
        file.write("2,5\n")
    fitted("--start", "a=1,b=1")
    third, second, first = journal.read(3)
    assert first.hash == second.hash != third.hash


def test_minimize_is_kept_too(own: Path) -> None:
    assert main(["minimize", "3*x1**2 + 4*x2**2 + 1", "--start", "x1=1,x2=1", "--quiet"]) == 0
    (one,) = journal.read(1)
    assert (one.command, one.data, one.hash) == ("minimize", None, None)
    assert one.loss == pytest.approx(1)


def test_an_unwritable_home_costs_one_warning(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(own / "file"))
    assert fitted("--start", "a=1,b=1") == 0
    told = capsys.readouterr().err
    assert told.count("warning") == 1
    assert "this run is not kept among the past ones" in told
    monkeypatch.setenv("DESCEND_RUNS", "off")
    assert fitted("--start", "a=1,b=1") == 0
    assert capsys.readouterr().err == ""
    assert main(["runs"]) == 2
    assert "runs are not kept: DESCEND_RUNS is off" in capsys.readouterr().err


def test_a_damaged_file_is_told(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own / "state" / "descend" / "runs.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database at all, and long enough to be looked at" * 20)
    assert fitted("--start", "a=1,b=1") == 0
    assert "this run is not kept" in capsys.readouterr().err
    for words in (["runs"], ["runs", "--forget"]):
        assert main(words) == 2
        assert "does not hold the past runs" in capsys.readouterr().err


def test_runs_at_the_same_time_are_all_kept(own: Path) -> None:
    def work() -> None:
        for _ in range(10):
            journal.keep("fit", FORMULA, None, {}, object(), 0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.read(100)) == 40


def test_the_oldest_go_first(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST", 3)
    for _ in range(5):
        journal.keep("minimize", "x**2", None, {}, object(), 0)
    assert [one.id for one in journal.read(10)] == [5, 4, 3]


def test_all_are_forgotten_when_asked(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted("--start", "a=1,b=1")
    assert main(["runs", "--forget"]) == 0
    assert "1 run forgotten" in capsys.readouterr().out
    file = own / "state" / "descend" / "runs.sqlite"
    assert FORMULA.encode() not in file.read_bytes()
    main(["runs"])
    assert "no run is kept yet" in capsys.readouterr().out


REFUSED = {
    ("runs", "7"): "there is no run 7: none is kept yet",
    ("runs", "--last", "0"): "--last 0 lists nothing",
    ("runs", "1", "--forget"): "--forget throws away all runs",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(
    words: tuple[str, ...], own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words)) == 2
    assert REFUSED[words] in capsys.readouterr().err


def test_a_strange_formula_stays_a_text(own: Path) -> None:
    formula = "x**2'); drop table runs; --"
    journal.keep("minimize", formula, None, {"start": "x='1'"}, object(), 2)
    assert journal.kept(1).formula == formula
    with sqlite3.connect(os.fspath(journal.place() or "")) as database:
        assert database.execute("select count(*) from runs").fetchone() == (1,)
