"""One step of gradient descent, number by number: what comes next, and whether it was known."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.records.explanation import Explained
from descend.show.explained import bracketed
from descend.show.expressions import value_text

__all__ = ["Answer", "Step", "answers_csv", "is_right", "number_in", "steps_of"]

NEAR = 0.01  # of the right number an answer may be off by
NAME = re.compile(r"[^\W\d]\w*(\[[\d, ]+\])?")


class Step(NamedTuple):
    """A number that is worked out next.

    Attributes:
        kind: `forward`, `backward` or `update`.
        label: of the node of the graph, or the parameter, that it belongs to.
        name: what is worked out; `rule`: how, by names; `numbers`: the same with numbers.
        value: the number; None of an array, which nobody is asked for.
        shown: the number as a person reads it.
    """

    kind: str
    label: str
    name: str
    rule: str
    numbers: str
    value: float | None
    shown: str


class Answer(NamedTuple):
    """What somebody took a step's number for."""

    row: int
    kind: str
    name: str
    rule: str
    value: float
    answer: float
    right: bool


def steps_of(e: Explained) -> list[Step]:
    """The numbers of an explanation in the order in which they follow from one another.

    First the values forward, then the derivatives of the output by each of them backward, at last
    the new parameters.
    """
    known = {name: value for given in e.given.values() for name, value in given.items()}
    known |= {step.label: step.value for step in e.forward}
    steps = [
        _step("forward", s.label, s.label, s.computed, _filled(s.computed, known), s.value)
        for s in e.forward
    ]
    steps += _backward(e, known)
    for update in e.updates:
        rule = numbers = ""
        if e.lr is not None:
            slope = f"∂{e.output}/∂{update.name}"
            rate = f"{abs(e.lr):.10g}"
            sign = "-" if e.lr >= 0 else "+"
            rule = f"{update.name} {sign} {rate} · {slope}"
            if np.size(update.old) == 1:
                numbers = f"{value_text(update.old)} {sign} {rate} · {bracketed(update.gradient)}"
        steps.append(_step("update", update.name, f"{update.name} ←", rule, numbers, update.new))
    return steps


def _backward(e: Explained, known: Mapping[str, Any]) -> list[Step]:
    """The derivatives of the output by what leads to it, each once all that it needs is known."""
    came: dict[str, list[tuple[str, str, Any, Any]]] = {}
    steps = []
    for step in e.backward:
        terms = came.get(step.label, [])
        if not terms:
            name = f"∂{e.output}/∂{step.label}"
            steps.append(_step("backward", step.label, name, "", "", step.incoming))
        else:
            steps.append(_derivative(e, known, step.label, terms, step.incoming))
        for sent in step.sent:
            came.setdefault(sent.to, []).append((step.label, sent.rule, sent.local, step.incoming))
    done = {step.label for step in e.backward}
    steps += [
        _derivative(e, known, name, came[name], value)
        for name, value in e.gradient.items()
        if name in came and name not in done
    ]
    return steps


def _derivative(
    e: Explained, known: Mapping[str, Any], label: str,
    terms: Iterable[tuple[str, str, Any, Any]], value: Any,
) -> Step:  # fmt: skip
    """The chain rule at a node: what comes in from each that it leads to, times how."""
    rules, numbers = [], []
    for by, rule, local, incoming in terms:
        last = by == e.output  # whose derivative by itself is 1
        rules.append(rule if last and rule else f"∂{e.output}/∂{by} · ∂{by}/∂{label}")
        if local is not None and np.size(local) == 1 and np.size(incoming) == 1:
            filled = _filled(rule, known) if last and rule else ""
            numbers.append(filled or f"{bracketed(incoming)} · {bracketed(local)}")
    whole = " + ".join(numbers) if len(numbers) == len(rules) else ""
    return _step("backward", label, f"∂{e.output}/∂{label}", " + ".join(rules), whole, value)


def _step(kind: str, label: str, name: str, rule: str, numbers: str, value: Any) -> Step:
    single = float(np.asarray(value).reshape(())) if np.size(value) == 1 else None
    return Step(kind, label, name, rule, "" if numbers == rule else numbers, single,
                value_text(value))  # fmt: skip


def _filled(text: str, known: Mapping[str, Any]) -> str:
    """A rule with numbers in the places of names; empty where one of them is an array."""
    arrays = False

    def number(found: re.Match[str]) -> str:
        nonlocal arrays
        if found[0] not in known:
            return found[0]
        arrays = arrays or np.size(known[found[0]]) != 1
        return bracketed(known[found[0]])

    filled = NAME.sub(number, text)
    return "" if arrays else filled


def number_in(text: str) -> float | None:
    """A number as somebody typed it; None where it is none.

    >>> number_in(" -1,5 "), number_in("−2e-3"), number_in("1/4"), number_in("a")
    (-1.5, -0.002, 0.25, None)
    """
    plain = text.strip().replace("−", "-").replace(",", ".")
    above, slash, below = plain.partition("/")
    try:
        found = float(above) / float(below) if slash else float(plain)
    except (ValueError, ZeroDivisionError):
        return None
    return found if math.isfinite(found) else None


def is_right(step: Step, answer: float) -> bool:
    """Whether an answer is the number, to a hundredth of it.

    >>> step = Step("forward", "v1", "v1", "", "", 0.0625, "0.0625")
    >>> is_right(step, 0.0626), is_right(step, 0.0640), is_right(step, -0.0625)
    (True, False, False)
    """
    assert step.value is not None
    return abs(answer - step.value) <= NEAR * abs(step.value) + 1e-12


def answers_csv(answers: Iterable[Answer]) -> str:
    """Answers as CSV, one a line below a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Answer._fields)
    # A text that begins like a formula would be one in a spreadsheet.
    writer.writerows(
        [f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@" else cell for cell in answer]
        for answer in answers
    )
    return text.getvalue()
