"""Rows that come in passes: the same fits, to the last bit, as of rows in memory."""

import gc
import itertools
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import descend
from descend import DataError, DescendWarning, UsageError
from descend.graph.blocks import BLOCK

N = 2 * BLOCK + 777
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA = "y = a*exp(-b*x) + c"


def model(x, a, b, c):
    return a * np.exp(-b * x) + c


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x, s = rng.uniform(0, 4, N), rng.uniform(0.05, 0.2, N)
    y = model(x, 3.0, 0.7, 0.5) + s * rng.normal(size=N)
    return {"x": x, "y": y, "s": s, "w": rng.integers(0, 3, N).astype(float)}


@pytest.fixture(scope="module")
def file(table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("streams") / "rows.parquet")
    with duckdb.connect() as link:
        link.register("t", table)
        link.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 30000)")
    return path


def same(one: Any, other: Any) -> None:
    """Parameters and errors alike to the last bit, and what is said of the end."""
    assert one.params == other.params
    np.testing.assert_array_equal([*one.stderr.values()], [*other.stderr.values()])
    assert (one.status, one.message, one.n_rows) == (other.status, other.message, other.n_rows)
    np.testing.assert_array_equal(one.history["loss"], other.history["loss"])


@pytest.mark.parametrize(
    "options",
    [
        {}, {"sigma": "s"}, {"sample_weight": "w"}, {"optimizer": "lbfgs"}, {"optimizer": "bfgs"},
        {"loss": "huber(0.1)"}, {"optimizer": "adam", "lr": 0.05, "epochs": 20},
        {"bounds": {"b": (0.9, None)}}, {"fixed": {"c": 0.4}}, {"engine": "interpreted"},
        {"penalty": "l2(0.1)"}, {"xtol": 1e-3}, {"ftol": 1e-2},
        {"optimizer": "sgd", "lr": 0.01, "batch_size": 1, "shuffle": False, "epochs": 2},
        {"optimizer": "adam", "lr": 0.01, "batch_size": 100, "shuffle": False, "epochs": 3},
        {"optimizer": "adam", "lr": 0.01, "batch_size": 70_000, "shuffle": False, "epochs": 3},
        {"optimizer": "adam", "lr": 0.01, "batch_size": 30_000, "shuffle": False, "epochs": 3,
         "sigma": "s", "engine": "interpreted"},
    ],
    ids=str,
)  # fmt: skip
def test_a_stream_gives_the_bits_of_memory(
    table: dict[str, Any], file: str, options: dict[str, Any]
) -> None:
    one = descend.fit(FORMULA, file, start=START, stream=True, **options)
    named = {n: table[v] if n in ("sigma", "sample_weight") else v for n, v in options.items()}
    rows = {n: table[n] for n in ("x", "y")}
    other = descend.fit(FORMULA, rows, start=START, **named)
    same(one, other)
    for name in ("loss", "chi2", "reduced_chi2", "r2", "dof", "aic"):
        found, want = getattr(one, name), getattr(other, name)
        assert found == (want if want is None else pytest.approx(want, rel=1e-12, nan_ok=True))
    assert one.metrics == pytest.approx(other.metrics, rel=1e-12)
    assert one.residuals is None and one.fitted is None
    assert "gone through in passes" in one.warnings[-1]


@pytest.mark.filterwarnings("ignore:the loss grew")
def test_batches_are_shuffled_within_windows(table: dict[str, Any], file: str) -> None:
    """The order of each window is another one in each epoch, and the same for the same seed."""
    options = {"start": START, "optimizer": "sgd", "lr": 0.003, "batch_size": 10, "epochs": 2}
    one, again = (descend.fit(FORMULA, file, stream=True, **options) for _ in range(2))
    same(one, again)
    other = descend.fit(FORMULA, file, stream=True, seed=1, **options)
    assert other.params != one.params
    window, kept, x, y = 65_530, dict(START), table["x"], table["y"]
    for epoch, first in itertools.product(range(2), range(0, N, window)):
        rows = np.arange(first, min(first + window, N))
        rows = rows[np.random.default_rng([0, epoch, first]).permutation(len(rows))]
        own = {"x": x[rows], "y": y[rows]}
        asked = {**options, "epochs": 1, "start": kept, "shuffle": False}
        kept = descend.fit(FORMULA, own, **asked).params
    assert one.params == kept
    assert "shuffled within windows of 65,530" in one.warnings[-1]


def test_without_being_asked_rows_that_have_room_are_held(
    table: dict[str, Any], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = descend.fit(model, file, "y", start=START)
    assert held.residuals.shape == (N,)
    monkeypatch.setattr("descend.data.streams.opened.memory_free", lambda: 4_000_000)
    come = descend.fit(model, file, "y", start=START)
    assert come.residuals is None
    same(come, held)


def test_few_rows_are_held_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("x,y\n0,6\n1,15\n2,32\n3,57\n")
    fit = descend.fit("y = a*x**2 + b*x + c", path, stream=True)
    assert fit.params == pytest.approx({"a": 4.0, "b": 5.0, "c": 6.0})
    assert fit.residuals.shape == (4,)


def blocks_of(table: dict[str, Any], length: int = 50_000) -> Iterator[dict[str, Any]]:
    for i in range(0, N, length):
        yield {name: column[i : i + length] for name, column in table.items()}


def as_csv(table: dict[str, Any], folder: Path) -> str:
    path = folder / "rows.csv"
    columns = np.stack([table["x"], table["y"]], axis=1).tolist()
    path.write_text("x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in columns))
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "function", "generator", "relation", "files"])
def test_any_source(table: dict[str, Any], file: str, tmp_path: Path, kind: str) -> None:
    source: Any = {
        "csv": lambda: as_csv(table, tmp_path), "function": lambda: lambda: blocks_of(table),
        "generator": lambda: blocks_of(table), "relation": lambda: duckdb.from_parquet(file),
        "files": lambda: as_files(table, tmp_path),
    }[kind]()  # fmt: skip
    one = descend.fit(model, source, "y", start=START, stream=True, scratch=tmp_path)
    rows = {n: table[n] for n in ("x", "y")}
    same(one, descend.fit(model, rows, "y", start=START))
    kept = [said for said in one.warnings if "kept in a scratch file" in said]
    assert len(kept) == (kind != "function")
    del one
    gc.collect()
    assert not [*tmp_path.glob("descend-*")]


def as_files(table: dict[str, Any], folder: Path) -> str:
    with duckdb.connect() as link:
        for number, rows in enumerate(blocks_of(table, 70_000)):
            link.register("t", rows)
            link.execute(f"COPY (SELECT * FROM t) TO '{folder}/part{number}.parquet'")
    return f"{folder}/part*.parquet"


def test_a_start_is_searched_for_on_a_sample(table: dict[str, Any], file: str) -> None:
    one = descend.fit(FORMULA, file, stream=True)
    other = descend.fit(FORMULA, {n: table[n] for n in ("x", "y")}, start=START)
    assert one.status == "converged"
    for name, value in other.params.items():
        assert one.params[name] == pytest.approx(value, abs=1e-3 * other.stderr[name])
        assert one.stderr[name] == pytest.approx(other.stderr[name], rel=1e-5)


def test_rows_with_missing_values_are_left_out(table: dict[str, Any]) -> None:
    holes = {n: table[n].copy() for n in ("x", "y")}
    holes["x"][[3, BLOCK - 1, BLOCK, 2 * BLOCK + 5]] = np.nan
    holes["y"][[7, 100_000]] = np.inf
    found = [
        descend.fit(model, lambda: iter([holes]), "y", start=START, stream=True, missing="drop"),
        descend.fit(model, holes, "y", start=START, missing="drop"),
    ]
    same(*found)
    assert (found[0].n_rows, found[0].n_dropped) == (N - 6, 6)
    with pytest.raises(DataError, match=r"x is missing \(NaN\) in rows 3, 65535, 65536"):
        descend.fit(model, lambda: iter([holes]), "y", start=START, stream=True)


def test_it_predicts_and_is_drawn_and_saved(file: str, tmp_path: Path) -> None:
    fit = descend.fit(FORMULA, file, start=START, stream=True)
    line = np.linspace(0, 4, 5)
    np.testing.assert_allclose(fit.predict({"x": line}), model(line, **fit.params), rtol=1e-14)
    fit.plot(tmp_path / "fit.svg")
    assert (tmp_path / "fit.svg").stat().st_size > 1000
    data, loss, *_ = fit.plot().axes
    assert data.get_legend_handles_labels()[1][0].startswith("y, 10,000 of the rows")
    assert len(loss.lines[0].get_xdata()) == fit.epochs
    assert len(fit.x["x"]) == 10_000
    fit.save(tmp_path / "fit.descend")
    again = descend.load(tmp_path / "fit.descend")
    assert again.params == fit.params and again.stderr == fit.stderr
    assert again.n_rows == N
    assert "131,849 rows" in str(fit)


def test_time_and_signals_end_a_pass(table: dict[str, Any], file: str) -> None:
    with pytest.warns(DescendWarning, match="time"):
        fit = descend.fit(FORMULA, file, start=START, stream=True, max_seconds=1e-4)
    assert "after 0 iterations: the time allowed was spent" in fit.message
    assert fit.params == START

    def slow() -> Iterator[dict[str, Any]]:
        yield from blocks_of(table)
        if next(count) == 2:
            threading.Timer(0.0, signal.raise_signal, [signal.SIGINT]).start()

    count = itertools.count()
    fit = descend.fit(model, slow, "y", start=START, stream=True, optimizer="adam", epochs=500)
    assert fit.status == "interrupted" and 0 <= fit.epochs < 500


# --- what is refused


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"sigma": np.ones(3)}, "sigma is given as ndarray", 'sigma="w"'),
        ({"y": None}, "the target is not named", 'y="y"'),
        ({"y": "z"}, 'has no column "z"', "its columns are"),
        ({"sigma": "q"}, 'has no column "q"', "its columns are"),
        ({"model": lambda x, a: np.cumsum(x) * a, "start": {"a": 1}}, "couples the rows", "=False"),
        ({"model": lambda t, a: t * a}, "takes none of the columns", "as the columns"),
        ({"x": "none.parquet"}, 'there is no file "none.parquet"', ""),
        ({"x": "s3://bucket/rows.parquet"}, "s3://", "__arrow_c_stream__"),
        ({"x": lambda: iter([])}, "gives no rows", "at least one"),
        ({"x": lambda: iter([(1.0, 2.0)])}, "whose columns have no names", "dicts"),
        ({"scratch": "/nowhere"}, "/nowhere", "scratch="),
        ({"loss": "bce"}, 'loss "bce" needs targets', ""),
    ],
)
def test_refused(file: str, change: dict[str, Any], words: str, remedy: str) -> None:
    given = {"model": model, "x": file, "y": "y", "start": START, "stream": True} | change
    with pytest.raises((UsageError, DataError)) as error:
        descend.fit(**given)
    assert words in str(error.value)
    assert remedy in (error.value.remedy or "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("sigma", 0.0, "v must be positive, and is not in row 65541"),
     ("sample_weight", -1.0, "v must not be negative, and is in row 65541")],
)  # fmt: skip
def test_weights_are_checked_in_all_rows(
    table: dict[str, Any], name: str, value: float, words: str
) -> None:
    rows = {n: table[n] for n in ("x", "y")} | {"v": np.ones(N)}
    rows["v"][BLOCK + 5] = value
    with pytest.raises(DataError, match=words):
        descend.fit(model, lambda: iter([rows]), "y", start=START, stream=True, **{name: "v"})


def test_a_target_outside_of_the_domain_is_told_by_its_row(table: dict[str, Any]) -> None:
    y = np.floor(np.abs(table["y"]))
    y[BLOCK + 11] = -1.0
    rows = {"x": table["x"], "y": y}
    with pytest.raises(DataError, match=f"row {BLOCK + 11} "):
        descend.fit(
            lambda x, a, b: a + b * x, lambda: iter([rows]), "y", start={"a": 0, "b": 0},
            loss="poisson", stream=True,
        )  # fmt: skip


# --- ends


ENDS = {
    "no number": ("y = a*log(x - b) + c", {}),
    "flat": ("y = a*b*exp(-x) + c", {}),
    "too few steps": (FORMULA, {"epochs": 2}),
    "poisson": ("n = exp(a + b*x)", {"loss": "poisson"}),
    "classes": ("t = a + b*x + 0*c", {"loss": "bce_with_logits", "fixed": ["c"]}),
    "stopped": (FORMULA, {"stop_loss": 0.1}),
    "patience": (FORMULA, {"optimizer": "adam", "lr": 0.05, "epochs": 40, "patience": 3}),
    "recorded": (FORMULA, {"optimizer": "adam", "lr": 0.1, "epochs": 3, "record": ["params"],
                           "metrics": ["r2"]}),
    "idle": (FORMULA, {"fixed": ["a", "b", "c"]}),
    "simplex": (FORMULA, {"optimizer": "nelder_mead"}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
@pytest.mark.parametrize("end", ENDS)
def test_an_end_is_told_as_in_memory(table: dict[str, Any], end: str) -> None:
    formula, options = ENDS[end]
    n = np.floor(np.abs(table["y"]) * 2)
    rows = {"x": table["x"], "y": table["y"], "n": n, "t": (n > 2).astype(float)}
    start = {k: v for k, v in START.items() if k in formula}
    rows = {"x": rows["x"], formula[0]: rows[formula[0]]}
    one = descend.fit(formula, lambda: iter([rows]), start=start, stream=True, **options)
    other = descend.fit(formula, rows, start=start, **options)
    same(one, other)
    assert (one.arrived, one.errors_note) == (other.arrived, other.errors_note)


@pytest.mark.filterwarnings("ignore::descend.DivergedWarning")
def test_batches_that_diverge_are_explained(table: dict[str, Any], file: str) -> None:
    options = {"start": START, "optimizer": "sgd", "lr": 50.0, "batch_size": 10, "shuffle": False}
    one = descend.fit(FORMULA, file, stream=True, **options)
    other = descend.fit(FORMULA, {n: table[n] for n in ("x", "y")}, **options)
    assert one.status == other.status == "diverged" and one.params == other.params
    words = "the loss is no longer finite, and c grew most"
    assert words in one.message and words in other.message


def test_a_kink_is_that_of_all_rows(table: dict[str, Any], file: str) -> None:
    """It is told by the loss on all of them; the corner of some rows is not gone to."""
    fit = descend.fit(FORMULA, file, start=START, stream=True, loss="mae")
    other = descend.fit(FORMULA, {n: table[n] for n in ("x", "y")}, start=START, loss="mae")
    assert fit.status == other.status == "kink"
    assert fit.loss == pytest.approx(other.loss, rel=1e-9)


def test_passes_go_on_where_they_were_left(file: str, tmp_path: Path) -> None:
    for options in ({}, {"optimizer": "sgd", "lr": 1e-3, "batch_size": 7, "epochs": 3}):
        options |= {"start": START, "stream": True}
        whole = descend.fit(FORMULA, file, **options)
        left = descend.fit(FORMULA, file, callback=lambda moment: moment.epoch == 2, **options)
        assert left.status == "interrupted" and left.epochs == 2
        left.save(tmp_path / "left.descend")
        left = descend.load(tmp_path / "left.descend")
        again = descend.fit(FORMULA, file, resume=left, **options)
        assert again.params == whole.params and again.epochs == whole.epochs
