"""What a call over groups is: what its results depend on, so that no other goes on with them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.program.lanes import ManyBuilt
from descend.run.many_job import ManyJob
from descend.task.options import Options
from descend.task.rows import WEIGHTS
from descend.trace.formula import Formula

__all__ = ["call_of", "mark_of"]

NOT_OF_THE_RESULT = ("entry", "to", "restart", "scratch", "progress", "threads", "by", *WEIGHTS)


def call_of(
    model: Any, target: str, by: Sequence[str], weights: Mapping[str, str], options: Options
) -> dict[str, Any]:
    """What the results depend on beside the rows, by name, as plain values; what is None is not.

    Args:
        weights: sigma and sample_weight by their columns.
    """
    found: dict[str, Any] = {"the model": _plain(model), "the target": target, "by": list(by)}
    found |= dict(weights)
    for name, value in vars(options).items():
        if name not in NOT_OF_THE_RESULT:
            found[name] = _plain(value)
    for library in ("descend", "duckdb", "numpy"):  # the order of codes, the last bits
        found[f"the version of {library}"] = importlib.metadata.version(library)
    return {name: value for name, value in found.items() if value is not None}


def mark_of(job: ManyJob, built: ManyBuilt) -> str:
    """What tells the program from others: its graph, and the numbers that it holds."""
    mark = hashlib.blake2b(built.runner.key.encode(), digest_size=16)
    for name, value in sorted(job.fixed(built).items()):
        array = np.ascontiguousarray(value)
        mark.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return mark.hexdigest()


def _plain(value: Any) -> Any:
    """A value of an option as JSON has it; what is no number and no text by its spelling."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, types.FunctionType):
        return f"{value.__qualname__} {_code(value.__code__)}"
    if isinstance(value, Formula):
        return value.text
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _code(code: types.CodeType) -> str:
    """A digest of what a function does; the program says the rest."""
    inner = [_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    parts = [code.co_code.hex(), *inner, *code.co_names, *code.co_varnames]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
