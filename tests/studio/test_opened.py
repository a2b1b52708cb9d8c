"""Tables of the user's own: files, cells, limits; and what is begun with on a table."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from descend.errors import DataError
from descend.studio import opened
from descend.studio.opened import (
    first_setup,
    formula_of,
    read_file,
    read_text,
    safe_suffix,
    sample_setup,
    usable,
)
from descend.studio.samples import SAMPLES
from descend.studio.setup import Source

OWN = Source(own="t", digest="0")
X = np.arange(10.0)


def test_cells_of_a_spreadsheet() -> None:
    found = read_text("zeit\tVolt\n0\t1,5\n1\t2,5\n2\t4\n", "pasted")
    np.testing.assert_array_equal(found.table["Volt"], [1.5, 2.5, 4.0])
    assert found.source.own == "pasted" and len(found.source.digest) == 16


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "parquet"])
def test_files_of_every_kind(tmp_path: Path, suffix: str) -> None:
    import pandas
    import polars

    path, table = tmp_path / f"points.{suffix}", {"x": X, "y": 2 * X}
    if suffix == "xlsx":
        pandas.DataFrame(table).to_excel(path, index=False)
    elif suffix == "parquet":
        polars.DataFrame(table).write_parquet(path)
    else:
        polars.DataFrame(table).write_csv(path, separator="\t" if suffix == "tsv" else ",")
    found = read_file(str(path), path.name)
    np.testing.assert_array_equal(found.table["y"], 2 * X)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"), ("a.CSV.gz", ".csv.gz"), ("../../etc/passwd", ""), ("a.py", ""),
        ("a.sh.csv", ".csv"), ("a.csv/../../b", ""), ("", ""), (".csv", ""),
    ],
)  # fmt: skip
def test_of_a_name_nothing_is_kept_but_how_it_ends(name: str, suffix: str) -> None:
    assert safe_suffix(name) == suffix


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


def refused(path: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_file(path, "mine")
    assert path not in str(caught.value)


def test_what_is_no_table(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    refused(str(image), '"mine" is no table')
    refused(write(tmp_path / "b", "<html><body>no</body></html>"), '"mine" is a page of HTML')
    refused(write(tmp_path / "c.csv", ""), '"mine" is empty')
    refused(write(tmp_path / "d.parquet", "PAR1 and no more"), "cannot be read")
    refused(write(tmp_path / "e.csv.gz", "no gzip \0"), "mine")
    with pytest.raises(DataError, match="there is no text"):
        read_text(" \n", "pasted")


def test_files_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", "x,y\n" + "1,2\n" * 100)
    monkeypatch.setattr(opened, "MOST_ROWS", 90)
    refused(path, "has 99 rows, and the studio takes 90")
    monkeypatch.setattr(opened, "MOST_BYTES", 300)
    refused(path, "the file is larger than 0 MB")
    monkeypatch.undo()
    wide = write(
        tmp_path / "w.csv", ",".join(f"c{i}" for i in range(1001)) + "\n" + "1," * 1000 + "1\n"
    )
    refused(wide, "has 1001 columns, and the studio takes 1000")


def test_what_would_be_too_large_when_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import polars

    monkeypatch.setattr(opened, "MOST_UNPACKED", 10_000)
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 10_000))
    refused(str(packed), "when it is unpacked")
    book = tmp_path / "b.xlsx"
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "0" * 20_000)
    refused(str(book), "when it is unpacked")
    columns = tmp_path / "c.parquet"
    polars.DataFrame({"x": np.arange(10_000) // 1000}).write_parquet(columns)
    monkeypatch.setattr(opened, "MOST_UNPACKED", 10)
    refused(str(columns), "when it is unpacked")
    monkeypatch.setattr(opened, "MOST_ROWS", 100)
    refused(str(columns), "has 10000 rows, and the studio takes 100")


def test_which_columns_may_be_used() -> None:
    table = {
        "number": X, "flag": X > 3, "kind": np.array(["a", "b"] * 5),
        "name": np.array(list("abcdefghij")),
        "same": np.array(["a"] * 10), "none": np.full(10, np.nan),
        "day": np.arange(10).astype("datetime64[D]"),
    }  # fmt: skip
    assert usable(table) == {"number": True, "flag": True, "kind": False, "name": False}
    many = {"name": np.array([str(i) for i in range(30)])}
    assert usable(many) == {}


def test_what_is_begun_with() -> None:
    setup = first_setup({"a": X, "b": X, "kind": np.array(["u", "v"] * 5)}, OWN)
    assert (setup.target, setup.inputs, setup.batch_size) == ("kind", ("a", "b"), None)
    with pytest.raises(DataError, match="no two columns"):
        first_setup({"kind": np.array(["u", "v"] * 5)}, OWN)
    with pytest.raises(DataError, match="no two columns"):
        first_setup({"x": X}, OWN)
    assert formula_of("y", ("x",)) == "y = a*x + b"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_a_setup_that_fits_its_table(name: str) -> None:
    setup = sample_setup(name)
    assert {setup.target, *setup.inputs} <= {*setup.source.table()}
    assert setup.from_json(setup.to_json()) == setup
