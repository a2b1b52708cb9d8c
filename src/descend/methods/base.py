"""What every method shares: hyperparameters with names, ranges and structure; the optimiser's face.

A method is a frozen dataclass whose fields are its hyperparameters. Three facts are told apart:

- its *structure* (flags, how many numbers, whether a term is there at all) decides which program
  is compiled;
- its *numbers* are run-time inputs of that program: changing a learning rate recompiles nothing;
- its *state* is a dict of arrays that `init` makes and `step` maps to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np

from descend.errors import UsageError, shorten, suggest
from descend.lean import dataclass

__all__ = [
    "FTOL",
    "GTOL",
    "NOT_FINITE",
    "PRECISION",
    "RUNNING",
    "STALLED",
    "STATUS",
    "UNBOUNDED",
    "XTOL",
    "Array",
    "Optimizer",
    "Outcome",
    "State",
    "Tunable",
    "cast",
]

# A NumPy array or the stand-in that traces one: methods are written for both.
Array: TypeAlias = Any
State: TypeAlias = dict[str, Array]

FOREIGN = {
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "eta": "lr",
    "step_size": "lr",
    "beta_1": "betas",
    "beta_2": "betas",
    "beta1": "betas",
    "beta2": "betas",
    "b1": "betas",
    "b2": "betas",
    "epsilon": "eps",
    "rho": "alpha",
    "decay": "weight_decay",
    "l2": "weight_decay",
    "nesterovs_momentum": "nesterov",
}


class Outcome(NamedTuple):
    """What a status code means: a short name, whether it is a success, and a sentence."""

    name: str
    success: bool
    message: str


RUNNING, FTOL, XTOL, GTOL, PRECISION, STALLED, NOT_FINITE, UNBOUNDED = range(8)

STATUS: dict[int, Outcome] = {
    RUNNING: Outcome("running", False, "still descending"),
    FTOL: Outcome("ftol", True, "converged: the loss would fall by less than ftol of itself"),
    XTOL: Outcome("xtol", True, "converged: the parameters move by less than xtol of themselves"),
    GTOL: Outcome("gtol", True, "converged: the gradient is no larger than gtol"),
    PRECISION: Outcome("precision", True, "converged: floating point allows no more progress"),
    STALLED: Outcome("stalled", False, "stalled: no step that could be found lowers the loss"),
    NOT_FINITE: Outcome("not_finite", False, "the loss or its gradient is not finite at the start"),
    UNBOUNDED: Outcome("unbounded", False, "the loss falls without end: it has no minimum there"),
}


def cast(value: Array, p: Array) -> Array:
    """Return a scalar in the dtype of `p`, so that float32 parameters stay float32.

    >>> (cast(0.1, np.ones(2, np.float32)) * np.ones(2, np.float32)).dtype
    dtype('float32')
    """
    return np.asarray(value, dtype=p.dtype)


class _Told(type):
    """Classes that are made by users: errors in making one end at their line."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **options: Any) -> Any:
            try:
                return super().__call__(*args, **options)
            except Exception as error:
                shorten(error)
                raise


class Tunable(metaclass=_Told):
    """A frozen dataclass of hyperparameters: checked by a table, split into numbers and structure.

    Class attributes:
        ranges: field → interval, such as `"[0, 1)"`; checked when an instance is made.
        zeros: fields for which being exactly zero removes a term, and so is structure.
        counts: fields with whole numbers that are structure, such as how much is remembered.
    """

    ranges: ClassVar[Mapping[str, str]] = {}
    zeros: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for name in options:
            if name not in known:
                _refuse_option(cls.__name__, name, known)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, interval in self.ranges.items():
            value = getattr(self, name)
            if isinstance(value, Tunable) or value is None:
                continue
            values = value if isinstance(value, tuple | list) else (value,)
            for number in values:
                _check_number(type(self).__name__, name, number, interval)
        for name in self.counts:
            _check_count(type(self).__name__, name, getattr(self, name))

    def numbers(self) -> dict[str, float]:
        """Return the run-time numbers by flat name, such as `betas.0` or `lr.gamma`.

        >>> from descend.methods.first_order import Adam
        >>> list(Adam().numbers())
        ['lr', 'betas.0', 'betas.1', 'eps', 'weight_decay']
        """
        found: dict[str, float] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tunable):
                inner = value.numbers()
                found.update({f"{field.name}.{name}": number for name, number in inner.items()})
            elif isinstance(value, tuple):
                found.update({f"{field.name}.{i}": float(v) for i, v in enumerate(value)})
            elif _is_number(value) and field.name not in self.counts:
                found[field.name] = float(value)
        return found

    def bind(self, values: Mapping[str, Array]) -> Self:
        """Return a copy whose numbers are `values` (flat names), which may be traced.

        A number that is zero as a matter of structure stays that zero.
        """
        copy = object.__new__(type(self))
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            prefix = f"{field.name}."
            if isinstance(value, Tunable):
                size = len(prefix)
                value = value.bind({k[size:]: v for k, v in values.items() if k.startswith(prefix)})
            elif isinstance(value, tuple):
                value = tuple(values[f"{prefix}{i}"] for i in range(len(value)))
            elif field.name in self.counts or (field.name in self.zeros and value == 0):
                pass
            elif _is_number(value):
                value = values[field.name]
            object.__setattr__(copy, field.name, value)
        return copy

    def structure(self) -> tuple[Any, ...]:
        """Return the hashable facts that decide the program; numbers are left out.

        >>> from descend.methods.first_order import SGD
        >>> SGD(lr=0.1).structure() == SGD(lr=0.2).structure()
        True
        >>> SGD(lr=0.1).structure() == SGD(lr=0.1, momentum=0.9).structure()
        False
        """
        facts: list[Any] = [f"{type(self).__module__}.{type(self).__qualname__}"]
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tunable):
                facts.append((field.name, value.structure()))
            elif isinstance(value, tuple):
                facts.append((field.name, len(value)))
            elif not _is_number(value) or field.name in self.counts:
                facts.append((field.name, value))
            elif field.name in self.zeros:
                facts.append((field.name, "zero" if value == 0 else "nonzero"))
        return tuple(facts)


@dataclass(frozen=True)
class Optimizer(Tunable):
    """One way to step. Subclass it, give fields and `step`, and it compiles like the others.

    Class attributes:
        scope: `"leaf"` if `step` sees one parameter array at a time, `"vector"` if it sees all
            parameters as one flat vector.
        needs: `"gradient"`, `"gauss_newton"` (sums of squares), `"hvp"` (the gradient, and products
            of the Hessian with a direction), or `"value"` (nothing but the loss).
        bounded: whether a vector method keeps within `h.lower` and `h.upper` by itself. Of others
            what presses against a bound is held, and their steps are projected.
        kept: states that a run keeps although no step depends on them, such as a mean.

    `step(p, e, s, h)` must be plain NumPy without branches on array values. It gets

    - `p`: the point at which the model was evaluated, any shape (leaf) or `(n,)` (vector);
    - `e`: `e.loss` a scalar and `e.gradient` shaped like `p`; a method that needs `gauss_newton`
      gets, in place of the gradient, `e.jtj` of shape `(n, n)` and `e.jtr` of shape `(n,)`:
      for residuals r with Jacobian J and a loss c·rᵀr they are c·JᵀJ and c·Jᵀr with the same c,
      and if there are such residuals `e.jt_rvv(v)` gives c·Jᵀr″ with their second derivative r″
      along a direction v; a vector method that has the gradient may call `e.hvp(v)` for H·v. Each
      such call is work of its own;
    - `s`: the state, as `init` made it and the last step left it;
    - `h`: the hyperparameters under their names, `h.lr` already scheduled, and `h.t`, the number
      of this update, counted from 1; of a vector method also the bounds `h.lower` and `h.upper`,
      shaped like `p` with ±inf where there is none, or None where nothing is bounded, and
      `h.parts`, how many elements each parameter has,

    and returns the next point to evaluate and the next state.

    >>> class SignDescent(Optimizer):
    ...     def step(self, p, e, s, h):
    ...         return p - 0.1 * np.sign(e.gradient), s
    >>> SignDescent().step(np.ones(2), SimpleNamespace(gradient=np.array([4.0, -3.0])), {}, None)[0]
    array([0.9, 1.1])
    """

    scope: ClassVar[str] = "leaf"
    needs: ClassVar[str] = "gradient"
    bounded: ClassVar[bool] = False
    kept: ClassVar[tuple[str, ...]] = ()

    def init(self, p: Array) -> State:
        """Return the state before the first step at the point `p` (real arrays, not traced)."""
        return {}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        """Return the next point to evaluate and the next state."""
        raise NotImplementedError(f"{type(self).__name__} has no step(p, e, s, h)")

    def answer(self, p: Array, s: State) -> Array:
        """Return the parameters to hand back: the next point, or the best accepted one."""
        return p

    def status(self, s: State) -> Array | None:
        """Return a code of `STATUS` (a scalar of the state), or None if the method never ends."""
        return s.get("status")

    def hyper(self, values: Mapping[str, Array], t: Array, epoch: Array = 0.0) -> SimpleNamespace:
        """Return the namespace `h` of `step`, from flat numbers, update count and epoch.

        >>> from descend.methods.first_order import SGD
        >>> from descend.methods.schedules import exponential
        >>> method = SGD(lr=exponential(0.1, gamma=0.5))
        >>> round(method.hyper(method.numbers(), t=21.0, epoch=2.0).lr, 6)
        0.025
        """
        bound = self.bind(values)
        h = SimpleNamespace(t=t)
        for field in fields(bound):
            setattr(h, field.name, getattr(bound, field.name))
        rate = getattr(bound, "lr", None)
        if isinstance(rate, Tunable):
            h.lr = rate.value(epoch)  # type: ignore[attr-defined]
        return h


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def _refuse_option(owner: str, name: str, known: list[str]) -> None:
    foreign = FOREIGN.get(name)
    hint = f' (did you mean "{foreign}"?)' if foreign in known else suggest(name, known)
    raise UsageError(
        f'{owner} has no option "{name}"{hint}',
        remedy=f"its options are {', '.join(known)}" if known else f"write {owner}()",
    )


def _check_count(owner: str, name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{owner}: {name} must be a whole number of at least 1, not {value!r}")


def _check_number(owner: str, name: str, value: object, interval: str) -> None:
    if not _is_number(value):
        raise UsageError(f"{owner}: {name} must be a number, not {value!r}")
    number = float(value)  # type: ignore[arg-type]
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = number > low or (interval[0] == "[" and number == low)
    below = number < high or (interval[-1] == "]" and number == high)
    if not (above and below and math.isfinite(number)):
        raise UsageError(f"{owner}: {name} must lie in {interval}, not {value!r}")
