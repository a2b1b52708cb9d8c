"""Workbooks of Excel and LibreOffice: .xlsx, .xls, .xlsb, .ods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import python_calamine

from descend.data.asked import Asked, Undecided
from descend.data.cells import CellTable
from descend.data.layout import Row, from_names, lay_out
from descend.errors import DataError, suggest

__all__ = ["open_sheet"]


def open_sheet(path: str, file: str, how: Asked) -> CellTable:
    """Open a sheet: the one that was asked for, or the first that holds anything.

    Raises:
        DataError: no workbook, one behind a password, no such sheet, nothing in it.
    """
    try:
        book = python_calamine.load_workbook(file)
    except python_calamine.PasswordError:
        raise DataError(
            f'"{path}" is behind a password', remedy="save it without one, or as CSV"
        ) from None
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise DataError(
            f'"{path}" is no workbook of Excel or LibreOffice that can be read: {error}',
            remedy="open it there and save it anew, or as CSV",
        ) from None
    note = ""
    with book:
        if how.sheet is not None:
            rows = _rows(book, _named(book, path, how.sheet), how)
        else:
            name, rows, others = _first_filled(book, how)
            if others:
                note = f'the sheet "{name}" of "{path}" is read; others are {", ".join(others)}'
    if not rows:
        raise DataError(f'"{path}" holds nothing in its sheets')
    rows, notes = from_names(rows, how, path, "row")
    _refuse_lines_above(rows, path)
    layout = lay_out(rows, how, path)
    layout = layout._replace(notes=(*filter(None, [note]), *notes, *layout.notes))
    return CellTable(path, rows, layout, how)


def _named(book: Any, path: str, sheet: str | int) -> str:
    names: Sequence[str] = book.sheet_names
    if str(sheet) in names:
        return str(sheet)
    if isinstance(sheet, int) and sheet <= len(names):
        return names[sheet - 1]
    raise DataError(
        f'"{path}" has no sheet "{sheet}"{suggest(str(sheet), names)}',
        remedy=f"its sheets are {', '.join(names)}; they are numbered from 1",
    )


def _first_filled(book: Any, how: Asked) -> tuple[str, list[Row], list[str]]:
    """The first sheet that looks like a table, hidden ones last, and the names of others."""
    visible = python_calamine.SheetVisibleEnum.Visible
    pages = [s for s in book.sheets_metadata if s.typ == python_calamine.SheetTypeEnum.WorkSheet]
    sheets, hidden = [s.name for s in pages], {s.name for s in pages if s.visible != visible}
    filled = {name: _rows(book, name, how) for name in sorted(sheets, key=lambda n: n in hidden)}
    filled = {name: rows for name, rows in filled.items() if rows}
    if not filled:
        return "", [], []
    name = max(filled, key=lambda name: _promise(filled[name], how))
    return name, filled[name], [other for other in filled if other != name]


def _promise(rows: Sequence[Row], how: Asked) -> int:
    """How much a sheet looks like the table: it has the names, or numbers, or several rows."""
    cells = [cell for row in rows for cell in row.cells]
    if any(isinstance(cell, str) and cell.strip() in how.wanted for cell in cells):
        return 3
    return 2 if any(isinstance(cell, float) for cell in cells) else int(len(rows) > 1)


def _rows(book: Any, name: str, how: Asked) -> list[Row]:
    """The rows that hold something, without empty columns at their sides."""
    sheet = book.get_sheet_by_name(name)
    grid = sheet.to_python(skip_empty_area=True)
    above = sheet.start[0] if sheet.start else 0
    rows = [
        Row(above + number, [None if cell == "" else cell for cell in cells])
        for number, cells in enumerate(grid, start=1)
        if above + number > (how.skip or 0)
    ]
    rows = [row for row in rows if any(cell is not None for cell in row.cells)]
    columns = range(len(rows[0].cells)) if rows else ()
    used = [j for j in columns if any(row.cells[j] is not None for row in rows)]
    return [row._replace(cells=[row.cells[j] for j in used]) for row in rows]


def _refuse_lines_above(rows: Sequence[Row], path: str) -> None:
    """Titles and remarks above the table stand in a single cell."""
    count = [sum(cell is not None for cell in row.cells) for row in rows]
    first = next((index for index, cells in enumerate(count) if cells > 1), 0)
    if first:
        raise Undecided(
            f'row {rows[0].line} of "{path}" holds one cell, and the rows from '
            f"{rows[first].line} on have more",
            [{"skip": rows[first].line - 1}],
        )
