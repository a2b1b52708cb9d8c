"""The file of the results of groups, out of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from descend.data.groups.rows import ORDINAL, GroupedRows
from descend.data.groups.store import Parts, as_os_error, flushed
from descend.data.quoting import identifier, quoted
from descend.errors import InternalError, UsageError
from descend.records.many import OUTCOMES, VERDICTS_OF
from descend.result.many import ManyFits
from descend.show.output import written_whole

__all__ = ["NUMBERED", "check_names", "part_columns", "write_group_file"]

Array = np.ndarray[Any, np.dtype[Any]]
FORM = "FORMAT parquet, COMPRESSION zstd"
NUMBERED = ("iterations", "loss", "chi2", "dof")
JUDGED = ("status", "verdict", "success")


def part_columns(found: ManyFits) -> dict[str, Array]:
    """Some fits as columns of numbers: how they ended by its code."""
    columns: dict[str, Array] = {**found.numbers()}
    if found.covariance is not None:
        p = found.covariance.shape[1]
        columns |= {
            f"covariance[{i},{j}]": found.covariance[:, i, j] for i in range(p) for j in range(i, p)
        }
    return columns | {"code": found.status} | {n: getattr(found, n) for n in NUMBERED}


def check_names(by: Iterable[str], columns: Iterable[str]) -> None:
    """Refuse keys that are called as results are.

    Raises:
        UsageError: one is.
    """
    taken = {*columns, *JUDGED, *NUMBERED}
    for name in by:
        if name in taken:
            raise UsageError(
                f'the column "{name}" of the keys is called as a column of the results',
                remedy="rename one of them",
            )


def write_group_file(
    target: Path, parts: Parts, rows: GroupedRows, codes: Iterable[int], count: int
) -> None:
    """Write the results in the order of the keys, whole or not at all.

    Args:
        codes: the ends that there are. count: how many groups there are.

    Raises:
        UsageError: the disk refuses. DataError: the source is no longer what it was.
    """
    query = _query(parts, rows, codes)
    with written_whole(target) as temporary:
        try:
            rows.write(query, str(temporary), FORM)
        except duckdb.Error as error:
            rows.check()
            raise as_os_error(error) from None
        with duckdb.connect() as link:
            file = f"read_parquet({quoted(str(temporary))})"
            ((found,),) = link.execute(f"SELECT count(*) FROM {file}").fetchall()
        if found != count:
            raise InternalError(f"{count} groups came to {found} rows of results")
        flushed(temporary)


def _query(parts: Parts, rows: GroupedRows, codes: Iterable[int]) -> str:
    listed = ", ".join(map(quoted, parts.paths()))
    source = f"read_parquet([{listed}], union_by_name=true) p"
    keys = [identifier(name) for name in rows.by]
    if rows.is_plain:
        chosen, order = [f"CAST(p.key AS {rows.types[0]}) AS {keys[0]}"], "p.key"
    else:
        source += f" JOIN ({rows.keyed()}) k ON p.row = k.{ORDINAL}"
        chosen = [f"k.{key} AS {key}" for key in keys]
        order = ", ".join(f"k.{key}" for key in keys)
    numbers = [name for name in parts.known["columns"] if name not in ("code", *NUMBERED)]
    chosen += [f"p.{identifier(name)}" for name in numbers]
    chosen += [*(f"m.{name}" for name in JUDGED), *(f"p.{name}" for name in NUMBERED)]
    return (
        f"SELECT {', '.join(chosen)} FROM {source} JOIN (VALUES {', '.join(_ends(codes))}) "
        f"m(code, {', '.join(JUDGED)}) ON p.code = m.code ORDER BY {order}"
    )


def _ends(codes: Iterable[int]) -> Iterator[str]:
    for code in sorted(codes):
        outcome = OUTCOMES[code]
        yield f"({code}, {quoted(outcome.name)}, {quoted(VERDICTS_OF[code])}, {outcome.success})"
