"""Files that are gone through in passes, on the command line."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from descend.cli.app import main
from descend.data.streams.stream import Stream

FORMULA = "y = a*exp(-b*x) + c"
START = ["--start", "a=1,b=1,c=0"]
N = 200_000


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 4, N)
    return {"x": x, "y": 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=N), "s": 1 + x}


@pytest.fixture(autouse=True)
def file(rows: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as link:
        link.register("t", rows)
        link.execute("COPY (SELECT * FROM t) TO 'rows.parquet'")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    given = main(list(words))
    printed, errors = capsys.readouterr()
    assert given == code, printed + errors
    return printed if code == 0 else errors


@pytest.mark.parametrize("more", [[], ["--sigma", "s"], ["--missing", "drop"]], ids=str)
def test_passes_and_memory_say_the_same(
    capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    words = ["fit", "rows.parquet", FORMULA, *START, *more, "--json"]
    one, other = (
        json.loads(told(capsys, *words, how, "--plot", f"drawn{how}.svg"))
        for how in ("--stream", "--no-stream")
    )
    for name in ("params", "stderr", "status", "message", "n_rows", "epochs"):
        assert one[name] == other[name]
    assert Path("drawn--stream.svg").stat().st_size > 1000
    assert any("gone through in passes" in text for text in one["warnings"])


def test_a_race_beside_passes_is_run_on_the_rows_in_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--plot-race", "race.svg", "--race", "lm,lbfgs", "--scratch", ".", "--sigma", "s"]
    told(capsys, "fit", "rows.parquet", FORMULA, *START, "--stream", *more)
    assert Path("race.svg").stat().st_size > 1000


def test_a_file_that_is_too_large_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("descend.cli.tables.FEW", 1000)
    monkeypatch.setattr("descend.data.streams.opened.memory_free", lambda: 5_000_000)
    printed = told(capsys, "fit", "rows.parquet", FORMULA, *START)
    assert "about 2e+05 rows of 2 columns take 3.2 MB, more than half of the 5 MB" in printed
    assert "gone through in passes" in printed.replace("\n    ", " ")


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_predictions_of_a_file_in_passes(
    capsys: pytest.CaptureFixture[str], rows: dict[str, np.ndarray], name: str
) -> None:
    told(capsys, "fit", "rows.parquet", FORMULA, *START, "--save", "m.descend", "--quiet")
    told(capsys, "predict", "m.descend", "rows.parquet", "--stream", "--out", name)
    told(capsys, "predict", "m.descend", "rows.parquet", "--no-stream", "--to", f"held-{name}")
    with duckdb.connect() as link:
        found, held = (
            link.execute(f"SELECT * FROM '{prefix}{name}'").fetchnumpy()
            for prefix in ("", "held-")
        )
    assert [*found] == ["x", "y"]
    for column, values in found.items():
        np.testing.assert_array_equal(values, held[column])
    np.testing.assert_array_equal(found["x"], rows["x"])


def test_predictions_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "fit", "rows.parquet", FORMULA, *START, "--save", "m.descend", "--quiet")
    printed = [
        told(capsys, "predict", "m.descend", "rows.parquet", how)
        for how in ("--stream", "--no-stream")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0].splitlines()) == N + 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "s", "--stream"], "--stream --by writes what each group came to into a file"),
        (["--stream", "--scratch", "/nowhere"], '"/nowhere", where scratch files go, is no folder'),
    ],
    ids=str,
)  # fmt: skip
def test_refused(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert said in told(capsys, "fit", "rows.parquet", FORMULA, *START, *words, code=2)


def test_rows_that_cannot_be_used_are_named(
    capsys: pytest.CaptureFixture[str], rows: dict[str, np.ndarray]
) -> None:
    holes = {**rows, "x": np.where(np.arange(N) == 150_000, np.nan, rows["x"])}
    with duckdb.connect() as link:
        link.register("t", holes)
        link.execute("COPY (SELECT * FROM t) TO 'holes.parquet'")
    errors = told(capsys, "fit", "holes.parquet", FORMULA, *START, "--stream", code=3)
    assert "x is missing (NaN) in row 150000" in errors


def holes(rows: dict[str, np.ndarray], at: list[int]) -> None:
    with duckdb.connect() as link:
        link.register("t", {**rows, "x": np.where(np.isin(np.arange(N), at), np.nan, rows["x"])})
        link.execute("COPY (SELECT * FROM t) TO 'holes.parquet'")


def test_a_file_of_predictions_takes_one_pass(
    capsys: pytest.CaptureFixture[str], rows: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    holes(rows, [5, 150_000])
    told(capsys, "fit", "rows.parquet", FORMULA, *START, "--save", "m.descend", "--quiet")
    words = ["predict", "m.descend", "holes.parquet", "--to"]
    refused = told(capsys, *words, "held.csv", "--no-stream", code=3)
    told(capsys, *words, "held.csv", "--no-stream", "--missing", "drop")
    passes = []
    read = Stream._read
    monkeypatch.setattr(Stream, "_read", lambda *given: passes.append(1) or read(*given))
    found = told(capsys, *words, "out.csv", "--stream", code=3)
    assert "x is missing (NaN) in rows 5, 150000" in refused
    assert found == refused
    assert not Path("out.csv").exists()
    assert main([*words, "out.csv", "--stream", "--missing", "drop"]) == 0
    assert "2 rows were dropped" in capsys.readouterr().err
    assert Path("out.csv").read_text() == Path("held.csv").read_text()
    assert len(passes) == 2


def test_json_is_printed_as_it_comes(
    capsys: pytest.CaptureFixture[str], rows: dict[str, np.ndarray]
) -> None:
    holes(rows, [5, 150_000])
    told(capsys, "fit", "rows.parquet", FORMULA, *START, "--save", "m.descend", "--quiet")
    for table, more in (("rows.parquet", []), ("holes.parquet", ["--missing", "drop"])):
        words = ["predict", "m.descend", table, *more, "--json"]
        one, other = (told(capsys, *words, how) for how in ("--stream", "--no-stream"))
        assert one == other and len(one.splitlines()) == 1
        assert json.loads(one)["n_dropped"] == (2 if more else 0)
    told(capsys, *words, "--stream", "--to", "out.csv")
    assert Path("out.csv").read_text().count("\n") == N - 1
    words = ["predict", "m.descend", "holes.parquet", "--json", "--stream"]
    assert main(words) == 3
    refused = json.loads(capsys.readouterr().out)
    assert "x is missing (NaN) in rows 5, 150000" in refused["error"]["message"]


def test_rounded_whole_numbers_are_told_of_in_one_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("large.csv").write_text("x\n1\n9007199254740993\n")
    told(capsys, "fit", "rows.parquet", "y = a*x", "--save", "m.descend", "--quiet")
    assert main(["predict", "m.descend", "large.csv", "--stream", "--to", "out.csv"]) == 0
    assert "whole numbers beyond 2**53" in capsys.readouterr().err


def test_a_dataset_of_a_global_fit_predicts_in_passes(
    capsys: pytest.CaptureFixture[str], rows: dict[str, np.ndarray]
) -> None:
    few = np.arange(2000)
    table = {"x": rows["x"][few], "y": rows["y"][few], "group": np.where(few % 2, "odd", "even")}
    with duckdb.connect() as link:
        link.register("t", table)
        link.execute("COPY (SELECT * FROM t) TO 'groups.parquet'")
    words = ["fit", "groups.parquet", FORMULA, *START, "--by", "group", "--shared", "b"]
    told(capsys, *words, "--save", "g.descend", "--quiet")
    words = ["predict", "g.descend", "rows.parquet", "--dataset", "odd"]
    for more in ([], ["--json"]):
        one, other = (told(capsys, *words, *more, how) for how in ("--stream", "--no-stream"))
        assert one == other
    words = ["predict", "g.descend", "groups.parquet", "--by", "group"]
    assert len(told(capsys, *words).splitlines()) == 2001
    said = told(capsys, *words, "--stream", code=2)
    assert "--stream predicts by one dataset, and --by names another for each row" in said
    told(capsys, "predict", "g.descend", "groups.parquet", "--dataset", "even", "--stream")
