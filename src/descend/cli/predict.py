"""`descend predict`: a saved fit on new rows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli.options import Text
from descend.cli.output import Told, print_json, print_json_rows
from descend.cli.streams import complain, say
from descend.cli.tables import asked_of, goes_in_passes, tell_notes
from descend.data.read import open_table
from descend.data.streams.opened import open_stream
from descend.data.streams.stream import Piece
from descend.data.table import TableFile
from descend.data.validate import Clean, clean_rows
from descend.errors import DataError, UsageError, suggest
from descend.records.record import jsonable
from descend.result.fit import Fit
from descend.show.output import check_output_path
from descend.show.tables import TableWriter, write_table
from descend.train.load import load

if TYPE_CHECKING:
    from descend.result.datasets import GlobalFit, SetFit

__all__ = ["predict"]

MOST_NAMED = 12


def predict(saved: str, table: Text, /, **given: Any) -> None:
    """Predict with a saved fit; the table has the columns that the fit was made with.

    Args:
        saved: A file that fit --save has written.
        table: CSV and other text, Excel, OpenDocument, Parquet or JSON; - is standard input.
    """
    told, to = Told(given), given.get("to")
    if to is not None:
        check_output_path(to, "predictions")
    fit = load(saved)
    parts, by = parts_of(fit, given), given.get("by")
    inputs = list(dict.fromkeys(name for part in parts.values() for name in part.inputs))
    source = open_table(table, given.get("sql"), asked_of(given, inputs))
    tell_notes(source, given)
    absent = [name for name in (*inputs, *([by] if by else [])) if name not in source.columns]
    if absent:
        raise DataError(
            f'"{table}" has no column {", ".join(absent)}, which the fit needs',
            remedy=f"its columns are {', '.join(source.columns[:12])}",
        )
    missing = given.get("missing", "raise")
    if by is not None and given.get("stream"):
        raise UsageError(
            "--stream predicts by one dataset, and --by names another for each row",
            remedy="leave out --stream, or predict by one with --dataset NAME",
        )
    if by is None and goes_in_passes(source, inputs, given, told):
        (part,) = parts.values()
        return in_passes(part, fit.target, source, given, told)
    rows = source.read(inputs)
    clean = clean_rows(rows, missing=missing, least=1)
    if clean.n_dropped:
        complain(f"warning: {clean.n_dropped} rows were dropped")
    labels = None if by is None else [str(label) for label in source.labels(by).tolist()]
    prediction = predicted(parts, clean, labels)
    columns = {**clean.columns, fit.target: prediction}
    if to is not None:
        write_table(columns, to, "predictions")
        told.line(f"written: {to}")
    if told.json:
        values = jsonable(prediction)
        print_json({"target": fit.target, "n_dropped": clean.n_dropped, "prediction": values})
    elif to is None and not told.quiet:
        say("\n".join([fit.target, *map(repr, prediction.tolist())]))


def in_passes(
    part: Fit | SetFit, target: str, source: TableFile, given: Mapping[str, Any], told: Told
) -> None:
    """Predict block by block, within little memory.

    Rows that cannot be used are told of before anything is printed, which cannot be taken back;
    where a file alone is written, a pass before is spared: it is there whole or not at all.
    """
    to, scratch, missing = given.get("to"), given.get("scratch"), given.get("missing", "raise")
    with ExitStack() as ends:
        stream = ends.enter_context(open_stream(source, list(part.inputs), scratch=scratch))
        writer = None
        if to is not None:
            writer = ends.enter_context(TableWriter(to, "predictions", scratch))

        def predict_piece(piece: Piece) -> Any:
            columns = dict(zip(stream.names, piece.columns, strict=True))
            prediction = part.predict(columns)
            if writer is not None:
                writer.add({**columns, target: prediction})
            return prediction

        if writer is not None and not told.json:
            survey = stream.read_once(predict_piece, missing, least=1)
        else:
            survey = stream.survey(missing=missing, most=1, least=1)
        if survey.n_dropped:
            complain(f"warning: {survey.n_dropped} rows were dropped")
        if told.json:
            head = {"target": target, "n_dropped": survey.n_dropped}
            found = (jsonable(predict_piece(piece)) for piece in stream.blocks())
            print_json_rows(head, "prediction", found)
        elif writer is None and not told.quiet:
            say(target)
            for piece in stream.blocks():
                say("\n".join(map(repr, predict_piece(piece).tolist())))
    if to is not None:
        told.line(f"written: {to}")


def parts_of(fit: Fit | GlobalFit, given: Mapping[str, Any]) -> dict[str, Fit | SetFit]:
    """What predicts: the fit itself, or of a global fit those of its datasets that are asked for.

    Raises:
        UsageError: nothing says which dataset a row is of; or what says so has no meaning.
    """
    by, one = given.get("by"), given.get("dataset")
    if isinstance(fit, Fit):
        for name in ("by", "dataset"):
            if name in given:
                raise UsageError(
                    f"--{name} is for global fits, and the saved fit is of one dataset",
                    remedy=f"leave out --{name}",
                )
        return {"": fit}
    if (by is None) == (one is None):
        names = ", ".join(part.name for part in fit.datasets[:MOST_NAMED])
        raise UsageError(
            f"the saved fit is of {len(fit)} datasets ({names}"
            f"{', …' if len(fit) > MOST_NAMED else ''}), and one of --by and --dataset says which",
            remedy=f"write --by COLUMN for a column with their names, or --dataset "
            f"{shlex.quote(fit.datasets[0].name)} for all rows",
        )
    return {part.name: part for part in fit.datasets} if one is None else {"": fit[one]}


def predicted(parts: Mapping[str, Fit | SetFit], clean: Clean, labels: list[str] | None) -> Any:
    """The predictions of all rows, each by the dataset that its label names."""
    if labels is None:
        (part,) = parts.values()
        return part.predict({name: clean.columns[name] for name in part.inputs})
    own = np.array(labels)[... if clean.kept is None else clean.kept]
    for row, label in enumerate(own.tolist()):
        if label not in parts:
            raise DataError(
                f'row {row} is of "{label}", which is no dataset of the fit{suggest(label, parts)}',
                remedy=f"its datasets are {', '.join([*parts][:MOST_NAMED])}",
            )
    found = np.empty(len(own))
    for label in dict.fromkeys(own.tolist()):
        rows, part = own == label, parts[label]
        found[rows] = part.predict({name: clean.columns[name][rows] for name in part.inputs})
    return found
