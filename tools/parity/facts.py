"""What is kept of an answer: plain values that JSON can hold, and no time, path or address."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Facts", "cut", "of_error", "read", "told", "write"]

Facts = dict[str, Any]
PATH = re.compile(r"(?<![\w/])(?:/[\w.+-]+)+/")
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
DURATION = re.compile(r"\d[\d.]* ?(?:ns|µs|ms|s|seconds?|minutes?)\b")
MOST = 60
"""Numbers of one parameter that are kept; of more, the first ones and their sums."""
OF_BOTH = ("status", "success", "message", "exit_code", "start_source", "optimizer", "chosen_for")
OF_FIT = (
    "n_starts", "n_agreed", "errors_note", "errors_from", "dof", "n_rows", "n_dropped", "best_epoch"
)  # fmt: skip
NUMBERS = (
    "loss",
    "running_loss",
    "validation_loss",
    "chi2",
    "reduced_chi2",
    "r2",
    "aic",
    "deviance",
)


def cut(text: str) -> str:
    """A message without what differs from one machine or run to the next.

    >>> cut("at: /home/me/model.py:12: f at 0x7f00aa00bb00 took 1.2 s")
    'at: model.py:12: f at … took … s'
    """
    return DURATION.sub("… s", ADDRESS.sub("…", PATH.sub("", text)))


def of_error(error: BaseException) -> Facts:
    """An exception: its class, and what it says."""
    return {"error": type(error).__name__, "message": cut(str(error))}


def told(result: Any) -> dict[str, Facts]:
    """The facts of a result: under "" those of the whole, and each of many fits by its number."""
    kind = type(result).__name__
    if kind == "ManyFits":
        return _of_many(result)
    if kind == "MinimumFound":
        return {"": _of_minimum(result)}
    facts = _of_fit(result.fit if kind == "GlobalFit" else result)
    if kind == "GlobalFit":
        facts["sets"] = {one.name: [_number(one.chi2), _number(one.r2)] for one in result}
    return {"": facts}


def _common(record: Any) -> Facts:
    facts = {name: getattr(record, name) for name in OF_BOTH}
    for name in ("message", "start_source", "chosen_for"):
        facts[name] = cut(str(facts[name]))
    for name in ("verdict", "arrived"):
        if hasattr(record, name):
            facts[name] = str(getattr(record, name))
    return {**facts, "warnings": [cut(text) for text in record.warnings]}


def _of_fit(fit: Any) -> Facts:
    y = fit.y
    return {
        **_common(fit),
        "findings": [cut(text) for text in fit.findings],
        "params": _flat(fit.params),
        "stderr": _flat(fit.stderr),
        "start": _flat(fit.start),
        **{name: _plain(getattr(fit, name)) for name in OF_FIT},
        **{name: _number(getattr(fit, name)) for name in NUMBERS},
        "iterations": int(fit.epochs),
        "evaluations": int(fit.n_evaluations),
        "scale": None if y is None else _number(np.mean(np.square(y, dtype=np.float64))),
    }


def _of_minimum(found: Any) -> Facts:
    course = found.history.loss
    return {
        **_common(found),
        "params": _flat(found.params),
        "start": _flat(found.start),
        "value": _number(found.value),
        "iterations": int(found.iterations),
        "evaluations": int(found.n_evaluations),
        "scale": _number(abs(course[0])) if len(course) else None,
    }


def _of_many(fits: Any) -> dict[str, Facts]:
    parts: dict[str, Facts] = {
        "": {
            "warnings": [cut(text) for text in fits.warnings],
            "n_fits": len(fits),
            "n_further": int(fits.n_further),
            "n_mended": int(fits.n_mended),
        }
    }
    for i in range(len(fits)):
        one = fits[i]
        parts[f":{i}"] = {
            "status": one.status,
            "success": bool(one.success),
            "message": cut(one.message),
            **{n: str(getattr(one, n)) for n in ("verdict", "arrived") if hasattr(one, n)},
            "params": _flat(one.params),
            "stderr": _flat(one.stderr),
            **{name: _number(getattr(one, name)) for name in ("loss", "chi2")},
            "dof": int(one.dof),
            "iterations": int(one.iterations),
        }
        if fits.starts is not None:
            parts[f":{i}"] |= {
                "n_starts": int(fits.starts[i]), "n_agreed": int(fits.agreed[i])
            }  # fmt: skip
        if fits.covariance is not None:
            parts[f":{i}"]["covariance"] = _flat(fits.covariance[i])
    return parts


def _flat(tree: Any, name: str = "") -> dict[str, float]:
    """A tree of numbers as name → number, in its order."""
    found: dict[str, float] = {}
    for label, array in _leaves(tree, name):
        values = np.asarray(array, dtype=np.float64)
        if values.ndim == 0:
            found[label or "x"] = float(values)
            continue
        for index in list(np.ndindex(values.shape))[:MOST]:
            found[f"{label}[{','.join(map(str, index))}]"] = float(values[index])
        if values.size > MOST:
            found[f"{label} sum"] = float(values.sum())
            found[f"{label} squares"] = float(np.square(values).sum())
    return found


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, branch in tree.items():
            yield from _leaves(branch, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, list | tuple):
        for i, branch in enumerate(tree):
            yield from _leaves(branch, f"{name}[{i}]")
    elif tree is not None:
        yield name, tree


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    return cut(value) if isinstance(value, str) else value if value is None else int(value)


def write(path: Path, records: Mapping[str, Facts]) -> None:
    """Write a record as JSON lines, floats by their repr; the same facts make the same bytes."""
    lines = [
        json.dumps({"name": name, **facts}, ensure_ascii=False) for name, facts in records.items()
    ]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read(path: Path) -> dict[str, Facts]:
    """The facts of a record by name."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    facts = [json.loads(line) for line in text.splitlines()]
    return {one.pop("name"): one for one in facts}
