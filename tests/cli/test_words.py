"""Options that would do nothing, and data that would be rounded: what the command line says."""

import pytest

from descend.cli.app import main

ROWS = "x,y,g\n0,1.0,1\n1,3.1,1\n2,4.9,1\n3,7.2,2\n4,9.0,2\n5,11.1,2\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(ROWS)
    return str(path)


REFUSED = [
    (["--fix", "d=1"], '--fix names "d", which is no parameter', "the parameters are a, b"),
    (["--by", "x"], '--by x: the formula uses the column "x"', "not in the formula"),
    (["--params", ""], "--params is empty", "write --params a,b"),
    (["--record", "params"], "--record says what --history keeps", "add --history FILE"),
    (["--absolute-sigma"], "--absolute-sigma says something of sigma", "write --sigma …"),
    (["--empty-fix"], "there is no option --empty-fix", "see descend fit --help"),
    (["--optimizer", "trf"], 'no optimizer "trf" (here "lm" does that)', "choose from"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message", "remedy"), REFUSED, ids=[r[1] for r in REFUSED])
def test_refused(table, capsys, options, message, remedy):
    assert main(["fit", table, "y = a*x + b", *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert remedy in told
    assert "Traceback" not in told


def test_whole_numbers_that_floats_round(tmp_path, capsys):
    path = tmp_path / "big.csv"
    path.write_text("x,y\n1,3\n2,9007199254740993\n3,5\n4,9007199254740995\n")
    main(["fit", str(path), "y = a*x + b"])
    told = capsys.readouterr().err
    assert 'the column "y" holds whole numbers beyond 2**53' in told
    assert "9007199254740993 in row 1 (2 rows in all), counting from 0" in told


def test_large_numbers_that_floats_hold(tmp_path, capsys):
    path = tmp_path / "big.csv"
    path.write_text("x,y\n1,9007199254740992\n2,1e20\n3,18014398509481984\n")
    main(["fit", str(path), "y = a*x + b"])
    assert "beyond 2**53" not in capsys.readouterr().err


def test_dates_become_seconds_since_the_first(tmp_path, capsys):
    path = tmp_path / "days.csv"
    path.write_text("day,y\n2024-01-01,1\n2024-01-02,3.1\n2024-01-04,6.9\n2024-01-05,9\n")
    assert main(["fit", str(path), "y = a*day + b"]) == 3
    told = capsys.readouterr().err
    assert "a rate is one per second (/ 86400 for days)" in told
    query = told.partition('--sql "')[2].partition('"')[0]
    assert main(["fit", str(path), "y = a*day + b", "--sql", query]) == 0
