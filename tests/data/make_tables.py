"""200 table files as people have them, with the numbers that are in them.

Encodings, separators, decimal signs, signs between thousands, headers, units, workbooks. Those that
nobody can read without being told more are listed by hand, at the end.

usage: python tests/data/make_tables.py FOLDER
"""

import datetime
import gzip
import io
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openpyxl
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table as OdfTable
from odf.table import TableCell, TableRow
from odf.text import P

Numbers = dict[str, list[float]]


class Made(NamedTuple):
    """A file, and the columns of numbers in it; `told` if it must be refused without options."""

    name: str
    content: bytes
    truth: Numbers
    told: bool = False


TIME = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
VOLTS = [3.5, 1.9, -1.12, 0.8, 0.0625, 12.5]
PEOPLE = [3929000.0, 5308483.0, 7240102.0, 638453.0, 12866020.0, 999.0]
COSTS = [35069.1, 19000.05, 11000.5, 8000.25, -6000.5, 70.5]
YEARS = [1790.0, 1800.0, 1810.0, 1820.0, 1830.0, 1840.0]

ENCODINGS = {
    "utf-8": ("t", "Größe"), "utf-8-sig": ("时间", "v"), "utf-16": ("t", "Größe"),
    "utf-16-le": ("t", "電圧"), "utf-16-be": ("t", "v"), "gb18030": ("时间", "电压"),
    "latin-1": ("t", "Größe"), "cp1252": ("temps", "tension (µV) – brut"),
}  # fmt: skip
WAYS = [  # separator, decimal sign, sign between thousands
    (",", ".", ""), (";", ",", ""), ("\t", ".", ""), ("\t", ",", ""), (" ", ".", ""),
    (";", ".", ""), ("|", ".", ""), (",", ".", ","), (";", ",", "."), ("\t", ",", " "),
    (" ", ",", ""), (";", ".", "'"), (",", ",", ""), (";", ",", "\u00a0"),
]  # fmt: skip
HEADERS = ("plain", "units", "bare", "comment", "blank", "quoted", "says", "crlf", "remarks")
RUNS = ("  ", "\t", "   ")


def spelled(value: float, decimal: str, thousands: str) -> str:
    """A number as it is written."""
    text = np.format_float_positional(abs(value), trim="-")
    whole, _, rest = text.partition(".")
    groups = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)]
    text = thousands.join(reversed(groups)) + (decimal + rest if rest else "")
    return "-" * (value < 0) + text


def body(columns: Numbers, way: tuple[str, str, str]) -> list[str]:
    """The lines of the numbers."""
    sep, decimal, thousands = way
    lines = []
    for row in zip(*columns.values(), strict=True):
        cells = [spelled(value, decimal, thousands) for value in row]
        cells = [f'"{cell}"' if sep in cell else cell for cell in cells]
        lines.append((RUNS[len(lines) % 3] if sep == " " else sep).join(cells))
    return lines


def text(columns: Numbers, way: tuple[str, str, str], header: str) -> tuple[str, Numbers]:
    """A file's text, and the columns with the names that it gives them."""
    sep, names, lines = way[0], list(columns), body(columns, way)
    if sep == " ":
        names = [name.replace(" ", "_") for name in names]
    joined = (RUNS[0] if sep == " " else sep).join(names)
    units = (RUNS[1] if sep == " " else sep).join(["s", "V", "kg"][: len(names)])
    end = "\n"
    if header == "bare":
        names = [f"column{j}" for j in range(len(names))]
    elif header == "units":
        lines = [joined, units, *lines]
    elif header == "comment":
        lines = ["# made by an instrument", "# " + joined, *lines]
    elif header == "blank":
        lines = ["", joined, *lines[:3], "", *lines[3:], "", ""]
    elif header == "quoted":
        lines = [(RUNS[0] if sep == " " else sep).join(f'"{name}"' for name in names), *lines]
    elif header == "says" and sep != " ":
        lines = [f"sep={sep}", joined, *lines]
    elif header == "remarks":
        lines = ["% one remark", joined, *lines[:2], "% another", *lines[2:]]
    else:
        lines, end = [joined, *lines], "\r\n" if header == "crlf" else "\n"
    return end.join(lines) + end, dict(zip(names, columns.values(), strict=True))


def columns_for(way: tuple[str, str, str], names: tuple[str, ...]) -> Numbers:
    """Numbers that show how they are written."""
    first, second = names[:2]
    if way[2]:
        return {first: YEARS, second: PEOPLE, "w": COSTS} if way[2] != "," else {
            first: [*YEARS[:5], 1850.0], second: PEOPLE, "w": COSTS}
    return {first: TIME, second: VOLTS}


def texts() -> Iterator[Made]:
    """Text files that say all by themselves."""
    for (encoding, names), (k, way) in itertools.product(
        ENCODINGS.items(), enumerate(WAYS[:11])
    ):
        header = HEADERS[(k + len(encoding)) % len(HEADERS)]
        content, truth = text(columns_for(way, names), way, header)
        yield Made(f"{encoding}-{k}-{header}.csv", content.encode(encoding), truth)
    for header, (k, way) in itertools.product(HEADERS[:6], enumerate(WAYS)):
        if (k + HEADERS.index(header)) % 2:
            continue
        content, truth = text(columns_for(way, ("t", "v")), way, header)
        yield Made(f"{header}-{k}.txt", content.encode(), truth)


def odd_texts() -> Iterator[Made]:
    """Text files with something of their own, which say all by themselves as well."""
    plain = {"t": [0.0, 1.0, 2.0], "v": [3.5, 1.9, 1.1]}
    gap = {"t": [0.0, 1.0, 2.0, 3.0], "v": [3.5, np.nan, 1.1, 0.8]}
    for name, content, truth in [
        ("packed.csv.gz", gzip.compress(b"t,v\n0,3.5\n1,1.9\n2,1.1\n"), plain),
        ("old-mac.csv", b"t,v\r0,3.5\r1,1.9\r2,1.1\r", plain),
        ("no-last-end.csv", b"t,v\n0,3.5\n1,1.9\n2,1.1", plain),
        ("trailing.csv", b"t,v,\n0,3.5,\n1,1.9,\n2,1.1,\n", plain),
        ("trailing-rows.csv", b"t,v\n0,3.5,\n1,1.9,\n2,1.1,\n", plain),
        ("fortran.dat", b" t v\n 0.0D+00 3.5D+00\n 1.0D+00 1.9D+00\n 2.0D+00 1.1D+00\n", plain),
        ("missing.csv", b"t,v\n0,3.5\n1,NA\n2,1.1\n3,.8\n", gap),
        ("missing-comma.csv", b"t;v\n0;3,5\n1;\n2;1,1\n3;,8\n", gap),
        ("words.csv", b"name,t,v\nfirst,0,3.5\nsecond,1,1.9\nthird,2,1.1\n", plain),
        ("quoted-words.csv", b'name,t,v\n"a, b",0,3.5\n"c ""d""",1,1.9\n"e",2,1.1\n', plain),
        ("dates.csv", b"day,t,v\n2020-01-01,0,3.5\n2020-01-02,1,1.9\n2020-01-03,2,1.1\n", plain),
        ("wide-names.dat", b"t (s)    v (V)\n0  3.5\n1  1.9\n2  1.1\n",
         {"t (s)": plain["t"], "v (V)": plain["v"]}),
        ("years.csv", b"t,2019,2020\n0,3.5,1\n1,1.9,2\n2,1.1,3\n",
         {"t": plain["t"], "2019": plain["v"], "2020": [1.0, 2.0, 3.0]}),
        ("minus.csv", "t,v\n0,\u22123.5\n1,1.9\n2,\u22121.1\n".encode(),
         {"t": plain["t"], "v": [-3.5, 1.9, -1.1]}),
        ("two-units.csv", b"t,v\ns,V\nelapsed,measured\n0,3.5\n1,1.9\n2,1.1\n", plain),
        ("tabs.xls", b"t\tv\n0\t3.5\n1\t1.9\n2\t1.1\n", plain),
        ("lakh.csv", b't,v\n0,"1,23,456"\n1,"12,34,567"\n2,"1,000"\n',
         {"t": plain["t"], "v": [123456.0, 1234567.0, 1000.0]}),
        ("swiss.csv", "t;v\n0;1\u2019234.5\n1;2\u2019000\n2;12.25\n".encode(),
         {"t": plain["t"], "v": [1234.5, 2000.0, 12.25]}),
        ("exponents.csv", b"t;v\n0;1,5e-3\n1;2E+2\n2;-1,25e0\n",
         {"t": plain["t"], "v": [0.0015, 200.0, -1.25]}),
    ]:  # fmt: skip
        yield Made(name, content, truth)
    saved = io.StringIO()
    np.savetxt(saved, np.array([TIME, VOLTS]).T, header="t v")
    yield Made("savetxt.txt", saved.getvalue().encode(), {"t": TIME, "v": VOLTS})


def sheet(rows: list[list[object]], title: str = "data", others: int = 0) -> bytes:
    """An Excel workbook."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = title
    for row in rows:
        page.append(row)
    for k in range(others):
        book.create_sheet(f"more {k}").append(["nothing", 1])
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def open_document(rows: list[list[object]]) -> bytes:
    """A spreadsheet of LibreOffice."""
    book, page = OpenDocumentSpreadsheet(), OdfTable(name="data")
    for row in rows:
        line = TableRow()
        for cell in row:
            if isinstance(cell, float):
                made = TableCell(valuetype="float", value=str(cell))
            else:
                made = TableCell(valuetype="string")
                made.addElement(P(text=str(cell)))
            line.addElement(made)
        page.addElement(line)
    book.spreadsheet.addElement(page)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def workbooks() -> Iterator[Made]:
    """Workbooks that say all by themselves."""
    rows: list[list[object]] = [list(pair) for pair in zip(TIME, VOLTS, strict=True)]
    truth = {"t": TIME, "v": VOLTS}
    head: list[list[object]] = [["t", "v"]]
    day = datetime.datetime(2020, 1, 1)
    comma = [[spelled(t, ",", ""), spelled(v, ",", "")] for t, v in zip(TIME, VOLTS, strict=True)]
    for name, grid, found in [
        ("plain", head + rows, truth),
        ("units", [*head, ["s", "V"], *rows], truth),
        ("bare", rows, {"column0": TIME, "column1": VOLTS}),
        ("words", [["t", "v", "by"], *([*row, "me"] for row in rows)], truth),
        ("texts", [["t", "v"], *([str(t), str(v)] for t, v in zip(TIME, VOLTS, strict=True))],
         truth),
        ("comma", head + [list(row) for row in comma], truth),
    ]:
        yield Made(f"{name}.xlsx", sheet(grid), found)
        yield Made(f"{name}.ods", open_document(grid), found)
    yield Made("above.xlsx", sheet([[], [], *head, *rows]), truth)
    yield Made("beside.xlsx", sheet([[None, None, *row] for row in head + rows]), truth)
    yield Made("dates.xlsx", sheet([["day", "t", "v"], *([day, *row] for row in rows)]), truth)
    yield Made("sheets.xlsx", sheet(head + rows, others=2), truth)
    yield Made("renamed.csv", sheet(head + rows), truth)
    yield Made("gaps.xlsx", sheet([*head, *rows[:2], [None, None], [3.0, None], *rows[2:]]),
               {"t": [*TIME[:2], 3.0, *TIME[2:]], "v": [*VOLTS[:2], np.nan, *VOLTS[2:]]})


# Nobody can read these without being told more.
AMBIGUOUS = {
    # 1,234 is a thousand and more, or little more than one
    "thousand-1.csv": 't,v\n0,"1,234"\n1,"5,678"\n2,"9,012"\n',
    "thousand-2.csv": "t;v\n0;1,234\n1;5,678\n2;9,012\n",
    "thousand-3.tsv": "t\tv\n0\t1,234\n1\t5,678\n2\t9,012\n",
    "thousand-4.csv": "t|v\n0|1,234\n1|5,678\n2|9,012\n",
    "thousand-5.dat": "t v\n0 1,234\n1 5,678\n2 9,012\n",
    "thousand-6.csv": 't,v\n0,"-1,234"\n1,"12,345"\n2,7\n',
    "thousand-7.csv": "t;v;w\n0;1,234;a\n1;5,678;b\n2;9,012;c\n",
    "thousand-8.csv": "t;v\nh;kg\n0;1,234\n1;5,678\n2;9,012\n",
    "thousand-9.csv": "0;1,234\n1;5,678\n2;9,012\n",
    "thousand-10.csv": 't,v\n0,"1,234e2"\n1,"5,678e2"\n2,"9,012e1"\n',
    # 1.234 between semicolons, where the decimal sign often is a comma
    "point-1.csv": "t;v\n0;1.234\n1;5.678\n2;9.012\n",
    "point-2.csv": "t;v\n0;12.345\n1;5.678\n2;123.456\n",
    "point-3.csv": "t;v\n1.000;12.345\n2.000;5.678\n3.000;123.456\n",
    "point-4.csv": "t;v\ns;V\n0;1.234\n1;5.678\n2;9.012\n",
    # both signs, each as if between thousands
    "both-1.csv": "t;v;w\n0;1.234;5,678\n1;2.345;6,789\n2;3.456;7,891\n",
    "both-2.tsv": "t\tv\tw\n0\t1.234\t5,678\n1\t2.345\t6,789\n2\t3.456\t7,891\n",
    # the first line may be names or data
    "first-1.csv": "A,1,2\nB,3,4\nC,5,6\n",
    "first-2.csv": "control;1;10\ntreated;2;20\nother;3;30\n",
    "first-3.tsv": "one\t1.5\t2\ntwo\t2.5\t3\nthree\t3.5\t4\n",
    "first-4.dat": "one 1.5 2\ntwo 2.5 3\nthree 3.5 4\n",
    # lines above the table
    "above-1.csv": "Instrument 7\nt,v\n0,3.5\n1,1.9\n2,1.1\n",
    "above-2.csv": "Made,on,a,Monday\n\nt,v\n0,3.5\n1,1.9\n2,1.1\n",
    "above-3.csv": "Instrument 7\nSample 3\n\nt;v\n0;3,5\n1;1,9\n2;1,1\n",
    "above-4.tsv": "Title\nt\tv\n0\t3.5\n1\t1.9\n2\t1.1\n",
    # one name, and lines that a comma cuts in two
    "one-1.csv": "v\n3,5\n1,9\n1,1\n",
    "one-2.txt": "voltage\n3,25\n1,75\n1,5\n",
    # a name less than columns
    "fewer-1.dat": "t v\n1 0 3.5\n2 1 1.9\n3 2 1.1\n",
    "fewer-2.tsv": "t\tv\na\t0\t3.5\nb\t1\t1.9\nc\t2\t1.1\n",
    # columns that are written in different ways, each for itself
    "mixed-1.csv": "t;v\n0.5;3,5\n1.5;1,9\n2.5;1,1\n",
    "mixed-2.csv": "t;v\n0,5;3.5\n1.5;1.9\n2.5;1.1\n",
    # words among numbers
    "words-1.csv": "t,v\n0,3.5\n1,broken\n2,1.1\n3,0.8\n",
    "words-2.csv": "t;v\n0;3,5\n?;1,9\n2;1,1\n3;off\n4;0,8\n",
}


def tables() -> list[Made]:
    """All of them."""
    clear = [*texts(), *odd_texts(), *workbooks()]
    told = [Made(name, content.encode(), {}, True) for name, content in AMBIGUOUS.items()]
    return clear + told


if __name__ == "__main__":
    for table in tables():
        Path(sys.argv[1], table.name).write_bytes(table.content)
    print(f"{len(tables())} files in {sys.argv[1]}")
