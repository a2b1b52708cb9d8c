"""What one step of gradient descent computes, step by step, as plain values."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from descend.lean import dataclass

__all__ = ["Backward", "Chain", "Explained", "Factor", "Forward", "LayerStep", "Sent", "Update"]

UNLIKE = 1000.0
MOST_PATHS = 4
"""From the output to a parameter, that are written out."""


@dataclass(frozen=True)
class Forward:
    """One step of the forward pass: a label, what was written, what was done, what came out."""

    label: str
    written: str
    computed: str
    value: Any
    uses: tuple[str, ...] = ()  # the labels of its operands


@dataclass(frozen=True)
class LayerStep:
    """A layer of a network in both passes, for the one row.

    Attributes:
        name: its number and what it is. shape: of what it makes of the row.
        value: the norm of that. incoming: the norm of the output's derivative by it.
        gradient: the norm of the output's derivative by its parameters. NaN where there is none.
    """

    name: str
    shape: tuple[int, ...]
    value: float
    incoming: float
    gradient: float


@dataclass(frozen=True)
class Sent:
    """What one step of the backward pass sent to one of its operands."""

    to: str
    rule: str
    local: Any
    value: Any


@dataclass(frozen=True)
class Backward:
    """One step of the backward pass: what came in, from how many places, and what went out."""

    label: str
    computed: str
    summands: tuple[Any, ...]
    incoming: Any
    sent: tuple[Sent, ...]


@dataclass(frozen=True)
class Factor:
    """One derivative in a product: d `of` / d `by` is the rule, which here is a number."""

    of: str
    by: str
    rule: str
    local: float


@dataclass(frozen=True)
class Chain:
    """The derivative by one parameter: a product of local ones along each path, added up."""

    name: str
    paths: tuple[tuple[Factor, ...], ...]

    @property
    def value(self) -> float:
        """What the products come to, multiplied from the output on."""
        total = 0.0
        for path in self.paths:
            product = 1.0
            for factor in path:
                product *= factor.local
            total += product
        return total


@dataclass(frozen=True)
class Update:
    """The step that follows for one parameter."""

    name: str
    old: Any
    gradient: Any
    new: Any


@dataclass
class Explained:
    """Everything that one step of gradient descent computes.

    Attributes:
        title: what is explained, by its key among the words and what fills their gaps; `given` are
            the data and parameters that it starts from.
        output: the label of the last forward step.
        rule: how the update is made, likewise; `lr` is the learning rate, if it is plain descent.
        layers: of a network, one after the other.
        parameter: whose chain rule is written out; where it is "", that of the first few.
        lang: the language of the words.
    """

    title: tuple[str, dict[str, Any]]
    given: dict[str, dict[str, Any]]
    forward: list[Forward]
    backward: list[Backward]
    gradient: dict[str, Any]
    updates: list[Update] = field(default_factory=list)
    rule: tuple[str, dict[str, Any]] | None = None
    lr: float | None = None
    output: str = "loss"
    layers: list[LayerStep] = field(default_factory=list)
    parameter: str = ""
    lang: str = "en"

    def unlike(self, layer: LayerStep) -> str:
        """Whether what comes in to a layer has vanished or exploded on its way from the last one.

        That is less than a thousandth, or more than a thousand times, of what comes in there.
        """
        last = self.layers[-1].incoming
        if layer.incoming < last / UNLIKE:
            return "vanishing"
        return "exploding" if layer.incoming > last * UNLIKE else ""

    def slope(self, label: str) -> Any:
        """The output's derivative by a step or a parameter; None where it is not told."""
        if label in self.gradient:
            return self.gradient[label]
        found = [step.incoming for step in self.backward if step.label == label]
        return found[-1] if found else None

    def chain(self, name: str) -> Chain | None:
        """The chain rule of one parameter; None where not all of it are numbers, or it is long."""
        steps = {step.label: step for step in self.backward if step.sent}
        leading = {name}  # what something goes from to the parameter: steps come output first
        for step in reversed(self.backward):
            if any(sent.to in leading for sent in step.sent):
                leading.add(step.label)
        paths: list[tuple[Factor, ...]] = []
        left: list[tuple[str, tuple[Factor, ...]]] = [(self.output, ())]
        while left and self.output in leading:
            label, before = left.pop()
            if label == name:
                paths.append(before)
                if len(paths) > MOST_PATHS:
                    return None
                continue
            here = steps[label]
            for sent in reversed([sent for sent in here.sent if sent.to in leading]):
                if sent.local is None or np.size(sent.local) != 1:
                    return None
                local = float(np.asarray(sent.local).reshape(()))
                left.append((sent.to, (*before, Factor(label, sent.to, sent.rule, local))))
        return Chain(name, tuple(paths)) if paths else None
