"""The options of `fit` as they were given, and what of them cannot be meant."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from descend.data.validate import Missing
from descend.errors import UsageError
from descend.lean import dataclass
from descend.task.options import (
    check_choice,
    check_count,
    check_function,
    check_number,
    check_seed,
    check_switch,
    refuse_unknown,
)

if TYPE_CHECKING:
    from descend.run.finished import Moment
    from descend.show.progress import Progress

__all__ = ["OPTIONS", "TOLERANCES", "FitOptions", "read_options"]

TOLERANCES = ("xtol", "ftol", "gtol")
SWITCHES = ("shuffle", "keep_best", "absolute_sigma", "standardize", "verbose")


@dataclass(frozen=True)
class FitOptions:
    """The options of `fit` as they were given; see there."""

    start: Any = None
    loss: Any = "mse"
    optimizer: Any = None
    lr: Any = None
    batch_size: int | None = None
    shuffle: bool | None = None
    epochs: int = 1000
    seed: int = 0
    stop_loss: float | None = None
    xtol: float | None = None
    ftol: float | None = None
    gtol: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    keep_best: bool | None = None
    max_seconds: float | None = None
    validation_split: float = 0.0
    sample_weight: Any = None
    sigma: Any = None
    absolute_sigma: bool = False
    missing: Missing = "raise"
    constants: Any = None
    params: Iterable[str] | None = None
    penalty: Any = None
    clip: Any = None
    starts: int | None = None
    standardize: bool = False
    threads: int | None = None
    fixed: Any = None
    bounds: Any = None
    ties: Any = None
    resume: Any = None
    callback: Callable[[Moment], Any] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    progress: Progress | None = None
    verbose: bool = False
    record: tuple[str, ...] = ()
    engine: str = "native"

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        check_count("epochs", self.epochs)
        check_seed(self.seed)
        check_choice("engine", self.engine, ["native", "interpreted"])
        for name in ("batch_size", "patience", "threads", "starts"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        for name in ("stop_loss", "min_delta", *TOLERANCES):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, above=True)
        for name in self.record:
            check_choice("record", name, ["params", "gradient"])
        for name in SWITCHES:
            if getattr(self, name) is not None:
                check_switch(name, getattr(self, name))
        if self.validation_split is not None:
            check_number("validation_split", self.validation_split)
        check_function("callback", self.callback)
        check_function("clip", self.clip)
        if self.min_delta and self.patience is None:
            raise UsageError("min_delta belongs to patience", remedy="write patience=10 as well")
        if self.checkpoint is not None:
            from descend.show.output import check_output_path

            check_output_path(self.checkpoint, "checkpoint")


OPTIONS = tuple(f.name for f in dataclasses.fields(FitOptions))


def read_options(given: Mapping[str, Any]) -> FitOptions:
    refuse_unknown(given["unknown"], OPTIONS)
    named = {name: given[name] for name in OPTIONS}
    options = FitOptions(**{**named, "record": _listed(given["record"])})
    options.check()
    return options


def _listed(record: Iterable[str]) -> tuple[str, ...]:
    return (record,) if isinstance(record, str) else tuple(record)
