"""`descend runs`: the past runs of the command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from descend.cli.journal import Kept, forget, kept, read
from descend.cli.options import rows_of
from descend.cli.output import Told
from descend.errors import UsageError
from descend.show.numbers import duration, plural, short, shortened

__all__ = ["again", "runs"]

FORMULA_WIDTH = 44


def runs(number: int | None = None, /, **given: Any) -> None:
    """List the past runs of fit and minimize, or show one of them.

    They are kept on this computer alone: formula, options, path of the data, result; never data.

    Args:
        number: Of a run, as the list has it.
    """
    told = Told(given)
    if given.get("forget"):
        if number is not None:
            raise UsageError("--forget throws away all runs", remedy="leave out the number")
        told.line(f"{plural(forget(), 'run')} forgotten")
        return
    if number is not None:
        one = kept(number)
        told.result(lambda: "\n".join(_whole(one)), one._asdict)
        return
    last = int(given["last"])
    if last < 1:
        raise UsageError(f"--last {last} lists nothing", remedy="write --last 20")
    found = read(last)
    told.result(lambda: _listed(found), lambda: {"runs": [one._asdict() for one in found]})


def _listed(found: Sequence[Kept]) -> str:
    if not found:
        return "no run is kept yet"
    cells = [("run", "began", "data", "formula", "verdict", "loss")]
    for one in reversed(found):
        loss = "—" if one.loss is None else short(one.loss)
        data = "—" if one.data is None else shortened(Path(one.data).name, 24)
        formula = shortened(one.formula, FORMULA_WIDTH)
        cells.append((str(one.id), _local(one.began), data, formula, one.verdict or "—", loss))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def _whole(one: Kept) -> list[str]:
    """All that is known of a run, with the line that repeats it."""
    took = "" if one.seconds is None else f", {duration(one.seconds)}"
    lines = [
        f"Run {one.id}  {_local(one.began)}{took}, exit code {one.code}",
        f"  {again(one)}",
    ]
    if one.hash is not None:
        lines.append(f"  data      {one.data} ({one.hash})")
    if one.verdict is not None:
        lines.append(f"  verdict   {one.verdict}")
    if one.loss is not None:
        lines.append(f"  loss      {short(one.loss, 10)}")
    width = max(map(len, one.params), default=0)
    lines += [f"  {name:{width}}  {short(value, 10)}" for name, value in one.params.items()]
    return lines


def again(one: Kept) -> str:
    """The command line of a run, as a shell reads it.

    >>> again(Kept(1, "", "fit", "y = a*x", "/data/my points.csv", None,
    ...            {"lr": 0.1, "shuffle": False, "quiet": True, "epochs": 5}, None, None, None, {},
    ...            None, 0))
    "descend fit '/data/my points.csv' 'y = a*x' --lr 0.1 --no-shuffle --quiet --epochs 5"
    """
    rows = rows_of(one.command)
    words = ["descend", one.command, *([] if one.data is None else [one.data]), one.formula]
    for name, value in one.options.items():
        written = rows[name].written if name in rows else f"--{name.replace('_', '-')}"
        if value is True:
            words.append(written)
        elif value is False:
            words.append(written.replace("--", "--no-", 1))
        else:
            for each in value if isinstance(value, list) else [value]:
                words += [written, str(each)]
    return shlex.join(words)


def _local(began: str) -> str:
    return datetime.fromisoformat(began).astimezone().strftime("%Y-%m-%d %H:%M")
