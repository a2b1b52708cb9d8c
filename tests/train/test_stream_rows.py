"""Which rows of a source a fit in passes goes by, and how they are told of."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import descend
import descend.trust.complete
from descend import UsageError
from descend.data.streams.survey import sample_rows
from descend.graph.blocks import BLOCK

N = 2 * BLOCK + 777
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA = "y = a*exp(-b*x) + c"


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 4, N)
    return {"x": x, "y": 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=N)}


def stream_of(**columns: Any) -> Any:
    def blocks() -> Iterator[dict[str, Any]]:
        yield columns

    return blocks


@pytest.mark.parametrize("start", [START, None], ids=["start", "search"])
def test_few_rows_that_weigh_something(table: dict[str, Any], start: Any) -> None:
    """None of them would be in a sample of all rows."""
    others = np.setdiff1d(np.arange(N), sample_rows(N))
    w = np.zeros(N)
    w[others[[5, 1000, 60_000, 70_000, 100_000, -1]]] = [1, 2, 1, 3, 1, 1]
    own = {"start": start} if start else {}
    fit = descend.fit(FORMULA, stream_of(w=w, **table), stream=True, sample_weight="w", **own)
    rows = {n: column[w > 0] for n, column in table.items()}
    held = descend.fit(FORMULA, rows, sample_weight=w[w > 0], start=START)
    assert fit.params == pytest.approx(held.params, rel=1e-6)
    assert (fit.n_rows, fit.n_weightless, fit.dof) == (N, N - 6, 3)


def test_the_search_among_few_rows_is_told_of(table: dict[str, Any]) -> None:
    own = {"x": table["x"], "y": 2 * np.sin(9 * table["x"] + 1)}
    formula, rows = "y = a*sin(b*x + c)", sample_rows(N)
    fit = descend.fit(formula, stream_of(**own), stream=True)
    few = descend.fit(formula, {n: column[rows] for n, column in own.items()})
    told = f"the fit of 10,000 of the rows, whose start: {few.start_source}"
    assert fit.start_source.startswith(told[:73]) and "candidates" in fit.start_source
    assert (fit.n_starts, fit.n_agreed) == (few.n_starts, few.n_agreed)
    assert fit.start_source in " ".join(str(fit).split())
    options = {"start": {"a": 1, "b": 8, "c": 0}, "starts": 5}
    fit = descend.fit(formula, stream_of(**own), stream=True, **options)
    assert fit.n_starts == 5 and "whose start: given; best of 5 starts" in fit.start_source
    fit = descend.fit(formula, stream_of(**own), stream=True, start={"a": 2, "b": 9, "c": 1})
    assert (fit.start_source, fit.n_starts) == ("given", 1)


def test_a_row_is_explained_by_its_number_in_the_source(table: dict[str, Any]) -> None:
    s = 0.1 + np.arange(N) % 7
    options = {"start": START, "sigma": "s"}
    fit = descend.fit(FORMULA, stream_of(s=s, **table), stream=True, **options)
    held = descend.fit(FORMULA, table, start=START, sigma=s)
    sampled = sample_rows(N)
    other = np.setdiff1d(np.arange(N), sampled)
    for row in (0, sampled[100], other[100], other[BLOCK + 100], N - 1):
        one, same = fit.explain(row), held.explain(row)
        assert str(one) == str(same) and one.gradient == same.gradient
        assert f"row {row}" in str(one)
    words = f"there is no row {N}: the data have {N} rows"
    with pytest.raises(UsageError, match=words):
        fit.explain(N)


@pytest.mark.parametrize("same", [True, False], ids=["same", "used up"])
def test_a_function_that_returns_one_iterator_again(table: dict[str, Any], same: bool) -> None:
    """No row of it is lost before the second pass, of which it has none."""
    def again() -> Any:
        return blocks if same else map(dict, blocks)

    for length in (50_000, N):
        parts = range(0, N, length)
        blocks = ({n: c[i : i + length] for n, c in table.items()} for i in parts)
        words = r"again\(\) returned an iterator that an earlier pass has used up"
        with pytest.raises(UsageError, match=words) as error:
            descend.fit(FORMULA, again, start=START, stream=True)
        assert "return a new one each time, or pass the iterator itself" in error.value.remedy
    blocks = ({n: c[i : i + 50_000] for n, c in table.items()} for i in range(0, N, 50_000))
    fit = descend.fit(FORMULA, blocks, start=START, stream=True)
    assert fit.params == descend.fit(FORMULA, table, start=START).params
    assert any("the numbers of the generator are kept in a scratch" in s for s in fit.warnings)


@pytest.mark.parametrize("streamed", [True, False])
def test_few_triangles_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    rng = np.random.default_rng(6)
    x = rng.uniform(0, 4, 16 * BLOCK)
    rows = {"x": x, "y": 3 * np.exp(-0.7 * x) + 0.5 + 0.1 * rng.normal(size=len(x))}
    parts = [{n: c[i : i + BLOCK] for n, c in rows.items()} for i in range(0, len(x), BLOCK)]
    given = (lambda: iter(parts)) if streamed else rows
    fit = descend.fit(FORMULA, given, start=START, stream=streamed or None)
    live: list[int] = []
    most = [0]

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            found = function(*arguments)
            live.append(1)
            weakref.finalize(found, live.pop)
            most[0] = max(most[0], len(live))
            return found

        return call

    for name in ("triangle_of_columns", "stacked"):
        found = getattr(descend.trust.complete, name)
        monkeypatch.setattr(descend.trust.complete, name, watched(found))
    residual, jacobian = fit._evidence.completion.reduced()
    assert jacobian.shape == (4, 3)
    assert 6 <= most[0] <= 10  # of 128
    del residual, jacobian
    gc.collect()
    assert not live
