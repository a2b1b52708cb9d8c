"""What follows for a descent where the model draws random numbers, or keeps running values."""

from __future__ import annotations

from descend.errors import UsageError
from descend.methods.base import Optimizer
from descend.trace.model import Model

__all__ = ["check_effects", "serves_as"]


def check_effects(model: Model, optimizer: Optimizer) -> None:
    """Refuse methods that compare the loss of one evaluation with that of another.

    Raises:
        UsageError: the model is another one in every evaluation.
    """
    if model.training is None or optimizer.scope != "vector":
        return
    effects = model.training.effects
    does = "draws random numbers" if effects.draws else "keeps running values"
    raise UsageError(
        f"{type(optimizer).__name__} compares the losses of one function at several places, and "
        f"the model {does}: it is another function in every step",
        where=effects.place,
        remedy='choose a method of first order, such as optimizer="adam" or descend.SGD(lr=…)',
    )


def serves_as(model: Model) -> list[str]:
    """What the report says of the model as it serves."""
    if model.training is None:
        return []
    effects = model.training.effects
    said = []
    if effects.draws:
        said.append("every draw is its mean")
    if effects.running:
        said.append(f"{', '.join(effects.running)} stand as they were kept in training")
    return [f"In predictions, and in the loss evaluated anew, {', and '.join(said)}."]
