"""What a descent is made by, and what comes out: the recipe, the stages, the program with names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from descend.graph.node import Node
from descend.graph.program import Plan, Program
from descend.graph.text import graph_text
from descend.lean import dataclass
from descend.parameters.space import Space
from descend.program.objective import Curvature
from descend.trace.context import Trace
from descend.trace.model import Spec

if TYPE_CHECKING:
    from descend.methods.base import Optimizer
    from descend.methods.clipping import Clip
    from descend.methods.losses import Loss
    from descend.methods.penalties import Penalty
    from descend.methods.updates import Accumulation, Averaging, RateFactors

__all__ = ["Descent", "Pass", "Recipe"]


@dataclass(frozen=True)
class Pass:
    """One stage that a model went through: what it did, and the graphs that came out."""

    name: str
    about: str
    results: Mapping[str, Node]

    def __str__(self) -> str:
        return graph_text(list(self.results.values()), list(self.results))


@dataclass(frozen=True)
class Recipe:
    """All that decides the program, apart from the model.

    Attributes:
        loss: None for a function that is minimised as it is.
        target: the spec of y; None without data.
        weighted, scaled, whitened: whether there are sample weights, sigmas, or a matrix that takes
            the place of their reciprocals.
        end_of_epoch: the stage that gives the stop code, what the history keeps, and new states.
        wants_gradient: whether that stage asks for gradients, even if the optimizer does not.
        sign: -1 to maximise.
        space: which parameters are varied, and how; None for all as they are.
    """

    optimizer: Optimizer
    loss: Loss | None
    end_of_epoch: Callable[[Any], None]
    wants_gradient: bool = False
    target: Spec | None = None
    weighted: bool = False
    scaled: bool = False
    whitened: bool = False
    penalty: Penalty | None = None
    clip: Clip | None = None
    accumulation: Accumulation | None = None
    averaging: Averaging | None = None
    rates: RateFactors | None = None
    plan: Plan = field(default_factory=Plan)
    sign: int = 1
    space: Space | None = None


@dataclass(frozen=True)
class Descent:
    """A program with the names of everything that must be bound to it.

    Attributes:
        data, fixed, start: the names of the program's inputs, in its order, as `state` is of its
            slots.
        records: the names of what each epoch leaves, in order.
        captured: name of a fixed input → the array that the model captured.
        passes: what happened on the way, in order.
        objective, residual: the loss, and what it is the mean square of, before simplification.
        curvature: the second-order view of a loss that is no square, where it has one.
        inputs: every input of these two apart from the leaves, by name.
        traces: of the model first, then of everything else that was traced.
    """

    program: Program
    data: tuple[str, ...]
    fixed: tuple[str, ...]
    start: tuple[str, ...]
    records: tuple[str, ...]
    captured: Mapping[str, Any]
    passes: tuple[Pass, ...]
    objective: Node
    residual: Node | None
    curvature: Curvature | None
    inputs: Mapping[str, Node]
    traces: tuple[Trace, ...]

    @property
    def state(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in self.program.slots)
