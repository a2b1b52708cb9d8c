"""What differs between two records, by kind, and what of it is explained."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tools.parity.facts import Facts

__all__ = [
    "KINDS",
    "Difference",
    "Explanation",
    "differences",
    "explanations",
    "listed",
    "unexplained",
]

KINDS = {
    "only": "only in one of the records",
    "error": "error class changed, or raised in one alone",
    "verdict": "verdict changed",
    "parameters": "parameters differ by more than 1e-6 standard errors or 1e-9 of themselves",
    "errors": "standard errors differ by more than 1e-6 of themselves",
    "figures": "loss, chi², … differ by more than 1e-6 of themselves",
    "words": "words of messages changed, numbers apart",
    "course": "iterations, starts or what the method is changed",
}
"""What may differ, the gravest first."""
VERDICT = ("status", "success", "exit_code", "verdict", "arrived")
ADDED = ("verdict", "arrived")
"""Facts that a record from before may not have, which is no difference."""
WORDS = ("message", "findings", "warnings", "warned", "errors_note", "errors_from")
FIGURES = (
    "loss", "running_loss", "validation_loss", "value", "chi2", "reduced_chi2", "r2", "aic",
    "deviance", "dof",
)  # fmt: skip
ALONE = {
    *VERDICT, *WORDS, *FIGURES, "error", "params", "stderr", "covariance", "sets", "start", "scale",
}  # fmt: skip
"""Facts that are compared in their own way, or only serve to."""
OF_ERROR, OF_ITSELF, OF_FIGURE = 1e-6, 1e-9, 1e-6
NOTHING = 1e-20
"""A mean square below so much of the target's is the rounding of an exact fit."""
NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b|\binf\b")
SHOWN = 3


class Difference(NamedTuple):
    """One difference: its kind, the call, the fact, and how it changed (numbers of words apart)."""

    kind: str
    name: str
    what: str
    change: str
    more: str = ""

    @property
    def text(self) -> str:
        """The fact and its change, against which explanations are held too."""
        return f"{self.what}: {self.change}"


class Explanation(NamedTuple):
    """A line `kind | pattern | reason`; the pattern is of names or of changes, `*` for all."""

    kind: str
    pattern: str
    reason: str

    def explains(self, found: Difference) -> bool:
        """Whether the difference is of this kind, and its name or change fits the pattern."""
        return fnmatchcase(found.kind, self.kind) and (
            fnmatchcase(found.name, self.pattern) or fnmatchcase(found.text, self.pattern)
        )


def differences(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> list[Difference]:
    """Every difference, in the order of the calls."""
    found: list[Difference] = []
    for name in [*before, *(n for n in after if n not in before)]:
        if name not in before or name not in after:
            found.append(
                Difference(
                    "only", name, "recorded", f"{'after' if name in after else 'before'} alone"
                )
            )
        else:
            found += _between(name, before[name], after[name])
    return found


def _between(name: str, old: Facts, new: Facts) -> Iterator[Difference]:
    if old.get("error") != new.get("error"):
        change = f"{old.get('error', 'none')} → {new.get('error', 'none')}"
        yield Difference(
            "error", name, "error", change, f"{old.get('message')} → {new.get('message')}"
        )
        return
    for fact in VERDICT:
        if old.get(fact) != new.get(fact) and not (
            fact in ADDED and (fact not in old or fact not in new)
        ):
            yield Difference("verdict", name, fact, f"{old.get(fact)} → {new.get(fact)}")
    yield from _parameters(name, old, new)
    yield from _errors(name, old, new)
    yield from _figures(name, old, new)
    yield from _words(name, old, new)
    for fact in dict.fromkeys([*old, *new]):
        if fact not in ALONE and old.get(fact) != new.get(fact):
            change = f"{old.get(fact)} → {new.get(fact)}"
            yield Difference("course", name, fact, NUMBER.sub("#", change), change)


def _parameters(name: str, old: Facts, new: Facts) -> Iterator[Difference]:
    a, b = old.get("params") or {}, new.get("params") or {}
    errors, start = old.get("stderr") or {}, old.get("start") or {}
    for key in dict.fromkeys([*a, *b]):
        if key not in a or key not in b:
            yield Difference("parameters", name, "names", f"{key} in one alone")
            continue
        error, begin = errors.get(key, math.nan), start.get(key, math.nan)
        way = max((abs(v) for v in (a[key], b[key], begin) if math.isfinite(v)), default=0.0)
        allowed = max(OF_ITSELF * way, OF_ERROR * error if math.isfinite(error) else 0.0)
        if not _alike(a[key], b[key], allowed):
            apart = abs(a[key] - b[key])
            size = f"{apart / error:.1e} standard errors" if error > 0 else f"{apart:.1e}"
            loss = [f"{r.get('loss', r.get('value', math.nan)):.6g}" for r in (old, new)]
            more = f"{key} {a[key]!r} → {b[key]!r} ({size}), loss {' → '.join(loss)}"
            yield Difference("parameters", name, "value", _direction(old, new), more)


def _direction(old: Facts, new: Facts) -> str:
    """Whether the loss went up or down with the parameters."""
    a, b = (r.get("loss", r.get("value", math.nan)) for r in (old, new))
    if not (math.isfinite(a) and math.isfinite(b)):
        return "loss not finite"
    if abs(a - b) <= OF_FIGURE * max(abs(a), abs(b)):
        return "same loss"
    return "lower loss" if b < a else "higher loss"


def _errors(name: str, old: Facts, new: Facts) -> Iterator[Difference]:
    rounding = _is_rounding(old, new)
    for fact in ("stderr", "covariance"):
        a, b = old.get(fact) or {}, new.get(fact) or {}
        for key in dict.fromkeys([*a, *b]):
            one, two = a.get(key, math.nan), b.get(key, math.nan)
            if not _alike(one, two, OF_ERROR * max(abs(one), abs(two)), rounding):
                change = f"{_kind(one)} → {_kind(two)}"
                yield Difference("errors", name, fact, change, f"{key} {one!r} → {two!r}")


def _figures(name: str, old: Facts, new: Facts) -> Iterator[Difference]:
    rounding = _is_rounding(old, new)
    for fact in FIGURES:
        one, two = (math.nan if r.get(fact) is None else r[fact] for r in (old, new))
        allowed = OF_FIGURE * max(abs(one), abs(two))
        if not _alike(one, two, allowed, rounding and fact != "dof"):
            change = f"{_kind(one)} → {_kind(two)}"
            yield Difference("figures", name, fact, change, f"{one!r} → {two!r}")
    for key, pair in (old.get("sets") or {}).items():
        for one, two in zip(pair, (new.get("sets") or {}).get(key, ()), strict=False):
            if not _alike(one, two, OF_FIGURE * abs(one), rounding):
                yield Difference(
                    "figures", name, "sets", "number → number", f"{key}: {one!r} → {two!r}"
                )


def _words(name: str, old: Facts, new: Facts) -> Iterator[Difference]:
    for fact in WORDS:
        a, b = _lines(old.get(fact)), _lines(new.get(fact))
        gone, come = [t for t in a if t not in b], [t for t in b if t not in a]
        if gone or come:
            change = f"{' / '.join(gone) or 'nothing'} → {' / '.join(come) or 'nothing'}"
            yield Difference("words", name, fact, change)


def _lines(given: Any) -> list[str]:
    """Words without their numbers, which parameters and iterations change."""
    every = [] if given is None else given if isinstance(given, list) else [str(given)]
    return [NUMBER.sub("#", text) for text in every if text]


def _alike(a: float, b: float, allowed: float, rounding: bool = False) -> bool:
    """Whether two numbers differ by no more than is allowed; two that are rounding may differ."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return a == b or (a != a and b != b)
    return rounding or abs(a - b) <= allowed


def _is_rounding(old: Facts, new: Facts) -> bool:
    """Whether both fits are exact: what is left of the loss says nothing."""
    scale = old.get("scale") or 0.0
    found = [r.get("loss", r.get("value", math.inf)) for r in (old, new)]
    return all(abs(loss) <= NOTHING * scale for loss in found)


def _kind(value: float) -> str:
    return "number" if math.isfinite(value) else repr(value)


def explanations(text: str) -> list[Explanation]:
    """Read explanations, one a line; `#` begins a comment.

    >>> explanations("words | fit/decay* | the sentence was wrong")
    [Explanation(kind='words', pattern='fit/decay*', reason='the sentence was wrong')]
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        kind, _, rest = (part.strip() for part in line.partition("|"))
        pattern, _, reason = (part.strip() for part in rest.rpartition("|"))
        if not pattern or not reason or (kind not in KINDS and kind != "*"):
            raise ValueError(f"line {number} is no `kind | pattern | reason`: {line}")
        found.append(Explanation(kind, pattern, reason))
    return found


def unexplained(
    found: Iterable[Difference], known: Sequence[Explanation]
) -> tuple[list[Difference], Counter[Explanation]]:
    """What no explanation fits, and how many differences each explains (the first that fits)."""
    left, used = [], Counter[Explanation]()
    for one in found:
        reason = next((e for e in known if e.explains(one)), None)
        if reason is None:
            left.append(one)
        else:
            used[reason] += 1
    return left, used


def listed(found: Sequence[Difference], *, every: bool = False) -> Iterator[str]:
    """Lines to read: by kind, the same change of many calls together."""
    for kind, title in KINDS.items():
        own = [d for d in found if d.kind == kind]
        if not own:
            continue
        yield f"{kind}: {title}: {len(own)} in {len({d.name for d in own})} answers"
        groups: dict[str, list[Difference]] = {}
        for one in own:
            groups.setdefault(one.text, []).append(one)
        for text, members in sorted(groups.items(), key=lambda item: -len(item[1])):
            yield f"  {len(members)} × {' / '.join(text.splitlines())}"
            for one in members if every else members[:SHOWN]:
                more = f": {' / '.join(one.more.splitlines())}" if one.more else ""
                yield f"      {one.name}{more}"
            if len(members) > SHOWN and not every:
                yield f"      … {len(members) - SHOWN} more"
