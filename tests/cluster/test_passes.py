"""Passes on the workers of a cluster: the bits of one process, whoever works and whoever dies."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from distributed import Client, LocalCluster

import descend
import descend.run.passes
import descend.trust.over_rows
from cluster.workers import cluster_of
from descend import DataError, UsageError
from descend.cluster.pool import common_aim
from descend.cluster.tasks import about
from descend.compile.native import Aim, aimed, architecture
from descend.graph.blocks import BLOCK
from whole import WHOLE, whole_alone

N = 4 * BLOCK + 777
START = {"a": 1.0, "b": 1.0, "c": 0.5}
FORMULA = "y = a*exp(-b*x) + c"
COUNTS = "k = exp(a - b*x) + c"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(5)
    x, s = rng.uniform(0, 4, N), rng.uniform(0.05, 0.2, N)
    y = 3 * np.exp(-0.7 * x) + 0.5 + s * rng.normal(size=N)
    columns = {
        "x": x, "y": y, "s": s, "w": rng.integers(0, 3, N).astype(float),
        "k": rng.poisson(np.exp(1 - 0.7 * x) + 0.5).astype(float),
    }  # fmt: skip
    path = str(tmp_path_factory.mktemp("cluster") / "rows.parquet")
    with duckdb.connect() as link:
        link.register("t", columns)
        link.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 30000)")
    return path


def fitted(path: Any, formula: str = FORMULA, **options: Any) -> descend.Fit:
    return descend.fit(formula, path, **{"start": START, **options})


def same(one: descend.Fit, other: descend.Fit) -> None:
    """All that is told of two fits, to the last bit."""
    for name in ("params", "stderr", "status", "message", "n_rows", "chi2", "r2", "metrics",
                 "deviance", "loss"):  # fmt: skip
        assert repr(getattr(one, name)) == repr(getattr(other, name)), name
    np.testing.assert_array_equal(one.history["loss"], other.history["loss"])


OPTIONS: list[dict[str, Any]] = [
    {}, {"sample_weight": "w", "loss": "huber(0.1)"}, {"optimizer": "bfgs", "sigma": "s"},
    {"formula": COUNTS, "loss": "poisson"},
    {"optimizer": "lbfgs", "penalty": "l2(0.1)"}, {"bounds": {"b": (0.9, None)}},
    {"optimizer": "adam", "lr": 0.05, "epochs": 3}, {"sigma": "s"}, {"loss": "cauchy(0.1)"},
    {"start": None},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS if WHOLE else OPTIONS[:2], ids=str)
@pytest.mark.filterwarnings("ignore:not converged after 3")
def test_workers_give_the_bits_of_one_process(
    file: str, client: Client, options: dict[str, Any]
) -> None:
    same(fitted(file, **options, on=client), fitted(file, **options, stream=True))


@pytest.mark.parametrize("options", [{}, {"loss": "huber(0.1)"}], ids=str)
def test_compiled_triangles_are_those_of_numpy(
    file: str, client: Client, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Of many numbers alone; here of few as well, whose errors and verdict go by them."""
    bounds = {"b": (0.9, None)}  # lets the normal equations not do
    with duckdb.connect() as link:
        table = link.execute(f"SELECT x, y FROM '{file}'").fetchnumpy()
    wanted = {**fitted(file, bounds=bounds, stream=True, **options).stderr}
    made: list[Any] = []

    def watched(*args: Any) -> Any:
        made.append(args)
        return compile_graph(*args)

    compile_graph = descend.run.passes.compile_graph
    monkeypatch.setattr(descend.run.passes, "compile_graph", watched)
    monkeypatch.setattr(descend.trust.over_rows, "MANY", 0)
    own = fitted(file, bounds=bounds, stream=True, **options)
    assert own.stderr == pytest.approx(wanted, rel=1e-9, nan_ok=True) and made
    same(fitted(file, bounds=bounds, on=client, **options), own)
    held = fitted(table, bounds=bounds, **options)
    assert repr((held.params, held.stderr)) == repr((own.params, own.stderr))


@whole_alone
def test_a_pattern_of_files(file: str, client: Client, tmp_path: Path) -> None:
    with duckdb.connect() as link:
        for part, (low, high) in enumerate([(0, 2), (2, 4)]):
            rows = f"(SELECT * FROM '{file}' WHERE x >= {low} AND x < {high})"
            link.execute(f"COPY {rows} TO '{tmp_path}/part{part}.parquet' (FORMAT parquet)")
    pattern = str(tmp_path / "part*.parquet")
    same(fitted(pattern, on=client), fitted(pattern, stream=True))


@whole_alone
def test_a_method_whose_step_is_compiled_apart(file: str, client: Client) -> None:
    formula = "y = c + " + " + ".join(f"a{i}*exp(-((x - {i})/b{i})**2)" for i in range(5))
    start = {"c": 0.0} | {f"{n}{i}": 1.0 for n in "ab" for i in range(5)}
    how: dict[str, Any] = {"formula": formula, "start": start, "epochs": 4}
    with pytest.warns(descend.DescendWarning, match="not converged"):
        same(fitted(file, on=client, **how), fitted(file, stream=True, **how))


def test_the_order_in_which_tasks_end_makes_no_difference(file: str, client: Client) -> None:
    def slowly(seed: int = 3) -> None:
        from descend.cluster import tasks

        plain, draw = tasks._again, random.Random(seed + os.getpid())

        def delayed(work: Callable[[], Any]) -> Any:
            time.sleep(draw.random() * 0.1)
            return plain(work)

        tasks._again = delayed  # type: ignore[assignment]

    client.run(slowly)
    same(fitted(file, on=client), fitted(file, stream=True))


def pids(cluster: LocalCluster) -> list[int]:
    nannies = [w for w in cluster.workers.values() if w.process and w.process.pid]
    return [n.process.pid for n in nannies if n.worker_address in cluster.scheduler.workers]


def killing(cluster: LocalCluster, moments: list[float]) -> Callable[[], None]:
    """Kill a worker after so many seconds each; what is returned waits for the end."""
    draw = random.Random(1)

    def work() -> None:
        for pause in moments:
            time.sleep(pause)
            while not (there := pids(cluster)):  # one that is just beginning would not come back
                time.sleep(0.01)
            os.kill(draw.choice(there), signal.SIGKILL)

    thread = threading.Thread(target=work)
    thread.start()
    return thread.join


def test_workers_that_die_cost_their_blocks_alone(
    file: str, client: Client, cluster: LocalCluster
) -> None:
    one = fitted(file, stream=True)
    ended = killing(cluster, [0.1, 0.5])
    same(fitted(file, on=client), one)
    ended()
    client.wait_for_workers(2)


def test_workers_that_die_all_at_once_are_waited_for(
    file: str, client: Client, cluster: LocalCluster
) -> None:
    def slowly() -> None:
        from descend.cluster import tasks

        plain = tasks._again
        tasks._again = lambda work: (time.sleep(0.3), plain(work))[1]  # type: ignore[assignment]

    def work() -> None:
        while not any(client.processing().values()):
            time.sleep(0.01)
        for pid in pids(cluster):
            os.kill(pid, signal.SIGKILL)

    client.wait_for_workers(2)
    client.run(slowly)
    thread = threading.Thread(target=work)
    thread.start()
    same(fitted(file, on=client), fitted(file, stream=True))
    thread.join()
    client.wait_for_workers(2)


def test_a_task_that_ends_its_workers_ends_in_words(
    file: str, client: Client, cluster: LocalCluster
) -> None:
    def deadly() -> None:
        from descend.cluster import tasks

        tasks._again = lambda _: os.kill(os.getpid(), 9)  # type: ignore[assignment]

    client.wait_for_workers(2)
    client.run(deadly)
    before, cluster.scheduler.allowed_failures = cluster.scheduler.allowed_failures, 0
    try:
        with pytest.raises(DataError, match=r"a task has ended the worker that it ran on 1 times"):
            fitted(file, on=client)
    finally:
        cluster.scheduler.allowed_failures = before
        client.wait_for_workers(2)


def test_a_time_out_of_a_tasks_own_is_told(file: str, client: Client) -> None:
    def silent() -> None:
        from descend.cluster import tasks

        def again(_: Any) -> Any:
            raise TimeoutError("the disk does not answer")

        tasks._again = again

    client.run(silent)
    told = r"a task has failed on its worker: the disk does not answer\n  do: see whether"
    with pytest.raises(DataError, match=told):
        fitted(file, on=client)


def test_a_cluster_without_workers_ends_in_words(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("descend.cluster.pool.PATIENCE", 0.3)
    told = pytest.raises(UsageError, match=r"has had no worker for 0 s\n  do: start one")
    with cluster_of(0) as none, Client(none) as client, told:
        fitted(file, on=client)


def test_ctrl_c_keeps_what_was_reached_and_cancels_the_tasks(file: str, client: Client) -> None:
    def slowly() -> None:
        from descend.cluster import tasks

        plain = tasks._again
        tasks._again = lambda work: (time.sleep(0.2), plain(work))[1]  # type: ignore[assignment]

    seen: list[int] = []

    class Meter:
        each_epoch = False

        def start(self, total: int | None, unit: str = "epoch") -> None: ...
        def close(self, message: str = "") -> None: ...
        def update(self, epoch: int, loss: float, rows: int) -> None:
            seen.append(rows)
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    client.run(slowly)
    found = fitted(file, on=client, progress=Meter())
    assert found.status == "interrupted" and found.epochs == 2
    assert seen == sorted(seen) and max(seen) >= 2 * N
    assert not [key for keys in client.processing().values() for key in keys]


def test_time_that_is_spent_ends_a_pass(file: str, client: Client) -> None:
    def slowly() -> None:
        from descend.cluster import tasks

        tasks._again = lambda work: (time.sleep(0.3), tasks.Done(0.3, work()))[1]  # type: ignore[assignment]

    client.run(slowly)
    with pytest.warns(descend.DescendWarning, match="after 0 iterations: the time allowed"):
        assert fitted(file, on=client, max_seconds=0.2).params == START


def test_more_passes_can_be_asked_for_when_the_client_is_gone(
    file: str, cluster: LocalCluster
) -> None:
    with Client(cluster) as client:
        found = fitted(file, on=client)
    same(found, fitted(file, stream=True))


# --- what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 100, "optimizer": "adam", "lr": 0.1}, "leave out batch_size for steps on"),
        ({"missing": "drop"}, 'missing="drop" numbers the rows anew'),
        ({"stream": False}, "stream=False holds the rows in this process"),
        ({"engine": "interpreted"}, "workers run compiled programs alone"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(
    file: str, client: Client, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fitted(file, on=client, **options)


def blocks() -> Iterator[dict[str, np.ndarray]]:
    yield {"x": np.arange(1e5), "y": np.arange(1e5)}


def test_sources_that_one_process_can_read_are_refused(
    file: str, client: Client, tmp_path: Path
) -> None:
    text = tmp_path / "rows.csv"
    text.write_text("x,y\n" + "1,2\n" * 10, encoding="utf-8")
    sources = (blocks, blocks(), duckdb.sql(f"SELECT * FROM '{file}'"), str(text))
    for source in sources:
        with pytest.raises(UsageError, match=r"(?s)can be read in this process alone.*Parquet"):
            fitted(source, on=client)
    with pytest.raises(UsageError, match="on belongs to rows that come from a source"):
        fitted({"x": np.arange(9.0), "y": np.arange(9.0)}, on=client)


def test_a_function_of_the_users_own_does_not_travel(file: str, client: Client) -> None:
    box = descend.black_box(lambda x: np.sin(x), elementwise=True)
    with pytest.raises(UsageError, match="workers run compiled programs alone"):
        descend.fit(lambda x, a: a * box(x), file, "y", start={"a": 1.0}, on=client)


def test_one_block_is_fitted_here(client: Client, tmp_path: Path) -> None:
    path = str(tmp_path / "few.parquet")
    with duckdb.connect() as link:
        link.execute(f"COPY (SELECT i AS x, 2*i AS y FROM range(9) t(i)) TO '{path}'")
    with pytest.warns(descend.DescendWarning, match="has 9 rows, no more than one block"):
        found = descend.fit("y = a*x", path, on=client)
    assert found.params["a"] == pytest.approx(2)


def test_the_report_names_the_workers(file: str, client: Client) -> None:
    told = " ".join(fitted(file, on=client).report().split())
    assert f"by 2 workers on 1 machines, of the cluster at {client.scheduler.address}" in told


def test_what_is_no_client_is_refused(file: str) -> None:
    with pytest.raises(UsageError, match="on='tcp://here' is no client of Dask's"):
        fitted(file, on="tcp://here")


def test_rows_that_cannot_be_used_are_told_as_without_workers(
    file: str, client: Client, tmp_path: Path
) -> None:
    path = str(tmp_path / "holes.parquet")
    with duckdb.connect() as link:
        link.execute(
            f"COPY (SELECT CASE WHEN file_row_number % 100000 = 70000 THEN NULL ELSE x END AS x, y "
            f"FROM read_parquet('{file}', file_row_number=true)) TO '{path}' (FORMAT parquet)"
        )
    told = []
    for how in ({"on": client}, {"stream": True}):
        with pytest.raises(DataError, match=r"missing \(NaN\) in rows 70000, 170000 ") as caught:
            fitted(path, **how)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_a_file_that_changes_is_told(file: str, client: Client, tmp_path: Path) -> None:
    path = str(tmp_path / "rows.parquet")
    with duckdb.connect() as link:
        link.execute(f"COPY (SELECT * FROM '{file}') TO '{path}' (FORMAT parquet)")

        def change(moment: Any) -> None:
            link.execute(f"COPY (SELECT x+1 AS x, y FROM '{file}') TO '{path}' (FORMAT parquet)")

        with pytest.raises(DataError, match=r"has changed|is another file"):
            fitted(path, on=client, callback=change)


def replaced(client: Client, worker: str, name: str, make: Callable[[], Any]) -> None:
    """Have a function of `cluster.tasks` give something else on one worker."""

    def patch() -> None:
        from descend.cluster import tasks

        setattr(tasks, name, lambda *_: make())

    client.run(patch, workers=[worker])


def test_a_worker_that_does_not_see_the_file_is_named(file: str, client: Client) -> None:
    blind = next(iter(client.nthreads()))
    replaced(client, blind, "files_of", lambda: ())
    with pytest.raises(DataError, match=f"not there, for the workers {blind} on .*\n  do: put it"):
        fitted(file, on=client)


def test_other_versions_are_named(file: str, client: Client) -> None:
    odd = next(iter(client.nthreads()))

    def other() -> Any:
        from descend.cluster.tasks import About
        from descend.compile.native import host

        return About("elsewhere", {"descend": "0", "Python": "3.99"}, *host())

    replaced(client, odd, "about", other)
    with pytest.raises(UsageError, match=f"the worker {odd} on elsewhere has descend 0, and this"):
        fitted(file, on=client)


def test_a_worker_without_descend_is_named(file: str, client: Client) -> None:
    bare = next(iter(client.nthreads()))

    def absent() -> Any:
        raise ModuleNotFoundError("No module named 'descend'")

    replaced(client, bare, "about", absent)
    with pytest.raises(UsageError, match=f"the worker {bare} has no descend that can be used"):
        fitted(file, on=client)


# --- processors


def test_the_common_processor_can_do_what_all_can() -> None:
    own = about()
    assert common_aim([own, own]) is None
    less = own._replace(features={**own.features, "avx512f": False, "sse2": True}, cpu="older")
    more = own._replace(features={"avx512f": True, "sse2": True, "aes": True}, cpu="newer")
    found = common_aim([more, less])
    assert found is not None and found.cpu in ("x86-64", "generic")
    assert {"-avx512f", "+sse2", "-aes"} & {*found.features.split(",")} >= {"-avx512f", "+sse2"}


@pytest.mark.skipif(architecture() != "x86_64", reason="the features are those of x86-64")
def test_all_run_the_code_of_the_common_processor(
    file: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing_by_numpy() -> None:
        from descend.cluster import tasks

        def values(*_: Any) -> Any:
            raise AssertionError("NumPy's digits are those of its processor")

        tasks.values = values

    client.run(nothing_by_numpy)
    old = Aim("x86-64", "+sse2,-avx,-avx2,-fma,-avx512f")
    monkeypatch.setattr("descend.cluster.pool.common_aim", lambda _: old)
    found = fitted(file, on=client)
    with aimed(old):
        same(found, fitted(file, stream=True))
    newer = fitted(file, stream=True)
    assert found.params == pytest.approx(newer.params, rel=1e-9)


# --- the long way


@whole_alone
@pytest.mark.parametrize("count", [1, 8])
def test_any_number_of_workers(file: str, count: int) -> None:
    with cluster_of(count) as cluster, Client(cluster) as client:
        for options in OPTIONS[:4]:
            same(fitted(file, **options, on=client), fitted(file, **options, stream=True))
