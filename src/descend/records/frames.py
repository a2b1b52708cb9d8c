"""Columns as a frame of another library."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from descend.errors import UsageError

__all__ = ["frame_of"]


def frame_of(library: str, columns: Mapping[str, Any]) -> Any:
    """A `DataFrame` of pandas or polars.

    Raises:
        UsageError: the library is not installed.
    """
    try:
        found = importlib.import_module(library)
    except ImportError as missing:
        raise UsageError(
            f"{library} is not installed, of which the frame would be",
            remedy=f"pip install {library}",
        ) from missing
    return found.DataFrame(dict(columns))
