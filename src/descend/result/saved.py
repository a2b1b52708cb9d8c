"""Fits in files and pickles: JSON and arrays in a zip, the model as its graph, never run.

A file leaves out the rows. It holds `fit.json` and one `.npy` an array, and is written whole or
not at all.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from descend.errors import DataError, InternalError
from descend.graph.node import Dim
from descend.records.record import FitRecord, History
from descend.result.graph_json import graph_from_json, graph_to_json
from descend.run.predictor import Predictor
from descend.run.state import SavedState
from descend.show.output import check_output_path, path_text, written_whole
from descend.task.scaling import Scale, Scaling

__all__ = ["fit_as_bytes", "read_fit", "write_fit"]

Array = np.ndarray[Any, np.dtype[Any]]
FORMAT, VERSION = "descend fit", 1
LEFT_OUT = ("residuals", "fitted", "x", "y")


def write_fit(
    record: FitRecord, predictor: Predictor, leaves: Mapping[str, Array],
    state: SavedState | None, path: str | os.PathLike[str], kind: str = "saved fit",
) -> None:  # fmt: skip
    """Write a fit; see the module."""
    with written_whole(check_output_path(path, kind)) as temporary:
        _write(temporary, record, predictor, leaves, state, LEFT_OUT)


def fit_as_bytes(
    record: FitRecord, predictor: Predictor, leaves: Mapping[str, Array], state: SavedState | None
) -> bytes:
    """A fit as `write_fit` writes it, with what it knows of its rows."""
    buffer = io.BytesIO()
    _write(buffer, record, predictor, leaves, state, ())
    return buffer.getvalue()


def _write(
    target: Any, record: FitRecord, predictor: Predictor, leaves: Mapping[str, Array],
    state: SavedState | None, left_out: tuple[str, ...],
) -> None:  # fmt: skip
    arrays: list[Array] = []
    values = {
        f.name: getattr(record, f.name)
        for f in fields(record)
        if f.init and f.name not in left_out
    }
    values["history"] = {name: record.history[name] for name in record.history}
    model = {
        "graph": graph_to_json(predictor, arrays),
        "leaves": dict(leaves),
        "by_name": predictor.by_name,
        "scaling": None if predictor.scaling is None else _scaling_out(predictor.scaling),
    }
    content = {
        "format": FORMAT,
        "version": VERSION,
        "record": _pack(values, arrays),
        "model": _pack(model, arrays),
        "state": None if state is None else _pack(vars(state), arrays),
    }
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("fit.json", json.dumps(content, allow_nan=False, ensure_ascii=False))
        for number, array in enumerate(arrays):
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            file.writestr(f"{number}.npy", buffer.getvalue())


def read_fit(
    path: str | os.PathLike[str] | io.BytesIO,
) -> tuple[dict[str, Any], Predictor, dict[str, Array], SavedState | None]:
    """Read a file that `write_fit` has written: fields of the record, model, leaves, state.

    Raises:
        DataError: there is no such file, or it is not one of ours, or damaged.
    """
    in_memory = isinstance(path, io.BytesIO)
    name = "pickle" if in_memory else path_text(path, "the saved fit")
    try:
        with zipfile.ZipFile(path if in_memory else name) as file:
            content = json.loads(file.read("fit.json"))
            arrays = _Arrays(file)
            if content.get("format") != FORMAT:
                raise KeyError("format")
            if content["version"] > VERSION:
                raise DataError(
                    f'"{name}" was written by a later version of descend',
                    remedy="update descend to read it",
                )
            record = _checked_record(_unpack(content["record"], arrays))
            model = _unpack(content["model"], arrays)
            state = content["state"]
            saved = None if state is None else SavedState(**_unpack(state, arrays))
            predictor = graph_from_json(model["graph"], model["by_name"], arrays)
            if model.get("scaling") is not None:
                predictor = replace(predictor, scaling=_scaling_in(model["scaling"]))
    except OSError as error:
        raise DataError(f'"{name}" cannot be read: {error.strerror or error}') from None
    except DataError:
        raise
    except (
        zipfile.BadZipFile, KeyError, IndexError, ValueError, TypeError, AttributeError,
        EOFError, InternalError,
    ) as error:  # fmt: skip
        raise DataError(
            f'"{name}" is no saved fit, or it is damaged ({error})',
            remedy="give a file that fit.save or --save has written",
        ) from None
    return record, predictor, model["leaves"], saved


def _checked_record(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record in their own types; raises `KeyError` for those it does not have."""
    known = {f.name for f in fields(FitRecord) if f.init}
    unknown = record.keys() - known
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return record | {"history": History(**record["history"])}


def _scaling_out(scaling: Scaling) -> dict[str, Any]:
    return {
        "columns": {name: list(scale) for name, scale in scaling.columns.items()},
        "target": None if scaling.target is None else list(scaling.target),
        "power": scaling.power,
    }


def _scaling_in(text: dict[str, Any]) -> Scaling:
    target = None if text["target"] is None else Scale(*text["target"])
    columns = {name: Scale(*scale) for name, scale in text["columns"].items()}
    return Scaling(columns, target, int(text["power"]))


class _Arrays:
    """The arrays of a file by number, read when asked for."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file = file

    def __getitem__(self, number: int) -> Array:
        buffer = io.BytesIO(self.file.read(f"{number}.npy"))
        return np.lib.format.read_array(buffer, allow_pickle=False)


def _pack(value: Any, arrays: list[Array]) -> Any:
    """Values as JSON: arrays by number, tuples marked, numbers that JSON lacks spelled out."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"$array": len(arrays) - 1, "$shape": list(value.shape)}
    if isinstance(value, np.generic):
        return _pack(value.item(), arrays)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, Mapping):
        return {str(key): _pack(entry, arrays) for key, entry in value.items()}
    if isinstance(value, tuple):
        return {"$tuple": [_pack(entry, arrays) for entry in value]}
    if isinstance(value, list):
        return [_pack(entry, arrays) for entry in value]
    if isinstance(value, Dim):
        return {"$rows": value.name}
    return str(value)


def _unpack(value: Any, arrays: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]].reshape(value["$shape"])
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(_unpack(entry, arrays) for entry in value["$tuple"])
    return {key: _unpack(entry, arrays) for key, entry in value.items()}
