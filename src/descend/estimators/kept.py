"""What estimators keep of a fit: an array of bytes, which any pickle can hold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from descend.result.fit import Fit, fit_of
from descend.result.saved import fit_as_bytes, read_fit

__all__ = ["Kept"]


class Kept:
    """An estimator that has a fit of descend, as it was returned or as its bytes."""

    _fit_found: Fit
    _saved: np.ndarray[Any, np.dtype[np.uint8]]

    def _keep(self, found: Fit) -> None:
        self._fit_found = found
        self.__dict__.pop("_saved", None)

    @property
    def fit_(self) -> Fit:
        """What `descend.fit` returned: `print(estimator.fit_)` is the report."""
        if not hasattr(self, "_fit_found"):
            if not hasattr(self, "_saved"):
                raise AttributeError(f"this {type(self).__name__} is not fitted yet")
            self._fit_found = fit_of(read_fit(io.BytesIO(self._saved.tobytes())))
        return self._fit_found

    def __getstate__(self) -> Any:
        found = super().__getstate__()
        if isinstance(found, dict) and "_fit_found" in found:
            found = dict(found)
            fit = found.pop("_fit_found")
            content = fit_as_bytes(fit._saved(), rows=False)
            found.setdefault("_saved", np.frombuffer(content, np.uint8))
        return found
