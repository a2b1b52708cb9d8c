"""How it is descended: loss, method, batches, penalty, seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from descend.methods.table import OPTIMIZERS
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.setup import EPOCHS, SEED, Schedule

__all__ = ["DescentPanel"]

SUITS, NONE, ALL = "suits", "none", "all"
OF_NUMBERS: tuple[str, ...] = ("mse", "mae", "huber(1)", "log_cosh", "quantile(0.9)", "cauchy(1)")
OF_CLASSES: Sequence[tuple[str, ...]] = (("bce_with_logits", "mse"), ("cross_entropy",))
OF_CLASSES_OF_NETWORKS: Sequence[tuple[str, ...]] = (
    ("bce_with_logits", "cross_entropy"), ("cross_entropy",),
)  # fmt: skip
"""Losses where there are two classes, and where there are more."""
METHODS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lm", "bfgs",
           "lbfgs", "cg")  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": 1.0},
}  # fmt: skip
"""What is SGD with numbers of its own."""
SCHEDULES: dict[str, Schedule] = {
    "step": Schedule("step", {"every": 50.0, "gamma": 0.5}),
    "exponential": Schedule("exponential", {"gamma": 0.99}),
    "cosine": Schedule("cosine", {"epochs": 200.0}),
    "plateau": Schedule("plateau", {"factor": 0.5, "patience": 10.0}),
}
SIZES = (1, 2, 5, 10, 20, 32, 50, 100, 200, 500, 1000)
PENALTIES = (NONE, "l2(0.0001)", "l2(0.001)", "l2(0.01)", "l2(0.1)", "l1(0.0001)", "l1(0.001)",
             "l1(0.01)")  # fmt: skip


class DescentPanel(Panel):
    """The panel of the descent."""

    name = "descent"

    def build(self) -> None:
        setup, descent = self.bench.setup, self.bench.session.descent
        fields.choice(
            self.speech, "loss", "loss_choice", self._losses(), setup.loss or SUITS,
            self._setting("loss", lambda v: "" if v == SUITS else v),
        )  # fmt: skip
        methods = _with(dict.fromkeys(METHODS), self._method())
        fields.choice(
            self.speech, "optimizer", "optimizer", methods, self._method(), self._set_method
        )
        if setup.has_rate:
            self._build_rate(descent.n_rows)
        fields.choice(
            self.speech, "penalty", "penalty",
            _with({p: "none" if p == NONE else None for p in PENALTIES}, setup.penalty),
            setup.penalty or NONE, self._setting("penalty", lambda v: "" if v == NONE else v),
        )  # fmt: skip
        fields.number(
            self.speech, "seed", "seed", setup.seed, self._setting("seed", int), SEED[0],
            2.0**53, "1",
        )  # fmt: skip
        fields.number(
            self.speech, "epochs", "most_epochs", setup.epochs, self._setting("epochs", int),
            EPOCHS[0], EPOCHS[1], "1",
        )  # fmt: skip

    def _build_rate(self, n_rows: int) -> None:
        setup = self.bench.setup
        chosen = NONE if setup.schedule is None else setup.schedule.name
        fields.choice(
            self.speech, "schedule", "schedule",
            _with({NONE: "none", **dict.fromkeys(SCHEDULES)}, chosen), chosen,
            self._setting("schedule", SCHEDULES.get),
        )  # fmt: skip
        size = str(setup.batch_size) if setup.batch_size else ALL
        sizes = [str(s) for s in sorted({*(s for s in SIZES if s < n_rows), setup.batch_size or 1})]
        fields.choice(
            self.speech, "batch_size", "batch_size", {**dict.fromkeys(sizes), ALL: "all_rows"},
            size, self._setting("batch_size", lambda v: None if v == ALL else int(v)),
        )  # fmt: skip
        fields.check(
            self.speech, "shuffle", "shuffle", setup.shuffle, self._setting("shuffle", bool)
        )

    def _losses(self) -> dict[str, Any]:
        """The losses that suit the target, by how many classes it has."""
        classes, network = len(self.bench.session.descent.classes), self.bench.setup.is_network
        known = OF_NUMBERS
        if classes:
            known = (OF_CLASSES_OF_NETWORKS if network else OF_CLASSES)[classes > 2]
        found: dict[str, Any] = {SUITS: "loss_suits", **dict.fromkeys(known)}
        return _with(found, self.bench.setup.loss)

    def _method(self) -> str:
        """The method as it is called here."""
        setup = self.bench.setup
        for name, numbers in VARIANTS.items():
            if setup.optimizer == "sgd" and dict(setup.numbers) == numbers:
                return name
        return setup.optimizer

    async def _set_method(self, name: str) -> None:
        optimizer = "sgd" if name in VARIANTS else name
        changed: dict[str, Any] = dict(optimizer=optimizer, numbers=VARIANTS.get(name, {}))
        assert optimizer in OPTIMIZERS
        await self.room.change(**changed)

    def _setting(self, name: str, read: Any) -> fields.Change:
        async def change(value: Any) -> None:
            await self.room.change(**{name: read(value)})

        return change


def _with(options: dict[str, Any], value: str) -> dict[str, Any]:
    """The options, and the one that is chosen although it is none of them."""
    return options if not value or value in options else {**options, value: None}
