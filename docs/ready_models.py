"""The list of ready models, for docs/ready-models.md."""

from __future__ import annotations

import re

LIST = re.compile(r"(<!-- models -->\n).*?(<!-- /models -->)", re.S)


def with_models(text: str) -> str:
    """The page with one section a model: formula, parameters, bounds, source."""
    from descend.models.table import KINDS

    shown = [kind for name, kind in KINDS.items() if not re.fullmatch(r"polynomial[^3]", name)]
    return LIST.sub(lambda m: f"{m[1]}\n{''.join(map(_section, shown))}{m[2]}", text)


def _section(kind: object) -> str:
    lines = [f"### `{kind.name}({', '.join(kind.data)})`", "", f"    {kind.formula}", ""]
    for name, meaning in kind.parameters.items():
        low, high = kind.bounds.get(name, (float("-inf"), float("inf")))
        limits = "" if (low, high) == (float("-inf"), float("inf")) else _limits(low, high)
        lines.append(f"- `{name}`: {meaning}{limits}")
    source = f"\nSource: {kind.source}.\n" if kind.source else ""
    return "\n".join(lines) + f"\n{source}\n"


def _limits(low: float, high: float) -> str:
    return f" (at least {low:g})" if high == float("inf") else f" (from {low:g} to {high:g})"
