"""The checked options of a descent, as they decide its program and its numbers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from descend.graph.program import Plan
from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.losses import Loss
from descend.program.stopping import Rules

__all__ = ["Evaluation", "Settings"]


@dataclass(frozen=True)
class Evaluation(Optimizer):
    """No method at all, where nothing varies: the loss is evaluated, and that is it.

    >>> import numpy as np
    >>> Evaluation().step(np.ones(1), None, {}, None)
    (array([1.]), {})
    """

    def step(self, p: Any, e: Any, s: dict[str, Any], h: Any) -> tuple[Any, dict[str, Any]]:
        return p, s


@dataclass(frozen=True)
class Settings:
    """The checked options of a fit that decide the program or its numbers."""

    loss: Loss | None
    optimizer: Optimizer
    rules: Rules
    batch_size: int | None = None
    shuffle: bool = False
    penalty: Any = None
    clip: Any = None
    seed: int = 0
    engine: str = "native"
    sign: int = 1
    why: str = ""  # the reason for the optimizer, where it was not asked for
    accumulation: Any = None
    averaging: Any = None
    rates: Any = None
    longest: int | None = None  # of batches, where one program takes several sizes

    def bare(self, optimizer: Optimizer) -> Settings:
        """The same with another optimizer, and nothing beside it that only some can have."""
        return replace(self, optimizer=optimizer, accumulation=None, averaging=None, rates=None)

    @property
    def plan(self) -> Plan:
        """How the program makes batches of rows."""
        return Plan(self.longest or self.batch_size, self.shuffle, self.longest is not None)

    @property
    def accumulate(self) -> int:
        """Of how many batches an update is made."""
        return 1 if self.accumulation is None else int(self.accumulation.accumulate)

    @property
    def lr_factors(self) -> dict[str, float]:
        """By what the learning rate is multiplied for some parameters, by name."""
        return {} if self.rates is None else dict(self.rates.lr_factors)

    @property
    def ema(self) -> float | None:
        """By what share of itself the average of the parameters goes on at each update."""
        return None if self.averaging is None else float(self.averaging.ema)

    @property
    def parts(self) -> dict[str, Any]:
        """What has run-time numbers, by the name that the program's inputs begin with."""
        owners = {
            "optimizer": self.optimizer, "loss": self.loss, "penalty": self.penalty,
            "clip": self.clip, "accumulation": self.accumulation,
            "averaging": self.averaging, "rates": self.rates,
        }  # fmt: skip
        return {name: owner for name, owner in owners.items() if owner is not None}

    def numbers(self) -> dict[str, float]:
        """The run-time numbers by the names of the program's inputs."""
        found = {f"rule.{name}": value for name, value in self.rules.limits.items()}
        for part, owner in self.parts.items():
            found |= {f"{part}.{name}": value for name, value in owner.numbers().items()}
        return found

    def names(self, inputs: Sequence[str]) -> list[str]:
        """What the numbers are called that are inputs of a program."""
        return [name.partition(".")[2] for name in self.numbers() if name in inputs]

    def with_number(self, name: str, value: float, inputs: Sequence[str]) -> Settings | None:
        """The same with another number; None where the program has none of that name.

        Args:
            name: as in `names`, or the last part of it, which may be that of several.
            inputs: the names of the program's inputs.
        """
        if f"rule.{name}" in inputs:
            limits = {**self.rules.limits, name: value}
            return replace(self, rules=replace(self.rules, limits=limits))
        for part, owner in self.parts.items():
            known = [n for n in owner.numbers() if f"{part}.{n}" in inputs]
            meant = [n for n in known if n == name or n.rpartition(".")[2] == name]
            if meant:
                new = owner.bind({**owner.numbers(), **dict.fromkeys(meant, value)})
                new = replace(new)  # which checks its numbers
                return replace(self, **{part: new})
        return None

    def has_own_functions(self) -> bool:
        """Whether a loss, an optimizer, … holds code of the user's, which may capture things."""
        return any(
            not type(o).__module__.startswith("descend.") or hasattr(o, "function")
            for owner in self.parts.values()
            for o in (owner, getattr(owner, "lr", owner))
            if not isinstance(o, int | float)
        )

    def structure(self) -> tuple[Hashable, ...]:
        """What decides the program."""
        own = tuple((n, o.structure()) for n, o in self.parts.items())
        return (own, self.rules.structure(), self.plan, self.engine, self.sign)
