"""From sections to text or HTML: where words and numbers stand."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from descend.show.numbers import WIDTH, aligned
from descend.visible import visible

__all__ = ["Section", "as_html", "as_text"]

LABEL = 12  # columns of the label where there is one value and no title
NOTED_LABEL = 17  # and where a remark follows the value


@dataclass(slots=True)
class Section:
    """A titled block: rows of cells, perhaps under a header, then remarks in full sentences.

    Without a header a row is (label, value) or (label, number, note). `packed` rows are short
    (label, value) pairs of which several share a line.
    """

    title: str
    header: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    packed: bool = False

    def fill(self, rows: Iterable[tuple[str, ...]], even: Container[int]) -> None:
        """Take rows; in the `even` columns decimal points come to stand below one another."""
        columns = zip(*rows, strict=True)
        told = [aligned(c) if k in even else c for k, c in enumerate(columns)]
        self.rows = list(zip(*told, strict=True))


def as_text(title: str, sections: Iterable[Section], width: int = WIDTH) -> str:
    """Lay sections out as plain text of at most `width` columns where words allow it.

    >>> print(as_text("Title", [Section("", rows=[("data", "3 rows")], remarks=["All well."])]))
    Title
      data        3 rows
      All well.
    """
    lines = textwrap.wrap(title, width, subsequent_indent="    ", break_on_hyphens=False)
    for section in sections:
        if section.title:
            lines += ["", section.title]
        if section.rows:
            lines += _rows(section, width)
        for remark in section.remarks:
            for part in remark.splitlines():
                lines += _wrapped(part, width, "  ", "    ")
    return visible("\n".join(line.rstrip() for line in lines))


def _rows(section: Section, width: int) -> list[str]:
    if section.header:
        return _table(section)
    if section.packed:
        return _packed(section, width)
    if len(section.rows[0]) > 2:
        return _noted(section, width)
    lines: list[str] = []
    for label, value in section.rows:
        for number, part in enumerate(value.splitlines() or [""]):
            first = "  " + (label if number == 0 else "").ljust(LABEL)
            lines += _wrapped(part, width, first, " " * len(first)) or [first]
    return lines


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )


def _noted(section: Section, width: int) -> list[str]:
    numbers = aligned([row[1] for row in section.rows])
    lines: list[str] = []
    for (label, _, note), number in zip(section.rows, numbers, strict=True):
        first = f"  {label.ljust(NOTED_LABEL)}{number}  "
        lines += _wrapped(note, width, first, " " * len(first)) or [first]
    return lines


def _packed(section: Section, width: int) -> list[str]:
    names = max(len(label) for label, _ in section.rows)
    cells = [f"{label.ljust(names)}  {value}" for label, value in section.rows]
    gap = "    "
    size = max(map(len, cells))
    across = max(1, (width - 2 + len(gap)) // (size + len(gap)))
    return [
        "  " + gap.join(cell.ljust(size) for cell in cells[start : start + across])
        for start in range(0, len(cells), across)
    ]


def _table(section: Section) -> list[str]:
    table = [section.header, *section.rows]
    widths = [max(len(row[k]) for row in table) for k in range(len(section.header))]
    lines = []
    for first, *others in table:
        cells = [cell.rjust(size) for cell, size in zip(others, widths[1:], strict=True)]
        lines.append("  " + "  ".join([first.ljust(widths[0]), *cells]))
    return lines


def as_html(title: str, sections: Iterable[Section]) -> str:
    """Lay sections out as an HTML fragment without colours of its own, everything escaped.

    >>> print(as_html("a < b", [Section("", rows=[("data", "3 rows")])]).splitlines()[0])
    <div><p><code><b>a &lt; b</b></code></p>
    """
    parts = [f"<div><p><code><b>{html.escape(title)}</b></code></p>"]
    for section in sections:
        if section.title:
            parts.append(f"<p><b>{html.escape(section.title)}</b></p>")
        if section.rows:
            parts.append("<table>")
            parts += [_html_row(section.header, "th")] if section.header else []
            parts += [_html_row(row, "td") for row in section.rows]
            parts.append("</table>")
        parts += [f"<p>{html.escape(remark)}</p>" for remark in section.remarks]
    return visible("\n".join([*parts, "</div>"]))


def _html_row(cells: tuple[str, ...], tag: str) -> str:
    """One row; numbers keep their padding, so that their decimal points stay aligned."""
    style = "text-align:left;white-space:pre-wrap;font-variant-numeric:tabular-nums"
    opened = f"<{tag} style='{style}'>"
    return "<tr>" + "".join(f"{opened}{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
