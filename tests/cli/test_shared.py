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
        (["--by", "group", "--shared", "k", "--save", "a"], "--save has no meaning with --shared"),
        (["--by", "group", "--shared", "k", "--batch-size", "5"], "fit_global has no batch_size"),
        (["--by", "group", "--shared", "k", "--params", "a"], "--params has no meaning"),
    ],
)
def test_refusals(table, capsys, words, said):
    assert main(["fit", "t.csv", FORMULA, *words]) == 2
    assert said in capsys.readouterr().err
