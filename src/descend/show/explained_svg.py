"""An explanation as a picture in SVG: the graph with its numbers, or the layers of a network."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from descend.records.explanation import Explained, LayerStep
from descend.show.canvas import DATA, FIT, INK, MUTED, PALE, PAPER, RULE, WRONG
from descend.show.expressions import value_text
from descend.show.numbers import short, shortened
from descend.words import words_of

__all__ = ["MOST_STEPS", "explained_svg", "figure_of"]

MOST_STEPS = 60
"""More steps than this are no picture for a page."""
FONT = 'ui-monospace, Menlo, Consolas, "Noto Sans Mono CJK SC", "DejaVu Sans Mono", monospace'
SIZE, LETTER, LINE = 13, 7.9, 18  # of the letters, and of a line, in pixels
PAD, ACROSS, DOWN, EDGE = 10, 64, 26, 24
LONGEST, HEADING = 34, 96  # letters of a line in a box, and of the heading
THREAD = 4.0  # the height of a place where a line passes a column
SWEEPS = 12
BAR, BOX = 180.0, 250.0  # the longest bar, and the width of a layer
GENTLE = 0.16  # the tint of what vanishes or explodes
Words = Mapping[str, str]


class Box(NamedTuple):
    """A node of the graph: what it is, its value, and the output's derivative by it."""

    label: str
    title: str
    value: str
    slope: str
    kind: str

    @property
    def width(self) -> float:
        lines = (self.title, self.value, self.slope)
        return max(map(_letters, lines)) * LETTER + 2 * PAD

    @property
    def height(self) -> float:
        return LINE * (2 + bool(self.slope)) + PAD


def explained_svg(e: Explained) -> str:
    """A file of its own."""
    words = words_of("explain", e.lang)
    key, gaps = e.title
    title = words[key].format(**gaps)
    written = shortened(title, HEADING)
    parts, width, height = _layers(e, words) if e.layers else _graph(e)
    under = words["layers"] if e.layers else words["graph"].format(output=e.output)
    width = max(width, 2 * EDGE + LETTER * max(1.16 * _letters(written), _letters(under)))
    head = [
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
        _text(EDGE, EDGE + 6, written, INK, size=SIZE + 2, weight="bold"),
        _text(EDGE, EDGE + 8 + LINE, under, MUTED),
    ]
    inside = "\n".join([*head, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">\n{inside}\n</svg>\n'
    )


def figure_of(e: Explained) -> str:
    """The picture within a page, which has its headings."""
    words = words_of("explain", e.lang)
    parts, width, height = _layers(e, words) if e.layers else _graph(e)
    under = words["layers"] if e.layers else words["graph"].format(output=e.output)
    above = TOP - 8
    ground = f'<rect y="{above}" width="{width:.0f}" height="{height - above:.0f}" fill="{PAPER}"/>'
    inside = "\n".join([ground, *parts])
    return (
        f'<svg viewBox="0 {above} {width:.0f} {height - above:.0f}" width="{width:.0f}" '
        f'role="img" aria-label="{escape(under)}" style="max-width:100%;height:auto">\n'
        f"{inside}\n</svg>"
    )


TOP = EDGE + 2 * LINE + 24
"""Where the picture begins below its headings."""


# --- the graph ------------------------------------------------------------------------------------


def _graph(e: Explained) -> tuple[list[str], float, float]:
    boxes, edges = _nodes(e)
    rank = _ranks(boxes, edges)
    chains = [_through(a, b, rank) for a, b in edges]
    steps = [pair for chain in chains for pair in itertools.pairwise(chain)]
    columns = _ordered(rank, steps)
    sizes: dict[str, tuple[float, float]] = {}
    for column in columns:
        wide = max(boxes[n].width for n in column if n in boxes)
        sizes |= {n: (wide, boxes[n].height if n in boxes else THREAD) for n in column}
    places, width, height = _placed(columns, sizes)
    parts = [_arrow([(*places[n], *sizes[n]) for n in chain]) for chain in chains]
    parts += [_box(box, *places[label], sizes[label][0]) for label, box in boxes.items()]
    return parts, width, height


def _through(a: str, b: str, rank: dict[str, int]) -> list[str]:
    """The way of an edge: of a long one through a place in every column that it passes."""
    between = [f"{a} → {b} {at}" for at in range(rank[a] + 1, rank[b])]
    rank |= {name: rank[a] + 1 + k for k, name in enumerate(between)}
    return [a, *between, b]


def _nodes(e: Explained) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    """The steps, and what they begin with, by label; and who uses whom."""
    given = {name: value for values in e.given.values() for name, value in values.items()}
    used = {name for step in e.forward for name in step.uses}
    boxes = {}
    for name in given:
        if name in used:
            kind = "parameter" if name in e.gradient else "data"
            boxes[name] = _described(e, name, name, given[name], kind)
    for step in e.forward:
        kind = "output" if step.label == e.output else "step"
        title = f"{step.label} = {step.computed}"
        boxes[step.label] = _described(e, step.label, title, step.value, kind)
    edges = [(a, step.label) for step in e.forward for a in step.uses if a in boxes]
    return boxes, edges


def _described(e: Explained, label: str, title: str, value: Any, kind: str) -> Box:
    slope = e.slope(label)
    told = "" if slope is None else f"∂{e.output}/∂{label} = {value_text(slope)}"
    return Box(
        label, shortened(title, LONGEST), shortened(value_text(value), LONGEST),
        shortened(told, LONGEST), kind,
    )  # fmt: skip


def _ranks(
    boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]]
) -> dict[str, int]:  # fmt: skip
    """The column of each: behind all that it uses, and what nothing made beside its first use."""
    rank = dict.fromkeys(boxes, 0)
    for label in boxes:  # steps follow what they use
        rank[label] = max((rank[a] + 1 for a, b in edges if b == label), default=0)
    for label, box in boxes.items():
        if box.kind in ("parameter", "data"):
            rank[label] = min((rank[b] for a, b in edges if a == label), default=1) - 1
    return rank


def _ordered(
    rank: Mapping[str, int], edges: Sequence[tuple[str, str]]
) -> list[list[str]]:  # fmt: skip
    """The columns, each in an order in which few lines cross.

    Sweeps to the right and to the left put each by the middle of its neighbours on the side that
    the sweep comes from; the best of all stays (Sugiyama, Tagawa and Toda 1981).
    """
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for label, at in rank.items():
        columns[at].append(label)
    before: dict[str, list[str]] = {label: [] for label in rank}
    behind: dict[str, list[str]] = {label: [] for label in rank}
    for a, b in edges:
        behind[a].append(b)
        before[b].append(a)
    best = [list(column) for column in columns]
    for sweep in range(SWEEPS):
        near = behind if sweep % 2 else before
        for column in reversed(columns) if sweep % 2 else columns:
            place = _places(columns)
            column.sort(key=lambda label: _middle(near[label], place, place[label]))
        if _crossings(columns, edges) < _crossings(best, edges):
            best = [list(column) for column in columns]
    return best


def _places(columns: Sequence[Sequence[str]]) -> dict[str, float]:
    """How far down in its column each is, from 0 to 1."""
    return {n: (k + 0.5) / len(column) for column in columns for k, n in enumerate(column)}


def _middle(near: Sequence[str], place: Mapping[str, float], own: float) -> float:
    return sum(place[other] for other in near) / len(near) if near else own


def _crossings(columns: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]) -> int:
    """How many pairs of lines between neighbouring columns cross."""
    place = _places(columns)
    column = {label: k for k, own in enumerate(columns) for label in own}
    return sum(
        column[a] == column[c] and (place[a] - place[c]) * (place[b] - place[d]) < 0
        for (a, b), (c, d) in itertools.combinations(edges, 2)
    )


def _placed(
    columns: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, tuple[float, float]], float, float]:  # fmt: skip
    """The upper left corner of each box, and the size of the picture."""
    tall = [sum(sizes[n][1] + DOWN for n in column) - DOWN for column in columns]
    most = max(tall, default=0.0)
    places = {}
    x = float(EDGE)
    for column, own in zip(columns, tall, strict=True):
        wide = max((sizes[n][0] for n in column), default=0.0)
        y = TOP + (most - own) / 2
        for label in column:
            places[label] = x, y
            y += sizes[label][1] + DOWN
        x += wide + ACROSS
    return places, x - ACROSS + EDGE, TOP + most + EDGE


def _box(box: Box, x: float, y: float, width: float) -> str:
    edge = {"parameter": FIT, "data": MUTED, "output": INK}.get(box.kind, DATA)
    dashes = ' stroke-dasharray="4 3"' if box.kind == "data" else ""
    height = box.height
    lines = [
        f'<g data-node="{escape(box.label)}">',
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" '
        f'fill="{PAPER}" stroke="{edge}" stroke-width="1.6"{dashes}/>',
        _text(x + PAD, y + LINE, box.title, INK, weight="bold"),
        _text(x + PAD, y + 2 * LINE, box.value, DATA),
    ]
    if box.slope:
        lines.append(_text(x + PAD, y + 3 * LINE, box.slope, FIT))
    return "\n".join([*lines, "</g>"])


def _arrow(way: Sequence[tuple[float, float, float, float]]) -> str:
    """A curve from the right side of the first box to the left side of the last one."""
    x, y, width, height = way[0]
    path = f"M{x + width:.1f},{y + height / 2:.1f}"
    before = x + width, y + height / 2
    for k, (left, top, wide, high) in enumerate(way[1:], 1):
        last = k == len(way) - 1
        to = left - 7 * last, top + high / 2
        bend = max((to[0] - before[0]) / 2, 12.0)
        path += (
            f" C{before[0] + bend:.1f},{before[1]:.1f} {to[0] - bend:.1f},{to[1]:.1f} "
            f"{to[0]:.1f},{to[1]:.1f}"
        )
        path += "" if last else f" H{to[0] + wide:.1f}"
        before = to[0] + wide * (not last), to[1]
    x, y = way[-1][0], before[1]
    return (
        f'<path d="{path}" fill="none" stroke="{PALE}" stroke-width="1.6"/>\n'
        f'<path d="M{x:.1f},{y:.1f} l-8,-4 v8 z" fill="{PALE}"/>'
    )


# --- the layers of a network ----------------------------------------------------------------------


def _layers(e: Explained, words: Words) -> tuple[list[str], float, float]:
    """A row for each layer: its name and shape, and bars for what goes forward and comes back."""
    step, left = 3.4 * LINE, EDGE + BOX + 40.0
    bars = left + BAR + 12.0
    ends = _range([v for layer in e.layers for v in (layer.value, layer.incoming, layer.gradient)])
    parts: list[str] = []
    heads = ((words["values"], DATA), (words["comes_back"], FIT), (words["gradients"], MUTED))
    for k, layer in enumerate(e.layers):
        y = TOP + k * step
        parts += _layer(e, layer, y, k + 1 < len(e.layers), words)
        told = zip(heads, (layer.value, layer.incoming, layer.gradient), strict=True)
        for n, ((word, colour), value) in enumerate(told):
            if math.isnan(value):
                continue
            at, wide = y + n * LINE, BAR * _share(value, ends)
            parts.append(
                f'<rect x="{left:.1f}" y="{at + 3:.1f}" width="{max(wide, 2.0):.1f}" '
                f'height="{LINE - 6}" fill="{colour}" fill-opacity="0.75"/>'
            )
            parts.append(_text(bars, at + LINE - 4, f"{short(value, 4)}  {word}", colour))
    bottom = TOP + len(e.layers) * step
    width = bars + 24 * LETTER
    if any(map(e.unlike, e.layers)):
        parts.append(_text(EDGE, bottom + LINE, words["unlike"], MUTED))
        width, bottom = max(width, EDGE + _letters(words["unlike"]) * LETTER), bottom + 1.5 * LINE
    return parts, width + EDGE, bottom + EDGE


def _layer(e: Explained, layer: LayerStep, y: float, followed: bool, words: Words) -> Iterator[str]:
    unlike = e.unlike(layer)
    edge = WRONG if unlike else RULE
    tall = 2.8 * LINE
    fill = f'fill="{WRONG}" fill-opacity="{GENTLE}"' if unlike else f'fill="{PAPER}"'
    yield (
        f'<rect x="{EDGE}" y="{y:.1f}" width="{BOX}" height="{tall:.1f}" rx="6" {fill} '
        f'stroke="{edge}" stroke-width="1.6"/>'
    )
    if followed:
        x = EDGE + BOX / 2
        yield f'<path d="M{x},{y + tall:.1f} v{0.6 * LINE:.1f}" stroke="{PALE}" stroke-width="2"/>'
    yield _text(EDGE + PAD, y + LINE, shortened(layer.name, 28), INK, weight="bold")
    shape = "×".join(map(str, layer.shape)) or "1"
    yield _text(EDGE + PAD, y + 2 * LINE + 2, f"{words['shape']} {shape}", MUTED)
    if unlike:
        word = words[unlike]
        x = EDGE + BOX - PAD - _letters(word) * LETTER
        yield _text(x, y + 2 * LINE + 2, word, WRONG, weight="bold")


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the logarithmic scale of the bars."""
    logs = [math.log10(v) for v in values if v > 0 and math.isfinite(v)]
    return (min(logs) - 0.5, max(logs)) if logs else (-1.0, 0.0)


def _share(value: float, ends: tuple[float, float]) -> float:
    if not (value > 0 and math.isfinite(value)):
        return 0.0 if value == 0 else 1.0
    return (math.log10(value) - ends[0]) / (ends[1] - ends[0])


def _text(
    x: float, y: float, text: str, colour: str, size: int = SIZE, weight: str = "normal"
) -> str:
    bold = "" if weight == "normal" else f' font-weight="{weight}"'
    return (
        f"<text x=\"{x:.1f}\" y=\"{y:.1f}\" font-family='{FONT}' font-size=\"{size}\" "
        f'fill="{colour}" xml:space="preserve"{bold}>{escape(text)}</text>'
    )


def _letters(text: str) -> int:
    """How wide a text is, in letters; Chinese signs take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
