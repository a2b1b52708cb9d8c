"""The results of many fits as an `xarray.Dataset`."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.data.cubes import Layout
from descend.errors import UsageError
from descend.graph.program import RUNNING
from descend.records.many import BAD_DATA

__all__ = ["dataset_of"]

Variable = tuple[tuple[str, ...], Any, dict[str, Any]]
"""Dimensions, values and attributes."""
OWN = {
    "status": "how the fit ended", "iterations": "evaluations of the model",
    "loss": "mean loss of a point", "chi2": "sum of the squares of residual over sigma",
    "dof": "points minus parameters",
}  # fmt: skip
"""Results beside the parameters, and what they are."""
NEVER = (RUNNING, BAD_DATA)
"""The ends of fits that have not begun: their parameters are where they would have."""


def dataset_of(fits: Any) -> Any:
    """See `ManyFits.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise UsageError(
            "to_xarray makes a Dataset of xarray, which is not installed",
            remedy="pip install 'descend[xarray]'",
        ) from None

    layout = fits.layout or _counted(fits, xarray)
    found, shape = _results(fits, layout), layout.shape
    coords = layout.coords.copy()
    _check_names(found, coords, layout.dims)
    for name, (dims, values, attrs) in found.items():
        array = np.asarray(values)
        coords[name] = (dims, array.reshape((*shape, *array.shape[1:])), attrs)
    if fits.covariance is not None:
        labels = _labels(fits)
        coords = coords.assign_coords(cov_i=labels, cov_j=labels)
        whole = fits.covariance.reshape((*shape, *fits.covariance.shape[1:]))
        coords["covariance"] = ((*layout.dims, "cov_i", "cov_j"), whole)
    coords.attrs = {"model": fits.model}
    if layout.target is not None:
        coords.attrs["target"] = layout.target
    if layout.units is not None:
        coords.attrs["target_units"] = layout.units
    return coords


def _counted(fits: Any, xarray: Any) -> Layout:
    """The fits one after the other, by their keys where they have some."""
    coords = {} if fits.keys is None else {fits.by: np.asarray(fits.keys)}
    return Layout(xarray.Dataset(coords=coords), (fits.by,), (len(fits),), fits.target, None, {})


def _results(fits: Any, layout: Layout) -> dict[str, Variable]:
    """The variables but for the covariance, with values of shape (fits, …)."""
    found: dict[str, Variable] = {}
    begun = ~np.isin(fits.status, NEVER)
    for name, array in fits.params.items():
        made = np.where(begun.reshape(-1, *[1] * (array.ndim - 1)), array, np.nan)
        more = layout.extra.get(name) or tuple(f"{name}_dim_{i}" for i in range(array.ndim - 1))
        dims = (*layout.dims, *more)
        found[name] = (dims, made, {})
        if name in fits.stderr:
            told = {"long_name": f"standard error of {name}"}
            found[f"{name}_stderr"] = (dims, fits.stderr[name], told)
    codes = sorted(fits.outcomes)
    for name, meaning in OWN.items():
        if name in fits.params:
            raise UsageError(
                f'a parameter is called "{name}", as a variable of the Dataset is',
                remedy="call it otherwise in the model",
            )
        about: dict[str, Any] = {"long_name": meaning}
        if name == "status":
            meanings = " ".join(fits.outcomes[code].name.replace(" ", "_") for code in codes)
            about |= {"flag_values": np.array(codes, np.int8), "flag_meanings": meanings}
        found[name] = (layout.dims, getattr(fits, name), about)
    return found


def _check_names(found: Any, coords: Any, dims: tuple[str, ...]) -> None:
    for name in found:
        if name in coords.coords or name in dims:
            raise UsageError(
                f'"{name}" is a coordinate or dimension of the data, and among the results too',
                remedy="call the parameter otherwise in the model, or rename the coordinate: "
                f"values.rename({name}=…)",
            )


def _labels(fits: Any) -> list[str]:
    """The numbers of the parameters in the order of the covariance."""
    return [
        f"{name}[{','.join(map(str, index))}]" if index else name
        for name, array in fits.params.items()
        for index in np.ndindex(array.shape[1:])
    ]
