"""On the command line an error speaks of options as they are written there."""

import json

import pytest

from descend.cli.app import main
from descend.cli.spelling import as_written


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ('leave out batch_size, or choose optimizer="adam" or descend.SGD(lr=…)',
         "leave out --batch-size, or choose --optimizer adam"),
        ("validation_split=1.5 holds back 3 of 2 rows", "--validation-split 1.5 holds back 3 of"),
        ("add validation_split=0.2, or use all", "add --validation-split 0.2, or use all"),
        ('to keep it at 1, write fixed={"a": 1}', "to keep it at 1, write --fix a=1"),
        ("write start=dict(a=1, b=2)", "write --start a=1,b=2"),
        ('bounds names "c", which is no parameter', '--bound names "c"'),
        ("the lower bound of a is NaN", "the lower bound of a is NaN"),
        ("y = epochs*x + lr", "y = epochs*x + lr"),
        ("SGD: lr must lie in [0, inf), not nan", "SGD: lr must lie in [0, inf), not nan"),
    ],
)  # fmt: skip
def test_as_written(python: str, shell: str) -> None:
    assert as_written(python).startswith(shell)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("x,y\n1,2\n2,\n3,4\n4,6\n")
    return str(path)


@pytest.mark.parametrize(
    ("words", "code", "message", "remedy"),
    [
        ([], 3, "y is missing (NaN) in row 1 (rows count from 0)", "with --missing drop"),
        (["--batch-size", "0"], 2, "--batch-size must be a whole number of at least 1", None),
        (["--epochs", "1.5"], 2, '"1.5" is no whole number', "--help"),
        (["--epochs", "99999999999999999999"], 2, "below 2**63", None),
        (["--seed=2.5"], 2, '"2.5" is no whole number', "--help"),
        (["--lr", "x"], 2, 'unable to convert "x" into a number', "--help"),
        (["--radius", "1"], 2, "--radius needs an optimizer", "add --optimizer lm,"),
        (["--momentum", "1"], 2, "--momentum needs an optimizer", "add --optimizer sgd,"),
        (["--missing", "drop", "--fix", "a"], 2, "a is fixed and has no value", "--fix a=1.0"),
        (["--tie", "b"], 2, "does not say which parameter it is for", '"b = 2*a"'),
    ],
)
def test_errors_in_json(table, capsys, words, code, message, remedy):
    assert main(["fit", table, "y = a*x + b", "--json", *words]) == code
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert message in error["message"] and error["exit_code"] == code
    assert remedy is None or remedy in error["remedy"]
    assert captured.err == ""


def test_whole_numbers_may_be_written_as_powers_of_ten(table, capsys):
    words = ["--missing", "drop", "--optimizer", "sgd", "--lr", "0.01", "--epochs", "1e1"]
    assert main(["fit", table, "y = a*x + b", "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 10
