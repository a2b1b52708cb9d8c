"""`descend fit --by`: the groups of a table, told, written and refused."""

import json
import os

import numpy as np
import pytest

import descend
from descend.cli.app import main

FORMULA = "y = a*exp(-k*x) + c"


@pytest.fixture
def wells(tmp_path):
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4, 30)
    lines = ["well,x,y,s"]
    for well, k in (("B1", 0.5), ("A1", 1.0), ("C2", 1.5)):
        y = 2 * np.exp(-k * x) + 0.05 * rng.normal(size=30)
        lines += [f"{well},{u},{v},0.05" for u, v in zip(x, y, strict=True)]
    path = tmp_path / "wells.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(capsys, *words):
    code = main([str(w) for w in words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_every_group_is_fitted_by_itself(wells, tmp_path, capsys):
    import duckdb

    saved = tmp_path / "fits.parquet"
    code, out, _ = run(
        capsys, "fit", wells, FORMULA, "--by", "well", "--start", "a=1,k=1,c=0", "--save", saved
    )
    assert code == 0 and "3 fits of y = a*exp(-k*x) + c" in out and f"wrote {saved}" in out
    rows = duckdb.sql(f"SELECT well, k, stderr_k, status FROM '{saved}'").fetchall()
    assert [row[0] for row in rows] == ["B1", "A1", "C2"]
    table = duckdb.sql(f"SELECT x, y FROM '{wells}' WHERE well = 'A1'").fetchnumpy()
    single = descend.fit(FORMULA, dict(table), start={"a": 1.0, "k": 1.0, "c": 0.0})
    np.testing.assert_allclose(rows[1][1:3], [single.params["k"], single.stderr["k"]], rtol=1e-6)


def test_json_and_sigma(wells, capsys):
    code, out, _ = run(
        capsys, "fit", wells, FORMULA, "--by", "well", "--sigma", "s", "--absolute-sigma", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["n_fits"] == 3 and found["fits"]["status"] == ["ftol"] * 3
    assert 10 < found["fits"]["chi2"][0] < 60


def test_weights_from_a_column(wells, capsys):
    head, *lines = wells.read_text().splitlines()
    weighted = [f"{line},{1 + number % 3}" for number, line in enumerate(lines)]
    wells.write_text("\n".join([f"{head},w", *weighted]))
    code, out, _ = run(
        capsys, "fit", wells, FORMULA, "--by", "well", "--sample-weight", "w", "--json"
    )
    found = json.loads(out)["fits"]
    x, y, _, w = np.array([line.split(",")[1:] for line in weighted[30:60]], float).T
    start = {"a": 1.0, "k": 1.0, "c": 0.0}
    single = descend.fit(FORMULA, {"x": x, "y": y}, start=start, sample_weight=w)
    assert code == 0
    np.testing.assert_allclose(found["k"][1], single.params["k"], rtol=1e-6)
    np.testing.assert_allclose(found["chi2"][1], single.chi2, rtol=1e-9)


def test_many_fits_take_further_starts(wells, capsys):
    words = ["--by", "well", "--starts", "2", "--json"]
    code, out, _ = run(capsys, "fit", wells, FORMULA, *words)
    assert code == 0 and json.loads(out)["fits"]["k"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--by", "wel"], 3, 'no column "wel" (did you mean "well"?)'),
        (["--by", "well", "--plot", "x.png"], 2, "--plot is for a single fit"),
        (["--by", "well", "--batch-size", "3"], 2, "--batch-size has no meaning with --by"),
        (["--by", "well", "--save", "x.xyz"], 2, "the results of the fits cannot be written"),
    ],
)
def test_what_many_fits_do_not_have(wells, capsys, words, code, said):
    got, _, err = run(capsys, "fit", wells, FORMULA, *words)
    assert got == code and said in err


def test_results_that_cannot_be_written_are_printed(wells, tmp_path, capsys, monkeypatch):
    def full(*_paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    saved = tmp_path / "fits.csv"
    code, out, err = run(capsys, "fit", wells, FORMULA, "--by", "well", "--save", saved, "--json")
    assert code == 2 and json.loads(out)["n_fits"] == 3
    assert "could not be written: No space left on device" in err
    assert {path.name for path in tmp_path.iterdir()} == {"wells.csv"}
