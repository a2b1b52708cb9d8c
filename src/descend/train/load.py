"""`load`: a fit, or a global fit, from a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from descend.errors import ends_at_users_line
from descend.result.fit import Fit, fit_of
from descend.result.saved import read_fit

if TYPE_CHECKING:
    from descend.result.datasets import GlobalFit

__all__ = ["load"]


@ends_at_users_line
def load(path: str | os.PathLike[str]) -> Fit | GlobalFit:
    """Read a fit, or a global fit, that `save`, `--save` or a checkpoint has written.

    It predicts without the source of the model, serves as a `start`, and can be resumed.

    Raises:
        DataError: there is no such file, or it is not a saved fit.

    >>> import tempfile, pathlib, descend
    >>> import numpy as np
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> fit = descend.fit("y = a*x", {"x": x, "y": 3 * x}, start={"a": 1})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "line.descend")
    ...     fit.save(path)
    ...     load(path).predict({"x": np.array([2.0])}).round(6)
    array([6.])
    """
    saved = read_fit(path)
    if not saved.sets:
        return fit_of(saved)
    from descend.result.datasets import global_of

    return global_of(saved)
