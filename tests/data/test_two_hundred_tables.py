"""200 tables as people have them: read right, or told with a remedy that works when it is run."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from data.make_tables import AMBIGUOUS, Made, tables
from descend.cli.app import main
from descend.data import read as reading
from descend.data.asked import asked
from descend.errors import DescendError
from whole import WHOLE

TABLES = tables()
CLEAR = [table for table in TABLES if not table.told]
TOLD = [table for table in TABLES if table.told]
LEAST = 150  # of those that say all by themselves


def came(table: Made, folder: Path) -> str:
    """What comes of reading a file without options: right, wrong, or the words of the refusal."""
    path = folder / table.name
    path.write_bytes(table.content)
    how = asked(shell=True)._replace(wanted=frozenset(table.truth))
    try:
        found = reading.open_table(str(path), how=how).read(table.truth)
    except DescendError as error:
        return str(error)
    for name, values in table.truth.items():
        if len(found[name]) != len(values) or not np.allclose(
            found[name], values, rtol=1e-15, atol=0, equal_nan=True
        ):
            return "wrong"
    return "right"


def test_there_are_two_hundred_and_at_most_forty_are_ambiguous() -> None:
    assert len(TABLES) == len({table.name for table in TABLES}) == 200
    assert len(TOLD) <= 40


def test_tables_are_read_without_an_option_and_none_wrongly(tmp_path: Path) -> None:
    results = {table.name: came(table, tmp_path) for table in CLEAR}
    assert [name for name, result in results.items() if result == "wrong"] == []
    others = {name: result for name, result in results.items() if result != "right"}
    assert len(results) - len(others) >= LEAST, others


@pytest.mark.fuzz
def test_duckdb_reads_them_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files take another road, on which every small one is sent here."""
    monkeypatch.setattr(reading, "SMALL", 0)
    taken = CLEAR if WHOLE else CLEAR[::9]
    results = {table.name: came(table, tmp_path) for table in taken}
    assert {name: result for name, result in results.items() if result != "right"} == {}


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, str] | None:
    """The error of a command, or None."""
    code = main([*words, "--json", "--start", "a=1,b=1", "--max-seconds", "5"])
    said = json.loads(capsys.readouterr().out)
    assert (code in (2, 3)) == ("error" in said)
    return said.get("error")


def remedies(text: str) -> list[list[str]]:
    """The options that a remedy names, as a shell reads them; several where it gives a choice."""
    parts = re.split(r",? or (?=--)", text[text.index("--") :])
    return [shlex.split(re.sub(r" \([-\d.e+]+\),?$", "", part)) for part in parts]


def formula_of(names: list[str]) -> str:
    return f"`{names[-1]}` = a*`{names[-2]}` + b"


COLUMNS = {
    "thousand-9.csv": ["column0", "column1"], "one-1.csv": ["row", "v"],
    "one-2.txt": ["row", "voltage"], "first-1.csv": ["column1", "column2"],
    "first-2.csv": ["column1", "column2"], "first-3.tsv": ["column1", "column2"],
    "first-4.dat": ["column1", "column2"],
}  # fmt: skip
"""Where they are not t and v."""
NAMED = {
    "first-1.csv": ["1", "2"], "first-2.csv": ["1", "10"], "first-3.tsv": ["1.5", "2"],
    "first-4.dat": ["1.5", "2"], "above-1.csv": ["t", "v"], "above-2.csv": ["t", "v"],
    "above-3.csv": ["t", "v"], "above-4.tsv": ["t", "v"],
}  # fmt: skip
"""Which names of a formula tell where the names stand in a table."""


@pytest.mark.parametrize("name", NAMED)
def test_the_names_of_a_formula_tell_the_row_of_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(AMBIGUOUS[name].encode())
    assert refusal(["fit", name, formula_of(NAMED[name])], capsys) is None


@pytest.mark.parametrize(
    "table", [t for t in TOLD if not t.name.startswith("above-")], ids=lambda table: table.name
)
def test_remedies_work_when_they_are_run(
    table: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(table.name).write_bytes(table.content)
    names = COLUMNS.get(table.name, ["t", "v"])
    error = refusal(["fit", table.name, formula_of(names)], capsys)
    assert error is not None and error["type"] == "DataError" and error["remedy"]
    for options in remedies(error["remedy"]):
        formula = formula_of(names)
        if "--sep" in options:  # a single column
            formula = f"`{names[-1]}` = a + 0*b"
        left = refusal(["fit", table.name, formula, *options], capsys)
        assert left is None, (options, left)
