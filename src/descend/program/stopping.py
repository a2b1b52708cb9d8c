"""When a descent ends: a table of rules in traced NumPy, all evaluated at the end of an epoch.

A rule looks at what the epoch left (`o`), at its own state (`s`) and at the limits (`h`), and says
whether it is met. Limits are run-time inputs: changing one recompiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from descend.lean import dataclass

__all__ = ["OF_LOSS", "RULES", "Rule", "Rules", "end_of_epoch", "first_state"]

OF_LOSS = ("stop_loss", "min_delta")  # limits that are losses, in the unit of these
Array: TypeAlias = Any
State: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class Rule:
    """One way to end.

    Attributes:
        option: the name of the limit in `fit`.
        code: what the program returns; positive, and above the codes of the methods.
        status: the word for it in records.
        met: (o, s, h) → whether the run ends now, and the rule's next state.
        start: the rule's state before the first epoch.
        needs: what must be carried for it: `"previous"` parameters, `"gradient"`.
    """

    option: str
    code: int
    status: str
    met: Callable[[Any, State, Any], tuple[Array, State]]
    start: Mapping[str, float]
    needs: str = ""


def loss_reached(o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return whether the epoch's mean loss is below `stop_loss`.

    >>> from types import SimpleNamespace
    >>> bool(loss_reached(SimpleNamespace(loss=0.5), {}, SimpleNamespace(stop_loss=1.0))[0])
    True
    """
    return o.loss < h.stop_loss, s


def gradient_small(o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return whether no component of the epoch's mean gradient is larger than `gtol`."""
    return o.largest_gradient <= h.gtol, s


def parameters_still(o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return whether the epoch moved the parameters by less than xtol·(xtol·w + their length).

    w is the greatest length so far.
    """
    moved, size = 0.0, 0.0
    for now, before in zip(o.params, o.previous, strict=True):
        moved = moved + np.sum((now - before) ** 2)
        size = size + np.sum(now**2)
    widest = np.maximum(s["widest"], np.sqrt(size))
    still = np.sqrt(moved) <= h.xtol * (h.xtol * widest + np.sqrt(size))
    return still & np.isfinite(size), {"widest": np.where(np.isfinite(size), widest, s["widest"])}


def loss_level(o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return whether the loss changed by no more than this share of itself since last epoch."""
    change = np.abs(s["last"] - o.watched)
    return change <= h.ftol * np.abs(o.watched), {"last": o.watched + 0.0}


def no_improvement(o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return whether `patience` epochs have passed without a fall of the loss by `min_delta`."""
    better = o.watched < s["best"] - h.min_delta
    waited = np.where(better, 0.0, s["waited"] + 1.0)
    return waited >= h.patience, {"best": np.where(better, o.watched, s["best"]), "waited": waited}


RULES: Sequence[Rule] = (
    Rule("stop_loss", 11, "stop_loss", loss_reached, {}),
    Rule("gtol", 12, "gradient_small", gradient_small, {}, "gradient"),
    Rule("xtol", 13, "parameters_still", parameters_still, {"widest": 0.0}, "previous"),
    Rule("ftol", 14, "loss_level", loss_level, {"last": np.inf}),
    Rule("patience", 15, "no_improvement", no_improvement, {"best": np.inf, "waited": 0.0}),
)
"""In order of precedence: where several rules are met at once, the first is named."""


@dataclass(frozen=True)
class Rules:
    """Which rules are on (structure) and their limits (run-time numbers).

    Attributes:
        limits: option → number, for the rules that are on; `min_delta` beside `patience`.
        keep_best: return the parameters of the lowest watched loss.
        record: what each epoch leaves in the history beside its loss: `"params"`, `"gradient"`.
        metrics: the names of `METRICS` that it leaves besides.
    """

    limits: Mapping[str, float]
    keep_best: bool = False
    record: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def active(self) -> tuple[Rule, ...]:
        """The rules that are on, in order of precedence."""
        return tuple(rule for rule in RULES if rule.option in self.limits)

    def needs(self, what: str) -> bool:
        """Whether a rule, or the history, needs `"previous"` parameters or the `"gradient"`."""
        return what in self.record or any(rule.needs == what for rule in self.active())

    def structure(self) -> tuple[Any, ...]:
        """The hashable facts that decide the program."""
        return (*sorted(self.limits), self.keep_best, self.record, self.metrics)


def first_state(rules: Rules) -> dict[str, float]:
    """The state of the active rules before the first epoch, by flat name."""
    return {
        f"{rule.option}.{name}": value
        for rule in rules.active()
        for name, value in rule.start.items()
    }


def end_of_epoch(rules: Sequence[Rule], o: Any, s: State, h: Any) -> tuple[Array, State]:
    """Return the stop code of an epoch (0 to go on) and the next state of the rules.

    >>> from types import SimpleNamespace
    >>> o, h = SimpleNamespace(loss=0.5, code=0), SimpleNamespace(stop_loss=1.0)
    >>> int(end_of_epoch([RULES[0]], o, {}, h)[0])
    11
    """
    code: Array = o.code
    state: State = {}
    for rule in reversed(rules):
        prefix = f"{rule.option}."
        own = {name.removeprefix(prefix): v for name, v in s.items() if name.startswith(prefix)}
        met, own = rule.met(o, own, h)
        code = np.where(met & (o.code == 0), rule.code, code)
        state.update({prefix + name: value for name, value in own.items()})
    return code, state
