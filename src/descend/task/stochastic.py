"""What follows for a descent where the model draws random numbers, or keeps running values."""

from __future__ import annotations

from descend.errors import UsageError
from descend.trace.model import Model

__all__ = ["check_effects"]


def check_effects(model: Model, method: str, remedy: str) -> None:
    """Refuse methods that compare the loss of one evaluation with that of another.

    Raises:
        UsageError: the model is another one in every evaluation.
    """
    if model.training is None:
        return
    effects = model.training.effects
    does = "draws random numbers" if effects.draws else "keeps running values"
    raise UsageError(
        f"{method} compares the losses of one function at several places, and the model {does}: "
        "it is another function in every step",
        where=effects.place,
        remedy=remedy,
    )
