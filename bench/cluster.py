"""Fits on the workers of a cluster: what they cost, and that killed workers change no bit.

usage: python bench/cluster.py [--rows 20000000] [--folder DIR]
       python bench/cluster.py --kills 20

Workers are processes of this machine, of one thread each. One process with one thread and two
workers are measured on a model that takes several times longer to compute than to read, beside one
process with two threads; on more workers than there are cores tasks sleep instead of computing,
which is said. The model of the cost is fitted to these.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value

import numpy as np  # noqa: E402
from streams import FORMULA, make  # noqa: E402

START = {"a": 1.0, "b": 1.0, "c": 0.0}
PEAKS = 16
HEAVY = "y = c + " + " + ".join(f"a{i}*exp(-((x - {i / 4})/w{i})**2)" for i in range(PEAKS))
BEGIN = {"c": 0.0} | {f"a{i}": 1.0 for i in range(PEAKS)} | {f"w{i}": 0.3 for i in range(PEAKS)}
EPOCHS = 4
TIMES = 2
ONE, THREADS, BOTH = "one process", "two threads", "two at a time"
WORKERS_OF = {"1 worker": (1, True), "2 workers": (2, True), "2, no profiler": (2, False)}
"""By name: how many, and whether Dask's profiler runs in them."""
AIM = 1.6  # times one process, of two workers with tasks of a second
MACHINES = 100
WORKERS = 4  # of whom some are killed
ROWS_OF_KILLS = 2_000_000


def cluster_of(count: int, profiled: bool = True) -> Any:
    """So many workers of one thread, each a process, perhaps without Dask's profiler in them."""
    import dask
    from distributed import LocalCluster

    with dask.config.set({"distributed.worker.profile.enabled": profiled}):
        return LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0",
            silence_logs=50,
        )  # fmt: skip


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# --- workers that die


def alive(cluster: Any) -> list[int]:
    """The processes of the workers that take part."""
    nannies = [w for w in cluster.workers.values() if w.process and w.process.pid]
    return [n.process.pid for n in nannies if n.worker_address in cluster.scheduler.workers]


def kills(path: str, wanted: int) -> int:
    """Fits while workers are killed at random moments; returns how many had other bits."""
    from distributed import Client

    import descend

    def fit(**how: Any) -> Any:
        return descend.fit(FORMULA, path, start=START, **how)

    one = fit(stream=True)
    done, other, number = 0, 0, 0
    draw = random.Random(7)
    while done < wanted:
        with cluster_of(WORKERS) as cluster, Client(cluster) as client:
            fit(on=client)
            whole = timed(lambda: fit(on=client))
            while done < wanted and len(alive(cluster)) == WORKERS:
                stop, killed = threading.Event(), [0]

                def kill(stop: Any = stop, killed: Any = killed, whole: float = whole) -> None:
                    while not stop.wait(draw.uniform(0.1, 1.0) * whole):
                        there = alive(cluster)
                        if len(there) > 1:
                            os.kill(draw.choice(there), signal.SIGKILL)
                            killed[0] += 1

                thread = threading.Thread(target=kill)
                thread.start()
                begin = time.perf_counter()
                try:
                    found = fit(on=client)
                    same = found.params == one.params and dict(found.stderr) == dict(one.stderr)
                    told = "the same bits" if same else "OTHER BITS"
                    other += not same
                except descend.DescendError as error:
                    told = f"ended in words: {error}"
                finally:
                    stop.set()
                    thread.join()
                done, number = done + killed[0], number + 1
                seconds = time.perf_counter() - begin
                print(f"fit {number}: {killed[0]} killed, {seconds:.1f} s, {told}", flush=True)
                time.sleep(whole)  # workers begin again
    print(f"{done} workers killed in {number} fits; {other} with other bits")
    return other


# --- what it costs


def alone(path: str) -> None:
    """The same fit in a process of its own."""
    import descend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        descend.fit(HEAVY, path, start=BEGIN, epochs=EPOCHS, stream=True, threads=1)


def two_alone(path: str) -> float:
    """Seconds of two processes that do a whole fit each at the same time, and know of no cluster:
    two cores of a machine that share what computes or memory are no two machines."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool:
        return min(timed(lambda: [*pool.map(alone, [path] * 2)]) for _ in range(TIMES))


def speed(path: str) -> dict[str, float]:
    """Seconds of a descent in one process, and on one and two workers: the best of `TIMES`."""
    from distributed import Client

    import descend

    def fit(**how: Any) -> Any:
        return descend.fit(HEAVY, path, start=BEGIN, epochs=EPOCHS, **how)

    def best(**how: Any) -> float:
        return min(timed(lambda: made.append(fit(**how))) for _ in range(TIMES))

    fit(stream=True)
    made: list[Any] = []
    found = {ONE: best(stream=True, threads=1), THREADS: best(stream=True, threads=2)}
    for name, (count, profiled) in WORKERS_OF.items():
        with cluster_of(count, profiled) as cluster, Client(cluster) as client:
            found[name] = best(on=client)
    # The machine may have been slower before.
    found[ONE] = min(found[ONE], best(stream=True, threads=1))
    found[THREADS] = min(found[THREADS], best(stream=True, threads=2))
    found[BOTH] = two_alone(path)
    same = all(fit.params == made[0].params for fit in made)
    print("the same bits" if same else "OTHER BITS")
    return found


def overheads() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(measurements, 3) seconds of work by the workers, tasks, bytes; and the seconds of each."""
    from distributed import Client

    from descend.cluster.pool import Pool
    from descend.cluster.tasks import Done

    def work(_key: str, _sent: None, seconds: float, given: Any) -> Any:
        time.sleep(seconds)
        return Done(seconds, given)

    rows, took = [], []
    for count in (1, 2, 4, 8):
        with cluster_of(count) as cluster, Client(cluster) as client:
            pool = Pool(client)
            for each, seconds, size in ((8, 0.2, 8), (2, 1.0, 8), (40, 0.02, 8), (4, 0.0, 4 << 20)):
                given = np.zeros(size, np.uint8)
                tasks = [(seconds, given)] * (each * count)

                def go(tasks: Any = tasks, pool: Any = pool) -> None:
                    pool.each(work, "sleep", None, tasks, lambda _number, _done: None)

                go()
                rows.append([each * seconds, each * count, 2.0 * size * each * count])
                took.append(timed(go))
    return np.array(rows), np.array(took)


def model() -> dict[str, float]:
    """seconds = work/workers + overhead·tasks + bytes/bandwidth + start, by least squares ≥ 0."""
    from scipy.optimize import nnls

    rows, took = overheads()
    matrix = np.column_stack([rows[:, 1:], np.ones(len(rows))])
    scale = 1 / took  # relative errors
    found, _ = nnls(matrix * scale[:, None], (took - rows[:, 0]) * scale)
    off = (rows[:, 0] + matrix @ found) / took - 1
    return {
        "overhead": float(found[0]), "bandwidth": 1 / float(max(found[1], 1e-12)),
        "pass": float(found[2]), "worst": float(np.abs(off).max()),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--folder")
    parser.add_argument("--kills", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = str(Path(folder) / "rows.parquet")
        make(path, ROWS_OF_KILLS if given.kills else given.rows)
        if given.kills:
            return int(kills(path, given.kills) > 0)
        found = speed(path)
    for name, seconds in found.items():
        times = found[ONE] / seconds * (2 if name == BOTH else 1)
        print(f"{name:14} {seconds:6.2f} s  {times:5.2f} times one process")
    cost = model()
    print(
        f"overhead {1e3 * cost['overhead']:.2f} ms a task, {cost['bandwidth'] / 1e6:.0f} MB/s, "
        f"{1e3 * cost['pass']:.1f} ms a pass; the model is off by {cost['worst']:.0%} at most"
    )
    for seconds in (1.0, 10.0):
        whole = seconds + cost["overhead"] * MACHINES + cost["pass"]
        print(
            f"{MACHINES} machines, a task of {seconds:.0f} s each a pass: {whole:.2f} s a pass, "
            f"{MACHINES * seconds / whole:.0f} times one machine"
        )
    two = found[ONE] / min(found["2 workers"], found["2, no profiler"])
    most = 2 * found[ONE] / found[BOTH]
    print(
        f"two workers: {two:.2f} times one process, the aim is {AIM}; two processes that do a fit "
        f"each come to {most:.2f} on this machine, and two threads of one to "
        f"{found[ONE] / found[THREADS]:.2f}"
    )
    return int(two < AIM)


if __name__ == "__main__":
    sys.exit(main())
