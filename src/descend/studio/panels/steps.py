"""The chain rule of one row, a number at a time; or asked for, before each is shown."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from descend.errors import DescendError
from descend.result.explaining import explain_at
from descend.show.explained_svg import MOST_STEPS, figure_of
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.speech import text_of
from descend.studio.walk import Answer, answers_csv, is_right, number_in, steps_of

__all__ = ["StepsPanel"]


class StepsPanel(Panel):
    """The panel of the steps within a step."""

    name = "steps"
    _row: int | None = None
    _asks = False

    def build(self) -> None:
        self._answers: list[Answer] = []
        self._last: bool | None = None
        self.bench.session.order("pause")
        run = self.bench.session.run
        rows = run.under_way.whole
        count = 0 if rows is None else rows.n_rows
        if self._row is None or self._row >= count:
            self._row = max(0, self.bench.session.descent.row_of_next_step(run))
        with ui.element("div").classes("row wide"):
            at = self._row + 1
            fields.number(self.speech, "row", "steps_row", at, self._choose, 1, count, "1")
            fields.check(self.speech, "asks", "steps_ask", self._asks, self._ask)
        self._body = ui.element("div").classes("wide walk")
        self._begin()

    def _choose(self, number: float) -> None:
        self._row = int(number) - 1
        self._begin()

    def _ask(self, asks: bool) -> None:
        self._asks = asks
        self._begin()

    def _begin(self) -> None:
        """Explain the row at the parameters as they are."""
        under_way = self.bench.session.run.under_way
        self._at, self._last = 0, None
        try:
            assert under_way.whole is not None and self._row is not None
            leaves = under_way.leaves(False)
            self._told = explain_at(
                under_way.job, under_way.built, under_way.whole, leaves, self._row
            )
        except DescendError as error:
            self._body.clear()
            with self._body:
                text_of("p", str(error)).classes("told")
            return
        self._told.lang = self.speech.language
        self._steps = steps_of(self._told)
        self._show()

    def _show(self) -> None:
        self._body.clear()
        with self._body:
            self._build_sentence()
            self._build_buttons()
            if len(self._steps) <= MOST_STEPS:
                scroll = ui.element("div").classes("scroll figure").props("tabindex=0 role=region")
                self.speech.label(scroll, "steps_graph")
                with scroll:
                    ui.html(self._figure(), sanitize=False)
            if self._answers:
                self._build_score()

    @property
    def _waits(self) -> bool:
        """Whether the next number is asked for before it is shown."""
        left = self._at < len(self._steps)
        return self._asks and left and self._steps[self._at].value is not None

    def _build_sentence(self) -> None:
        said = ui.element("div").props("aria-live=polite").classes("sentence")
        with said:
            if self._last is not None:
                word = "steps_right" if self._last else "steps_wrong"
                self.speech.text(word, "p").classes("is-right" if self._last else "is-wrong")
            if self._at:
                self._build_step(self._steps[self._at - 1], True)
            if self._at == len(self._steps):
                self.speech.text("steps_done", "p").classes("told")
            elif self._waits:
                self._build_step(self._steps[self._at], False)
                self._build_question()

    def _build_step(self, step: Any, shown: bool) -> None:
        """A line of mathematics: what, how, and the number or a question mark."""
        self.speech.text(f"steps_{step.kind}", "p").classes("told")
        parts = [step.rule, step.numbers if shown else "", step.shown if shown else "?"]
        line = " = ".join(part for part in (step.name, *parts) if part)
        text_of("p", line.replace("← =", "←")).classes("formula")

    def _build_question(self) -> None:
        with ui.element("label").classes("field"):
            self.speech.text("steps_answer")
            made = ui.element("input").props("type=text inputmode=decimal autocomplete=off")
            made.props["data-field"] = "answer"
            made.on("change", lambda e: self._answered(str(e.args)), js_handler=fields.VALUE)
        self.room.script("document.querySelector('[data-field=answer]')?.focus()")

    def _answered(self, text: str) -> None:
        found = number_in(text)
        step = self._steps[self._at]
        if found is None or step.value is None:
            return
        self._last = is_right(step, found)
        told = (step.kind, step.name, step.rule, step.value, found, self._last)
        self._answers.append(Answer((self._row or 0) + 1, *told))
        self._at += 1
        self._show()

    def _build_buttons(self) -> None:
        with ui.element("div").classes("row"):
            fields.button(self.speech, "steps_back", "steps_back", lambda: self._go(self._at - 1))
            fields.button(self.speech, "steps_next", "steps_next", lambda: self._go(self._at + 1))
            fields.button(
                self.speech, "steps_all", "steps_all", lambda: self._go(len(self._steps))
            )
        places = {"at": self._at, "count": len(self._steps)}
        place = text_of("p").classes("told")
        self.speech.name(
            place.set_text, lambda: self.speech.say("steps_place", **places), place
        )

    def _go(self, at: int) -> None:
        self._at, self._last = min(max(at, 0), len(self._steps)), None
        self._show()

    def _build_score(self) -> None:
        right = sum(answer.right for answer in self._answers)
        score = {"right": right, "count": len(self._answers)}
        with ui.element("div").classes("row"):
            told = text_of("span").classes("told")
            self.speech.name(
                told.set_text, lambda: self.speech.say("steps_score", **score), told
            )
            fields.button(self.speech, "steps_save", "steps_save", self._save)

    def _save(self) -> None:
        ui.download(answers_csv(self._answers).encode(), "answers.csv", "text/csv")

    def _figure(self) -> str:
        """The graph with the numbers that are known so far; the node of the last one is marked."""
        done = self._steps[: self._at]
        forward = {step.label for step in done if step.kind == "forward"}
        backward = {step.label for step in done if step.kind == "backward"}
        made = {step.label for step in self._steps if step.kind == "forward"}
        rules = []
        for label in {*made, *backward, *(step.label for step in self._steps)}:
            here = f".figure [data-node='{_in_css(label)}']"
            if label in made and label not in forward:
                rules.append(f"{here} text:nth-of-type(2) {{ visibility: hidden; }}")
            if label not in backward:
                rules.append(f"{here} text:nth-of-type(3) {{ visibility: hidden; }}")
            if done and done[-1].label == label:
                rules.append(f"{here} rect {{ stroke-width: 4; }}")
        return f"<style>{' '.join(rules)}</style>{figure_of(self._told)}"


def _in_css(text: str) -> str:
    """A text between quotes in a style sheet: nothing but letters and digits stands as it is.

    >>> _in_css("w[0]")
    'w\\\\5b 0\\\\5d '
    """
    return "".join(sign if sign.isalnum() else f"\\{ord(sign):x} " for sign in text)
