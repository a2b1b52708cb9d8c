"""Clusters of processes of this machine."""

from distributed import LocalCluster

__all__ = ["cluster_of"]


def cluster_of(count: int) -> LocalCluster:
    """So many workers of one thread."""
    return LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=":0",
        silence_logs=50,
    )  # fmt: skip
