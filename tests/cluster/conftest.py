"""One cluster of two workers for all tests of this folder."""

import importlib
from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster

from cluster.workers import cluster_of
from descend.cluster import tasks


@pytest.fixture(scope="package")
def cluster() -> Iterator[LocalCluster]:
    with cluster_of(2) as found:
        yield found


@pytest.fixture(scope="package")
def shared(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster) as found:
        yield found


@pytest.fixture
def client(shared: Client) -> Iterator[Client]:
    """The client; what a test has replaced in the workers is put back."""
    yield shared
    shared.wait_for_workers(2)
    shared.run(importlib.reload, tasks)
