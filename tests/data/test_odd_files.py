"""Files as people have them, one kind after the other: the numbers in them, or words that help."""

import bz2
import gzip
import io
import lzma
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from descend.data import read as reading
from descend.data.asked import asked
from descend.data.read import open_table
from descend.errors import DataError

T, V = [0.0, 1.0, 2.0], [3.5, 1.9, 1.1]
CSV = "t,v\n0,3.5\n1,1.9\n2,1.1\n"
BODY = CSV.partition("\n")[2]


def opened(folder: Path, content: str | bytes, wanted: str = "", name: str = "a.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(str(path), how=asked(shell=True)._replace(wanted=frozenset(wanted.split())))


@pytest.mark.parametrize("small", [reading.SMALL, 0])
@pytest.mark.parametrize(
    "content",
    [
        # separators
        "t:v\n0:3.5\n1:1.9\n2:1.1\n",
        '"sep=,"\n' + CSV,
        "sep=,,\n" + CSV,
        "sep=^\nt^v\n0^3.5\n1^1.9\n2^1.1\n",
        "t ; v\n0 ; 3,5\n1 ; 1,9\n2 ; 1,1\n",
        # marks of UTF-8 that several programs wrote
        "\ufeff\ufeff" + CSV,
        "sep=,\n\ufeff" + CSV,
        '\ufeff"t","v"\n' + BODY,
        # comments
        "! of a network analyser\n" + CSV,
        "// made by hand\n" + CSV,
        "t,v\n0,3.5 # the first, twice\n1,1.9\n2,1.1 // the last\n",
        "t v\n0 3.5\n1 1.9 # again\n2 1.1\n",
        "# t (s), v\n# t v\n0 3.5\n1 1.9\n2 1.1\n",
        # units, and lines that are drawn
        "t,v\ns\n" + BODY,
        "t v\ns m / s\n0 3.5\n1 1.9\n2 1.1\n",
        "t,v\n(s),\n" + BODY,
        "t,v\n-,V\n" + BODY,
        "t,v\n1/s,10^3 V\n" + BODY,
        "t,v\ns,V\n---,---\n" + BODY,
        "t      v\n=====  =====\n0 3.5\n1 1.9\n2 1.1\n",
        # minus signs of word processors, thin spaces of typesetters
        "t;v\n0;3,5\n1;1,9\n2;1,1\n",
        'name,t,v\n"a\n# b",0,3.5\n"c\n\nd",1,1.9\ne,2,1.1\n',
    ],
)
def test_read_without_an_option(
    content: str, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SMALL", small)
    found = opened(tmp_path, content).read("tv")
    assert found["t"].tolist() == T and found["v"].tolist() == V


@pytest.mark.parametrize("small", [reading.SMALL, 0])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("t;v\n0;\u20133,5\n1;1,9\n2;\u22121,1\n", [-3.5, 1.9, -1.1]),
        ("t;v\n0;3\u2009929\u2009000\n1;1\u2009000,5\n2;7\n", [3929000.0, 1000.5, 7.0]),
        ("t;v\n0;3\u202f929\u202f000\n1;1\u202f000,5\n2;7\n", [3929000.0, 1000.5, 7.0]),
    ],
)
def test_signs_of_typesetters(
    content: str, expected: list[float], small: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "SMALL", small)
    assert opened(tmp_path, content).read("v")["v"].tolist() == expected


@pytest.mark.parametrize("small", [reading.SMALL, 0])
@pytest.mark.parametrize(
    ("content", "names"),
    [
        ('"t\n(s)","v\n(V)"\n' + BODY, ["t\n(s)", "v\n(V)"]),
        ('"t\r\n(s)",v\r\n' + BODY.replace("\n", "\r\n"), None),
        ('# say "hello\n' + CSV, ["t", "v"]),
        ('"a remark, in quotes"\n\n# "and another\n' + CSV, ["t", "v"]),
        ('t,"v ""raw"""\n' + BODY, ["t", 'v "raw"']),
        ("t,T\n" + BODY, ["t", "T"]),
        ("\u200bt,v\u00a0\n" + BODY, ["t", "v"]),
        ("t,v\r\r\n" + BODY.replace("\n", "\r\r\n"), ["t", "v"]),
        ("t,v\r" + BODY.replace("\n", "\r"), ["t", "v"]),
        ("t,v\r\n0,3.5\n1,1.9\r2,1.1\n", ["t", "v"]),
        ("t,v\n0,3.5\r\n1,1.9\n2,1.1\r\n\x1a", ["t", "v"]),
    ],
)
def test_no_row_is_lost_under_odd_names_and_line_ends(
    content: str, names: list[str] | None, small: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "SMALL", small)
    table = opened(tmp_path, content, " ".join(names or ()))
    assert names is None or list(table.columns) == names
    assert [column.tolist() for column in table.read(table.columns).values()] == [T, V]
    assert [column.tolist() for column in table.everything().values()] == [T, V]


@pytest.mark.parametrize("sql", [None, "SELECT t, v FROM data"])
@pytest.mark.parametrize(
    ("row", "words"),
    [('1,"secret\n', "does not end"), ("1,2,secret\n", "has 3 fields, and the others have 2")],
)
def test_refusals_of_large_files_name_the_line_and_show_nothing(
    row: str, words: str, sql: str | None, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("t,v\n" + "0,1\n" * 200_000 + row + "2,secret\n" * 3)
    with pytest.raises(DataError, match=words) as caught:
        open_table(str(tmp_path / "a.csv"), sql).read("tv")
    assert "line 200002 of" in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("content", ["# t v\n", "\n\n", "# a\n# b\n"])
def test_no_rows_at_all(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    for sql in (None, "SELECT * FROM data"):
        with pytest.raises(DataError, match="holds no table"):
            open_table(str(tmp_path / "a.csv"), sql)


@pytest.mark.parametrize("small", [reading.SMALL, 0])
@pytest.mark.parametrize("sign", [".", "\u2013", "\u2014", "-", "NA"])
def test_signs_of_what_is_missing(
    sign: str, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SMALL", small)
    found = opened(tmp_path, f"t v\n0 3.5\n{sign} 1.9\n2 {sign}\n").read("tv")
    np.testing.assert_array_equal(found["t"], [0, np.nan, 2])
    np.testing.assert_array_equal(found["v"], [3.5, 1.9, np.nan])


def test_a_remedy_that_loses_rows_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table = opened(tmp_path, '"".\n;')
        table.read(table.columns)
    assert "--" not in str(caught.value.remedy)


def test_separators_behind_some_rows(tmp_path: Path) -> None:
    table = opened(tmp_path, "t,v\n0,3.5,\n1,1.9\n2,1.1,\n")
    assert table.columns == ("t", "v") and table.read("v")["v"].tolist() == V


@pytest.mark.parametrize("small", [reading.SMALL, 0])
@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ("Instrument,X\nDate,2020-01-01\n", "lines 1 to 2"),
        ("Sample 7\n\nOperator: me\n", "lines 1 to 3"),
        ("s,V\n", "line 1"),
        ("Temperature,25.0\nMass,3\n", "lines 1 to 2"),
        ("p,q,r,s\n", "line 1"),
    ],
)
def test_the_names_of_the_formula_say_where_a_table_begins(
    above: str, lines: str, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SMALL", small)
    table = opened(tmp_path, above + CSV, "t v a b")
    assert table.read("tv")["v"].tolist() == V
    assert table.notes[0].startswith(lines + " of") and "above the names" in table.notes[0]


def test_a_workbook_begins_there_too(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["Mass", 3.0], ["by", "me"], [], ["t", "v", 2019], [0, 3.5, 1], [1, 1.9, 2]]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    how = asked(shell=True)._replace(wanted=frozenset("tva"))
    table = open_table(str(tmp_path / "a.xlsx"), how=how)
    assert table.columns == ("t", "v", "2019") and table.read("v")["v"].tolist() == V[:2]
    assert table.notes[0].startswith("rows 1 to 2 of")


def test_a_quoted_cell_that_does_not_end_hides_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a quoted cell begins in line 3 .* does not end"):
        opened(tmp_path, 't,v,n\n0,3.5,a\n1,1.9,"b\n2,1.1,c\n')


@pytest.mark.parametrize(
    "content",
    ["t,v\n0,3,5\n1,1,9\n2,1,1\n", "t,v\n0,5,3,5\n1,5,1,9\n", "a,b,c\n1,2,5,3\n2,2,5,3\n"],
)
def test_decimal_commas_between_commas_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="cannot be told apart"):
        opened(tmp_path, content, "t v a")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["3.5", "#DIV/0!", "1.1", "1"], "--missing drop"),  # of an error no number is made
        (["3.5", "<0.5", "1.1", "1"], "--missing drop"),  # nor of a bound
        (["3.5", "1.9*", "1.1", "1"], "--missing drop"),
        (["3.5", "\x1b]0", "1.1", "1"], "--missing drop"),
        (["(3.5)", "(1.9)", "(1.1)", "(1)"], "correct it in the file"),  # a loss, or not
        (["<3.5", "<1.9", "<1.1", "<1"], "correct it in the file"),
        (["3.5±1", "1.9±1", "1.1±1", "1±1"], "correct it in the file"),
        (["3,500.5", "1.900,5", "1", "2"], "correct it in the file"),  # of each, another
        (["3 \x07", "1 \x07", "2 \x07", "1 \x07"], "correct it in the file"),
    ],
)
def test_no_number_is_made_of_what_is_none(tmp_path: Path, cells: list[str], words: str) -> None:
    rows = "".join(f"{k};{cell}\n" for k, cell in enumerate(cells))
    with pytest.raises(DataError) as caught:
        opened(tmp_path, "t;v\n" + rows).read("tv")
    assert str(caught.value.remedy).endswith(words)
    assert "replace(" not in str(caught.value.remedy)


# --- encodings


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        *((names, "latin-1") for names in ("t,Größe", "t,°C", "t (°C),v [µV]", "año,señal",
                                           "température,été", "t,m²", "öäü,ßß", "x,ÄT")),
        *((names, "cp1252") for names in ("t,naïve–x", "temps,tension (µV) – brut")),
        *((names, "gb18030") for names in ("时间,电压", "x轴,y轴", "时间t,电压V", "t,熵", "t,焓",
                                           "温度（℃）,压力", "t,㐀镕中")),
    ],
)  # fmt: skip
def test_letters_with_accents_are_no_chinese(tmp_path: Path, names: str, encoding: str) -> None:
    table = opened(tmp_path, f"{names}\n{BODY}".encode(encoding))
    assert ",".join(table.columns) == names
    assert table.read([table.columns[1]])[table.columns[1]].tolist() == V


# --- packed files and archives


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.bz2", bz2.compress(CSV.encode())),
        ("a.csv.xz", lzma.compress(CSV.encode())),
        ("a.csv.gz", gzip.compress(CSV[:10].encode()) + gzip.compress(CSV[10:].encode())),
        ("a", gzip.compress(CSV.encode("utf-16"))),
    ],
    ids=["bz2", "xz", "gz of two members", "no suffix"],  # gzip writes the time into its header
)
def test_packed(tmp_path: Path, name: str, content: bytes) -> None:
    assert opened(tmp_path, content, name=name).read("v")["v"].tolist() == V


@pytest.mark.parametrize("name", ["a.csv.bz2", "a.csv.xz", "a.csv.gz"])
def test_packed_files_that_are_cut_off(tmp_path: Path, name: str) -> None:
    pack = {"bz2": bz2.compress, "xz": lzma.compress, "gz": gzip.compress}[name[6:]]
    with pytest.raises(DataError, match="is damaged"):
        opened(tmp_path, pack(CSV.encode() * 99)[:-9], name=name)


@pytest.mark.parametrize("name", ["a.zip", "a.csv", "a.xlsx"])
def test_an_archive_is_told_from_a_workbook(tmp_path: Path, name: str) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", CSV)
    with pytest.raises(DataError, match="is a zip archive"):
        opened(tmp_path, held.getvalue(), name=name)


def test_columns_in_json(tmp_path: Path) -> None:
    table = opened(tmp_path, '{"t": [0, 1, 2], "v": [3.5, 1.9, 1.1]}', name="a.json")
    with pytest.raises(DataError) as caught:
        table.read("tv")
    query = str(caught.value.remedy).partition('--sql "')[2].rstrip('"')
    found = open_table(table.path, query).read("tv")
    assert found["t"].tolist() == T and found["v"].tolist() == V


# --- several files


def pattern(folder: Path, *contents: str) -> str:
    for number, content in enumerate(contents):
        (folder / f"run{number}.csv").write_text(content, encoding="utf-8")
    return str(folder / "run*.csv")


def test_files_in_other_units_are_not_joined(tmp_path: Path) -> None:
    path = pattern(tmp_path, "t,v\ns,V\n" + BODY, "t,v\nms,V\n" + BODY)
    with pytest.raises(DataError, match=r"has the units ms, V, and .* has s, V"):
        open_table(path)


def test_notes_of_all_files_are_told(tmp_path: Path) -> None:
    path = pattern(tmp_path, "t;v\ns;V\n0;3,5\n", "t;v\ns;V\n1;1,9\n", "v,t\n1.1,2\n")
    table = open_table(path)
    assert np.array_equal(table.read("v")["v"], V)
    assert sum("holds units" in note for note in table.notes) == 2


def test_one_of_many_files_is_empty_and_one_is_a_directory(tmp_path: Path) -> None:
    path = pattern(tmp_path, CSV)
    (tmp_path / "run9.csv").mkdir()
    assert open_table(path).read("v")["v"].tolist() == V
    pattern(tmp_path, CSV, "")
    with pytest.raises(DataError, match=r'run1.csv" is empty'):
        open_table(path)
    with pytest.raises(DataError, match="no file is called as in"):
        open_table(str(tmp_path / "none*.csv"))


def test_files_without_names(tmp_path: Path) -> None:
    assert open_table(pattern(tmp_path, BODY, BODY)).bare


# --- workbooks


@pytest.mark.parametrize("name", ["book.xls", "book.xlsb"])
@pytest.mark.parametrize("sql", [None, "SELECT * FROM data"])
def test_older_and_binary_workbooks(name: str, sql: str | None) -> None:
    """Written by xlwt 1.3 and pyxlsbwriter 0.1 with the same cells."""
    table = open_table(str(Path(__file__).with_name(name)), sql)
    found = table.everything()
    assert found["t"].tolist() == T and found["v"].tolist() == V
    assert found["n"].tolist() == ["x", "", "é"]
    assert found["day"].astype("M8[D]").tolist() == [date(2020, 1, k) for k in (1, 2, 3)]
    with pytest.raises(DataError, match="holds dates or times"):
        table.read(["day"])
