"""Command lines that are nearly right: what is to be written instead is right."""

import shlex
from pathlib import Path

import pytest

from descend.cli.app import main

LINE = "v = a*t + b"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "u.csv"):
        Path(name).write_text("t,v\n0,3.5\n1,1.9\n2,1.1\n3,0.8\n")


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["fit", "t.csv", LINE, "--start", "a=1;b=2"], 1),
        (["fit", "t.csv", LINE, "--start", "a=1 b=2"], 1),
        (["fit", "t.csv", LINE, "--start", "a: 1, b: 2"], 1),
        (["fit", "t.csv", LINE, "--start", "{'a': 1, 'b': 2}"], 1),
        (["fit", "t.csv", LINE, "--start", "a=1", "b=2"], 2),
        (["fit", "t.csv", LINE, "--start", "a=1,", "b", "=", "2"], 4),
        (["grad", "x*y", "--at", "x=1;y=2"], 1),
        (["explain", "x*y", "--at", "x=1", "y=2"], 2),
        (["minimize", "x**2 + y**2", "--start", "x=1", ",", "y=2"], 3),
    ],
)
def test_values_of_an_option(
    words: list[str], number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    option = next(word for word in words if word.startswith("--"))
    at = words.index(option)
    written = shlex.split(told[told.index(f'{option} "', told.index("do:")) :])
    words[at : at + 1 + number] = written
    assert main(words) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["fit", "t.csv", "v", "=", "a*t", "+", "b"], 5),
        (["fit", "t.csv", "v=a*t", "+", "b"], 3),
        (["minimize", "x**2", "+", "1", "--start", "x=1"], 3),
    ],
)
def test_a_formula_without_quotes(
    words: list[str], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (whole,) = shlex.split(capsys.readouterr().err.partition("quotes: ")[2])
    at = 2 if words[0] == "fit" else 1
    words[at : at + count] = [whole]
    assert main(words) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "t.csv", "u.csv"], '"u.csv" is a file, and a formula stands behind the table'),
        (["fit", "t.csv", "u.csv", LINE], '"u.csv" is one table too many'),
        (["t.csv", LINE], "write descend fit before the table and the formula"),
        ([LINE, "t.csv"], "write descend fit before the table and the formula"),
        (["fit", "t.csv", LINE, "--sheet", "2"], "is a text, of which --sheet 2 says nothing"),
        (["explain", "t.csv", LINE, "--at", "t=1"], "--at belongs to a formula without a table"),
    ],
)  # fmt: skip
def test_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
