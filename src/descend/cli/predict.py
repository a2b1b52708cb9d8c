"""`descend predict`: a saved fit on new rows."""

from __future__ import annotations

from typing import Any

from descend.cli.options import Text
from descend.cli.output import Told, print_json
from descend.cli.streams import complain, say
from descend.cli.tables import asked_of, tell_notes
from descend.data.read import open_table
from descend.data.validate import clean_rows
from descend.errors import DataError
from descend.records.record import jsonable
from descend.show.output import check_output_path, written_whole
from descend.train.load import load

__all__ = ["predict"]


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
    source = open_table(table, given.get("sql"), asked_of(given, fit.inputs))
    tell_notes(source, given)
    absent = [name for name in fit.inputs if name not in source.columns]
    if absent:
        raise DataError(
            f'"{table}" has no column {", ".join(absent)}, which the fit needs',
            remedy=f"its columns are {', '.join(source.columns[:12])}",
        )
    missing = given.get("missing", "raise")
    clean = clean_rows(source.read(fit.inputs), missing=missing, least=1)
    if clean.n_dropped:
        complain(f"warning: {clean.n_dropped} rows were dropped")
    prediction = fit.predict(clean.columns)
    columns = {**clean.columns, fit.target: prediction}
    if to is not None:
        write_table(columns, to)
        told.line(f"written: {to}")
    if told.json:
        values = jsonable(prediction)
        print_json({"target": fit.target, "n_dropped": clean.n_dropped, "prediction": values})
    elif to is None and not told.quiet:
        say("\n".join([fit.target, *map(repr, prediction.tolist())]))


def write_table(columns: dict[str, Any], path: str) -> None:
    """Write columns as CSV, TSV, JSON or Parquet with DuckDB, whole or not at all."""
    import duckdb

    forms = {
        ".csv": "(FORMAT csv, HEADER)",
        ".tsv": "(FORMAT csv, HEADER, DELIMITER '\t')",
        ".json": "(FORMAT json, ARRAY true)",
        ".parquet": "(FORMAT parquet)",
    }
    form = forms[path[path.rindex(".") :].lower()]
    link = duckdb.connect()
    link.execute("SET enable_progress_bar = false").fetchall()
    link.register("columns", columns)
    with written_whole(path) as temporary:
        quoted = str(temporary).replace("'", "''")
        link.execute(f"COPY (SELECT * FROM columns) TO '{quoted}' {form}")
