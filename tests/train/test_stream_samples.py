"""What a sample of rows that come must not stand for, and what is refused of them."""

import array
import collections
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import special, stats

import descend
from descend import DataError, UsageError
from descend.graph.blocks import BLOCK

N = 2 * BLOCK + 777
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA = "y = a*exp(-b*x) + c"


def model(x, a, b, c):
    return a * np.exp(-b * x) + c


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 4, N)
    y = model(x, 3.0, 0.7, 0.5) + 0.1 * rng.normal(size=N)
    return {"x": x, "y": y, "w": rng.integers(0, 3, N).astype(float)}


@pytest.fixture(scope="module")
def file(table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("streams") / "rows.parquet")
    with duckdb.connect() as link:
        link.register("t", table)
        link.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet)")
    return path


def blocks_of(table: dict[str, Any], length: int = 50_000) -> Iterator[dict[str, Any]]:
    for i in range(0, N, length):
        yield {name: column[i : i + length] for name, column in table.items()}


def stream_of(**columns: Any) -> Any:
    return lambda: iter([columns])


@pytest.mark.parametrize(("name", "make"), [
    ("range", range), ("array", lambda n: array.array("d", range(n))),
    ("deque", lambda n: collections.deque(range(n))),
])  # fmt: skip
def test_a_sequence_of_numbers_is_no_source(name: str, make: Any) -> None:
    fit = descend.fit(lambda x, a, b: a * x + b, make(5), [1.0, 3.0, 5.0, 7.0, 9.0])
    assert fit.params == pytest.approx({"a": 2.0, "b": 1.0})


def test_a_metric_of_each_epoch_is_of_all_rows(table: dict[str, Any], file: str) -> None:
    options = {"optimizer": "adam", "lr": 0.1, "epochs": 3, "metrics": ["r2", "rmse"]}
    one = descend.fit(FORMULA, file, start=START, stream=True, **options)
    other = descend.fit(FORMULA, {n: table[n] for n in ("x", "y")}, start=START, **options)
    for name in options["metrics"]:
        np.testing.assert_allclose(one.history[name], other.history[name], rtol=1e-12)


@pytest.mark.parametrize("weight", [None, "w"])
def test_counts_are_judged_by_all_rows(table: dict[str, Any], weight: str | None) -> None:
    n = np.floor(np.abs(table["y"]) * 2)
    own = {} if weight is None else {"sample_weight": weight}
    given = {"start": {"a": 0, "b": 0}, "loss": "poisson"}
    rows = stream_of(x=table["x"], n=n, w=table["w"])
    fit = descend.fit("n = exp(a + b*x)", rows, stream=True, **given, **own)
    w = np.ones(N) if weight is None else table["w"]
    rate = np.exp(fit.params["a"] + fit.params["b"] * table["x"])
    counted = np.count_nonzero(w)
    assert fit.dof == counted - 2
    assert fit.chi2 == pytest.approx(np.sum(w * (n - rate) ** 2 / rate), rel=1e-12)
    lost = special.xlogy(n, n / rate) - n + rate
    assert fit.deviance == pytest.approx(2 * np.sum(w * lost), rel=1e-10)
    likelihood = np.sum(w * stats.poisson.logpmf(n, rate))
    assert fit.aic == pytest.approx(4 - 2 * likelihood, rel=1e-12)


@pytest.mark.parametrize("ask", [
    lambda fit: fit.diagnostics(), lambda fit: fit.profile("a"), lambda fit: fit.bootstrap(5),
    lambda fit: fit.contour("a", "b"),
])  # fmt: skip
def test_what_needs_all_rows_at_once_is_refused(file: str, ask: Any) -> None:
    fit = descend.fit(FORMULA, file, start=START, stream=True)
    with pytest.raises(UsageError, match="needs all the rows in memory") as error:
        ask(fit)
    assert "start=fit, stream=False" in error.value.remedy
    ask(descend.fit(FORMULA, file, start=fit, stream=False))


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@pytest.mark.parametrize("seed", range(4))
def test_whether_a_loss_grew_is_asked_of_all_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {"x": rng.uniform(0, 4, N), "t": rng.integers(0, 2, N).astype(float)}
    options = {
        "start": {"a": 0, "b": 0}, "loss": "bce_with_logits", "optimizer": "sgd", "lr": 1e-3,
        "epochs": 1, "batch_size": 1000, "shuffle": False,
    }  # fmt: skip
    said = set()
    for draw in range(4):
        fit = descend.fit("t = a + b*x", stream_of(**rows), stream=True, seed=draw, **options)
        z = fit.params["a"] + fit.params["b"] * rows["x"]
        grew = np.mean(np.logaddexp(0, z) - z * rows["t"]) > np.log(2)
        assert (fit.status == "grew") == grew
        said.add(fit.message)
    assert len(said) == 1


def test_a_run_in_steps_needs_rows_in_memory(file: str) -> None:
    options = {"start": START, "optimizer": "sgd", "lr": 0.01, "batch_size": 100}
    with pytest.raises(UsageError, match="a run in steps needs all the rows in memory") as error:
        descend.start(FORMULA, file, stream=True, **options)
    assert "stream=False" in error.value.remedy
    assert descend.start(FORMULA, file, stream=False, **options).step(batches=3).updates == 3


def test_verbose_says_a_line_for_each_iteration(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = descend.fit(FORMULA, file, start=START, stream=True, verbose=True)
    printed = capsys.readouterr()
    lines = (printed.out + printed.err).splitlines()
    assert len([line for line in lines if line.startswith("iteration")]) == fit.epochs


def test_targets_are_counted_by_the_rows_of_the_source(table: dict[str, Any]) -> None:
    labels = np.where(np.arange(N) % 2, 1.0, -1.0)
    labels[[BLOCK + 5, BLOCK + 9]] = 0.0
    with pytest.raises(DataError, match=f"row {BLOCK + 5} has 0.0, and 1 more"):
        descend.fit("y = a + b*x", stream_of(x=table["x"], y=labels), stream=True, loss="hinge")
    classes = np.arange(N) % 3.0
    classes[BLOCK + 7] = 7
    with pytest.raises(DataError, match=f"numbers 0 to 2: row {BLOCK + 7} has 7.0"):
        descend.fit(
            lambda x, w, b: x[:, None] * w + b, stream_of(x=table["x"], y=classes), "y",
            start={"w": np.zeros(3), "b": np.zeros(3)}, loss="cross_entropy", stream=True,
            optimizer="sgd", lr=0.1, batch_size=100, epochs=1,
        )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd", "batch_size": 100}], ids=str)
def test_an_index_that_no_sample_can_vouch_for_is_refused(options: dict[str, Any]) -> None:
    group = np.arange(N) % 3
    group[BLOCK + 3] = 1_000_000
    with pytest.raises(UsageError, match="the model uses group as an index, so its rows cannot"):
        descend.fit(
            lambda group, p: p[group], stream_of(group=group, y=group * 1.0), "y",
            start={"p": np.zeros(3)}, stream=True, **options,
        )  # fmt: skip


def test_a_threshold_is_said_to_be_sought_among_few_rows(table: dict[str, Any]) -> None:
    def step(x, a, b, c):
        return np.where(x > c, a, b)

    fit = descend.fit(
        step, stream_of(x=table["x"], y=table["y"]), "y", start={"a": 1, "b": 2, "c": 2},
        stream=True,
    )  # fmt: skip
    assert any("over the values of 10,000 rows alone: others may be" in f for f in fit.findings)


def test_rows_shuffled_within_windows_are_another_order(file: str, tmp_path: Path) -> None:
    options = {"optimizer": "sgd", "lr": 1e-3, "batch_size": 50, "stream": True}
    one = descend.fit(FORMULA, file, start=START, epochs=1, **options)
    assert one.shuffle and "batches of 50 rows, shuffled" in str(one)
    again = descend.fit(FORMULA, file, resume=one, epochs=2, shuffle=False, **options)
    assert any("shuffle was within windows and is False" in text for text in again.warnings)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_block_whose_rows_weigh_nothing(table: dict[str, Any], streamed: bool) -> None:
    rows = {n: table[n] for n in ("x", "y")} | {"w": np.ones(N)}
    rows["w"][:BLOCK] = 0.0
    options = {"loss": "huber(0.1)", "start": START}
    if streamed:
        fit = descend.fit(FORMULA, stream_of(**rows), stream=True, sample_weight="w", **options)
    else:
        own = {n: rows[n] for n in ("x", "y")}
        fit = descend.fit(FORMULA, own, sample_weight=rows["w"], **options)
    rest = {n: rows[n][BLOCK:] for n in ("x", "y")}
    np.testing.assert_allclose(
        [*fit.stderr.values()], [*descend.fit(FORMULA, rest, **options).stderr.values()], rtol=1e-6
    )


def test_a_generator_that_is_too_large_is_not_held(
    table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("descend.data.streams.opened.memory_free", lambda: 4_000_000)
    fit = descend.fit(model, blocks_of(table), "y", start=START)
    assert fit.residuals is None and fit.n_rows == N


@pytest.mark.parametrize(("name", "value"), [("stream", True), ("scratch", "/nowhere")])
def test_rows_in_memory_are_not_gone_through_in_passes(name: str, value: Any) -> None:
    rows = {"x": [1.0, 2.0], "y": [2.0, 4.0]}
    with pytest.raises(UsageError, match=f"{name} belongs to rows that come from a source"):
        descend.fit("y = a*x", rows, **{name: value})


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(
    "options", [{}, {"optimizer": "sgd", "batch_size": 100, "lr": 1e-3, "epochs": 2}], ids=str
)
def test_a_scratch_file_goes_with_its_fit(
    table: dict[str, Any], tmp_path: Path, options: dict[str, Any]
) -> None:
    def scratch() -> list[str]:
        links = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
        return [link for link in links if str(tmp_path) in link]

    given = {"start": START, "stream": True, "scratch": tmp_path, **options}
    fit = descend.fit(FORMULA, blocks_of(table), **given)
    assert len(scratch()) == 1
    del fit
    gc.collect()
    assert not scratch()
