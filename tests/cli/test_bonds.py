"""--fix, --bound and --tie."""

import json

import numpy as np
import pytest

from descend.cli.app import main

X = np.linspace(0.0, 4.0, 30)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.02 * np.cos(11.0 * X)
FORMULA = "y = a*exp(-k*x) + c"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("bonds") / "points.csv"
    path.write_text("x,y\n" + "\n".join(f"{x:.17g},{y:.17g}" for x, y in zip(X, Y, strict=True)))
    return str(path)


def told(capsys, *words):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words):
    assert main(list(words)) == 2
    return capsys.readouterr().err


def test_fit(table, capsys):
    words = ["--start", "a=1,k=1", "--fix", "c=.5", "--bound", "k=0:1"]
    fit = told(capsys, "fit", table, FORMULA, *words)
    assert fit["params"]["c"] == 0.5 and fit["params"]["k"] == 1.0
    assert fit["fixed"] == ["c"] and fit["bounds"] == {"k": [0.0, 1.0]}
    assert fit["stderr"]["c"] is None and fit["stderr"]["k"] is None and fit["stderr"]["a"] > 0
    best = (np.exp(-X) @ (Y - 0.5)) / (np.exp(-X) @ np.exp(-X))
    assert fit["params"]["a"] == pytest.approx(best, rel=1e-9)


def test_every_option_may_be_given_several_times(table, capsys):
    words = ["--start", "c=1,k=1,gap=1", "--tie", "a = c + gap", "--bound", "gap=0:,k=:9"]
    fit = told(capsys, "fit", table, FORMULA, *words, "--bound", "c=-1:1", "--fix", "k")
    assert fit["ties"] == {"a": "c + gap"} and fit["fixed"] == ["k"]
    assert fit["bounds"] == {"k": [None, 9.0], "c": [-1.0, 1.0], "gap": [0.0, None]}
    assert fit["params"]["a"] == fit["params"]["c"] + fit["params"]["gap"]


def test_explain_at_a_row(table, capsys):
    words = ["--start", "a=2,k=1,c=0", "--row", "3", "--lr", "100"]
    free = told(capsys, "explain", table, FORMULA, *words)
    assert set(free["gradient"]) == {"a", "k", "c"}
    fixed = told(capsys, "explain", table, FORMULA, *words, "--fix", "c=.5", "--bound", "k=0:1.2")
    assert set(fixed["gradient"]) == {"a", "k"}
    off = 2 * np.exp(-X[3]) + 0.5 - Y[3]
    assert fixed["gradient"]["a"] == pytest.approx(2 * off * np.exp(-X[3]), rel=1e-12)
    new = {update["name"]: update["new"] for update in fixed["updates"]}
    assert 0.0 <= new["k"] <= 1.2


def test_explain_a_tie(table, capsys):
    words = ["--start", "k=1,c=1", "--row", "3", "--tie", "a = 2*c"]
    found = told(capsys, "explain", table, FORMULA, *words)
    assert set(found["gradient"]) == {"k", "c"}
    falls = np.exp(-X[3])
    slope = 2 * (2 * falls + 1 - Y[3]) * (2 * falls + 1)
    assert found["gradient"]["c"] == pytest.approx(slope, rel=1e-12)


def test_explain_at_a_point_has_nothing_to_bind(capsys):
    said = refused(capsys, "explain", "3*x**2", "--at", "x=1", "--fix", "x")
    assert "--fix, --bound and --tie belong to a formula over a table" in said


def test_minimize_and_maximize(capsys):
    found = told(capsys, "minimize", "3*(a-2)**2 + b**2", "--start", "a=1", "--tie", "b = 2*a")
    assert found["params"] == pytest.approx({"a": 6 / 7, "b": 12 / 7})
    assert found["ties"] == {"b": "2*a"}
    found = told(
        capsys, "minimize", "-(a-2)**2 - b**2", "--maximize", "--start", "a=1", "--fix", "b=1",
        "--bound", "a=:1.5", "--optimizer", "sgd", "--lr", "0.1",
    )  # fmt: skip
    assert found["params"] == {"a": 1.5, "b": 1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bound", "c=.5"], '--bound "c=.5" is not of the form name=lower:upper'),
        (["--bound", "c=:"], "is not of the form name=lower:upper"),
        (["--bound", "c=low:"], '--bound c must be a number, not "low"'),
        (["--bound", "c=0:", "--bound", "c=:1"], "--bound gives c twice"),
        (["--bound", "q=0:"], '--bound names "q", which is no parameter'),
        (["--bound", "c=5:1"], "the bounds of c are 5 and 1: nothing lies between"),
        (["--fix", "c"], "c is fixed and has no value"),
        (["--fix", "c=x"], '--fix c must be a number, not "x"'),
        (["--fix", "=3"], '--fix "=3" names no parameter'),
        (["--fix", ""], '--fix "" names no parameter'),
        (["--bound", ""], '--bound "" is not of the form name=lower:upper'),
        (["--tie", "a=c", "--tie", "c=a"], "the ties go round in a circle: a = c, c = a"),
        (["--tie", "2*c"], 'the tie "2*c" does not say which parameter it is for'),
        (["--tie", "a = 2*gap"], 'the tie "a = 2*gap" uses gap, which is no parameter'),
        (["--tie", "a > c"], 'for a above c, tie "a = c + gap"'),
        (["--vary", "c"], "there is no option --vary (here it is called --fix)"),
        (["--bounds", "c=0:"], 'there is no option --bounds (did you mean "--bound"?)'),
    ],
)
def test_refused(table, capsys, words, message):
    assert message in refused(capsys, "fit", table, FORMULA, *words)
