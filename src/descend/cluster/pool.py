"""The workers of a Dask cluster: who they are, what they have in common, and work for them.

A task that is lost with its worker is done again by another one, as Dask sees to; a task that ends
worker after worker, and a cluster without workers, end in words.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from distributed import CancelledError, KilledWorker, fire_and_forget
from distributed.comm import CommClosedError

from descend.cluster.tasks import About, Done, Package, about, let_go, stranded
from descend.compile.native import Aim, aimed
from descend.errors import DataError, DescendError, UsageError

__all__ = ["FIRST", "TASK", "Pool", "at_work"]

LOOK = 0.1  # seconds between two looks at the clock, Ctrl-C and the bar
LOST = 2.0  # seconds in which a result comes, unless its worker has died; then twice as many
DOUBLED = 4  # times at most
COUNTED = 2.0  # seconds between two looks at who is there
PATIENCE = 60.0  # seconds for which a cluster may be without workers
TASK = 1.0  # seconds that a task should take
AT_ONCE = 3  # tasks of each thread that are handed over
MOST_STRANDED = 3  # times that a task is handed over anew, as Dask does by itself
FIRST = 16  # blocks of a task whose speed is not known yet
NAMES = {"numpy": "NumPy", "scipy": "SciPy"}
SAME = "install the same versions on all machines"


class Pool:
    """The workers of a client, all of the same versions.

    Attributes:
        client: of Dask's.
        members: by their addresses, who they are. aim: a processor that all have in common.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.members: dict[str, About] = {}
        self._kept: dict[str, None] = {}  # by what workers keep something
        self._sent: set[tuple[str, str]] = set()  # packages, each with the worker it was sent to
        self._closed = False
        self.own = about()
        self.look()
        self.aim = common_aim([self.own, *self.members.values()])

    def look(self) -> dict[str, int]:
        """How many threads each worker has; those that are new are asked who they are."""
        threads: dict[str, int] = self._threads()
        new = [address for address in threads if address not in self.members]
        for address, told in self.asked(about, new).items():
            self.members[address] = _checked(address, told, self.own)
        return threads

    def asked(self, function: Callable[..., Any], workers: Sequence[str], *args: Any) -> Any:
        """What a function gives or raises on each of some workers that have not died meanwhile."""
        if not workers:
            return {}
        told = self.client.run(function, *args, workers=[*workers], on_error="return")
        return {a: found for a, found in told.items() if not _is_gone(found)}

    def _submit(
        self, function: Callable[..., Any], args: Sequence[Any], mark: str, **how: Any
    ) -> Any:
        key = f"descend-{function.__name__}-{mark}"
        return self.client.submit(function, *args, key=key, pure=False, **how)

    def _cancel(self, futures: Sequence[Any]) -> None:
        if futures:
            with suppress(Exception):  # what has gone wrong is told already
                self.client.cancel([*futures], force=True)

    def _threads(self) -> dict[str, int]:
        begin = time.monotonic()
        while True:
            self._check_there()
            found: dict[str, int] = dict(self.client.nthreads())
            if found:
                return found
            if time.monotonic() - begin > PATIENCE:
                raise _nobody(self.client)
            time.sleep(LOOK)

    def _check_there(self) -> None:
        if self.client.status not in ("running", "connecting"):
            raise UsageError(
                f"the client given as on= is {self.client.status}", remedy="give one that runs"
            )

    def keep(self, name: str) -> None:
        """Have workers keep what goes by a name, until `close`."""
        self._kept[name] = None

    def close(self) -> None:
        """Have all let go; what is asked for later is let go after its tasks."""
        self._closed = True
        names, self._kept = [*self._kept], {}
        self._sent.clear()
        with suppress(Exception):  # a cluster that is gone has let it go
            if names and self.client.status == "running":
                mark = uuid.uuid4().hex
                for i, address in enumerate(self._threads()):
                    how = {"workers": [address], "allow_other_workers": True}
                    fire_and_forget(self._submit(let_go, (names,), f"{mark}-{i}", **how))

    def each(
        self, function: Callable[..., Done], key: str, package: Package | None,
        tasks: Sequence[tuple[Any, ...]], taken: Callable[[int, Done | None], bool | None],
    ) -> bool:  # fmt: skip
        """Have a function called on the workers with each of these arguments.

        Args:
            key, package: what all tasks have in common; each worker is sent it once.
            taken: is given each result with the task's number, as they come; from time to time it
                is called with -1. Where it returns True, the rest is cancelled.

        Returns:
            whether all was done.
        """
        seats = _seats(self.look())
        mark, ready = uuid.uuid4().hex, SimpleQueue[tuple[int, str]]()
        futures: dict[int, Any] = {}
        again = itertools.count()
        self.keep(key)

        def submit(number: int, send: bool = False) -> None:
            seat = seats[number * len(seats) // len(tasks)]
            send = send or (key, seat) not in self._sent
            self._sent.add((key, seat))
            futures[number] = future = self._submit(
                function, (key, package if send else None, *tasks[number]),
                f"{mark}-{number}-{next(again)}", workers=[seat], allow_other_workers=True,
            )  # fmt: skip
            future.add_done_callback(_telling(ready, number))

        # Of each worker's own tasks some at a time: those of one worker follow one another.
        turns = sorted(range(len(tasks)), key=lambda i: (i * len(seats) % len(tasks), i))
        waiting = deque(turns)
        try:
            while waiting and len(futures) < AT_ONCE * len(seats):
                submit(waiting.popleft())
            return self._gathered(futures, ready, taken, waiting, submit, seats)
        finally:
            self._cancel([*futures.values()])
            if self._closed:
                self.close()

    def _gathered(
        self, futures: dict[int, Any], ready: SimpleQueue[tuple[int, str]],
        taken: Callable[[int, Done | None], bool | None], waiting: deque[int],
        submit: Callable[..., None], seats: list[str],
    ) -> bool:  # fmt: skip
        counted, left, lost = time.monotonic(), Counter[int](), Counter[str]()
        while futures:
            try:
                number, key = ready.get(timeout=LOOK)
            except Empty:
                if taken(-1, None):
                    return False
                if time.monotonic() - counted > COUNTED:
                    self._look_after(futures, left, submit, seats)
                    counted = time.monotonic()
                continue
            if number not in futures or futures[number].key != key:
                continue  # of a task that was handed over anew
            found: Done | None = self._result(futures[number], LOST * 2 ** min(lost[key], DOUBLED))
            if found is None:  # its worker has died since, with what it had come to
                lost[key] += 1
                self._look_after(futures, left, submit, seats)
                if number in futures and futures[number].key == key:
                    futures[number].add_done_callback(_telling(ready, number))
                continue
            futures.pop(number)
            if found.absent:  # the worker has begun since, or took over another's task
                submit(number, send=True)
                continue
            if waiting:
                submit(waiting.popleft())
            if taken(number, found):
                return False
        return True

    def _look_after(
        self, futures: dict[int, Any], left: Counter[int], submit: Callable[..., None],
        seats: list[str],
    ) -> None:  # fmt: skip
        """See who is there, and hand over anew what waits for workers that are not."""
        seats[:] = _seats(self._threads())
        for number in self._stranded(futures):
            left[number] += 1
            if left[number] > MOST_STRANDED:
                raise _deadly(left[number], "all that there were") from None
            self._cancel([futures.pop(number)])
            submit(number)

    def _stranded(self, futures: Mapping[int, Any]) -> list[int]:
        """Tasks that Dask leaves lying: the workers of all of them have died at the same time, and
        it does not look for others when these come."""
        keys = {future.key: number for number, future in futures.items()}
        found = self.client.run_on_scheduler(stranded, [*keys])
        return [keys[key] for key in found]

    def _result(self, future: Any, seconds: float) -> Any:
        """What a task has come to, or has raised; None where it is lost and made anew."""
        try:
            return future.result(timeout=seconds)
        except TimeoutError as error:
            if future.status != "error":
                return None
            raise DataError(
                f"a task has failed on its worker: {error}",
                remedy="see whether the workers reach the files, and begin anew",
            ) from None
        except KilledWorker as error:
            raise _deadly(error.allowed_failures + 1, error.last_worker.address) from None
        except CancelledError:
            self._check_there()
            raise UsageError(
                "the tasks of the fit were cancelled", remedy="leave them alone while it runs"
            ) from None
        except RuntimeError as error:
            if "deserialization of the task graph" not in str(error):
                raise
            raise UsageError(
                f"the scheduler at {self.client.scheduler.address} cannot read the tasks of the "
                "fit: it has no descend, or another one", remedy=SAME,
            ) from None  # fmt: skip
        except DescendError as error:
            raise error from None


@contextmanager
def at_work(client: Any) -> Iterator[Pool]:
    """The workers of a client; code is made for the processor that all of them have in common.

    Raises:
        UsageError: it is no client of Dask's, or its workers have other versions.
    """
    if not all(hasattr(client, name) for name in ("submit", "run", "nthreads")):
        raise UsageError(
            f"on={client!r} is no client of Dask's",
            remedy="give one: on=distributed.Client(…)",
        )
    if client.asynchronous:
        raise UsageError(
            "the client given as on= is asynchronous", remedy="give distributed.Client(…) as it is"
        )
    pool = Pool(client)
    with aimed(pool.aim):
        try:
            yield pool
        finally:
            pool.close()


def _seats(threads: Mapping[str, int]) -> list[str]:
    """The address of a worker for each of its threads."""
    return [address for address, count in threads.items() for _ in range(count)]


def _telling(ready: SimpleQueue[tuple[int, str]], number: int) -> Callable[[Any], None]:
    """What tells that a future is done: by its task's number, and its key."""
    return lambda done: ready.put((number, done.key))


def _deadly(times: int, last: str) -> DataError:
    return DataError(
        f"a task has ended the worker that it ran on {times} times, at last {last}",
        remedy="look into the logs of that worker: often it has not memory enough for one "
        "task on each of its threads",
    )


def _is_gone(found: Any) -> bool:
    """Whether that is raised where a worker has died while it was spoken to."""
    return isinstance(found, ConnectionError | TimeoutError | CommClosedError) or (
        type(found) is OSError
    )


def _nobody(client: Any) -> UsageError:
    return UsageError(
        f"the cluster at {client.scheduler.address} has had no worker for {PATIENCE:.0f} s",
        remedy="start one: dask worker ADDRESS",
    )


def _checked(address: str, told: Any, own: About) -> About:
    """Who a worker is, if it may take part."""
    if not isinstance(told, About):  # Dask hands on what it could not even read as any Exception
        raise UsageError(
            f"the worker {address} has no descend that can be used: {told}", remedy=SAME
        )
    for name, version in own.versions.items():
        other = told.versions.get(name, "none")
        if other != version:
            called = NAMES.get(name, name)
            raise UsageError(
                f"the worker {address} on {told.host} has {called} {other}, and this process has "
                f"{version}", remedy=SAME,
            )  # fmt: skip
    if told.triple != own.triple:
        raise UsageError(
            f"the worker {address} on {told.host} is {told.triple}, and this process {own.triple}: "
            "one object code cannot serve both",
            remedy="start the fit from a machine like those of the workers",
        )
    return told


def common_aim(members: Sequence[About]) -> Aim | None:
    """A processor that can do what all can; None where they are the same."""
    first = members[0]
    if all(m.cpu == first.cpu and m.features == first.features for m in members):
        return None
    same = all(m.cpu == first.cpu for m in members)
    known = dict.fromkeys(itertools.chain.from_iterable(m.features for m in members))
    can = {name: all(m.features.get(name, False) for m in members) for name in known}
    arch = first.triple.partition("-")[0]
    cpu = first.cpu if same else {"x86_64": "x86-64"}.get(arch, "generic")
    return Aim(cpu, ",".join(("+" if on else "-") + name for name, on in can.items()))
