"""From options to an optimizer with its schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from descend.errors import UsageError, suggest
from descend.late import Late
from descend.methods.choice import is_auto
from descend.methods.table import CALL, OPTIMIZERS, SCHEDULES, as_optimizer

__all__ = ["build_optimizer"]

_CLIPS: Mapping[str, Callable[[float], Any]] = Late(
    {name: f"methods.clipping:{name}" for name in ("clip_value", "clip_norm")}
)


def build_optimizer(options: Mapping[str, Any], others: dict[str, Any]) -> Any:
    """Return the optimizer that the options ask for, or None where they ask for none.

    Args:
        options: those under the heading Method that were written.
        others: options that an optimizer may take or leave (xtol, …, maximize); those that it
            has a field for are moved into it.

    Raises:
        UsageError: an option that the optimizer does not have, an unknown optimizer or schedule.
    """
    chosen = {**options}
    clips = [name for name in _CLIPS if name in chosen]
    if len(clips) > 1:
        raise UsageError("--clip-value and --clip-norm exclude each other", remedy="give one")
    if clips:
        others["clip"] = _CLIPS[clips[0]](chosen.pop(clips[0]))
    name = chosen.pop("optimizer", None)
    schedule = chosen.pop("schedule", None)
    if is_auto(name):
        _refuse_orphans(chosen, schedule)
        return None
    plain = as_optimizer(name)
    known = {field.name: field for field in fields(plain)}
    for option in [*chosen, *(["lr"] if schedule else [])]:
        if option not in known:
            own = ", ".join(_flag(field) for field in known if field != "maximize")
            owners = [key for key, make in OPTIMIZERS.items() if _has(make, option)]
            raise UsageError(
                f"the optimizer {name} has no {_flag(option)}{suggest(option, known)}",
                remedy=f"it has {own}; {_flag(option)} belongs to {', '.join(owners)}",
            )
    if "betas" in chosen:
        chosen["betas"] = _betas(chosen["betas"])
    if schedule:
        chosen["lr"] = _schedule(schedule, chosen.get("lr", known["lr"].default))
    taken = {option: others.pop(option) for option in list(others) if option in known}
    return as_optimizer(name, **chosen, **taken)


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def _has(make: Any, option: str) -> bool:
    return any(field.name == option for field in fields(make))


def _refuse_orphans(chosen: dict[str, Any], schedule: str | None) -> None:
    orphan = next(iter(chosen), "schedule" if schedule else None)
    if orphan is not None:
        owner = next((n for n in OPTIMIZERS if _has(OPTIMIZERS[n], orphan)), "sgd")
        raise UsageError(
            f"{_flag(orphan)} needs an optimizer: by default the method chooses its own steps",
            remedy=f"add --optimizer {owner}, or leave {_flag(orphan)} out",
        )


def _betas(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        first, second = (float(part) for part in parts)
    except ValueError:
        raise UsageError(
            f'--betas takes two numbers, not "{text}"', remedy="write --betas 0.9,0.999"
        ) from None
    return first, second


def _schedule(text: str, lr: Any) -> Any:
    """Read `cosine(100)`, or `warmup(5)+cosine(100)`: the learning rate itself is --lr."""
    if lr is MISSING:
        raise UsageError("--schedule needs a learning rate", remedy="add --lr 0.01")
    course: Any = lr
    for part in reversed(text.split("+")):
        call = CALL.fullmatch(part)
        name = call[1].lower() if call else part.strip()
        if call is None or name not in SCHEDULES:
            raise UsageError(
                f'there is no schedule "{name}"{suggest(name, SCHEDULES)}',
                remedy=f"choose from {', '.join(SCHEDULES)}, as in --schedule cosine(100)",
            )
        course = _course(name, call[2] or "", course, part.strip())
    return course


def _course(name: str, inside: str, course: Any, written: str) -> Any:
    try:
        arguments = [float(part) for part in inside.split(",")] if inside else []
        if name == "warmup":
            return SCHEDULES[name](arguments[0], course, *arguments[1:])
        if not isinstance(course, int | float):
            raise UsageError(f'only warmup can stand before another schedule, not "{written}"')
        return SCHEDULES[name](course, *arguments)
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, UsageError):
            raise
        remedies = "step(10, 0.5), exponential(0.95), cosine(100), plateau(0.5, 5), warmup(5)"
        raise UsageError(
            f'the schedule "{written}" cannot be read', remedy=f"write one of {remedies}"
        ) from None
