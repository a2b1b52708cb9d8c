"""Tables on the command line: how they are read, what is said of it, and in which words."""

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from descend.cli.app import main

ROWS = [(0, 3.5), (1, 1.9), (2, 1.1), (3, 0.8), (4, 0.6)]
LINE = "v = a*t + b"
SLOPE = {"a": -0.69, "b": 2.96}  # of these rows, by numpy.polyfit
CSV = "t,v\n" + "".join(f"{t},{v}\n" for t, v in ROWS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(CSV)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    def run(*words: str, code: int = 0):
        given = main(list(words))
        printed, errors = capsys.readouterr()
        assert given == code, printed + errors
        return (json.loads(printed) if "--json" in words else printed), errors

    return run


def near(found: dict) -> None:
    assert found["params"] == pytest.approx(SLOPE, rel=1e-9)


def test_the_formula_may_stand_before_the_table(told, monkeypatch) -> None:
    near(told("fit", LINE, "t.csv", "--json")[0])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    near(told("fit", LINE, "-", "--json")[0])
    out, _ = told("explain", LINE, "t.csv", "--start", "a=1,b=1")
    assert "d loss/d a" in out


def test_options_of_reading(told) -> None:
    Path("bare.dat").write_text("".join(f"{t}   {v}\n" for t, v in ROWS))
    near(told("fit", "bare.dat", LINE, "--names", "t,v", "--json")[0])
    text = CSV.replace(",", "!").replace(".", ",")
    Path("odd.csv").write_text("made by me\n" + text)
    near(told("fit", "odd.csv", LINE, "--sep", "!", "--skip", "1", "--decimal", ",", "--json")[0])
    Path("two.csv").write_text(CSV.replace("t,v", "t,v\n?,?"))
    near(told("fit", "two.csv", LINE, "--header", "2", "--json")[0])
    Path("utf.csv").write_text(CSV, encoding="utf-16-be")
    near(told("fit", "utf.csv", LINE, "--encoding", "utf-16-be", "--json")[0])


def test_predict_and_explain_read_the_same(told) -> None:
    Path("comma.csv").write_text(CSV.replace(",", ";").replace(".", ","))
    told("fit", "comma.csv", LINE, "--save", "line.descend", "--quiet")
    words = ["predict", "line.descend", "comma.csv", "--json"]
    assert told(*words)[0]["prediction"][0] == pytest.approx(2.96)
    _, errors = told("explain", "comma.csv", LINE, "--start", "a=1,b=1")
    assert '"3,5" is read as 3.5' in errors


def test_notes_stand_on_standard_error(told) -> None:
    Path("units.csv").write_text(CSV.replace("t,v", "t,v\ns,V"))
    found, errors = told("fit", "units.csv", LINE, "--json")
    near(found)
    assert errors == (
        'note: line 2 of "units.csv" holds units and no numbers, and is left out: s, V\n'
    )
    assert told("fit", "units.csv", LINE, "--json", "--quiet")[1] == ""


def test_a_sheet_of_a_workbook(told) -> None:
    book = openpyxl.Workbook()
    book.active.append(["nothing here"])
    for name, factor in (("first", 1), ("second", 2)):
        page = book.create_sheet(name)
        page.append(["t", "v"])
        for t, v in ROWS:
            page.append([t, factor * v])
    book.save("book.xlsx")
    found, errors = told("fit", "book.xlsx", LINE, "--json")
    near(found)
    assert 'the sheet "first" of "book.xlsx" is read; others are Sheet, second' in errors
    for sheet in ("second", "3"):
        found, errors = told("fit", "book.xlsx", LINE, "--sheet", sheet, "--json")
        assert found["params"]["a"] == pytest.approx(2 * SLOPE["a"]) and not errors
    query = "SELECT t, v / 2 AS v FROM data WHERE t >= 0"
    near(told("fit", "book.xlsx", LINE, "--sheet", "second", "--sql", query, "--json")[0])
    _, errors = told("fit", "book.xlsx", LINE, "--sheet", "thrid", code=3)
    assert "its sheets are Sheet, first, second; they are numbered from 1" in errors


@pytest.mark.parametrize(
    ("formula", "options", "remedy"),
    [
        ("v = a*exp(-k*t) + c", [], '--names "t,v"'),
        ("w = a*q + b", ["--start", "a=1,b=1"], '--names "q,w"'),
        ("w = a*p + b*q", [], "with --names"),
    ],
)
def test_a_table_without_names(told, formula: str, options: list[str], remedy: str) -> None:
    Path("bare.dat").write_text("".join(f"{t} {v}\n" for t, v in ROWS))
    _, errors = told("fit", "bare.dat", formula, *options, code=3)
    assert '"bare.dat" has no header' in errors and "column0, column1" in errors
    assert remedy in errors


def test_no_rows(told) -> None:
    Path("empty.csv").write_text("t,v\n")
    _, errors = told("fit", "empty.csv", LINE, code=3)
    assert "the table is empty: it has no rows" in errors


def test_dates_that_can_be_read_in_two_ways(told) -> None:
    days = ["01/02/2020", "03/04/2020", "05/04/2020"]
    Path("days.csv").write_text("t,v\n" + "".join(f"{d},{k}\n" for k, d in enumerate(days)))
    _, errors = told("fit", "days.csv", LINE, code=3)
    assert errors.count("--sql ") == 2 and "%d/%m/%Y" in errors and "%m/%d/%Y" in errors


@pytest.mark.parametrize(
    ("day", "step"),
    [
        ("{}/01/2020", 86400), ("01/{}/20", 86400), ("{}-Jan-2020", 86400), ("Jan {}, 2020", 86400),
        ("{} January 2020", 86400), ("{}:30", 3600), ("00:00:{}.5", 1),
        ("2020/01/{} 1:05 PM", 86400),
        ("{}.01.2020 12:00:00", 86400),
    ],
)  # fmt: skip
def test_dates_become_seconds(told, day: str, step: int) -> None:
    rows = [(day.format(13 + int(t)), v) for t, v in ROWS if t == int(t)]
    Path("days.csv").write_text("t;v\n" + "".join(f"{d};{v}\n" for d, v in rows))
    error = told("fit", "days.csv", LINE, "--json", code=3)[0]["error"]
    options = shlex.split(error["remedy"][error["remedy"].index("--sql") :])
    found = told("fit", "days.csv", LINE, *options, "--json")[0]["params"]
    assert found["a"] == pytest.approx(SLOPE["a"] / step, rel=1e-6)


@pytest.mark.parametrize("names", ["t (s);v (V)", "t [s];v", "t/s;v/V", "t;v, in V"])
def test_units_in_names(told, names: str) -> None:
    Path("named.csv").write_text(names + "\n" + "".join(f"{t};{v}\n" for t, v in ROWS))
    error = told("fit", "named.csv", LINE, "--json", code=2)[0]["error"]
    assert names.split(";")[-1] in error["remedy"] or names.split(";")[0] in error["remedy"]
    options = shlex.split(error["remedy"][error["remedy"].index("--names") :])
    near(told("fit", "named.csv", LINE, *options, "--json")[0])


@pytest.mark.parametrize("cell", ["{} V", "${}", "{} %", "about {}"])
def test_units_in_cells(told, cell: str) -> None:
    Path("cells.csv").write_text("t,v\n" + "".join(f"{t},{cell.format(v)}\n" for t, v in ROWS))
    error = told("fit", "cells.csv", LINE, "--json", code=3)[0]["error"]
    options = shlex.split(error["remedy"].partition("convert it: ")[2])
    near(told("fit", "cells.csv", LINE, *options, "--json")[0])


def test_a_cell_is_shown_as_text(told) -> None:
    Path("steer.csv").write_text("t,v\n0,1\n1,\x1b[31mred\n2,3\n3,4\n")
    _, errors = told("fit", "steer.csv", LINE, code=3)
    assert r'"\x1b[31mred" in row 1' in errors and "\x1b" not in errors


def test_groups_have_a_line_each(told) -> None:
    lines = ["g,t,v", *(f"{g},{t},{v * k}" for g, k in (("low", 1), ("high", 2)) for t, v in ROWS)]
    Path("groups.csv").write_text("\n".join(lines) + "\n")
    out, _ = told("fit", "groups.csv", LINE, "--by", "g")
    table = [line.split() for line in out.splitlines()]
    assert ["g", "a", "±", "error", "b", "±", "error", "verdict"] in table
    assert any(row[:2] == ["low", "-0.69"] and row[-1] == "minimum" for row in table)
    assert any(row[:2] == ["high", "-1.38"] for row in table)


def test_a_process_is_a_table() -> None:
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -m descend fit <(cat t.csv) "{LINE}" --json'],
        capture_output=True, text=True,
    )  # fmt: skip
    near(json.loads(done.stdout))
