"""Networks, rows held back, classes and scales where rows come: as of rows in memory."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import descend
from descend import DataError, UsageError
from descend import networks as nn
from descend.data.streams.apart import BITS, Apart, binned, chosen_rows, counted
from descend.data.streams.opened import open_stream
from descend.graph.blocks import BLOCK
from whole import sampled

N = 2 * BLOCK + 777
START = {"a": 1.0, "b": 0.5, "d": 0.0}


def model(x, z, a, b, d):
    return a * np.exp(-b * x) + d * z


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    x, z = rng.normal(5.0, 1.5, N), rng.uniform(size=N)
    y = model(x, z, 2.0, 0.3, 1.0) + 0.1 * rng.normal(size=N)
    odds = np.exp(x - 5.5 + 2 * z)
    return {
        "x": x, "z": z, "y": y, "w": rng.uniform(0.1, 1.0, N), "i": rng.integers(0, 7, N) * 1.0,
        "c": (rng.uniform(size=N) < odds / (1 + odds)) * 1.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def file(table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("networks") / "rows.parquet")
    with duckdb.connect() as link:
        link.register("t", table)
        link.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 30000)")
    return path


def same(one: Any, other: Any) -> None:
    assert one.n_rows == other.n_rows
    for name, value in other.params.items():
        np.testing.assert_array_equal(one.params[name], value)
    assert (one.status, one.scales) == (other.status, other.scales)
    for name in ("loss", "validation_loss"):
        own, want = getattr(one.history, name), getattr(other.history, name)
        np.testing.assert_array_equal(own, want) if want is not None else None
    assert one.loss == pytest.approx(other.loss, rel=1e-6)
    assert {*one.metrics} == {*other.metrics}
    for name, value in other.metrics.items():  # scores are counted by some of their bits
        near = 1e-4 if name == "auc" else 1e-6
        assert one.metrics[name] == pytest.approx(value, rel=near, abs=1e-6)


@sampled(
    "options",
    [
        {"standardize": True}, {"standardize": True, "sigma": "w"}, {"validation_split": 0.2},
        {"validation_split": 0.1, "standardize": True, "sample_weight": "w"},
        {"validation_split": 0.2, "optimizer": "adam", "lr": 0.01, "epochs": 4, "patience": 1,
         "batch_size": 1000, "shuffle": False, "standardize": True},
        {"validation_data": ({"x": [1.0, 2.0], "z": [0.5, 0.6]}, [3.0, 2.5])},
        {"validation_split": 0.3, "optimizer": "adam", "lr": 0.05, "epochs": 5},
    ],
    2,
    ids=str,
)  # fmt: skip
def test_scales_and_rows_held_back(
    table: dict[str, Any], file: str, options: dict[str, Any]
) -> None:
    one = descend.fit(model, file, "y", start=START, stream=True, **options)
    named = {n: table[v] if n in ("sigma", "sample_weight") else v for n, v in options.items()}
    rows = {n: table[n] for n in ("x", "z")}
    other = descend.fit(model, rows, table["y"], start=START, **named)
    same(one, other)
    np.testing.assert_array_equal([*one.stderr.values()], [*other.stderr.values()])
    assert one.chi2 == (None if other.chi2 is None else pytest.approx(other.chi2, rel=1e-10))


NETWORKS = {
    "regression": (nn.mlp([8]), ("x", "z"), "y", {"sample_weight": "w"}),
    "held back": (nn.mlp([8]), ("x", "z"), "y", {"validation_split": 0.2}),
    "classes": (
        nn.mlp([8]), ("x", "z"), "c", {"validation_split": 0.2, "class_weight": "balanced"},
    ),
    "weights by label": (nn.mlp([8]), ("x", "z"), "c", {"class_weight": {1: 3.0}}),
    "many classes": (nn.mlp([4]), ("x", "z"), "i", {"metrics": ["accuracy"]}),
    "draws": (
        nn.Sequential(nn.Linear(8), nn.BatchNorm(), nn.ReLU(), nn.Dropout(0.2), nn.Linear()),
        ("x", "z"), "c", {"validation_split": 0.1, "keep_best": True},
    ),
    "indices": (
        nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear()), ("i",), "y",
        {"ema": 0.99},
    ),
    "two threads": (nn.mlp([128, 128]), ("x", "z"), "y", {"threads": 2, "batch_size": 512}),
    "all rows": (nn.mlp([4]), ("x", "z"), "y", {"optimizer": "lbfgs", "epochs": 8}),
}  # fmt: skip


@sampled("name", NETWORKS, 2)
def test_networks(table: dict[str, Any], name: str) -> None:
    network, columns, target, options = NETWORKS[name]
    options = {"epochs": 2, "shuffle": False, **options}
    wanted = [*columns, target, *[options[n] for n in ("sample_weight",) if n in options]]

    def blocks() -> Iterator[dict[str, Any]]:
        for first in range(0, N, 50_000):
            yield {n: table[n][first : first + 50_000] for n in wanted}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        one = descend.fit(network, blocks, target, stream=True, **options)
        named = {n: table[v] if n == "sample_weight" else v for n, v in options.items()}
        other = descend.fit(network, {n: table[n] for n in columns}, table[target], **named)
    same(one, other)
    assert one.goal.split(" holds ")[1] == other.goal.split(" holds ")[1]
    rows = {n: table[n][:50] for n in columns}
    np.testing.assert_array_equal(one.predict(rows), other.predict(rows))


def test_a_network_of_rows_that_are_shuffled_learns_as_well(
    table: dict[str, Any], file: str
) -> None:
    with duckdb.connect() as link:
        rows = link.sql(f"SELECT x, z, c FROM '{file}'")
        one = descend.fit(nn.mlp([8]), rows, "c", stream=True, epochs=3, validation_split=0.1)
    other = descend.fit(
        nn.mlp([8]), {n: table[n] for n in ("x", "z")}, table["c"], epochs=3, validation_split=0.1
    )
    assert one.shuffle and any("shuffled within windows" in said for said in one.warnings)
    assert one.validation_loss == pytest.approx(other.validation_loss, rel=0.01)


def test_a_label_that_the_sample_has_not_is_a_class(table: dict[str, Any]) -> None:
    c = table["c"].copy()
    c[100_000:100_003] = 2.0
    fit = descend.fit(
        nn.mlp([4]), lambda: iter([{"x": table["x"], "c": c}]), "c", stream=True, epochs=1
    )
    assert fit.n_classes == 3 and "3 classes (0, 1, 2)" in fit.goal
    assert fit.params["2.weight"].shape == (3, 4)


def test_an_index_beyond_is_found_in_any_row(table: dict[str, Any]) -> None:
    i = table["i"].copy()
    i[77_777] = 7.0
    network = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear())
    rows = {"i": i, "y": table["y"]}
    with pytest.raises(DataError, match="x holds 7 in row 77777, and only whole numbers from 0"):
        descend.fit(network, lambda: iter([rows]), "y", stream=True, epochs=1)


def test_words_are_refused_with_a_query_that_works(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    duckdb.sql(
        f"COPY (SELECT i / 1e5 AS x, CASE WHEN i % 3 = 0 THEN 'up' ELSE 'down' END AS kind "
        f"FROM range({BLOCK + 9}) t(i)) TO '{path}' (FORMAT parquet)"
    )
    with pytest.raises(DataError, match=r'column "kind" holds text.*a network takes numbers') as e:
        descend.fit(nn.mlp([2]), path, "kind", stream=True, epochs=1)
    query = str(e.value.remedy).split('"')[1].replace("rows.parquet", str(path))
    assert "(kind = 'up')::INT" in query
    with pytest.warns(descend.DescendWarning, match="nothing was learnt"):
        fit = descend.fit(nn.mlp([2]), duckdb.sql(query), "kind", stream=True, epochs=1)
    assert fit.n_classes == 2


def test_what_cannot_be_meant_is_refused(
    table: dict[str, Any], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(**options: Any) -> Any:
        return descend.fit(model, file, "y", start=START, stream=True, **options)

    with pytest.raises(UsageError, match="y holds more than 1000 values"):
        fit(class_weight="balanced")
    with pytest.raises(UsageError, match=r"validation_split=2.0 holds back \d+ of \d+ rows"):
        fit(validation_split=2.0)
    with pytest.raises(UsageError, match="is a query, and rows come from what it gives"):
        descend.fit(model, f"select * from '{file}'", "y", stream=True)
    monkeypatch.setattr("descend.train.held_back.memory_free", lambda: 1e6)
    with pytest.raises(UsageError, match=r"holds back 1\.27 MB, more than half of") as error:
        fit(validation_split=0.2)
    share = float(str(error.value.remedy).split("=")[1])
    assert fit(validation_split=share).n_rows < N
    monkeypatch.undo()
    one = {"x": table["x"], "c": np.where(np.arange(N) == 5, 2.0, table["c"])}
    with pytest.raises(DataError, match="the class 2 has a single row"):
        descend.fit(
            nn.mlp([2]), lambda: iter([one]), "c", stream=True, validation_split=0.2, epochs=1
        )


@pytest.mark.parametrize("kind", ["parquet", "csv", "once"])
@pytest.mark.parametrize("drop", [False, True])
def test_rows_apart_are_those_of_memory(tmp_path: Path, kind: str, drop: bool) -> None:
    rng, n = np.random.default_rng(0), 3 * 1000 + 17
    x, y = rng.normal(size=n), rng.integers(0, 3, n) * 1.0
    if drop:
        x[5::100] = np.nan
    rows: Any = {"x": x, "y": y}
    if kind != "once":
        source: Any = str(tmp_path / f"rows.{kind}")
        with duckdb.connect() as link:
            link.register("t", rows)
            link.execute(f"COPY t TO '{source}'")
    else:
        source = iter([rows])
    kept = np.flatnonzero(np.isfinite(x))
    with open_stream(source, ["x", "y"], block=1000) as stream:
        first = stream.survey("drop" if drop else "raise")
        labels = counted(piece.columns[1] for piece in stream.blocks())
        assert labels.values.tolist() == [0, 1, 2]
        assert labels.counts.tolist() == [*np.bincount(y[np.isfinite(x)].astype(int))]
        bins = binned(((p.first, p.columns[1]) for p in stream.blocks()), labels.values, 4)
        apart = Apart(0.2, 4, labels.values, bins, 1)
        survey = stream.hold_back(apart)
        held = apart.rows(stream.names)
        pieces = [(p.columns[0].copy(), p.places) for p in stream.blocks()]
        late = [p.columns[0].copy() for p in stream.blocks(1)]
    chosen = chosen_rows(len(kept), 0.2, 4, y[kept])
    np.testing.assert_array_equal(held.places, kept[chosen])
    np.testing.assert_array_equal(held.columns["x"], x[kept][chosen])
    left = np.concatenate([own for own, _ in pieces])
    np.testing.assert_array_equal(left, x[kept][~chosen])
    np.testing.assert_array_equal(np.concatenate(late), left[1000:])
    assert survey.n_rows == len(left) and survey.n_dropped == first.n_dropped


def test_about_the_share_of_every_label_is_chosen() -> None:
    rng = np.random.default_rng(1)
    target = rng.choice(4, size=200_000, p=[0.6, 0.39, 0.0099, 0.0001]) * 1.0
    for seed in range(3):
        chosen = chosen_rows(len(target), 0.25, seed, target)
        for k in range(4):
            own = chosen[target == k]
            assert 0 < own.sum() < len(own)
            assert abs(own.sum() - 0.25 * len(own)) <= 1 + 2 * len(own) / 2**BITS
    assert not np.array_equal(chosen_rows(1000, 0.5, 0), chosen_rows(1000, 0.5, 1))


def test_pictures_are_of_the_sample(table: dict[str, Any], tmp_path: Path) -> None:
    def blocks() -> Iterator[dict[str, Any]]:
        yield {n: table[n] for n in ("x", "z", "c")}

    fit = descend.fit(nn.mlp([4]), blocks, "c", stream=True, epochs=1)
    texts = [t.get_text() for t in fit.plot().texts]
    assert f"drawn: 10,000 of the {N:,} rows" in texts
    (boundary,) = fit.plot_boundary().axes
    assert (boundary.get_xlabel(), boundary.get_ylabel()) == ("x", "z")
    assert fit.plot_neurons(tmp_path / "units.png") and (tmp_path / "units.png").exists()
    numbers = descend.fit(nn.mlp([4]), lambda: iter([{n: table[n] for n in ("x", "z", "y")}]),
                          "y", stream=True, epochs=1)  # fmt: skip
    assert any(a.get_ylabel() == "y, actual" for a in numbers.plot().axes)


def small(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    return {"x": x, "y": 2 * x + 1 + 0.1 * rng.normal(size=n)}


def test_no_more_than_a_block_may_be_left_of_more() -> None:
    rows = small(70_000)
    for network, options in ((None, {}), (nn.mlp([4]), {"epochs": 2, "shuffle": False})):
        given: Any = network or "y = a*x + b"
        more = options if network else {"start": {"a": 1.0, "b": 0.0}}
        target = ("y",) if network else ()
        one = descend.fit(
            given, lambda: iter([rows]), *target, stream=True, validation_split=0.1, **more
        )
        other = descend.fit(given, rows, *target, validation_split=0.1, **more)
        assert one.n_rows == other.n_rows < BLOCK < 70_000
        same(one, other)


def test_class_weights_are_for_training_alone(table: dict[str, Any]) -> None:
    rows = {"x": table["x"], "y": table["c"]}
    options: Any = {"class_weight": {0: 0.1}, "start": {"a": 0.1, "b": 0.0}}
    for more in ({}, {"standardize": True}, {"validation_split": 0.1}):
        one = descend.fit("y = a*x + b", lambda: iter([rows]), stream=True, **options, **more)
        same(one, descend.fit("y = a*x + b", rows, **options, **more))


def test_many_values_of_the_target() -> None:
    n = BLOCK + 5000
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=n), rng.integers(0, 2000, n) * 1.0
    with pytest.raises(UsageError, match='loss "cross_entropy" tells classes apart, and y holds'):
        descend.fit(
            nn.mlp([2]), lambda: iter([{"x": x, "y": y}]), "y", stream=True, epochs=1,
            loss="cross_entropy",
        )  # fmt: skip
    for last, goal in ((7.0, "counts"), (0.5, "numbers")):
        y[-1] = last
        told = descend.fit(
            nn.mlp([2]), lambda: iter([{"x": x, "y": y}]), "y", stream=True, epochs=1,
        )  # fmt: skip
        assert f"y holds {goal}" in told.goal


def test_indices_that_are_held_back_are_looked_at(table: dict[str, Any]) -> None:
    network = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear())
    i = table["i"].copy()
    row = int(np.flatnonzero(chosen_rows(N, 0.2, 0))[-3])
    i[row] = 2.5
    with pytest.raises(DataError, match=f"x holds 2.5 in row {row}, and only whole"):
        descend.fit(
            network, lambda: iter([{"i": i, "y": table["y"]}]), "y", stream=True,
            validation_split=0.2, epochs=1,
        )  # fmt: skip


def test_a_row_is_explained_by_its_number_among_all(table: dict[str, Any]) -> None:
    rows = {n: table[n] for n in ("x", "y")}
    options: Any = {"start": {"a": 1.0, "b": 0.0}, "validation_split": 0.2}
    one = descend.fit("y = a*x + b", lambda: iter([rows]), stream=True, **options)
    other = descend.fit("y = a*x + b", rows, **options)
    for row in (0, 7, 12, 70_001, N - 1):
        assert str(one.explain(row)) == str(other.explain(row))
    with pytest.raises(UsageError, match=f"the data have {N} rows"):
        one.explain(N)


def test_rows_left_out_of_a_source_that_is_held_are_told() -> None:
    rows = small(5000)
    rows["x"][::10] = np.nan
    fit = descend.fit("y = a*x + b", lambda: iter([rows]), missing="drop", start={"a": 1, "b": 0})
    assert (fit.n_rows, fit.n_dropped) == (4500, 500)
    with pytest.raises(UsageError, match="rows were left out while they came"):
        descend.fit(
            lambda x, a: np.cumsum(x) * a, lambda: iter([rows]), "y", missing="drop",
            start={"a": 1.0},
        )  # fmt: skip
