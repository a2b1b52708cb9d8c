"""The optimizer that suits a loss, where none is asked for: a table of rules, with reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.table import OPTIMIZERS

__all__ = ["Task", "chosen", "is_auto"]

MOST_FOR_LM, MOST_FOR_BFGS = 100, 500


@dataclass(frozen=True)
class Task:
    """What the choice of an optimizer depends on.

    Attributes:
        size: how many numbers are varied.
        batch_size: the rows of a batch, where not all rows are taken at once.
        squares: whether the loss is a sum of squares.
        curved: whether it has two derivatives by each row's prediction.
        bare: whether nothing is added to it, and no gradient is limited.
        kinked: whether its slope jumps somewhere.
    """

    size: int
    batch_size: int | None = None
    squares: bool = False
    curved: bool = False
    bare: bool = True
    kinked: bool = False


@dataclass(frozen=True)
class Rule:
    """An optimizer by its name, when it suits, and why, as a phrase that goes on from its name."""

    name: str
    suits: Callable[[Task], bool]
    why: Callable[[Task], str]


def _count(task: Task) -> str:
    return f"{task.size} parameter{'s' * (task.size != 1)}"


RULES: Sequence[Rule] = (
    Rule(
        "adam",
        lambda t: t.batch_size is not None,
        lambda t: f"batches of {t.batch_size} row{'s' * (t.batch_size != 1)}",
    ),
    Rule(
        "lm",
        lambda t: t.squares and t.bare and t.size <= MOST_FOR_LM,
        lambda t: f"a sum of squares of {_count(t)}",
    ),
    Rule(
        "lm",
        lambda t: t.curved and t.bare and t.size <= MOST_FOR_LM,
        lambda t: f"a loss of each row with two derivatives, of {_count(t)}",
    ),
    Rule(
        "bfgs",
        lambda t: t.kinked and t.size <= MOST_FOR_BFGS,
        lambda t: f"a loss with kinks, of {_count(t)}",
    ),
    Rule(
        "bfgs",
        lambda t: t.size <= MOST_FOR_BFGS,
        lambda t: f"a loss of {_count(t)}",
    ),
    Rule("lbfgs", lambda t: True, lambda t: f"a loss of as many as {_count(t)}"),
)
"""In order: the first that suits is taken."""


def chosen(task: Task) -> tuple[Optimizer, str]:
    """Return the optimizer that suits, and why.

    BFGS copes with kinks: Lewis and Overton, "Nonsmooth optimization via quasi-Newton methods"
    (2013).

    >>> chosen(Task(3, squares=True))[1]
    'a sum of squares of 3 parameters'
    >>> chosen(Task(3, squares=True, batch_size=32))[1]
    'batches of 32 rows'
    >>> type(chosen(Task(20_000))[0]).__name__
    'LBFGS'
    """
    rule = next(rule for rule in RULES if rule.suits(task))
    return OPTIMIZERS[rule.name](), rule.why(task)


def is_auto(given: object) -> bool:
    """Whether the choice of the optimizer is left to us.

    >>> is_auto(None), is_auto("auto"), is_auto("adam")
    (True, True, False)
    """
    return given is None or (isinstance(given, str) and given.strip().lower() == "auto")
