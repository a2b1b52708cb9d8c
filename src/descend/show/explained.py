"""An explanation as text."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.records.explanation import Backward, Chain, Explained, Forward, LayerStep, Sent
from descend.show.expressions import number, value_text
from descend.words import words_of

__all__ = ["as_factor", "bracketed", "chains_of", "explained_lines", "layer_numbers"]

WIDTH = 78
NEW_LINE = "\n      "
FEW = 4
"""Parameters, of which the chain rule of each is written out."""

Words = Mapping[str, str]


def explained_lines(e: Explained) -> Iterator[str]:
    """The lines of the text."""
    words = words_of("explain", e.lang)
    key, gaps = e.title
    yield words[key].format(**gaps)
    for what, values in e.given.items():
        if values:
            listed = ", ".join(f"{name} = {value_text(v)}" for name, v in values.items())
            yield f"  {words[what]}: {listed}"
    yield ""
    if e.layers:
        yield from _layer_lines(e, words)
        yield ""
    goal = words["the_loss"] if e.output == "loss" else words["the_result"].format(name=e.output)
    yield words["forward"].format(goal=goal)
    yield from _forward_lines(e.forward)
    yield ""
    yield words["backward"].format(goal=goal)
    yield "  " + words["begins"].format(output=e.output)
    yield "  " + words["sends"]
    for step in e.backward:
        yield from _backward_lines(step, e.output, words)
    yield ""
    yield words["gradient"]
    width = max((len(name) for name in e.gradient), default=0)
    for name, value in e.gradient.items():
        yield f"  d {e.output}/d {name:<{width}} = {value_text(value)}"
    yield from _chain_lines(e, words)
    if e.updates:
        assert e.rule is not None
        key, gaps = e.rule
        yield ""
        yield words["update"].format(rule=words[key].format(**gaps))
        yield from _update_lines(e, words)


def layer_numbers(layer: LayerStep) -> list[str]:
    """The norms of a layer as they are written; nothing where there is none."""
    told = (layer.value, layer.incoming, layer.gradient)
    return ["" if math.isnan(value) else number(value) for value in told]


def _layer_lines(e: Explained, words: Words) -> Iterator[str]:
    """A table of the layers: shapes, norms, and what vanishes or explodes."""
    yield words["layers"]
    head = [words[key] for key in ("layer", "shape", "values", "comes_back", "gradients")]
    rows = [head]
    for layer in e.layers:
        shape = "×".join(map(str, layer.shape)) or "1"
        rows.append([layer.name, shape, *layer_numbers(layer)])
    widths = [max(_wide(row[k]) for row in rows) for k in range(len(head))]
    marks = ["", *map(e.unlike, e.layers)]
    for row, unlike in zip(rows, marks, strict=True):
        cells = [row[0] + " " * (widths[0] - _wide(row[0]))]
        cells += [" " * (w - _wide(c)) + c for c, w in zip(row[1:], widths[1:], strict=True)]
        yield f"  {'  '.join(cells)}  {words[unlike] if unlike else ''}".rstrip()
    if any(marks):
        yield f"  {words['unlike']}"


def _forward_lines(steps: Sequence[Forward]) -> Iterator[str]:
    if not steps:
        return
    computed = [f"{s.label} = {s.computed}" for s in steps]
    wide = min(max(map(len, computed)), 44)
    values = [value_text(s.value) for s in steps]
    far = max(map(len, values))
    for step, text, value in zip(steps, computed, values, strict=True):
        written = f"    {step.written}" if step.written else ""
        yield f"  {text:<{wide}} = {value:<{far}}{written}".rstrip()


def _backward_lines(step: Backward, output: str, words: Words) -> Iterator[str]:
    yield ""
    made = f" = {step.computed}" if step.computed else ""
    yield "  " + words["at"].format(step=f"{step.label}{made}")
    if len(step.summands) > 1:
        terms = " + ".join(bracketed(s) for s in step.summands)
        yield "    " + words["used"].format(count=len(step.summands))
        if len(terms) > WIDTH:
            terms = (" +" + NEW_LINE).join(bracketed(s) for s in step.summands)
        yield f"      {terms} = {value_text(step.incoming)}"
    else:
        came = f"d {output}/d {step.label} = {value_text(step.incoming)}"
        yield f"    {_padded(words['comes_in'])}{came}"
    for part in step.sent:
        yield from _sent_lines(step, part, words)


def _sent_lines(step: Backward, part: Sent, words: Words) -> Iterator[str]:
    out = f"    {_padded(words['goes_out'])}{words['to'].format(name=part.to)}: "
    if part.local is None:
        rule = f"    ({part.rule})" if part.rule else ""
        yield f"{out}{value_text(part.value)}{rule}"
        return
    local = value_text(part.local)
    rule = f"{part.rule} = {local}" if part.rule not in (local, "") else local
    yield f"    {_padded(words['local'])}d {step.label}/d {part.to} = {rule}"
    told = f"{out}{bracketed(step.incoming)} × {bracketed(part.local)} = "
    if len(told) > WIDTH:
        yield told.rstrip()
        told = " " * 17
    yield told + value_text(part.value)


def _padded(word: str) -> str:
    """A word in a column of eleven."""
    return word + " " * (11 - _wide(word))


def _wide(text: str) -> int:
    """How many columns a text takes: Chinese signs take two each."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def bracketed(value: Any) -> str:
    """A number as it stands in a product or a sum."""
    text = value_text(value)
    return f"({text})" if text.startswith("-") else text


# --- the chain rule of one parameter


def chains_of(e: Explained) -> list[Chain]:
    """The chain rules that are written out: that of the parameter asked for, or of a few."""
    if not e.parameter and len(e.gradient) > FEW:
        return []
    names = [e.parameter] if e.parameter else [*e.gradient]
    found = [e.chain(name) for name in names]
    return [c for c in found if c is not None and (e.parameter or max(map(len, c.paths)) > 1)]


def _chain_lines(e: Explained, words: Words) -> Iterator[str]:
    chains = chains_of(e)
    if not chains:
        return
    yield ""
    yield words["chain_sum" if any(len(c.paths) > 1 for c in chains) else "chain"]
    for chain in chains:
        begin = f"  d {e.output}/d {chain.name}"
        indent = " " * len(begin)
        symbols = [" · ".join(f"d {f.of}/d {f.by}" for f in path) for path in chain.paths]
        rules = [" · ".join(as_factor(f.rule) for f in path) for path in chain.paths]
        values = [" · ".join(bracketed(f.local) for f in path) for path in chain.paths]
        for how, texts in enumerate((symbols, rules, values)):
            if how and texts == (symbols, rules)[how - 1]:
                continue
            for n, text in enumerate(texts):
                sign = "+" if n else "="
                yield f"{indent if how or n else begin} {sign} {text}"
        yield f"{indent} = {value_text(chain.value)}"


def as_factor(rule: str) -> str:
    """A derivative as it stands in a product."""
    inside = rule.replace(" · ", "·")
    return f"({rule})" if " " in inside or rule.startswith("-") else rule


# --- the update


def _update_lines(e: Explained, words: Words) -> Iterator[str]:
    width = max(len(u.name) for u in e.updates)
    for u in e.updates:
        old, new = value_text(u.old), value_text(u.new)
        if e.lr is not None and np.ndim(u.old) == 0:
            how = f"{old} - {number(e.lr)} × {bracketed(u.gradient)} = "
            begin, end = float(np.asarray(u.old)), float(np.asarray(u.new))
            plain = begin - e.lr * float(np.asarray(u.gradient))
            if abs(plain - end) > 1e-6 * max(abs(begin), abs(plain)):
                how += f"{value_text(plain)}{words['bound']}"
        elif np.ndim(u.old) == 0:
            step = float(np.asarray(u.new) - np.asarray(u.old))
            how = f"{old} {'-' if step < 0 else '+'} {value_text(abs(step))} = "
        else:
            indent = "\n" + " " * (width + 5)
            how = f"{old}{indent}+ {value_text(np.asarray(u.new) - np.asarray(u.old))}{indent}= "
        yield f"  {u.name:<{width}} ← {how}{new}"
