"""A lesson beside the studio: its steps, its questions, and whether what is done answers them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from descend.studio.frames import unpack
from descend.studio.guide import Guide, course_of, facts_of, orders_of
from descend.studio.lessons import LESSONS, Lesson, Question, own_lesson
from descend.studio.orders import ORDERS
from descend.studio.panels import fields
from descend.studio.panels.room import Panel
from descend.studio.session import NO_FRAME, Session
from descend.studio.speech import Text, text_of
from descend.words import words_of

__all__ = ["LessonPanel"]

LOOKS = 0.2  # seconds between two looks at the run
TAKES = {name: order.takes for name, order in ORDERS.items()}


class LessonPanel(Panel):
    """The panel of lessons. It stays open beside the others.

    Attributes:
        guide: through the lesson that is open; None while one is chosen.
    """

    name = "lesson"
    stays = True

    def __init__(self, room: Any) -> None:
        super().__init__(room)
        self.guide: Guide | None = None
        self._watched: Session | None = None
        self._have, self._start = -1, math.nan
        self._asked, self._seen = False, b""
        self._typed = ""
        self._hints: set[int] = set()

    def open(self) -> None:
        ui.timer(LOOKS, self._look)
        self._spoken = text_of("p").classes("ds-unseen").props("role=status")
        super().open()

    def begin(self, lessons: dict[str, Lesson]) -> None:
        """Open a lesson, which is there in every language."""
        self.guide, self._hints, self._typed = Guide(lessons), set(), ""

    # --- what is seen

    def build(self) -> None:
        if self.guide is None:
            self._build_choice()
        else:
            self._build_step(self.guide)

    def _said(self, key: str, **gaps: Any) -> Callable[[], str]:
        """A word of this panel in the language of then, its gaps filled."""
        return lambda: words_of("lessons", self.speech.language)[key].format(**gaps)

    def _of(self, read: Callable[[Lesson], str]) -> Callable[[], str]:
        """A text of the lesson in the language of then."""
        guide = self.guide
        assert guide is not None
        return lambda: read(guide.lessons[self.speech.language])

    def _markdown(self, text: Text) -> None:
        shown = ui.markdown("", sanitize=True).classes("lesson-text")
        self.speech.name(shown.set_content, text, shown)

    def _build_choice(self) -> None:
        self.speech.text(self._said("choose"), "p").classes("told wide")
        with ui.element("div").classes("lesson-list wide"):
            for name in LESSONS:
                lessons = own_lesson(name)
                fields.button(
                    self.speech, f"lesson {name}", partial(self._title, lessons),
                    partial(self._choose, lessons),
                )  # fmt: skip

    def _title(self, lessons: dict[str, Lesson]) -> str:
        return lessons[self.speech.language].title

    async def _choose(self, lessons: dict[str, Lesson]) -> None:
        self.begin(lessons)
        await self._begin_step()

    def _build_step(self, guide: Guide) -> None:
        number, count = guide.step, len(guide)
        with ui.element("div").classes("lesson-step wide"):
            self.speech.text(self._of(lambda lesson: lesson.title), "h2")
            if number == 0:
                self._markdown(self._of(lambda lesson: lesson.text))
            with ui.element("p").classes("lesson-place"):
                self.speech.text(self._said("step_of", number=number + 1, count=count))
                done = len(guide.answered)
                self.speech.text(self._said("answered_of", answered=done, count=guide.n_questions))
            self.speech.text(self._of(lambda lesson: lesson.steps[number].title), "h3")
            self._markdown(self._of(lambda lesson: lesson.steps[number].text))
            asked = guide.question
            if asked is not None:
                self._build_question(guide, asked)
            self._build_ways(guide)

    def _asked_text(self, name: str) -> Callable[[], str]:
        """A text of the open step's question."""
        assert self.guide is not None
        number = self.guide.step

        def read(lesson: Lesson) -> str:
            question = lesson.steps[number].question
            return "" if question is None else str(getattr(question, name))

        return self._of(read)

    def _build_question(self, guide: Guide, asked: Question) -> None:
        answered = guide.step in guide.answered
        box = ui.element("section").classes("lesson-question")
        box.props["data-answered"] = str(answered).lower()
        self.speech.label(box, self._said("question"))
        with box:
            self._markdown(self._asked_text("ask"))
            if asked.number is not None and not answered:
                with fields.field(self.speech, self._said("your_number")):
                    typed = ui.element("input").props("type=text inputmode=decimal")
                    typed.props.update({"data-field": "answer", "value": self._typed})
                    typed.on("change", lambda e: self._type(str(e.args)), js_handler=fields.VALUE)
            self.speech.text(self._status(guide, asked), "p").classes("lesson-status")
            if answered and asked.right:
                self._markdown(self._asked_text("right"))
            if guide.step in self._hints and not answered:
                self._markdown(self._asked_text("hint"))
            if not answered:
                with ui.element("div").classes("row"):
                    if asked.hint and guide.step not in self._hints:
                        fields.button(self.speech, "hint", self._said("hint"), self._hint)
                    if asked.show:
                        fields.button(self.speech, "show", self._said("show_me"), self._show)

    def _status(self, guide: Guide, asked: Question) -> Callable[[], str]:
        if guide.step in guide.answered:
            return self._said("answered")
        if asked.number is None:
            return self._said("open_still")
        return self._said("not_right", number=self._typed) if self._typed else self._said(
            "open_number"
        )  # fmt: skip

    def _build_ways(self, guide: Guide) -> None:
        last = guide.step == len(guide) - 1
        if last:
            told = self._said("finished", answered=len(guide.answered), count=guide.n_questions)
            self.speech.text(told, "p").classes("told")
        with ui.element("div").classes("row"):
            if guide.step:
                fields.button(
                    self.speech, "back", self._said("back"), lambda: self._go(guide.step - 1)
                )
            if not last:
                fields.button(
                    self.speech, "next", self._said("next"), lambda: self._go(guide.step + 1)
                )
            fields.button(self.speech, "again", self._said("begin_step"), self._begin_step)
            fields.button(self.speech, "lessons", self._said("all_lessons"), self._leave)

    # --- what is done

    async def _go(self, step: int) -> None:
        assert self.guide is not None
        self._typed = ""
        if self.guide.go(step):
            await self._begin_step()
        else:
            self.again()

    async def _begin_step(self) -> None:
        """Put what the step begins with on the bench, which builds this panel anew."""
        assert self.guide is not None
        await self.room.put(self.guide.setup)

    def _leave(self) -> None:
        self.guide = None
        self.again()

    def _hint(self) -> None:
        assert self.guide is not None
        self._hints.add(self.guide.step)
        self.again()

    def _type(self, text: str) -> None:
        assert self.guide is not None
        self._typed = text.strip()[:40]
        try:
            number = float(self._typed.replace(",", ".").replace("−", "-"))
        except ValueError:
            number = math.nan
        self.guide.type_number(number)
        self._tell(self.guide)

    def _tell(self, guide: Guide) -> None:
        """Show how the question stands, and say it to whoever listens: what is spoken stays."""
        asked = guide.question
        if asked is not None:
            said = [self._status(guide, asked)()]
            if guide.step in guide.answered:
                said.append(self._asked_text("right")())
            self._spoken.set_text(" ".join(said))
        self.again()

    async def _show(self) -> None:
        assert self.guide is not None and self.guide.question is not None
        for order in orders_of(self.guide.question, TAKES):
            if order.name == "lr":
                await self.room.change(lr=float(order.value))
            else:
                self.bench.order(order.name, order.value)

    # --- what is watched

    def _look(self) -> None:
        """Look at the frame that was asked for, and ask for the next."""
        session, guide = self.bench.session, self.guide
        if session is not self._watched:
            self._watched, self._have, self._asked, self._seen = session, -1, False, b""
        if self._seen:
            frame, self._seen, self._asked = self._seen, b"", False
            if guide is not None and self._note(session, guide, frame):
                self._tell(guide)
        if not self._asked and guide is not None:
            self._asked = True
            session.ask(self._have, partial(self._take, session))

    def _take(self, session: Session, number: int, frame: bytes) -> None:
        """In the run's thread."""
        if session is self._watched and frame != NO_FRAME:
            self._have, self._seen = number, frame

    def _note(self, session: Session, guide: Guide, frame: bytes) -> bool:
        head, blocks = unpack(frame)
        if not head["updates"]:
            self._start = head["loss"]
        names = [one.name for one in session.descent.shown]
        params = dict(zip(names, blocks["params"].tolist(), strict=True))
        facts = facts_of(self.bench.setup, head, params, self._start)
        return guide.note(facts, course_of(facts, blocks))
