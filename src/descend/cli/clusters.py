"""The workers of a Dask cluster, for commands that were given its address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from descend.cli.output import Told
from descend.errors import UsageError

__all__ = ["workers_at"]

SCHEMES = ("tls://", "tcp://")
SECONDS = 10  # for which a scheduler is waited for


@contextmanager
def workers_at(address: str, told: Told) -> Iterator[Any]:
    """A client of the scheduler at an address, closed in the end.

    Raises:
        UsageError: Dask is not installed, it is no address, or nobody answers there.
    """
    if not address.startswith(SCHEMES):
        raise UsageError(
            f'--cluster "{address}" is no address of a scheduler',
            remedy="write --cluster tls://host:8786, or tcp://host:8786 within a closed network",
        )
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "--cluster needs Dask, which is not installed",
            remedy='pip install "descend[cluster]"',
        ) from None
    if address.startswith("tcp://"):
        told.line(
            f"note: whoever reaches {address} can run code on its workers; tls:// asks for a "
            "certificate"
        )
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise UsageError(
            f"no scheduler can be spoken to at {address}: {error}",
            remedy="start one with: dask scheduler; for tls:// name the certificates in Dask's "
            "configuration, distributed.comm.tls",
        ) from None
    with client:
        yield client
