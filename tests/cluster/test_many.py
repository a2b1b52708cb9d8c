"""Many fits on the workers of a cluster: the bits of one process."""

from typing import Any

import numpy as np
import pytest
from distributed import Client

import descend
from descend import UsageError

FITS, POINTS = 1500, 40


def model(x: Any, a: Any, b: Any, c: Any) -> Any:
    return a * np.exp(-b * x) + c


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = np.linspace(0, 4, POINTS)
    a, b = rng.uniform(1, 5, (FITS, 1)), rng.uniform(0.3, 2, (FITS, 1))
    y = model(x, a, b, 0.5) + 0.1 * rng.normal(size=(FITS, POINTS))
    y[5], y[700], y[900] = np.nan, rng.normal(size=POINTS), 0
    return x, y


@pytest.fixture(autouse=True)
def many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all fits go to the workers, in tasks of some."""
    monkeypatch.setattr("descend.cluster.many.MEASURED", 0.0)
    monkeypatch.setattr("descend.cluster.many.FIRST", 3)
    monkeypatch.setattr("descend.cluster.many.LARGEST", 200_000)


def same(one: Any, other: Any) -> None:
    for name in one.params:
        np.testing.assert_array_equal(one.params[name], other.params[name])
        np.testing.assert_array_equal(one.stderr[name], other.stderr[name])
    for name in ("status", "chi2", "loss", "iterations"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    "options",
    [
        {"start": {"a": 1.0, "b": 1.0, "c": 0.0}},
        {"start": {"a": 1.0, "b": 1.0, "c": 0.0}, "loss": "huber(0.1)", "sigma": 0.1},
    ],
    ids=str,
)  # fmt: skip
def test_workers_give_the_bits_of_one_process(
    data: Any, client: Client, options: dict[str, Any]
) -> None:
    x, y = data
    found = descend.fit_many(model, x, y, **options, on=client)
    same(found, descend.fit_many(model, x, y, **options))
    assert len(found) == FITS


def test_fits_of_unequal_lengths(data: Any, client: Client) -> None:
    x, y = data
    sets = [(x[: 20 + i % 20], y[i, : 20 + i % 20]) for i in range(10, 600)]
    start = {"a": np.linspace(1, 2, len(sets)), "b": 1.0, "c": 0.0}
    same(*(descend.fit_many(model, sets, start=start, **how) for how in ({}, {"on": client})))


def test_progress_counts_the_fits_of_all_workers(data: Any, client: Client) -> None:
    seen: list[int] = []

    class Meter:
        each_epoch = False

        def start(self, total: int | None, unit: str = "epoch") -> None:
            assert (total, unit) == (FITS, "fit")

        def update(self, epoch: int, loss: float, rows: int) -> None:
            seen.append(epoch)

        def close(self, message: str = "") -> None: ...

    x, y = data
    start = {"a": 1.0, "b": 1.0, "c": 0.0}
    descend.fit_many(model, x, y, start=start, on=client, progress=Meter())
    assert seen == sorted(seen) and seen[-1] == FITS and len({*seen}) > 3


def test_what_is_no_client_is_refused(data: Any) -> None:
    with pytest.raises(UsageError, match="on=3 is no client of Dask's"):
        descend.fit_many(model, *data, on=3)
