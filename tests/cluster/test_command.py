"""`--cluster`, on the command line."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from distributed import LocalCluster

from descend.cli.app import main

FORMULA = "y = a*exp(-b*x) + c"
START = ["--start", "a=1,b=1,c=0"]
N = 200_000


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 4, N)
    y = 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=N)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as link:
        link.register("t", {"x": x, "y": y, "g": np.arange(N) % 40})
        link.execute("COPY (SELECT * FROM t) TO 'rows.parquet'")


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    given = main(list(words))
    printed, errors = capsys.readouterr()
    assert given == code, printed + errors
    return printed if code == 0 else errors


def test_a_fit_on_a_cluster(capsys: pytest.CaptureFixture[str], cluster: LocalCluster) -> None:
    words = ["fit", "rows.parquet", FORMULA, *START]
    address = cluster.scheduler_address
    one, other = (
        json.loads(told(capsys, *words, "--json", *how))
        for how in (["--stream"], ["--cluster", address])
    )
    for name in ("params", "stderr", "chi2", "message", "n_rows"):
        assert one[name] == other[name]
    printed = told(capsys, *words, "--cluster", address)
    assert f"note: whoever reaches {address} can run code on its workers" in printed


def test_groups_on_a_cluster(capsys: pytest.CaptureFixture[str], cluster: LocalCluster) -> None:
    words = ["fit", "rows.parquet", FORMULA, *START, "--by", "g", "--json"]
    one, other = (
        json.loads(told(capsys, *words, *how))
        for how in ([], ["--cluster", cluster.scheduler_address])
    )
    for found in (one, other):
        assert found.pop("seconds") > 0
    assert one == other


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("here:8786", '--cluster "here:8786" is no address of a scheduler'),
        ("tcp://127.0.0.1:1", "no scheduler can be spoken to at tcp://127.0.0.1:1"),
        ("tls://127.0.0.1:1", "no scheduler can be spoken to at tls://127.0.0.1:1"),
    ],
)
def test_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setattr("descend.cli.clusters.SECONDS", 0.5)
    words = ["fit", "rows.parquet", FORMULA, *START, "--cluster", address]
    assert said in told(capsys, *words, code=2).replace("\n    ", " ")


def test_shared_parameters_are_not_for_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "rows.parquet", FORMULA, "--by", "g", "--shared", "b"]
    assert "--shared fits all groups together in one process" in told(
        capsys, *words, "--cluster", "tcp://127.0.0.1:1", code=2
    )
