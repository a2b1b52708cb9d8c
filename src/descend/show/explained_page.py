"""An explanation as a page that needs nothing else: mathematics in MathML, which browsers draw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from descend.records.explanation import Backward, Chain, Explained
from descend.show.explained import as_factor, bracketed, chains_of, layer_numbers
from descend.show.explained_svg import MOST_STEPS, figure_of
from descend.show.expressions import number, value_text
from descend.words import TAGS, words_of

__all__ = ["explained_html", "explained_page"]

STYLE = """
.explained { font: 16px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei",
  sans-serif; max-width: 60rem; color-scheme: light dark; }
.explained h2 { font-size: 1rem; margin: 1.4em 0 .4em; border-bottom: 1px solid #8886; }
.explained table { border-collapse: collapse; }
.explained td { padding: .15em 1em .15em 0; vertical-align: baseline; }
.explained td.n { text-align: right; font-variant-numeric: tabular-nums; }
.explained code { opacity: .7; }
.explained math { font-size: 1.05em; }
.explained .step { margin: .6em 0; padding-left: .8em; border-left: 3px solid #0072b2; }
.explained th { text-align: right; padding: .15em 1em .15em 0; font-weight: normal; opacity: .7; }
.explained th:first-child { text-align: left; }
.explained .unlike td { background: #b3261e29; }
.explained .unlike b { color: #d0473f; }
.explained p { margin: .25em 0; }
.explained .step, .explained .chain { overflow: auto hidden; }
"""
TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<power>[²³⁴⁵⁶⁷⁸⁹])"
    r"|(?P<name>[^\W\d](?:[^\W²³⁴⁵⁶⁷⁸⁹]|\.(?=\w))*)|(?P<sign>\*\*|<=|>=|==|!=|\S)|\s+"
)
POWERS = dict(zip("²³⁴⁵⁶⁷⁸⁹", "23456789", strict=True))
ENDS = ("<mo>)</mo>", "<mo>]</mo>")
NUMBERED = re.compile(r"^([^\W\d_]+)_?(\d+)$")


def explained_page(e: Explained) -> str:
    """A whole page."""
    words = words_of("explain", e.lang)
    title = escape(_title(e, words))
    return (
        f'<!doctype html>\n<html lang="{TAGS[e.lang]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n</head>\n<body>\n{explained_html(e)}\n</body>\n</html>\n"
    )


def explained_html(e: Explained) -> str:
    """What stands in a page, or in a notebook."""
    words = words_of("explain", e.lang)
    parts = [f"<style>{STYLE}</style>", f"<h1>{escape(_title(e, words))}</h1>", *_parts(e, words)]
    return '<div class="explained">\n' + "\n".join(parts) + "\n</div>"


def _title(e: Explained, words: Mapping[str, str]) -> str:
    key, gaps = e.title
    return words[key].format(**gaps)


def _parts(e: Explained, words: Mapping[str, str]) -> Iterator[str]:
    for what, values in e.given.items():
        if values:
            pairs = [_math(f"{_words(n)}<mo>=</mo>{_value(v)}") for n, v in values.items()]
            listed = ", ".join(pairs)
            yield f"<p>{words[what]}: {listed}</p>"
    if len(e.forward) <= MOST_STEPS or e.layers:
        yield figure_of(e)
    if e.layers:
        yield _layers(e, words)
    goal = words["the_loss"] if e.output == "loss" else words["the_result"].format(name=e.output)
    yield f"<h2>{escape(words['forward'].format(goal=goal))}</h2>"
    rows = [
        f"<tr><td>{_math(f'{_words(s.label)}<mo>=</mo>{_words(s.computed)}')}</td>"
        f'<td class="n">{_math(_value(s.value))}</td><td><code>{escape(s.written)}</code></td></tr>'
        for s in e.forward
    ]
    yield f"<table>{''.join(rows)}</table>"
    yield f"<h2>{escape(words['backward'].format(goal=goal))}</h2>"
    for step in e.backward:
        yield _step(step, e.output, words)
    yield f"<h2>{words['gradient']}</h2>"
    for name, value in e.gradient.items():
        yield f"<p>{_math(f'{_slope(e.output, name)}<mo>=</mo>{_value(value)}')}</p>"
    chains = chains_of(e)
    if chains:
        several = any(len(c.paths) > 1 for c in chains)
        yield f"<h2>{escape(words['chain_sum' if several else 'chain'])}</h2>"
        yield from (_chain(c, e.output) for c in chains)
    if e.updates and e.rule is not None:
        key, gaps = e.rule
        yield f"<h2>{escape(words['update'].format(rule=words[key].format(**gaps)))}</h2>"
        for u in e.updates:
            made = _value(u.old)
            if e.lr is not None and np.ndim(u.old) == 0:
                made += f"<mo>-</mo>{_words(number(e.lr))}<mo>×</mo>{_value(u.gradient, True)}"
            made += f"<mo>→</mo>{_value(u.new)}"
            yield f"<p>{_math(f'{_words(u.name)}<mo>:</mo>{made}')}</p>"


def _layers(e: Explained, words: Mapping[str, str]) -> str:
    """A table of the layers; what vanishes or explodes has a colour and a word."""
    keys = ("layer", "shape", "values", "comes_back", "gradients")
    head = "".join(f"<th>{escape(words[key])}</th>" for key in keys)
    rows = [f"<tr>{head}<th></th></tr>"]
    for layer in e.layers:
        shape = "×".join(map(str, layer.shape)) or "1"
        cells = [f"<td>{escape(layer.name)}</td>"]
        cells += [f'<td class="n">{text}</td>' for text in (shape, *layer_numbers(layer))]
        unlike = e.unlike(layer)
        mark = ' class="unlike"' if unlike else ""
        told = f"<b>{escape(words[unlike])}</b>" if unlike else ""
        rows.append(f"<tr{mark}>{''.join(cells)}<td>{told}</td></tr>")
    note = f"<p>{escape(words['unlike'])}</p>"
    return f"<h2>{escape(words['layers'])}</h2><table>{''.join(rows)}</table>{note}"


def _step(step: Backward, output: str, words: Mapping[str, str]) -> str:
    made = f"{_words(step.label)}<mo>=</mo>{_words(step.computed)}" if step.computed else (
        _words(step.label)
    )  # fmt: skip
    terms = "<mo>+</mo>".join(_value(s, True) for s in step.summands)
    came = f"{terms}<mo>=</mo>" if len(step.summands) > 1 else ""
    lines = [
        words["at"].format(step=_math(made)),
        f"{words['comes_in']} "
        + _math(f"{_slope(output, step.label)}<mo>=</mo>{came}{_value(step.incoming)}"),
    ]
    for part in step.sent:
        product = _value(part.value)
        if part.local is not None:
            local = f"{_slope(step.label, part.to)}<mo>=</mo>"
            if part.rule not in ("", value_text(part.local)):
                local += f"{_words(part.rule)}<mo>=</mo>"
            lines.append(f"{words['local']} {_math(local + _value(part.local))}")
            product = f"{_value(step.incoming, True)}<mo>×</mo>{_value(part.local, True)}"
            product += f"<mo>=</mo>{_value(part.value)}"
        told = words["to"].format(name=_math(_words(part.to)))
        lines.append(f"{words['goes_out']} {told}: {_math(product)}")
    return '<div class="step">' + "".join(f"<p>{line}</p>" for line in lines) + "</div>"


def _chain(chain: Chain, output: str) -> str:
    """Symbols, rules, numbers and what they come to."""
    dot, plus = "<mo>·</mo>", "<mo>+</mo>"
    symbols = plus.join(dot.join(_slope(f.of, f.by) for f in path) for path in chain.paths)
    rules = plus.join(dot.join(_words(as_factor(f.rule)) for f in path) for path in chain.paths)
    values = plus.join(dot.join(_value(f.local, True) for f in path) for path in chain.paths)
    begin = _slope(output, chain.name)
    rows: Sequence[str] = [symbols, rules, values, _value(chain.value)]
    lines = [f"<p>{_math(f'{begin}<mo>=</mo>{rows[0]}')}</p>"]
    lines += [f"<p>{_math(f'<mo>=</mo>{row}')}</p>" for row in rows[1:]]
    return '<div class="chain">' + "".join(lines) + "</div>"


# --- MathML


def _math(inside: str) -> str:
    return f'<math displaystyle="true"><mrow>{inside}</mrow></math>'


def _slope(of: str, by: str) -> str:
    return f"<mfrac><mrow><mo>∂</mo>{_words(of)}</mrow><mrow><mo>∂</mo>{_words(by)}</mrow></mfrac>"


def _value(value: Any, inside: bool = False) -> str:
    return _words(bracketed(value) if inside else value_text(value))


def _words(text: str) -> str:
    """An expression as this package writes it: names with numbers below, powers above."""
    found: list[str] = []
    for match in TOKEN.finditer(text):
        token, kind = match[0], match.lastgroup
        if kind == "number":
            found.append(f"<mn>{token}</mn>")
        elif kind == "name":
            found.append(_name(token))
        elif kind == "power" and found:
            base = _taken(found)
            found.append(f"<msup><mrow>{base}</mrow><mn>{POWERS[token]}</mn></msup>")
        elif kind == "sign":
            first = not found or (found[-1].startswith("<mo") and found[-1] not in ENDS)
            how = ' form="prefix" rspace="0"' if first and token == "-" else ""
            found.append(f"<mo{how}>{escape(token.replace('-', '−'))}</mo>")
    return "".join(found)


def _taken(found: list[str]) -> str:
    """The last operand, with its brackets, which leaves the list."""
    depth, at = 0, len(found)
    while at:
        at -= 1
        depth += (found[at] == "<mo>)</mo>") - (found[at] == "<mo>(</mo>")
        if depth == 0:
            break
    base = "".join(found[at:])
    del found[at:]
    return base


def _name(name: str) -> str:
    numbered = NUMBERED.match(name)
    if numbered:
        return f"<msub><mi>{escape(numbered[1])}</mi><mn>{numbered[2]}</mn></msub>"
    return f"<mi>{escape(name)}</mi>"
