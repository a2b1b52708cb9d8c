"""`descend fit --by COLUMN --shared k`: datasets of one table, fitted together."""

import json

import numpy as np
import pytest

import descend
from descend.cli.app import main

T = np.linspace(0.0, 4.0, 20)
GROUPS = {
    "low": 2 * np.exp(-1.3 * T) + 0.05 * np.sin(30 * T),
    "high": 5 * np.exp(-1.3 * T) + 0.05 * np.cos(30 * T),
}
FORMULA = "y = a*exp(-k*t)"


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{group},{float(t)!r},{float(y)!r},0.1"
        for group, ys in GROUPS.items() for t, y in zip(T, ys, strict=True)
    ]  # fmt: skip
    (tmp_path / "t.csv").write_text("group,t,y,s\n" + "\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.parametrize("weights", [[], ["--sigma", "s", "--absolute-sigma"]])
def test_it_is_fit_global(table, capsys, weights):
    words = ["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", *weights, "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    sigma = [0.1, 0.1] if weights else None
    found = descend.fit_global(
        lambda t, a, k: a * np.exp(-k * t), [T, T], list(GROUPS.values()), shared="k", sigma=sigma,
        absolute_sigma=bool(weights),
    )  # fmt: skip
    assert told["params"]["k"] == pytest.approx(found.params["k"], rel=1e-8)
    assert told["params"]["a"] == pytest.approx(found.params["a"].tolist(), rel=1e-8)
    assert told["stderr"]["k"] == pytest.approx(found.stderr["k"], rel=1e-6)
    assert [one["name"] for one in told["datasets"]] == ["low", "high"]


def test_report_and_picture(table, capsys):
    words = ["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", "--plot", "g.png"]
    assert main([*words, "--history", "h.csv"]) == 0
    told = capsys.readouterr().out
    assert f"Fit of {FORMULA} on 2 datasets" in told
    assert "Datasets" in told and "high" in told
    assert (table / "g.png").stat().st_size > 5000 and (table / "h.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shared", "k"], "add --by COLUMN"),
        (["--by", "group", "--shared", "q"], 'shared names "q", which is no parameter'),
        (["--by", "group", "--shared", "k", "--checkpoint", "a"], "--checkpoint has no meaning"),
        (["--by", "group", "--shared", "k", "--batch-size", "5"], "fit_global has no batch_size"),
        (["--by", "group", "--shared", "k", "--params", "a"], "--params has no meaning"),
    ],
)
def test_refusals(table, capsys, words, said):
    assert main(["fit", "t.csv", FORMULA, *words]) == 2
    assert said in capsys.readouterr().err


def test_a_saved_global_fit_predicts_rows_by_their_group(table, capsys):
    save = ["--save", "g.descend", "--json"]
    assert main(["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", *save]) == 0
    params = json.loads(capsys.readouterr().out)["params"]
    new = "group,t\nhigh,1\nlow,1\nhigh,2\n"
    (table / "new.csv").write_text(new, encoding="utf-8")
    assert main(["predict", "g.descend", "new.csv", "--by", "group", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    low, high = params["a"]
    expected = np.array([high, low, high]) * np.exp(-params["k"] * np.array([1.0, 1.0, 2.0]))
    np.testing.assert_allclose(told["prediction"], expected, rtol=1e-12)
    words = ["predict", "g.descend", "new.csv", "--dataset", "low", "--to", "p.csv"]
    assert main(words) == 0
    rows = np.genfromtxt(table / "p.csv", delimiter=",", names=True)
    np.testing.assert_allclose(rows["y"], low * np.exp(-params["k"] * rows["t"]), rtol=1e-12)
    words = ["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", "--start", "g.descend"]
    assert main(words) == 0 and "from an earlier fit" in capsys.readouterr().out


def test_a_dropped_row_keeps_the_groups_of_the_others(table, capsys):
    assert main(["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", "--save",
                 "g.descend", "--json"]) == 0  # fmt: skip
    params = json.loads(capsys.readouterr().out)["params"]
    (table / "new.csv").write_text("group,t\nlow,\nhigh,0\nlow,0\n", encoding="utf-8")
    words = ["predict", "g.descend", "new.csv", "--by", "group", "--missing", "drop", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(told["prediction"], params["a"][::-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "write --by COLUMN for a column with their names, or --dataset low for all rows"),
        (["--by", "group", "--dataset", "low"], 2, "one of --by and --dataset says which"),
        (["--dataset", "lo"], 2, 'there is no dataset "lo" (did you mean "low"?)'),
        (["--by", "q"], 3, '"t.csv" has no column q'),
        (["--by", "t"], 3, "which is no dataset of the fit"),
    ],
)
def test_a_prediction_needs_to_know_the_dataset(table, capsys, words, code, said):
    assert main(["fit", "t.csv", FORMULA, "--by", "group", "--shared", "k", "--save",
                 "g.descend"]) == 0  # fmt: skip
    assert main(["predict", "g.descend", "t.csv", *words]) == code
    assert said in capsys.readouterr().err


def test_a_plain_fit_has_no_datasets(table, capsys):
    assert main(["fit", "t.csv", FORMULA, "--save", "f.descend"]) == 0
    assert main(["predict", "f.descend", "t.csv", "--by", "group"]) == 2
    assert "--by is for global fits" in capsys.readouterr().err
