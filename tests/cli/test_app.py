"""The command line from outside: words, exit codes, JSON."""

import json
from pathlib import Path

import pytest

from descend.cli.app import main

PARABOLA = "y = w1*x**2 + w2*x + w3"


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i / 100},{4 * (i / 100) ** 2 + 5 * i / 100 + 6!r}\n" for i in range(100))
    Path("points.csv").write_text("x,y\n" + rows)
    return "points.csv"


REFUSED = [
    (["ft"], 2, 'there is no command "ft" (did you mean "fit"?)'),
    (["--lr", "3"], 2, "a command comes first, not --lr"),
    (["fit"], 2, 'command "fit" parameter TABLE requires an argument'),
    (["fit", "points.csv", PARABOLA, "--batchsize", "1"], 2, 'did you mean "--batch-size"?'),
    (["fit", "points.csv", PARABOLA, "--learning-rate", "1"], 2, "here it is called --lr"),
    (["fit", "points.csv", PARABOLA, "--p0", "1"], 2, "here it is called --start"),
    (["fit", "points.csv", PARABOLA, "--random-state=1"], 2, "here it is called --seed"),
    (["fit", "points.csv", PARABOLA, "--epochs", "many"], 2, "invalid value for --epochs"),
    (["fit", "points.csv", PARABOLA, "extra"], 2, "extra"),
    (["fit", "points.csv", PARABOLA, "--lr", "0.1"], 2, "--lr needs an optimizer"),
    (["fit", "points.csv", PARABOLA, "--optimizer", "adm"], 2, 'did you mean "adam"?'),
    (["fit", "points.csv", "y = w*x^2"], 2, "         ^\n  do: write ** for a power"),
    (["fit", "points.csv", "z = w*x"], 2, 'the target "z" is no column'),
    (["fit", "points.csv", "y = w*X"], 2, "differs only by case"),
    (["fit", "points.csv", "y = w*z"], 2, "uses no column of the table besides its target"),
    (["fit", "points.csv", PARABOLA, "--weights", "x"], 2, "--weights means two different things"),
    (["fit", "points.csv", PARABOLA, "--weights", "x"], 2, "--sigma COLUMN with the standard dev"),
    (["fit", "points.csv", "y = __import__(os)"], 2, "there is no function"),
    (["fit", "points.csv", "y = w*x", "--start", "x=1"], 2, "is a column of the table"),
    (["fit", "points.csv", "y = w*x", "--start", "v=1"], 2, "does not occur in"),
    (["fit", "points.csv", "y = w*x", "--start", "w"], 2, "neither numbers nor a saved fit"),
    (["fit", "points.csv", "y = w*x", "--sigma", "s"], 3, 'has no column "s"'),
    (["fit", "points.csv", "y = w*x", "--sql", "SELECT"], 2, "the SQL query cannot be run"),
    (["fit", "point.csv", "y = w*x"], 3, 'did you mean "points.csv"?'),
    (["fit", "points.csv", "y = w*x", "--plot", "no/fit.png"], 2, "does not exist"),
    (["fit", "points.csv", "y = w*x", "--plot", "fit.xyz"], 2, '".xyz" is not supported'),
    (["fit", "points.csv", "y = w*x", "--save", "fit.pickle"], 2, "use .descend"),
    (["minimize", "3*x**2", "--start", "y=1"], 2, "does not occur in the formula"),
    (["minimize", "3*x**2 + z", "--start", "x=1"], 2, "--start gives no value for z"),
    (["minimize", "y = 3*x**2", "--start", "x=1"], 2, "give the right-hand side alone"),
    (["minimize", "3", "--start", "x=1"], 2, "has no variables"),
    (["minimize", "3*x**2", "--start", "x=1", "--epochs", "3"], 2, "it is called --max-iter"),
    (["minimize", "3*x**2", "--start", "x=1", "--save", "a"], 2, "it belongs to descend fit)"),
    (["explain", "3*x**2", "--at", "x=1", "--optimizer", "lm"], 2, "not made of one gradient"),
    (["grad", "3*x**2", "--at", "x=a"], 2, '--at x must be a number, not "a"'),
    (["explain", "3*x**2"], 2, "add --at x=1"),
    (["predict", "none.descend", "points.csv", "--to", "a.xyz"], 2, '".xyz" is not supported'),
    (["fit", "points.csv", PARABOLA, "--start", "w1=1,", "w2=2"], 2, '--start "w1=1,w2=2"'),
    (["fit", "points.csv", "y = w*x", "--start", "w", "=", "2"], 2, '--start "w=2"'),
    (["fit", "points.csv", "--start", "a=1", "b=2", "y = a*x + b"], 2, '--start "a=1,b=2"'),
    (["fit", "points.csv", "y = a*x", "--bound", "a=0:", "more"], 2, "takes one table and one"),
    (["fit", "points.csv", "points.csv", PARABOLA], 2, '"points.csv" is one table too many'),
    (["fit", "points.csv", PARABOLA, "more"], 2, "takes one table and one formula, and not"),
    (["explain", "x**2", "--at", "x=1", "--plot", "g.png"], 2, "no option --plot (it belongs to"),
    (["predict", "a.descend", "points.csv", "b"], 2, "takes one saved fit and one table"),
    (["fit", "y = w*x", "point.csv"], 3, 'there is no file "point.csv" (did you mean "points'),
    (["fit", "points.csv", "y = w*x", "--decimal", ":"], 2, '--decimal ":" is none of'),
    (["fit", "points.csv", "y = w*x", "--names", "x"], 2, "there is one name for the 2 columns"),
]


@pytest.mark.parametrize(("words", "code", "told"), REFUSED, ids=lambda v: str(v)[:40])
def test_refusals(
    points: str, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.startswith("error: ")
    assert captured.out == ""


@pytest.mark.parametrize(("words", "code", "told"), REFUSED, ids=lambda v: str(v)[:40])
def test_refusals_as_json(
    points: str, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    assert main([*words, "--json"]) == code
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["exit_code"] == code
    assert error["message"]
    assert captured.err == ""


def test_places_are_tried_before_the_table_is_read(
    points: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", "absent.csv", PARABOLA, "--plot", "/absent/fit.png"]) == 2
    assert 'cannot be written to "/absent/fit.png"' in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    for command in ("fit", "minimize", "grad", "explain", "predict", "studio"):
        assert command in text


@pytest.mark.parametrize("command", ["fit", "minimize", "grad", "explain", "predict", "studio"])
def test_every_option_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    options = [line for line in lines if line.startswith(("│ --", "│ *  --"))]
    assert options
    bare = [line for line in options if len(line.strip("│ ").split("  ")) == 1]
    assert [line for line in bare if "accumulator" not in line] == []


def test_help_offers_what_the_command_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["minimize", "--help"]) == 0
    told = capsys.readouterr().out
    assert "--plot" in told and "--history" in told and "--momentum" in told
    for option in ("--save", "--checkpoint", "--resume", "--acceleration", "Levenberg"):
        assert option not in told
    assert main(["fit", "--help"]) == 0
    told = capsys.readouterr().out
    for option in ("--save", "--checkpoint", "--resume", "--acceleration", "--plot", "--lr"):
        assert option in told
