"""Fits in files and pickles: JSON and arrays in a zip, the model as its graph, never run.

A file leaves out the rows. It holds `fit.json` and one `.npy` an array, nothing compressed, and is
written whole or not at all. A checksum over all of it tells of damage; that a file may have been
made to do harm is another thing: so sizes are known before anything is read, and what every field
may be is checked before anything is made of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from descend.errors import DataError
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import INPUT
from descend.records.layers import LayerRecord
from descend.records.record import History
from descend.result.graph_json import graph_from_json, graph_to_json
from descend.result.schema import check_record, check_set, check_state, is_whole
from descend.run.answers import Answer
from descend.run.predictor import Predictor
from descend.run.state import SavedState
from descend.show.output import check_output_path, path_text, written_whole
from descend.task.scales import Scale
from descend.task.scaling import POWERS, Scaling

__all__ = ["SavedFit", "SavedSet", "fit_as_bytes", "read_fit", "write_fit"]

Array = np.ndarray[Any, np.dtype[Any]]
FORMAT, VERSION = "descend fit", 3
CHECKED = 2  # the version from which on there is a checksum
MOST_TRIED = 10_000  # rows of a trial whether the model works
LONGEST = 120  # signs of what is wrong with a file
LEFT_OUT = ("residuals", "fitted", "x", "y")


class SavedSet(NamedTuple):
    """What a file holds of one dataset of a global fit."""

    record: dict[str, Any]
    predictor: Predictor


class SavedFit(NamedTuple):
    """What a file holds of a fit.

    Attributes:
        record: its fields by name.
        leaves: the parameters, leaf by leaf.
        sets: of a global fit, what is said of each dataset.
    """

    record: dict[str, Any]
    predictor: Predictor
    leaves: Mapping[str, Array]
    state: SavedState | None
    sets: tuple[SavedSet, ...] = ()


def write_fit(saved: SavedFit, path: str | os.PathLike[str], kind: str = "saved fit") -> None:
    """Write a fit; see the module."""
    with written_whole(check_output_path(path, kind)) as temporary:
        _write(temporary, saved, LEFT_OUT)


def fit_as_bytes(saved: SavedFit, rows: bool = True) -> bytes:
    """A fit as `write_fit` writes it; with rows, also what it knows of its own."""
    buffer = io.BytesIO()
    _write(buffer, saved, () if rows else LEFT_OUT)
    return buffer.getvalue()


def _write(target: Any, saved: SavedFit, left_out: tuple[str, ...]) -> None:
    arrays: list[Array] = []
    history = saved.record["history"]
    values = {**saved.record, "history": history.parts()}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "record": _record_out(values, left_out, arrays),
        "model": _model_out(saved.predictor, saved.leaves, arrays),
        "state": None if saved.state is None else _pack(vars(saved.state), arrays),
        "sets": [
            {
                "record": _record_out(one.record, left_out, arrays),
                "model": _model_out(one.predictor, {}, arrays),
            }
            for one in saved.sets
        ],
    }
    content["check"] = _checksum(content, arrays)
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("fit.json", json.dumps(content, allow_nan=False, ensure_ascii=False))
        for number, array in enumerate(arrays):
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            file.writestr(f"{number}.npy", buffer.getvalue())


def _record_out(values: Mapping[str, Any], left_out: tuple[str, ...], arrays: list[Array]) -> Any:
    return _pack({n: value for n, value in values.items() if n not in left_out}, arrays)


def _model_out(predictor: Predictor, own: Mapping[str, Array], arrays: list[Array]) -> Any:
    """A model as JSON and arrays."""
    model = {
        "graph": graph_to_json(predictor, arrays),
        "leaves": dict(own),
        "by_name": predictor.by_name,
        "scaling": None if predictor.scaling is None else _scaling_out(predictor.scaling),
        "answer": predictor.answer.out(),
        "members": predictor.members,
        "matrix": list(predictor.matrix),
    }
    return _pack(model, arrays)


def read_fit(path: str | os.PathLike[str] | io.BytesIO) -> SavedFit:
    """Read a file that `write_fit` has written.

    Raises:
        DataError: there is no such file, or it is not one of ours, or damaged.
    """
    in_memory = isinstance(path, io.BytesIO)
    name = "pickle" if in_memory else path_text(path, "the saved fit")
    try:
        if not in_memory and os.path.exists(name) and not os.path.isfile(name):
            raise DataError(f'"{name}" is no file', remedy="give one that fit.save has written")
        with zipfile.ZipFile(path if in_memory else name) as file:
            return _read(file, name)
    except OSError as error:
        raise DataError(f'"{name}" cannot be read: {error.strerror or error}') from None
    except DataError:
        raise
    except Exception as error:  # whatever a file that was made to do so may raise on its way
        raise DataError(
            f'"{name}" is no saved fit, or it is damaged ({_short(error)})',
            remedy="give a file that fit.save or --save has written",
        ) from None


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _read(file: zipfile.ZipFile, name: str) -> SavedFit:
    for entry in file.infolist():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError("it is compressed")
    # Entries may lie in one another: a small file would fill the memory.
    if sum(entry.file_size for entry in file.infolist()) > _size(file):
        raise ValueError("it holds more than its size")
    content = json.loads(file.read("fit.json"))
    arrays = _Arrays(file)
    if content.get("format") != FORMAT:
        raise KeyError("format")
    if content["version"] > VERSION:
        raise DataError(
            f'"{name}" was written by a later version of descend',
            remedy="update descend to read it",
        )
    if content["version"] >= CHECKED:
        own = content.pop("check")
        if own != _checksum(content, [arrays[k] for k in range(len(file.namelist()) - 1)]):
            raise ValueError("the checksum is another")
    record = _unpack(content["record"], arrays)
    check_record(record)
    predictor, own = _model_in(content["model"], arrays)
    _check_model(record, predictor, own)
    state = None if content["state"] is None else _unpack(content["state"], arrays)
    if state is not None:
        check_state(state)
    record["history"] = History(**record["history"])
    if "layers" in record:
        record["layers"] = tuple(LayerRecord(*layer) for layer in record["layers"])
    saved = None if state is None else SavedState(**state)
    sets = tuple(_set_in(one, arrays) for one in content.get("sets", ()))
    return SavedFit(record, predictor, own, saved, sets)


def _size(file: zipfile.ZipFile) -> int:
    assert file.fp is not None
    return file.fp.seek(0, os.SEEK_END)


def _model_in(packed: Any, arrays: _Arrays) -> tuple[Predictor, dict[str, Array]]:
    model = _unpack(packed, arrays)
    predictor = graph_from_json(model["graph"], model["by_name"], arrays)
    if model.get("scaling") is not None:
        predictor = replace(predictor, scaling=_scaling_in(model["scaling"]))
    if model.get("answer") is not None:
        predictor = replace(predictor, answer=Answer.read(model["answer"]))
    members = model.get("members", 0)
    if not is_whole(members) or members < 0:
        raise ValueError("the columns are of another kind")
    matrix = model.get("matrix", [])
    if not isinstance(matrix, list) or not all(isinstance(name, str) for name in matrix):
        raise ValueError("the columns have no names")
    return replace(predictor, members=members, matrix=tuple(matrix)), model["leaves"]


def _set_in(packed: Any, arrays: _Arrays) -> SavedSet:
    """One dataset of a global fit, whose parameters are single numbers."""
    record = _unpack(packed["record"], arrays)
    check_set(record)
    predictor, _ = _model_in(packed["model"], arrays)
    _check_model(record, predictor, {n: np.array(v, float) for n, v in record["params"].items()})
    return SavedSet(record, predictor)


def _check_model(record: dict[str, Any], predictor: Predictor, own: dict[str, Array]) -> None:
    """Check that the model has these parameters and inputs in these shapes, and that it works."""
    if not predictor.outputs:
        raise ValueError("the model returns nothing")
    if predictor.data.keys() != {*record.get("inputs", ("x",))}:
        raise ValueError("the model has other inputs")
    shapes = {name: node.shape for name, node in predictor.leaves.items()}
    if {name: np.shape(array) for name, array in own.items()} != shapes:
        raise ValueError("the model has other parameters")
    if not all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in own.values()):
        raise ValueError("a parameter is no number")
    for name, value in record["params"].items():
        if name in own and (isinstance(value, dict | list) or np.shape(value) != own[name].shape):
            raise ValueError(f"the parameter {name} is of another shape")
    bound = {*predictor.data.values(), *predictor.leaves.values()}
    bound |= {node for node, _ in predictor.captured}
    if not {node for node in postorder(predictor.outputs) if node.op is INPUT} <= bound:
        raise ValueError("the model has an input of which nothing is known")
    for node, array in predictor.captured:
        if (node.shape, node.dtype) != (array.shape, array.dtype):
            raise ValueError("a captured array is of another shape")
    rows = predictor.rows if isinstance(predictor.rows, int) else 1
    if rows < 1:
        raise ValueError("the model has no rows")
    if rows <= MOST_TRIED:
        with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError, IndexError):
            found = predictor({n: _zeros(node, rows) for n, node in predictor.data.items()}, own)
            answer = predictor.answer
            if answer.classes is not None and (
                answer.probabilities(found).shape[-1] != len(answer.classes)
            ):
                raise ValueError("the model tells another number of classes apart")


def _zeros(node: Node, rows: int) -> Array:
    return np.zeros([rows if isinstance(n, Dim) else n for n in node.shape], node.dtype)


def _checksum(content: dict[str, Any], arrays: Sequence[Array]) -> str:
    """Of all that a file says, in one text."""
    mark = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=20)
    for array in arrays:
        mark.update(f"{array.dtype.str} {array.shape}".encode())
        mark.update(np.ascontiguousarray(array).tobytes())
    return mark.hexdigest()


def _scaling_out(scaling: Scaling) -> dict[str, Any]:
    return {
        "columns": {name: list(scale) for name, scale in scaling.columns.items()},
        "target": None if scaling.target is None else list(scaling.target),
        "power": scaling.power,
    }


def _scaling_in(text: dict[str, Any]) -> Scaling:
    target = None if text["target"] is None else Scale(*text["target"])
    columns = {name: Scale(*scale) for name, scale in text["columns"].items()}
    scales = [*columns.values(), *([] if target is None else [target])]
    if not all(np.isfinite(np.asarray(part, float)).all() for scale in scales for part in scale):
        raise ValueError("a scale is no number")
    if text["power"] not in (0, *POWERS.values()):
        raise ValueError("the target's scale is of another kind")
    return Scaling(columns, target, int(text["power"]))


class _Arrays:
    """The arrays of a file by number, each read once, when first asked for."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file = file
        self._read: dict[int, Array] = {}

    def __getitem__(self, number: int) -> Array:
        if type(number) is not int:
            raise KeyError(number)
        if number not in self._read:
            self._read[number] = _array(self.file.read(f"{number}.npy"))
        return self._read[number]


def _array(content: bytes) -> Array:
    """An array from the text of a `.npy`, whose header may promise no more than there is."""
    buffer = io.BytesIO(content)
    version = np.lib.format.read_magic(buffer)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
        np.lib.format.read_array_header_2_0
    )  # fmt: skip
    shape, fortran, dtype = read(buffer)
    count = math.prod(shape)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("an array holds objects")
    if count * dtype.itemsize != len(content) - buffer.tell():
        raise ValueError("an array is of another size than it says")
    flat = np.frombuffer(content, dtype, count, buffer.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy()


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
