"""Files of any kind, opened: what they are, their encoding, and the table in them."""

from __future__ import annotations

import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from descend.data.asked import Asked
from descend.data.cells import CellTable
from descend.data.encoding import FURTHER, blocks, decoded, encoding_of, find_encoding
from descend.data.parts import Arrays, Foreign, Part, Text
from descend.data.quoting import spelled
from descend.data.spool import Spool, opened, seekable, spooled_bytes, spooled_text
from descend.data.table import TableFile
from descend.data.text import Dialect, cells_of, sniff, without_remark
from descend.errors import DataError, DescendError, UsageError

__all__ = ["Sources"]

HEAD = 256_000  # bytes at the beginning of a large file that are looked at
PIECES, PIECE = 16, 4_000  # and pieces from all of its length
PARQUET, ZIP, OLD_OFFICE, ZSTD = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"(\xb5/\xfd"
READERS = {
    ".parquet": "read_parquet({path})",
    ".pq": "read_parquet({path})",
    ".json": "read_json_auto({path})",
    ".jsonl": "read_json_auto({path}, format='newline_delimited')",
    ".ndjson": "read_json_auto({path}, format='newline_delimited')",
}
SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
MEANINGLESS = {
    "text": ("a text", ("sheet",)),
    "sheet": ("a workbook", ("encoding", "sep")),
}
"""Of a kind of files: what it is called, and which options say nothing of it; others take none."""
PACKED = (".gz", ".bz2", ".xz", ".zst")
NO_TABLE = "tables are text such as .csv, workbooks (.xlsx, .ods), .parquet, .json and .jsonl"


class Sources:
    """The files that a path names; of those that can be read only once a copy is kept."""

    def __init__(
        self, path: str, files: Sequence[str], small: int, folder: str | None = None
    ) -> None:
        self.path, self.files, self.small, self._folder = path, files, small, folder
        self._copies: dict[Any, Spool] = {}
        self._places = [self._place(file) for file in files]

    def _place(self, file: str) -> str:
        if seekable(file):
            with open(file, "rb") as stream:
                packed = stream.read(4) == ZSTD
            if not packed or Path(file.removesuffix(".zst")).suffix.lower() in READERS:
                return file
            return self._copies.setdefault(file, self._text(_unpacked(file), file)).file
        place = self._copies.setdefault(file, spooled_bytes(file, self._folder)).file
        if os.path.getsize(place) == 0:
            what = "there is nothing on standard input" if file == "-" else f'"{file}" is empty'
            raise DataError(what)
        return place

    def table(self, how: Asked, sql: str | None = None) -> TableFile:
        """The table, read as it is asked for."""
        try:
            return self._table(how, sql)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DataError(f'"{self.path}" cannot be read, or is damaged: {error}') from None

    def _table(self, how: Asked, sql: str | None) -> TableFile:
        if sql is None and len(self.files) == 1:
            held = self._in_memory(self.path, self._places[0], how)
            if held is not None:
                return held
        from descend.data.queried import QueriedTable

        parts = [
            self._part(file, place, how)
            for file, place in zip(self.files, self._places, strict=True)
        ]
        if len(parts) > 1:
            self._check_alike(parts)
        table = QueriedTable(self.path, parts, how, sql)
        table.kept = self  # temporary files live as long as what reads them
        return table

    def _in_memory(self, path: str, place: str, how: Asked) -> TableFile | None:
        """A sheet, or a small text; None of what DuckDB reads."""
        kind = _kind(path, place)
        _check_meant(path, kind, how)
        if kind == "sheet":
            from descend.data.sheets import open_sheet

            return open_sheet(path, place, how)
        if kind != "text":
            return None
        with opened(place) as stream:
            data = stream.read(self.small + 1)
        if len(data) > self.small:
            return None
        encoding, note = self._encoding(path, place, how)
        lines = list(io.StringIO(decoded(data, encoding, path), newline=None))
        dialect = sniff(lines, how, path)
        layout = dialect.layout
        layout = layout._replace(notes=(*note, *layout.notes))
        return CellTable(path, dialect.lines.rows, layout, how)

    def _part(self, file: str, place: str, how: Asked) -> Part:
        """What DuckDB reads of a file."""
        kind = _kind(file, place)
        _check_meant(file, kind, how)
        if kind == "sheet":
            from descend.data.sheets import open_sheet

            return Arrays(open_sheet(file, place, how).in_query())
        if kind != "text":
            return Foreign(place, kind)
        encoding, note = self._encoding(file, place, how)
        with opened(place) as stream:
            packed = not isinstance(stream, io.BufferedReader)
        plain = place
        if packed or encoding not in ("utf-8", "utf-8-sig"):
            plain = self._copy(place, encoding, file)
        lines, head = _sample(plain)
        dialect = sniff(lines, how, file, head)
        dialect = dialect._replace(
            layout=dialect.layout._replace(notes=(*note, *dialect.layout.notes))
        )
        if dialect.sep == " " or dialect.lines.within or _ends_oddly(plain):
            plain = self._cleared(plain, dialect, file)
            dialect = dialect._replace(sep=dialect.sep.replace(" ", "\t"))
        return Text(plain, dialect)

    def _copy(self, place: str, encoding: str, path: str) -> str:
        """The file as UTF-8 without packing."""
        key = (place, encoding)
        if key not in self._copies:
            with opened(place) as stream:
                self._copies[key] = self._text(blocks(stream, encoding, path), path)
        return self._copies[key].file

    def _text(self, pieces: Iterable[str], path: str) -> Spool:
        return spooled_text(pieces, path, self._folder)

    def _cleared(self, place: str, dialect: Dialect, file: str) -> str:
        """The file without comments, and with tabs for blanks, line by line."""
        key = (place, dialect.sep)
        if key not in self._copies:
            with open(place, encoding="utf-8-sig") as lines:
                cleared = (_cleared(line, dialect) for line in lines)
                self._copies[key] = self._text(cleared, file)
        return self._copies[key].file

    def _encoding(self, path: str, place: str, how: Asked) -> tuple[str, tuple[str, ...]]:
        """The encoding of a file, and what is to be said of it."""
        if how.encoding is not None:
            return how.encoding, ()
        with opened(place) as stream:
            found = find_encoding(stream)
        if not found.others:
            return found.name, ()
        with opened(place) as stream:
            head = stream.read(HEAD)
        tried = [found.name, *found.others]
        odd = [name for name in how.wanted if not name.isascii()]
        tried += FURTHER if odd else ()
        names = {name: _names(head, name, how) for name in tried}
        taken = max(names, key=lambda name: len(how.wanted.intersection(names[name])))
        other = next((n for n in tried if n != taken and names[n] != names[taken]), None)
        note = f'"{path}" is neither UTF-8 nor UTF-16, and is read as {taken}'
        if other is not None:
            option = spelled({"encoding": other}, how.shell)
            note += f": its columns are {', '.join(names[taken])}; with {option} they are "
            note += ", ".join(names[other])
        return taken, (note,)

    def _check_alike(self, parts: Sequence[Any]) -> None:
        """Refuse files whose columns are called differently, or measured in other units."""
        named = [_columns(part) for part in parts]
        for file, names in zip(self.files, named, strict=True):
            if names is not None and named[0] is not None and {*names} != {*named[0]}:
                raise DataError(
                    f'"{file}" has the columns {", ".join(names)}, and "{self.files[0]}" has '
                    f"{', '.join(named[0])}",
                    remedy="name files whose columns are called the same",
                )
        units = [part.dialect.units if hasattr(part, "dialect") else () for part in parts]
        for file, these in zip(self.files, units, strict=True):
            if these and units[0] and these != units[0]:
                raise DataError(
                    f'"{file}" has the units {", ".join(these)}, and "{self.files[0]}" has '
                    f"{', '.join(units[0])}",
                    remedy="name files whose columns are measured in the same units",
                )


def _columns(part: Any) -> Sequence[str] | None:
    if hasattr(part, "dialect"):
        return tuple(part.dialect.layout.names)
    return tuple(part.columns) if hasattr(part, "columns") else None


def _check_meant(path: str, kind: str, how: Asked) -> None:
    """Refuse what was said of a table and means nothing for a file of its kind."""
    bound = ("Parquet" if "parquet" in kind else "JSON", Asked._fields[:8])
    what, others = MEANINGLESS.get(kind, bound)
    for name in others:
        if getattr(how, name) is not None:
            option = spelled({name: getattr(how, name)}, how.shell)
            raise UsageError(
                f'"{path}" is {what}, of which {option} says nothing', remedy="leave it out"
            )


def _kind(path: str, place: str) -> str:
    """Of a file: sheet, text, or how DuckDB reads it. Its content counts before its name.

    Raises:
        DataError: it is no table.
    """
    with opened(place) as stream:
        head = stream.read(4096)
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in PACKED:
        suffix = suffixes[-2] if len(suffixes) > 1 else ""
    if head.startswith(PARQUET) and suffix not in READERS:
        return READERS[".parquet"]
    if suffix in READERS:
        return READERS[suffix]
    if head.startswith(ZIP) and (suffix == ".zip" or not _is_workbook(place)):
        raise DataError(f'"{path}" is a zip archive', remedy="unpack it")
    if head.startswith((ZIP, OLD_OFFICE)) or (suffix in SHEETS and not _is_text(head)):
        return "sheet"
    if not _is_text(head):
        raise DataError(f'"{path}" is no table that can be read', remedy=NO_TABLE)
    begins = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if begins == b"<":
        raise DataError(f'"{path}" is a page of HTML or XML', remedy="save the table in it as CSV")
    if begins in (b"[", b"{") and not suffix:
        return READERS[".json"]
    return "text"


def _is_workbook(file: str) -> bool:
    """Whether a zip archive is a workbook, sound or damaged."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        return "content.xml" in names or any(name.startswith("xl/") for name in names)
    return True


def _unpacked(file: str) -> Iterator[str]:
    """The lines of a text that is packed by zstd, which DuckDB unpacks."""
    import duckdb

    from descend.data.sealed import pattern

    query = (
        f"SELECT line FROM read_csv({pattern(file)}, auto_detect=false, "
        "columns={'line': 'VARCHAR'}, delim='\x01', quote='', escape='', header=false, "
        "compression='zstd')"
    )
    try:
        with duckdb.connect() as link:
            link.execute("SET enable_progress_bar = false").fetchall()
            result = link.execute(query)
            while rows := result.fetchmany(10_000):
                yield from ((line or "") + "\n" for (line,) in rows)
    except duckdb.Error:
        raise DataError(
            f'"{file}" cannot be unpacked as text in UTF-8', remedy="unpack it first"
        ) from None


def _is_text(head: bytes) -> bool:
    return b"\0" not in head or encoding_of(head) is not None


def _names(head: bytes, encoding: str, how: Asked) -> tuple[str, ...]:
    """The names of the columns, in an encoding."""
    lines = list(io.StringIO(head.decode(encoding, "replace"), newline=None))
    try:
        return sniff(lines[: max(1, len(lines) - 1)], how, "").layout.names
    except DescendError:
        return ()


def _sample(file: str) -> tuple[list[str], int]:
    """The first lines of a file in UTF-8 and some later ones, and how many are the first."""
    size = os.path.getsize(file)
    with open(file, "rb") as stream:
        head = stream.read(HEAD)
        whole = len(head) == size
        first = _lines(head)[: None if whole else -1]
        later: list[str] = []
        for piece in range(PIECES if size > 2 * HEAD else 0):
            stream.seek(HEAD + (size - HEAD - PIECE) * piece // (PIECES - 1))
            later += _lines(stream.read(PIECE))[1:-1]
    return first + later, len(first)


def _ends_oddly(file: str) -> bool:
    """Whether the lines of a file end in several ways, or the file as those of DOS do."""
    with open(file, "rb") as stream:
        head = stream.read(HEAD)
        stream.seek(max(0, os.path.getsize(file) - 1))
        last = stream.read(1)
    both = head.count(b"\r\n")
    return last == b"\x1a" or head.count(b"\r") != both or both not in (0, head.count(b"\n"))


def _lines(data: bytes) -> list[str]:
    return list(io.StringIO(data.decode("utf-8-sig", "replace"), newline=None))


def _cleared(line: str, dialect: Dialect) -> str:
    if dialect.lines.within:
        plain = without_remark(line, dialect.sep)
        line = line if plain == line else plain + "\n"
    text = line.strip(" \t\r\n\x1a")
    if not text:
        return "\n"
    if dialect.sep != " ":
        return line
    cells = text.split() if '"' not in text else next(cells_of([text], " "))
    return "\t".join(cells) + "\n"
