"""The commands on real input, from the words to the numbers and files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

from descend.cli.app import main

PARABOLA = "y = w1*x**2 + w2*x + w3"
START = ["--start", "w1=1,w2=0,w3=1"]
LESSON = [*START, *["--optimizer", "sgd", "--lr", "0.001", "--batch-size", "1", "--no-shuffle"]]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.arange(100) / 100
    table = np.column_stack([x, 4 * x**2 + 5 * x + 6, 1 + x])
    np.savetxt("points.csv", table, "%.17g", delimiter=",", header="x,y,s", comments="")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> object:
    """Run the command line; return what it printed, as an object if it is JSON."""

    def run(*words: str, code: int = 0) -> object:
        given = main(list(words))
        printed, errors = capsys.readouterr()
        assert given == code, printed + errors
        return json.loads(printed) if "--json" in words else printed

    return run


def test_the_lesson(told) -> None:
    words = ["--epochs", "1000", "--stop-loss", "1e-5", "--json"]
    result = told("fit", "points.csv", PARABOLA, *LESSON, *words)
    assert result["params"] == pytest.approx(
        {"w1": 4.334302857, "w2": 4.653193452, "w3": 6.061894967}, abs=5e-10
    )
    assert result["running_loss"] == pytest.approx(0.00064228662, abs=5e-12)
    assert result["epochs"] == 1000
    assert result["status"] == "epochs_spent"
    assert len(result["history"]["loss"]) == 1000


def test_the_lesson_stops_at_its_loss(told) -> None:
    words = ["--epochs", "100000", "--stop-loss", "1e-5", "--json"]
    result = told("fit", "points.csv", PARABOLA, *LESSON, *words)
    assert result["epochs"] == 4830
    assert result["running_loss"] == pytest.approx(9.99145e-06, abs=5e-12)
    assert result["params"] == pytest.approx(
        {"w1": 4.041695580, "w2": 4.956744910, "w3": 6.007719786}, abs=5e-10
    )


def test_default_method_and_binding_line(told) -> None:
    text = told("fit", "points.csv", PARABOLA)
    assert text.startswith("target y; data x; parameters w1, w2, w3\nFit of " + PARABOLA)
    assert "LevenbergMarquardt" in text


def test_files_are_written_and_named(told) -> None:
    words = ["--plot", "a.png", "--save", "a.descend", "--history", "a.csv", "--epochs", "7"]
    text = told("fit", "points.csv", PARABOLA, *LESSON, *words)
    for name in ("a.png", "a.descend", "a.csv"):
        assert f"written: {name}" in text
        assert Path(name).stat().st_size > 0
    assert len(Path("a.csv").read_text().splitlines()) == 8


def test_the_way_to_a_minimum_is_kept_for_its_picture(told) -> None:
    words = ["minimize", "(1-a)**2 + 100*(b-a**2)**2", "--start", "a=-1.2,b=1"]
    words += ["--history", "a.csv"]
    told(*words)
    assert Path("a.csv").read_text().splitlines()[0] == "epoch,loss"
    assert "written: a.png" in told(*words, "--plot", "a.png")
    assert Path("a.csv").read_text().splitlines()[0] == "epoch,loss,a,b"


def test_a_saved_fit_predicts_starts_and_resumes(told) -> None:
    half = ["--epochs", "500", "--save", "half.descend", "--quiet"]
    assert told("fit", "points.csv", PARABOLA, *LESSON, *half) == ""
    more = ["--epochs", "1000", "--resume", "half.descend", "--json"]
    resumed = told("fit", "points.csv", PARABOLA, *LESSON, *more)
    whole = told("fit", "points.csv", PARABOLA, *LESSON, "--epochs", "1000", "--json")
    assert resumed["params"] == whole["params"]
    again = told("fit", "points.csv", PARABOLA, "--start", "half.descend", "--json")
    assert again["params"]["w1"] == pytest.approx(4.0, abs=1e-9)
    told("fit", "points.csv", PARABOLA, "--save", "whole.descend", "--quiet")
    lines = told("predict", "whole.descend", "points.csv").splitlines()
    assert lines[0] == "y"
    x = np.arange(100) / 100
    np.testing.assert_allclose(np.array(lines[1:], float), 4 * x**2 + 5 * x + 6, rtol=1e-12)


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.json", "p.parquet"])
def test_predictions_become_a_table(told, name: str) -> None:
    told("fit", "points.csv", "y = a + b*x + c*s", "--params", "a,b,c", "--save", "m.descend")
    assert told("predict", "m.descend", "points.csv", "--to", name) == f"written: {name}\n"
    table = duckdb.sql(f"SELECT * FROM '{name}'")
    assert table.columns == ["x", "s", "y"]
    assert len(table.fetchall()) == 100


def test_missing_rows(told, capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.csv").write_text("x,y\n1,2\n2,\n3,6\n4,8\nnan,3\n")
    assert main(["fit", "m.csv", "y = a*x"]) == 3
    error = capsys.readouterr().err
    assert "x is missing (NaN) in row 4; y is missing (NaN) in row 1" in error
    result = told("fit", "m.csv", "y = a*x", "--missing", "drop", "--json")
    assert (result["n_rows"], result["n_dropped"]) == (3, 2)
    told("fit", "m.csv", "y = a*x", "--missing", "drop", "--save", "m.descend")
    assert main(["predict", "m.descend", "m.csv"]) == 3
    assert main(["predict", "m.descend", "m.csv", "--missing", "drop"]) == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [("x,y\n1,2\n", "there is only one row"), ("x,y\n", "the table is empty")],
)
def test_too_few_rows(content: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("few.csv").write_text(content)
    assert main(["fit", "few.csv", "y = a*x"]) == 3
    assert words in capsys.readouterr().err


def test_query_sigma_and_weights(told) -> None:
    query = "SELECT x, y + (x - 0.5)**3 AS z, s FROM data WHERE x > 0.2"
    words = ["fit", "points.csv", "z = a + b*x", "--sql", query, "--json"]
    x = np.arange(21, 100) / 100
    z, s = 4 * x**2 + 5 * x + 6 + (x - 0.5) ** 3, 1 + x
    design = np.column_stack([np.ones_like(x), x])

    scaled = np.linalg.lstsq(design / s[:, None], z / s, rcond=None)[0]
    result = told(*words, "--sigma", "s", "--absolute-sigma")
    assert list(result["params"].values()) == pytest.approx(scaled, rel=1e-8)
    covariance = np.linalg.inv((design / s[:, None]).T @ (design / s[:, None]))
    errors = list(result["stderr"].values())
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)

    root = np.sqrt(s)
    weighted = np.linalg.lstsq(design * root[:, None], z * root, rcond=None)[0]
    result = told(*words, "--sample-weight", "s")
    assert list(result["params"].values()) == pytest.approx(weighted, rel=1e-8)


@pytest.mark.parametrize("remark", ["-- only later\n", "--later\n", "- \n"])
def test_a_query_may_begin_with_a_remark(told, remark: str, capsys) -> None:
    words = ["fit", "points.csv", "y = a + b*x", "--json", "--sql"]
    query = f"{remark}SELECT x, y FROM data WHERE x > 0.2"
    if not remark.startswith("--"):
        assert main([*words, query]) == 2
        assert "the SQL query cannot be run" in capsys.readouterr().out
        return
    assert told(*words, query)["n_rows"] == 79


def test_divergence_is_told_and_coded(told, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "points.csv", PARABOLA, *START, "--optimizer", "sgd", "--lr", "3"]
    assert main(words) == 4
    captured = capsys.readouterr()
    assert "Try --lr " in captured.err
    assert captured.err.count("warning:") == 1
    result = told(*words, "--json", code=4)
    assert result["success"] is False
    assert result["chi2"] is None


def test_verbose_tells_every_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "points.csv", PARABOLA, *LESSON, "--epochs", "5", "--verbose"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "loss" in line]
    assert len(lines) == 5
    assert lines[0].startswith("epoch 1/5  loss 59.11796")


def test_minimize_and_maximize(told) -> None:
    words = ["--start", "x1=1,x2=1,x3=1", "--json"]
    low = told("minimize", "3*x1**2 + 4*x2**2 + 5*(x3 - 2)**2", *words)
    assert low["params"] == pytest.approx({"x1": 0, "x2": 0, "x3": 2}, abs=1e-6)
    high = told("minimize", "-(x - 2)**2 + 1", "--start", "x=0", "--maximize", "--json")
    assert high["params"]["x"] == pytest.approx(2)
    text = told("minimize", "x", "--start", "x=0", code=4)
    assert "without end" in text


def test_minimize_by_hand(told) -> None:
    words = ["--start", "x=1", "--optimizer", "sgd", "--lr", "0.05", "--max-iter", "3", "--json"]
    assert told("minimize", "3*x**2", *words)["params"]["x"] == pytest.approx(0.7**3)


def test_grad(told) -> None:
    words = ["grad", "3*x1**2 + 4*x2**2 + 5*x3**2", "--at", "x1=1,x2=1,x3=1"]
    expected = "  value  12\n  d/dx1  6\n  d/dx2  8\n  d/dx3  10\n"
    assert told(*words) == "3*x1**2 + 4*x2**2 + 5*x3**2\n" + expected
    assert told(*words, "--json")["gradient"] == {"x1": 6.0, "x2": 8.0, "x3": 10.0}
    assert told("grad", "-x**2", "--at", "x=-3", "--json")["gradient"] == {"x": 6.0}
    clean = told("grad", "where(x > 0, sqrt(x), 0)", "--at", "x=0", "--json")
    assert clean["gradient"] == {"x": 0.0}


def test_explain_a_point(told) -> None:
    words = ["explain", "3*x1**2 + 4*x2**2", "--at", "x1=1,x2=1"]
    text = told(*words)
    for piece in ("FORWARD PASS", "BACKWARD PASS", "d y/d x1 = 6", "d y/d x2 = 8"):
        assert piece in text
    assert told(*words, "--json")["gradient"] == {"x1": 6.0, "x2": 8.0}


def test_explain_a_row(told) -> None:
    words = [*START, "--row", "25", "--loss", "mse", "--lr", "0.001"]
    text = told("explain", "points.csv", PARABOLA, *words)
    for piece in ("row 25", "y = 7.5", "loss = v6²", "d loss/d w3 = -12.875", "= 1.012875"):
        assert piece in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "points.csv", PARABOLA, *START, "--row", "100"], "there is no row 100"),
        (["explain", "points.csv", PARABOLA, "--at", "w1=1"], "--at belongs to a formula"),
        (["explain", "x1*x2", "--at", "x1=1"], "--at gives no value for x2"),
    ],
)
def test_explain_refuses(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def start(*words: str, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "descend", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, **options
    )


def test_a_process_reads_standard_input() -> None:
    process = start("fit", "-", "y = a*x", "--json", stdin=subprocess.PIPE)
    out, error = process.communicate("x,y\n1,2\n2,4\n3,6\n")
    assert (process.returncode, error) == (0, "")
    assert json.loads(out)["params"]["a"] == pytest.approx(2)


def test_an_interrupted_process_writes_what_it_has() -> None:
    words = [*LESSON, "--epochs", "1000000000", "--save", "i.descend", "--checkpoint", "i.part"]
    process = start("fit", "points.csv", PARABOLA, *words)
    assert process.stdout.readline() == "target y; data x; parameters w1, w2, w3\n"
    while not (seen := process.stderr.readline()):
        time.sleep(0.01)
    assert seen.startswith("epoch")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted; the last completed update is returned" in out
    assert Path("i.descend").stat().st_size > 0
    assert Path("i.part").stat().st_size > 0


def test_a_reader_that_leaves_is_no_error() -> None:
    process = start(
        "explain",
        "+".join(f"x{i}**2" for i in range(300)),
        "--at",
        ",".join(f"x{i}=1" for i in range(300)),
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
