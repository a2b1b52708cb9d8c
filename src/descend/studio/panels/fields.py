"""Fields of the panels: the browser's own, which every keyboard and screen reader knows."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from descend.studio.speech import Speech, Text, text_of

__all__ = ["Slider", "button", "check", "choice", "field", "number", "slider", "text"]

Change = Callable[[Any], Awaitable[None] | None]
VALUE = "(e) => emit(e.target.value)"
FIRST = "defaultValue"  # a `value` would be written anew, over what is being typed or moved
CHECKED = "(e) => emit(e.target.checked)"


def field(speech: Speech, text: Text, kind: str = "") -> ui.element:
    """A label, to be filled with what it names."""
    made = ui.element("label").classes(f"field {kind}")
    with made:
        speech.text(text)
    return made


def choice(
    speech: Speech, name: str, text: Text, options: Mapping[str, Text | None], value: str,
    change: Change,
) -> None:  # fmt: skip
    """A choice of one.

    Args:
        name: by which it is found again.
        options: value → its word, or None for what is the same in every language.
    """
    with field(speech, text):
        select = ui.element("select")
        select.props["data-field"] = name
        with select:
            for key, said in options.items():
                option = text_of("option", key) if said is None else speech.text(said, "option")
                option.props["value"] = key
                if key == value:
                    option.props["selected"] = True
        select.on("change", lambda e: change(str(e.args)), js_handler=VALUE)


def number(
    speech: Speech, name: str, text: Text, value: float | None, change: Change,
    low: float, high: float, step: str = "any",
) -> ui.element:  # fmt: skip
    """A number; what is none, or lies outside, is not taken."""

    def changed(event: Any) -> Any:
        try:
            found = float(event.args)
        except (TypeError, ValueError):
            return None
        if math.isfinite(found) and low <= found <= high:
            return change(found)
        return None

    with field(speech, text):
        made = ui.element("input").props("type=number")
        made.props.update({"data-field": name, "min": low, "max": high, "step": step})
        if value is not None:
            made.props[FIRST] = f"{value:.12g}"
        made.on("change", changed, js_handler=VALUE)
    return made


def text(
    speech: Speech, name: str, label: Text, value: str, typed: Change, change: Change
) -> ui.element:
    """A line of text: told at every sign that is typed, and when it is done."""
    with field(speech, label, "wide"):
        made = ui.element("input").props("type=text spellcheck=false autocomplete=off")
        made.props.update({"data-field": name, FIRST: value, "maxlength": 10_000})
        made.on("input", lambda e: typed(str(e.args)), throttle=0.1, js_handler=VALUE)
        made.on("change", lambda e: change(str(e.args)), js_handler=VALUE)
    return made


def check(speech: Speech, name: str, label: Text, value: bool, change: Change) -> None:
    """What is so, or not."""
    with ui.element("label").classes("check"):
        made = ui.element("input").props("type=checkbox")
        made.props["data-field"] = name
        if value:
            made.props["checked"] = True
        speech.text(label)
        made.on("change", lambda e: change(bool(e.args)), js_handler=CHECKED)


class Slider:
    """A number that is moved, with what it says beside its name.

    Where it stands is the browser's to know. A `value` would be written anew by every answer, over
    what has been moved meanwhile: it is told where to begin, and moved from here by `put` alone.

    Args:
        span: from, to and by how much.
        said: what the number says, in the language of now.
    """

    def __init__(
        self, speech: Speech, label: Text, value: float, span: Sequence[float], change: Change,
        said: Callable[[float], str],
    ) -> None:  # fmt: skip
        self._value = value
        with ui.element("div").classes("slider"):
            with ui.element("div").classes("said").props("aria-hidden=true"):
                speech.text(label)
                shown = text_of("span").classes("value")
            self.element = ui.element("input").props("type=range")
            self.element.props.update(dict(zip(("min", "max", "step"), span, strict=True)))
            self.element.props[FIRST] = value
            speech.label(self.element, label)

        def tell(text: str) -> None:
            shown.set_text(text)
            self.element.props["aria-valuetext"] = text

        def moved(event: Any) -> Any:
            self._value = float(event.args)
            found = change(self._value)
            tell(said(self._value))
            return found

        speech.name(tell, lambda: said(self._value), self.element)
        self.element.on(
            "input", moved, throttle=0.03, js_handler="(e) => emit(Number(e.target.value))"
        )  # fmt: skip

    def put(self, value: float) -> None:
        """Move it; what it says is written with all other words."""
        self._value = value
        place = f"document.getElementById({self.element.html_id!r})"
        self.element.client.run_javascript(f"{place}.value = {float(value)!r}")


def slider(
    speech: Speech, name: str, label: Text, value: float, span: Sequence[float], change: Change,
    said: Callable[[float], str],
) -> None:  # fmt: skip
    """A number that is moved; `span` is from, to and by how much."""
    made = Slider(speech, label, value, span, change, said)
    made.element.props["data-field"] = name


def button(speech: Speech, name: str, label: Text, press: Callable[[], Any]) -> ui.button:
    """What is pressed."""
    made = ui.button(color=None).props("outline no-caps").classes("small")
    made.props["data-field"] = name
    speech.name(made.set_text, label, made)
    made.on_click(lambda _: press())
    return made
