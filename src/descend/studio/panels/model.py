"""Which model: a formula that is checked while it is typed, or the layers of a network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from descend.errors import DescendError, UsageError
from descend.models.reading import READY
from descend.studio.opened import formula_of
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.setup import MOST_LAYERS, MOST_UNITS, Layer, ready_formula
from descend.studio.speech import text_of
from descend.trace.formula import Formula

__all__ = ["ModelPanel"]

FIRST_LAYER = Layer(8, "tanh")
MOST_STARTS = 12  # parameters that have a slider
WIDTH = 100  # steps of a slider to either side


class ModelPanel(Panel):
    """The panel of the model."""

    name = "model"
    _wrong: TextElement

    def build(self) -> None:
        setup = self.bench.setup
        kind = "network" if setup.is_network else "formula"
        kinds = {"formula": "kind_formula", "network": "kind_network"}
        fields.choice(self.speech, "kind", "kind", kinds, kind, self._choose_kind)
        if setup.is_network:
            self._build_layers()
        else:
            self._build_formula()
            self._build_starts()

    async def _choose_kind(self, kind: str) -> None:
        setup = self.bench.setup
        inputs = setup.inputs or tuple(self.bench.session.descent.inputs)
        changed: dict[str, Any] = dict(inputs=inputs, start={}, loss="")
        if kind == "network":
            changed |= dict(formula="", layers=(FIRST_LAYER,), stop_loss=None)
            if not setup.has_rate or setup.optimizer == "sgd":
                changed |= dict(optimizer="adam", numbers={}, lr=0.01)
        else:
            changed |= dict(formula=formula_of(setup.target, inputs), layers=())
            descent = self.bench.session.descent
            if descent.classes:
                changed |= dict(loss="bce_with_logits")
        await self.room.change(**changed)

    # --- a formula

    def _build_formula(self) -> None:
        setup = self.bench.setup
        fields.text(
            self.speech, "formula", "formula", setup.formula, self._check, self._use_formula
        ).props["aria-describedby"] = "formula-wrong"
        self._wrong = text_of("pre").classes("wrong").props("id=formula-wrong aria-live=polite")
        from descend.models.table import KINDS

        ready: dict[str, Any] = {"": "choose_ready", **dict.fromkeys(KINDS)}
        fields.choice(self.speech, "ready", "ready_model", ready, "", self._use_ready)

    def _check(self, text: str) -> None:
        """Say what is wrong with a formula while it is typed."""
        self._wrong.set_text(complaint_of(text, self.bench.table))

    async def _use_formula(self, text: str) -> None:
        if text == self.bench.setup.formula:
            return
        try:
            formula = Formula.parse(text, READY)
            setup = self.bench.setup
            data = tuple(n for n in formula.names if n in self.bench.table and n not in formula.own)
            known = self.bench.session.descent.params
            start = {n: known.get(n, 1.0) for n in formula.names if n not in data}
            # What a ready model is made of begins where it guesses.
            start = {} if formula.own else start
            setup = dataclasses.replace(
                setup, formula=text, target=formula.target or setup.target, inputs=data,
                start=start,
            )  # fmt: skip
        except DescendError as error:
            self._wrong.set_text(str(error))
            return
        refused = await self.room.put(setup, own=True)
        if refused is not None:
            self._wrong.set_text(str(refused))

    async def _use_ready(self, name: str) -> None:
        if name:
            setup = self.bench.setup
            inputs = setup.inputs or tuple(self.bench.session.descent.inputs)
            await self._use_formula(ready_formula(name, setup.target, inputs))

    # --- where its parameters begin

    def _build_starts(self) -> None:
        params = self.bench.session.descent.params
        with ui.element("fieldset").classes("wide"):
            self.speech.text("starts", "legend")
            for name, value in [*params.items()][:MOST_STARTS]:
                span = reach(value)
                fields.slider(
                    self.speech, f"start {name}", _same(name), value, span,
                    self._set_start(name), lambda v: f"{v:.4g}",
                )  # fmt: skip

    def _set_start(self, name: str) -> Callable[[float], None]:
        return lambda value: self.bench.set_start(name, value)

    # --- a network

    def _build_layers(self) -> None:
        from descend.networks.activations import ACTIVATIONS

        layers = self.bench.setup.layers
        with ui.element("ol").classes("layers wide"):
            for i, layer in enumerate(layers):
                with ui.element("li"):
                    fields.number(
                        self.speech, f"units {i}", "units", layer.units, self._set_units(i), 1,
                        MOST_UNITS, "1",
                    )  # fmt: skip
                    fields.choice(
                        self.speech, f"activation {i}", "activation", dict.fromkeys(ACTIVATIONS),
                        layer.activation, self._set_activation(i),
                    )  # fmt: skip
                    fields.button(self.speech, f"remove {i}", "layer_remove", self._without(i))
        if len(layers) < MOST_LAYERS:
            fields.button(self.speech, "add_layer", "layer_add", self._add)

    async def _put_layers(self, layers: tuple[Layer, ...]) -> None:
        await self.room.change(layers=layers)

    def _set_units(self, i: int) -> fields.Change:
        async def change(units: float) -> None:
            layers = [*self.bench.setup.layers]
            layers[i] = layers[i]._replace(units=int(units))
            await self._put_layers(tuple(layers))

        return change

    def _set_activation(self, i: int) -> fields.Change:
        async def change(name: str) -> None:
            layers = [*self.bench.setup.layers]
            layers[i] = layers[i]._replace(activation=name)
            await self._put_layers(tuple(layers))

        return change

    def _without(self, i: int) -> Callable[[], Any]:
        async def change() -> None:
            layers = self.bench.setup.layers
            await self._put_layers(layers[:i] + layers[i + 1 :])

        return change

    async def _add(self) -> None:
        layers = self.bench.setup.layers
        await self._put_layers((*layers, layers[-1] if layers else FIRST_LAYER))


def complaint_of(text: str, columns: Iterable[str]) -> str:
    """What is wrong with a formula over these columns, with its place; nothing of a right one.

    >>> complaint_of("y = a*x + b", ["x", "y"])
    ''
    >>> print(complaint_of("y = a*x + sin(", ["x", "y"]))
    something is missing after "("
        y = a*x + sin(
                     ^
    """
    try:
        Formula.parse(text, READY).bind(columns)
    except DescendError as error:
        return str(error)
    return ""


def reach(value: float) -> tuple[float, float, float]:
    """From where to where, and by how much, a parameter is moved that begins at a value.

    >>> reach(0.0), reach(-30.0)
    ((-10.0, 10.0, 0.1), (-60.0, 60.0, 0.6))
    """
    most = 10.0 if abs(value) <= 5 else 2 * abs(value)
    if not math.isfinite(most):
        raise UsageError(f"a parameter begins at {value}")
    return -most, most, most / WIDTH


def _same(name: str) -> Callable[[], str]:
    return lambda: name
