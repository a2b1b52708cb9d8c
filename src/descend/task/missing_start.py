"""What is said where a model does not work out, since an array has no start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import DataError, DescendError, TraceError, UsageError
from descend.trace.indexing import WholeAsked
from descend.trace.model import Spec

__all__ = ["without_start"]

LIKELY = (TraceError, UsageError, IndexError)
SCALARS = "use * for scalars"


def without_start(
    error: Exception, missing: Sequence[str], columns: Mapping[str, Any],
    leaves: Mapping[str, Spec], fits: Callable[[Mapping[str, Spec]], bool],
) -> Exception:  # fmt: skip
    """The error, or a better one where a parameter without start is meant as an array.

    Args:
        missing: the parameters without start. columns: the data.
        fits: whether the model works out with parameters of other shapes.
    """
    if not missing or isinstance(error, WholeAsked | DataError):
        return error
    sizes = {name: _fitting_size(name, columns, leaves, fits) for name in missing}
    found = {name: size for name, size in sizes.items() if size is not None}
    remedy = getattr(error, "remedy", None)
    if not found and (remedy not in (None, SCALARS) or not isinstance(error, LIKELY)):
        return error
    meant = list(found) or list(missing)
    which = f"{_listed(meant)} {'have' if len(meant) > 1 else 'has'} no start"
    taken = "is taken as one number" if len(meant) == 1 else "are taken as one number each"
    shapes = ", ".join(f"{name}=np.zeros({found.get(name, '…')})" for name in meant)
    reason = error.message if isinstance(error, DescendError) else str(error)
    return TraceError(
        f"{which} and {taken}, and then the model does not work out: {reason}",
        where=error.where if isinstance(error, DescendError) else None,
        remedy=f"if {'it is an array' if len(meant) == 1 else 'they are arrays'}, give "
        f"start=dict({shapes})",
    )


def _fitting_size(
    name: str, columns: Mapping[str, Any], leaves: Mapping[str, Spec],
    fits: Callable[[Mapping[str, Spec]], bool],
) -> int | None:  # fmt: skip
    """The length of a vector with which the model works out, of those that the data suggest."""
    widths = {a.shape[-1] for a in columns.values() if a.ndim > 1}
    for width in sorted(widths):
        if fits({**leaves, name: Spec((width,), np.dtype(np.float64))}):
            return int(width)
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
