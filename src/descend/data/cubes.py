"""Arrays with named dimensions, of xarray: the plain arrays of many fits, and what they lie along.

The library itself is not imported: whoever hands over an array has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.validate import real_array
from descend.errors import DataError, UsageError, suggest

__all__ = ["Cube", "Layout", "is_cube", "is_labelled", "read_cube"]

Array = NDArray[Any]
GIVE_ARRAY = 'give it the names of its dimensions: xarray.DataArray(values, dims=["time"])'


def is_labelled(value: Any) -> bool:
    """Whether a value is an `xarray.DataArray`.

    >>> is_labelled(np.ones(3))
    False
    """
    return _of_xarray(value, "DataArray")


def is_cube(value: Any) -> bool:
    """Whether a value is an `xarray.DataArray` or an `xarray.Dataset`."""
    return _of_xarray(value, "DataArray", "Dataset")


def _of_xarray(value: Any, *kinds: str) -> bool:
    return any(
        kind.__name__ in kinds and kind.__module__.split(".")[0] == "xarray"
        for kind in type(value).__mro__
    )


class Layout(NamedTuple):
    """Where many fits lie.

    Attributes:
        coords: an `xarray.Dataset` of the coordinates that do not lie along the points of a fit.
        dims, shape: over which the fits are counted, the last one fastest.
        target, units: what the values are called, and what they say of their units; or None.
        extra: parameter → the names of the dimensions of its numbers, as its start had them.
    """

    coords: Any
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    target: str | None
    units: str | None
    extra: Mapping[str, tuple[str, ...]]

    def columns(self) -> dict[str, Array]:
        """(fits,) where each fit lies in every dimension: its coordinate, or its number."""
        found = {}
        places = np.indices(self.shape).reshape(len(self.dims), math.prod(self.shape))
        for name, place in zip(self.dims, places, strict=True):
            values = self.coords[name].values if name in self.coords else np.arange(place.size)
            if values.dtype.kind not in "biuf":
                values = np.array([str(value) for value in values], dtype=object)
            found[str(name)] = values[place]
        return found


class Cube(NamedTuple):
    """A call on arrays with named dimensions, as one on plain arrays.

    Attributes:
        x, y: as `fit_many` takes them, (points,) or (fits, points).
        weights, values: the options of these kinds that were given.
    """

    x: Any
    y: Array
    weights: dict[str, Any]
    values: dict[str, Any]
    layout: Layout


def read_cube(
    x: Any, y: Any, dim: Any, arguments: Sequence[str], written: str | None,
    weights: Mapping[str, Any], values: Mapping[str, Any], skips: bool = False,
) -> Cube:  # fmt: skip
    """Read arrays with named dimensions.

    Args:
        x, y: a DataArray of the values; a Dataset and the name of its variable; or the data of the
            model, a DataArray or a tuple or dict of them, and a DataArray of the values.
        dim: the dimension along which the points of one fit lie, or several of them.
        arguments: of the model.
        written: what a formula calls its left side, empty if it has none; None of a function.
        weights: options with a number a point. values: dicts of a number a fit.
        skips: whether fits with missing values are left out.

    Raises:
        UsageError, DataError: something is not there, has no names, or lies elsewhere.
    """
    held = _Held(x, y, dim, written or None)
    data = held.data_of(x if is_labelled(y) else None, arguments, written is not None)
    spread = {name: held.weight(name, given) for name, given in weights.items()}
    whole = held.values()
    flat = whole.reshape(held.n_fits, -1)
    bad = ~np.isfinite(flat)
    idle = np.asarray(bad.any(axis=1) if skips else bad.all(axis=1))
    extra: dict[str, tuple[str, ...]] = {}
    own = {n: held.each(n, given, extra, idle) for n, given in values.items()}
    units = held.array.attrs.get("units")
    layout = Layout(
        held.kept(), held.fits, tuple(held.sizes[d] for d in held.fits),
        None if held.array.name is None else str(held.array.name),
        units if isinstance(units, str) else None, extra,
    )  # fmt: skip
    return Cube(data, flat, spread, own, layout)


class _Held:
    """The values with their dimensions, and what else lies along these."""

    def __init__(self, x: Any, y: Any, dim: Any, target: str | None) -> None:
        self.table = x if _of_xarray(x, "Dataset") else None
        self.array = self._values_of(x, y, target)
        self.sizes: Mapping[Any, int] = dict(self.array.sizes)
        self.points = self._dims(dim)
        self.fits = tuple(d for d in self.array.dims if d not in self.points)
        self.n_fits = math.prod(self.sizes[d] for d in self.fits)
        known = {} if self.table is None else dict(self.table.data_vars)
        self.known = known | dict(self.array.coords)

    def _values_of(self, x: Any, y: Any, target: str | None) -> Any:
        if is_labelled(y):
            return y
        if self.table is None:
            if y is not None:
                raise UsageError(
                    f"y is given as {type(y).__name__}, and x is a DataArray",
                    remedy="give the values alone, fit_many(model, values, dim=…), or both as "
                    "DataArrays",
                )
            return x
        name, known = target if y is None else y, [str(n) for n in x.data_vars]
        if not isinstance(name, str):
            raise UsageError(
                "nothing says which variable of the Dataset is fitted",
                remedy=f'name it: y="{known[0] if known else "y"}"',
            )
        if name not in x.data_vars:
            raise DataError(
                f'the Dataset has no variable "{name}"{suggest(name, known)}',
                remedy=f"its variables are {', '.join(known[:12])}; name one by y=…",
            )
        return x[name]

    def _dims(self, dim: Any) -> tuple[str, ...]:
        known = [str(d) for d in self.array.dims]
        listed = ", ".join(known)
        if dim is None:
            shown = f'"{"time" if "time" in known or not known else known[-1]}"'
            raise UsageError(
                f"nothing says along which of the dimensions {listed} the points of one fit lie",
                remedy=f"name it: dim={shown}",
            )
        found = (dim,) if isinstance(dim, str) else tuple(dim) if _is_names(dim) else ()
        if not found:
            raise UsageError(
                f"dim is {dim!r}, and no name of a dimension",
                remedy=f"name one or several of {listed}",
            )
        for name in found:
            if name not in known:
                raise DataError(
                    f'the data have no dimension "{name}"{suggest(name, known)}',
                    remedy=f"their dimensions are {listed}",
                )
        return tuple(dict.fromkeys(found))

    def values(self) -> Array:
        """(…, points) the values, fits first."""
        return self._plain(self.array, self.array.name or "the values", self.fits + self.points)

    def kept(self) -> Any:
        """The coordinates of the fits."""
        coords = self.array.coords
        return coords.to_dataset().drop_vars(
            [name for name, c in coords.items() if {*c.dims} & {*self.points}]
        )

    # --- the data of the model

    def data_of(self, x: Any, arguments: Sequence[str], by_name: bool) -> Any:
        """What the model is given: arrays that are there, coordinates by name, or in order."""
        if isinstance(x, Mapping) and not is_cube(x):
            return {name: self._data(str(name), a) for name, a in x.items()}
        if isinstance(x, tuple):
            return tuple(self._data(f"x[{i}]", a) for i, a in enumerate(x))
        if x is not None and not is_cube(x):
            raise UsageError(
                f"x is given as {type(x).__name__}, and y is a DataArray", remedy=GIVE_ARRAY
            )
        if x is not None and self.table is None:
            return self._data("x", x)
        along = {
            str(name): a for name, a in self.known.items()
            if {*a.dims} & {*self.points} and a is not self.array and name != self.array.name
        }  # fmt: skip
        named = {name: self._data(name, along[name]) for name in arguments if name in along}
        if named:
            return named
        if by_name:
            raise DataError(
                f"the formula names nothing that lies along {', '.join(self.points)}",
                remedy=f"write {', '.join(along)} in it, or rename what is there: values.rename("
                f'{next(iter(along))}="x")' if along
                else f"give it a coordinate: values.assign_coords({self.points[0]}=…)",
            )
        for name in self.points:
            if name not in self.array.coords:
                others = f", and no argument is called {', '.join(along)}" if along else ""
                raise DataError(
                    f'the dimension "{name}" has no coordinate{others}',
                    remedy=f"give it one: values.assign_coords({name}=…)"
                    + (", or call an argument as what lies along it" if along else ""),
                )
        ordered = tuple(self._data(name, self.array.coords[name]) for name in self.points)
        return ordered[0] if len(ordered) == 1 else ordered

    def _data(self, name: str, given: Any) -> Array:
        """Data as (points,), or (fits, points) where fits have their own."""
        return self._spread(name, self._labelled(name, given), whole=True)

    def weight(self, name: str, given: Any) -> Any:
        """What has a number a point, one a fit, or one for all."""
        if isinstance(given, str):
            if self.table is None or given not in self.table:
                known = [] if self.table is None else [str(n) for n in self.table.data_vars]
                raise DataError(
                    f'{name}="{given}" is no variable of a Dataset{suggest(given, known)}',
                    remedy="name one, or give a DataArray",
                )
            given = self.table[given]
        if not is_labelled(given) and np.ndim(given) == 0:
            return given
        return self._spread(name, self._labelled(name, given))

    def _labelled(self, name: str, given: Any) -> Any:
        if not is_labelled(given):
            raise UsageError(
                f"{name} is given as {type(given).__name__}, whose dimensions have no names",
                remedy=GIVE_ARRAY,
            )
        strange = [str(d) for d in given.dims if d not in self.sizes]
        if strange:
            raise DataError(
                f"{name} has the dimension {strange[0]}, and the values have "
                f"{', '.join(map(str, self.sizes))}",
                remedy="rename it, or take it out by .isel or .mean",
            )
        self._check_places(name, given)
        return given

    def _check_places(self, name: str, given: Any) -> None:
        """Refuse what lies at other places of a dimension than the values do."""
        for d in given.dims:
            if d not in self.sizes:
                continue
            ours, theirs = (a.indexes.get(d) for a in (self.array, given))
            apart = ours is not None and theirs is not None and not ours.equals(theirs)
            if apart or given.sizes[d] != self.sizes[d]:
                raise DataError(
                    f"{name} lies at other values of {d} than the data "
                    f"({given.sizes[d]} of them, and {self.sizes[d]})",
                    remedy="bring it to theirs: .reindex_like(values), or .interp_like(values)",
                )

    def _spread(self, name: str, given: Any, whole: bool = False) -> Array:
        """(points,), (fits, 1) or (fits, points) of what lies along some of the dimensions.

        Args:
            whole: every point has its own.
        """
        order = (*self.fits, *self.points)
        own = [d for d in order if d in given.dims]
        array = self._plain(given, name, own)
        array = array.reshape([self.sizes[d] if d in own else 1 for d in order])
        shape = [self.sizes[d] for d in order]
        split = len(self.fits)
        n_points = math.prod(shape[split:])
        fits = any(d in own for d in self.fits)
        points = whole or any(d in own for d in self.points)
        if not fits:
            return np.broadcast_to(array, [1] * split + shape[split:]).reshape(n_points)
        filled = shape if points else [*shape[:split], *array.shape[split:]]
        return np.broadcast_to(array, filled).reshape(self.n_fits, n_points if points else 1)

    # --- values of parameters

    def each(
        self, option: str, given: Any, extra: dict[str, tuple[str, ...]], idle: NDArray[np.bool_]
    ) -> Any:
        """A dict of values whose DataArrays have become (fits, …).

        Args:
            extra: takes the names of further dimensions, by parameter.
            idle: (fits,) those that are left out; their values need not be there.
        """
        if not isinstance(given, Mapping):
            return given
        found = {}
        for name, value in given.items():
            found[name] = value
            if is_labelled(value):
                label = f"{option} of {name}"
                if {*value.dims} & {*self.points}:
                    raise UsageError(
                        f"{label} lies along {', '.join(self.points)}, and is a number for each "
                        "fit",
                        remedy="take that out by .isel or .mean",
                    )
                self._check_places(label, value)
                found[name], extra[str(name)] = self._of_fits(label, value, idle)
        return found

    def _of_fits(
        self, label: str, value: Any, idle: NDArray[np.bool_]
    ) -> tuple[Any, tuple[str, ...]]:
        own = [d for d in self.fits if d in value.dims]
        more = [d for d in value.dims if d not in self.sizes]
        array = self._plain(value, label, (*own, *more))
        if not array.ndim:
            return float(array), ()
        tail = array.shape[len(own) :]
        shape = [self.sizes[d] for d in self.fits]
        array = array.reshape(*(self.sizes[d] if d in own else 1 for d in self.fits), *tail)
        array = np.broadcast_to(array, (*shape, *tail)).reshape(self.n_fits, *tail).copy()
        there = np.isfinite(array.reshape(self.n_fits, -1)).all(axis=1)
        if there.any():
            array[idle & ~there] = array[np.argmax(there)]
        return array, tuple(map(str, more))

    def _plain(self, given: Any, name: str, order: Sequence[str]) -> Array:
        """The numbers of an array, in an order of its dimensions."""
        kind = given.dtype.kind
        if kind in "mM" or (kind == "O" and given.size and _is_date(given)):
            raise DataError(
                f"{name} holds dates or spans of time, no numbers",
                remedy=f'count from the first, in a unit of yours: values.assign_coords({name}=('
                f'values.{name} - values.{name}[0]) / numpy.timedelta64(1, "D"))',
            )
        return real_array(given.transpose(*order).data, name)


def _is_names(dim: Any) -> bool:
    return isinstance(dim, Iterable) and all(isinstance(name, str) for name in dim)


def _is_date(given: Any) -> bool:
    """Whether the first of some objects tells a year, as those of calendars do."""
    return hasattr(given.data.flat[0], "year")
