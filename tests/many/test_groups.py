"""Groups of rows that come, beside the same rows in memory."""

import datetime
import decimal
import functools

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import descend
from descend.data.groups import keys
from descend.errors import DataError, UsageError
from many.groups_made import FORMULA, START, read, shuffled, table, written
from whole import covered, sampled


def same(found: dict[str, np.ndarray], held: descend.ManyFits) -> None:
    """Every bit of every group."""
    for name, column in held.columns().items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches and many files, as of many rows."""
    monkeypatch.setattr(keys, "TOGETHER", 64)
    monkeypatch.setattr(keys, "PER_FILE", 100)
    monkeypatch.setattr(keys, "HELD", 400)
    monkeypatch.setattr("descend.train.groups.PART_SECONDS", 0.0)


def relation(columns, folder):
    return duckdb.sql(f"SELECT * FROM '{written(columns, folder / 'r.parquet')}'")


class Arrow:
    """An object that offers its rows once, as an Arrow stream."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self.frame.__arrow_c_stream__()


def csv(columns, folder):
    pl.DataFrame(columns).write_csv(folder / "r.csv")
    return str(folder / "r.csv")


def pattern(columns, folder):
    half = len(columns["k"]) // 2
    written({n: c[:half] for n, c in columns.items()}, folder / "part1.parquet")
    written({n: c[half:] for n, c in columns.items()}, folder / "part2.parquet")
    return str(folder / "part*.parquet")


def blocks(columns, _folder):
    def pieces():
        for first in range(0, len(columns["k"]), 100):
            yield {name: column[first : first + 100] for name, column in columns.items()}

    return pieces


SOURCES = {
    "Parquet": lambda c, f: written(c, f / "r.parquet"),
    "pattern": pattern,
    "CSV": csv,
    "relation": relation,
    "LazyFrame": lambda c, f: pl.LazyFrame(c),
    "Arrow": lambda c, f: Arrow(pl.DataFrame(c)),
    "function": blocks,
    "generator": lambda c, f: blocks(c, f)(),
    "frames": lambda c, f: lambda: iter([pl.DataFrame(c)]),
    "pandas": lambda c, f: pd.DataFrame(c),
    "dict": lambda c, f: c,
}


@functools.cache
def of_memory() -> descend.ManyFits:
    """The groups of the plain table, which several tests compare with."""
    return descend.fit_many(FORMULA, table(), by="k", start=START, sigma="s")


@covered("source, mixed", SOURCES, [False, True])
def test_groups_have_the_bits_of_rows_in_memory(source, mixed, small, tmp_path):
    columns, held = table(), of_memory()
    given = SOURCES[source](shuffled(columns) if mixed else columns, tmp_path)
    fits = descend.fit_many(
        FORMULA, given, by="k", start=START, sigma="s", to=tmp_path / "out.parquet",
        scratch=tmp_path,
    )  # fmt: skip
    same(read(tmp_path / "out.parquet"), held)
    assert len(fits) == len(held) and fits.n_rows == len(columns["k"])
    assert dict(fits.counts) == held.counts()
    assert not (tmp_path / "out.parquet.parts").exists()
    assert not [*tmp_path.glob("descend-*")]


OPTIONS = [
    {}, {"sample_weight": "s"}, {"missing": "drop"}, {"fixed": ["c"]}, {"loss": "huber(0.1)"},
    {"start": None}, {"bounds": {"b": (0, 1)}}, {"starts": 3}, {"covariance": True},
    {"loss": "mae"}, {"optimizer": "bfgs"}, {"threads": 1},
    {"ties": {"c": "0.1*a"}, "start": {"a": 1.0, "b": 1.0}},
]  # fmt: skip


@sampled("options", OPTIONS, 2, ids=str)
def test_options_are_those_of_rows_in_memory(options, small, tmp_path):
    columns = table(60)
    if options.get("start", START) is not None:
        columns["y"][[9, 40]] = np.nan, np.inf
    own = {"start": START} | options
    held = descend.fit_many(FORMULA, columns, by="k", **own)
    path = written(shuffled(columns), tmp_path / "r.parquet")
    descend.fit_many(FORMULA, path, by="k", to=tmp_path / "out.parquet", **own)
    found = read(tmp_path / "out.parquet")
    same(found, held)
    if held.covariance is not None:
        np.testing.assert_array_equal(found["covariance[0,2]"], held.covariance[:, 0, 2])
    came = descend.fit_many(FORMULA, path, by="k", **own)
    assert isinstance(came, descend.ManyFits)
    same(came.columns(), held)
    for name in ("n_further", "n_mended", "n_closer", "n_cut"):
        assert getattr(came, name) == getattr(held, name), name
    np.testing.assert_array_equal(came.starts, held.starts)


def test_a_function_and_its_target(tmp_path):
    def model(x, a, b, c):
        return a * np.exp(-b * x) + c

    columns = table(40)
    held = descend.fit_many(model, columns | {"y": columns["y"]}, "y", by="k", start=START,
                            sigma="s")  # fmt: skip
    path = written(columns, tmp_path / "r.parquet")
    came = descend.fit_many(model, path, "y", by="k", start=START, sigma="s")
    same(came.columns(), held)


@pytest.mark.parametrize("order", ["descending", "mixed", "files"])
def test_the_order_of_the_rows_does_not_matter(order, small, tmp_path):
    columns = table()
    held = written(columns, tmp_path / "sorted.parquet")
    descend.fit_many(FORMULA, held, by="k", start=START, to=tmp_path / "a.parquet")
    if order == "descending":
        first = np.argsort(-columns["k"], kind="stable")
        source = written({n: c[first] for n, c in columns.items()}, tmp_path / "r.parquet")
    else:
        source = SOURCES["pattern" if order == "files" else "Parquet"](shuffled(columns), tmp_path)
    descend.fit_many(FORMULA, source, by="k", start=START, to=tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


KEYS = {
    "INTEGER": "k::INTEGER", "UTINYINT": "((k + 50) / 3)::UTINYINT",
    "BIGINT": "k + (1::BIGINT << 60)",
    "UBIGINT": "(k + 50)::UBIGINT + 9223372036854775807", "HUGEINT": "k::HUGEINT * 1e20::HUGEINT",
    "VARCHAR": "'well ' || k", "BOOLEAN": "k > 100", "DATE": "DATE '2024-02-28' + k::INTEGER",
    "TIMESTAMP": "TIMESTAMP '2024-02-28 12:34:56.789' + INTERVAL 1 HOUR * k",
    "DECIMAL(18,3)": "(k / 7)::DECIMAL(18,3)", "DOUBLE": "k / 7", "UUID": "md5(k::VARCHAR)::UUID",
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_keys_keep_their_types_and_their_order(kind, small, tmp_path):
    columns = shuffled(table(80))
    path = written(columns, tmp_path / "r.parquet", f"{KEYS[kind]} AS id, x, y")
    descend.fit_many(FORMULA, path, by="id", start=START, to=tmp_path / "out.parquet")
    with duckdb.connect() as link:
        out = f"'{tmp_path}/out.parquet'"
        (told,) = link.execute(f"SELECT typeof(id) FROM {out} LIMIT 1").fetchone()
        found = link.execute(f"SELECT id FROM '{tmp_path}/out.parquet'").fetchall()
        wanted = link.execute(f"SELECT DISTINCT id FROM '{path}' ORDER BY id").fetchall()
    assert told == kind.replace("HUGEINT", "DOUBLE")  # Parquet has none
    assert found == wanted


def test_several_columns_of_keys(small, tmp_path):
    columns = table(80)
    columns = {"a": columns["k"] % 2 == 0, "b": np.array([f"w{k % 7}" for k in columns["k"]]),
               "day": columns["k"] // 60, **columns}  # fmt: skip
    formula = "y = h*exp(-r*x) + c"
    start = {"h": 1.0, "r": 1.0, "c": 0.0}
    plain = {n: c for n, c in columns.items() if n != "k"}
    held = descend.fit_many(formula, plain, by=["a", "b", "day"], start=start)
    assert held.keys.dtype.names == ("a", "b", "day") == held.by
    first = held[0].key
    assert first == (bool(columns["a"][0]), str(columns["b"][0]), int(columns["day"][0]))
    path = written(plain, tmp_path / "r.parquet")
    fits = descend.fit_many(formula, path, by=["a", "b", "day"], start=start,
                            to=tmp_path / "out.parquet")  # fmt: skip
    found, known = read(tmp_path / "out.parquet"), held.columns()
    order = np.lexsort((known["day"], known["b"], known["a"]))
    assert [*found] == [*known] and len(fits) == len(held)
    for name, column in known.items():
        np.testing.assert_array_equal(found[name], column[order], err_msg=name)
    came = descend.fit_many(formula, path, by=["a", "b", "day"], start=start)
    assert [one.key for one in came] == [held[int(i)].key for i in order]
    assert fits[3].key == came[3].key and fits[3].params == came[3].params


def test_keys_of_a_text_keep_their_digits(tmp_path):
    lines = ["id,x,y"]
    for key in (9007199254740993, 9007199254740992, 12):
        lines += [f"{key},{x},{2 * x + key % 5}" for x in range(5)]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n")
    fits = descend.fit_many("y = m*x + n", tmp_path / "r.csv", by="id", start={"m": 1, "n": 0})
    assert fits.keys.tolist() == [12, 9007199254740992, 9007199254740993]
    np.testing.assert_allclose(fits.params["n"], [2, 2, 3], atol=1e-9)


@covered("kind, mixed", ["BIGINT", "VARCHAR", "DOUBLE"], [False, True])
def test_rows_without_a_key_are_left_out_and_told(kind, mixed, small, tmp_path):
    columns = table(50)
    if mixed:
        columns = shuffled(columns)
    key = "CASE WHEN k IN (-50, -20, 10) THEN NULL ELSE k END"
    path = written(columns, tmp_path / "r.parquet", f"CAST({key} AS {kind}) AS k, x, y")
    lost = int(np.isin(columns["k"], (-50, -20, 10)).sum())
    told = f"{lost} of {len(columns['k'])} rows say no group in k: they are left out"
    with pytest.warns(descend.DescendWarning, match=told):
        fits = descend.fit_many(FORMULA, path, by="k", start=START, to=tmp_path / "o.parquet")
    assert fits.n_without_key == lost and len(fits) == 47 and told in fits.warnings
    assert told in fits.report()


def test_a_number_that_is_none_says_no_group(tmp_path):
    columns = table(20)
    columns["k"] = np.where(columns["k"] == -50, np.nan, columns["k"].astype(float))
    path = written(columns, tmp_path / "r.parquet")
    with pytest.warns(descend.DescendWarning, match="rows say no group in k"):
        assert len(descend.fit_many(FORMULA, path, by="k", start=START)) == 19


@covered("kind, mixed", ["BIGINT", "VARCHAR"], [False, True])
def test_a_group_that_is_too_large_to_be_held(kind, mixed, small, monkeypatch, tmp_path):
    monkeypatch.setattr(keys, "MOST_NUMBERS", 1000)
    columns, rng = table(40), np.random.default_rng(5)
    x = rng.uniform(0, 4, 90_000)
    y = 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=len(x))
    large = {"k": np.full(len(x), 10), "x": x, "y": y, "s": 1 + x}
    others = {n: c[columns["k"] != 10] for n, c in columns.items()}
    low, high = others["k"] < 10, others["k"] > 10
    whole = {n: np.concatenate([c[low], large[n], c[high]]) for n, c in others.items()}
    whole = shuffled(whole) if mixed else whole
    path = written(whole, tmp_path / "r.parquet", f"k::{kind} AS k, x, y")
    with pytest.warns(descend.DescendWarning, match="the group k = 10 has 90,000 rows: they are"):
        fits = descend.fit_many(FORMULA, path, by="k", start=START, to=tmp_path / "o.parquet",
                                scratch=tmp_path)  # fmt: skip
    found = read(tmp_path / "o.parquet")
    (at,) = np.flatnonzero(found["k"].astype(str) == "10")
    alone = descend.fit(FORMULA, {"x": x, "y": y}, start=START)
    assert found["a"][at] == alone.params["a"] and found["stderr_b"][at] == alone.stderr["b"]
    assert found["status"][at] == "converged" and fits[int(at)].dof == len(x) - 3
    held = descend.fit_many(FORMULA, others, by="k", start=START)
    rest = np.arange(len(found["k"])) != at
    order = np.argsort(held.keys.astype(str)) if kind == "VARCHAR" else np.arange(len(held))
    np.testing.assert_array_equal(found["b"][rest], held.params["b"][order])
    assert not [*tmp_path.glob("descend-*")]


def test_one_fit_and_columns_are_read_from_the_file(tmp_path):
    columns = table(50)
    held = descend.fit_many(FORMULA, columns, by="k", start=START)
    path = written(columns, tmp_path / "r.parquet")
    fits = descend.fit_many(FORMULA, path, by="k", start=START, to=tmp_path / "o.parquet")
    for i in (0, 5, 49, -1):
        one, other = fits[i], held[i]
        assert (one.key, one.params, one.status, one.verdict, one.dof) == (
            other.key, other.params, other.status, other.verdict, other.dof,
        )  # fmt: skip
    np.testing.assert_array_equal(fits.columns(["a"], 10, 20)["a"], held.params["a"][10:30])
    assert [*fits.columns()] == [*held.columns()] and repr(fits) == repr(held)
    with pytest.raises(IndexError, match="there is no fit 50: there are 50, counted from 0"):
        fits[50]
    with pytest.raises(UsageError, match='have no column "aa"'):
        fits.columns(["aa"])
    told = fits.to_json_dict()
    assert told["n_fits"] == 50 and told["by"] == ["k"] and told["counts"] == held.counts()
    good = held.params["b"][held.success]
    np.testing.assert_allclose(told["parameters"]["b"]["median"], np.median(good), rtol=1e-12)


def test_an_array_is_a_parameter_whatever_the_number_of_groups(tmp_path):
    def model(x, w):
        return w[0] * x + w[1]

    columns = {"k": np.repeat([0, 1], 5), "x": np.tile(np.arange(5.0), 2)}
    columns["y"] = columns["x"] * (1 + columns["k"]) + 3
    path = written(columns, tmp_path / "r.parquet")
    to = tmp_path / "o.parquet"
    fits = descend.fit_many(model, path, "y", by="k", start={"w": np.ones(2)}, to=to)
    assert [*fits.columns()][:3] == ["k", "w[0]", "w[1]"]
    np.testing.assert_allclose(fits[1].params["w"], [2, 3], atol=1e-9)


def test_doubtful_fits_beyond_one_in_twenty_are_told(monkeypatch, tmp_path, small):
    monkeypatch.setattr("descend.train.groups.LEAST", 2)
    rng = np.random.default_rng(0)
    key = np.repeat(np.arange(30), 8)
    columns = {"k": key, "x": np.tile(np.arange(8.0), 30), "y": rng.normal(size=len(key))}
    path = written(columns, tmp_path / "r.parquet")
    with pytest.warns(descend.DescendWarning, match="doubtful fits were not looked at closer"):
        descend.fit_many(FORMULA, path, by="k", start=START)


CASES = {
    "no by": ({"by": None}, UsageError, "nothing says which of them belong to one fit"),
    "by nothing": ({"by": []}, UsageError, r"by=\[\] names no columns"),
    "by twice": ({"by": ["k", "k"]}, UsageError, 'names the column "k" twice'),
    "no column": ({"by": "kk"}, DataError, 'has no column "kk"'),
    "no column of two": ({"by": ["k", "l"]}, DataError, 'has no column "l"'),
    "no sigma": ({"sigma": "t"}, DataError, 'has no column "t"'),
    "an array": ({"sigma": np.ones(3)}, UsageError, "sigma is given as ndarray, and the rows come"),
    "CSV": ({"to": "o.csv"}, UsageError, "are written as Parquet"),
    "folder": ({"to": "nowhere/o.parquet"}, UsageError, "does not exist"),
    "restart": ({"restart": True}, UsageError, "restart throws away what is kept beside a file"),
    "scratch": ({"scratch": "nowhere"}, UsageError, "where scratch files go, is no folder"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options, kind, words = CASES[case]
    path = written(table(10), tmp_path / "r.parquet")
    with pytest.raises(kind, match=words):
        descend.fit_many(FORMULA, path, **{"by": "k", "start": START, **options})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.parquet"]


def test_what_a_group_cannot_be_is_said_by_its_key(small, tmp_path):
    columns = table(40)
    columns["y"][columns["k"] == -20] = np.nan
    path = written(columns, tmp_path / "r.parquet")
    with pytest.raises(DataError, match="target of the group k = -20 is not finite"):
        descend.fit_many(FORMULA, path, by="k", start=START, missing="raise")
    columns = table(40) | {"s": np.where(columns["k"] == -20, -1.0, 1.0)}
    path = written(columns, tmp_path / "s.parquet")
    with pytest.raises(DataError, match="one of the groups from k = "):
        descend.fit_many(FORMULA, path, by="k", start=START, sigma="s")


def test_a_key_that_is_called_as_a_result(tmp_path):
    path = written(table(10), tmp_path / "r.parquet", "k AS status, x, y")
    with pytest.raises(UsageError, match='"status" of the keys is called as a column of the res'):
        descend.fit_many(FORMULA, path, by="status", start=START, to=tmp_path / "o.parquet")


def test_rows_in_memory_take_no_restart():
    with pytest.raises(UsageError, match="restart belongs to rows that come from a source"):
        descend.fit_many(FORMULA, table(10), by="k", start=START, restart=True)


def test_a_list_is_no_key(tmp_path):
    path = written(table(10), tmp_path / "r.parquet", "[k] AS k, x, y")
    with pytest.raises(DataError, match=r"holds BIGINT\[\], by which no rows are told apart"):
        descend.fit_many(FORMULA, path, by="k", start=START)


def test_a_model_that_asks_for_the_number_of_rows(small, tmp_path):
    def model(x, a):
        return a * x + np.linspace(0, 1, len(x))

    counts = np.repeat([4, 5], 40)
    key = np.repeat(np.arange(80), counts)
    columns = {"k": key, "x": np.ones(len(key)), "y": np.ones(len(key))}
    path = written(columns, tmp_path / "r.parquet")
    with pytest.raises(UsageError, match="the model asks for the number of rows"):
        descend.fit_many(model, path, "y", by="k", start={"a": 1.0})


def test_whether_rows_stand_together_is_seen():
    rng = np.random.default_rng(0)
    apart = np.repeat(rng.permutation(20_000), 3)
    for codes, told in ((np.sort(apart), True), (apart, True), (np.append(apart, apart[0]), False),
                        (rng.permutation(apart), False)):  # fmt: skip
        for size in (1, 7, 1000) if len(codes) < 100 else (1000, 70_000):
            pieces = [codes[i : i + size] for i in range(0, len(codes), size)]
            assert keys.are_together(pieces) is told


def test_other_types_of_keys_in_memory():
    day = [datetime.date(2024, 1, 1 + i // 8) for i in range(24)]
    price = [decimal.Decimal(i // 4) / 10 for i in range(24)]
    x = np.tile(np.arange(4.0), 6)
    fits = descend.fit_many("y = m*x + n", {"d": day, "p": price, "x": x, "y": 2 * x},
                            by=["d", "p"], start={"m": 1, "n": 0})  # fmt: skip
    assert len(fits) == 6 and fits[0].key == ("2024-01-01", "0")
