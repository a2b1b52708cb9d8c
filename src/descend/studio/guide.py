"""A lesson under way: which step is open, what is known of the run, what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from descend.errors import DescendError, UsageError, suggest
from descend.methods.table import LOSSES, OPTIMIZERS
from descend.networks import ACTIVATIONS
from descend.studio.conditions import Condition, Facts, read_condition
from descend.studio.descent import Descent
from descend.studio.frames import STATES
from descend.studio.lessons import Lesson, Question, Step
from descend.studio.setup import PARABOLA, Setup

__all__ = [
    "FACTS",
    "Guide",
    "Order",
    "check_lesson",
    "check_lessons",
    "condition_of",
    "course_of",
    "facts_of",
    "orders_of",
    "setup_of",
]

Array = np.ndarray[Any, np.dtype[Any]]
Head = Mapping[str, float]
NOTHING: Mapping[str, str] = {"batch_size": "all", "epochs": "never", "stop_loss": "never"}
"""Field of a setup → the word for none, which TOML has not."""
MOST_REPEATED = 10_000


class _Fact(NamedTuple):
    """What a condition may name: where it comes from, and the words that it may be."""

    read: Callable[[Setup, Head], float | str]
    words: tuple[str, ...] = ()


def _of_head(name: str) -> _Fact:
    return _Fact(lambda _, head: float(head[name]))


def _activation(setup: Setup) -> str:
    return setup.layers[0].activation if setup.layers else "none"


def _loss_name(setup: Setup) -> str:
    return setup.loss.partition("(")[0] or "usual"


FACTS: Mapping[str, _Fact] = {
    "state": _Fact(lambda _, head: [*STATES][int(head["state"])], tuple(STATES)),
    "loss": _of_head("loss"),
    "mean": _of_head("epoch_loss"),
    "held": _of_head("held_loss"),
    "start": _of_head("start"),
    "epoch": _of_head("epoch"),
    "step": _of_head("updates"),
    "lr": _of_head("lr"),
    "rows": _of_head("rows"),
    "batch_size": _Fact(lambda setup, head: float(setup.batch_size or head["rows"])),
    "momentum": _Fact(lambda setup, _: float(setup.numbers.get("momentum", 0.0))),
    "layers": _Fact(lambda setup, _: float(len(setup.layers))),
    "units": _Fact(lambda setup, _: float(setup.layers[0].units if setup.layers else 0)),
    "optimizer": _Fact(lambda setup, _: setup.optimizer, tuple(OPTIMIZERS)),
    "loss_function": _Fact(lambda setup, _: _loss_name(setup), (*LOSSES, "usual")),
    "activation": _Fact(lambda setup, _: _activation(setup), (*ACTIVATIONS, "none")),
}
"""The facts of every run; a formula's parameters are facts as well, by their names."""


def facts_of(
    setup: Setup, head: Head, params: Mapping[str, float], start: float
) -> dict[str, float | str]:
    """What is known of a run where it stands.

    Args:
        head: of its frame.
        params: scalar parameters by name.
        start: the loss that the run began with.
    """
    known = {**head, "start": start}
    return {**params, **{name: fact.read(setup, known) for name, fact in FACTS.items()}}


def course_of(facts: Facts, blocks: Mapping[str, Array]) -> Iterator[dict[str, float | str]]:
    """The facts at the end of each epoch that is kept, so that what passes quickly counts as well.

    The loss there is the mean of its epoch; what is not kept is as it is now.
    """
    each = -(-float(facts["rows"]) // float(facts["batch_size"]))
    held = blocks.get("held", np.zeros(0))
    for i, (epoch, loss) in enumerate(zip(blocks["epochs"], blocks["losses"], strict=True)):
        then = {"epoch": float(epoch), "step": each * float(epoch), "loss": float(loss)}
        kept = {"held": float(held[i])} if len(held) == len(blocks["epochs"]) else {}
        yield {**facts, **then, **kept, "mean": float(loss)}


# --- what a lesson asks for


def setup_of(lesson: Lesson, step: int | None = None) -> Setup:
    """What a lesson, or a step of it, begins with: the parabola, and what differs from it.

    Raises:
        UsageError: it differs in what there is not.
    """
    found = json.loads(PARABOLA.to_json())
    for changes in (lesson.setup, lesson.steps[step].setup if step is not None else {}):
        found |= {n: None if v == NOTHING.get(n, ()) else v for n, v in changes.items()}
    return Setup.from_plain(found)


class Order(NamedTuple):
    """One thing that a question's `show` does: an order of the session."""

    name: str
    value: Any = 1.0


def orders_of(question: Question, known: Mapping[str, Callable[[Any], bool]]) -> list[Order]:
    """The orders that answer a question, one after the other.

    Args:
        known: order → whether it takes a value. `epoch 20` is the order `epoch`, twenty times.

    Raises:
        UsageError: there is no such order, or it takes no such value.
    """
    found = []
    for text in question.show:
        name, _, rest = text.partition(" ")
        if name not in known:
            raise UsageError(
                f'show has no order "{name}"{suggest(name, known)}',
                remedy=f"write one of {', '.join(known)}",
            )
        try:
            value = json.loads(rest) if rest else 1
        except ValueError:
            value = rest
        if known[name](value):
            found.append(Order(name, value))
        elif type(value) is int and 1 <= value <= MOST_REPEATED and known[name](1):
            found += [Order(name)] * value
        else:
            raise UsageError(f'show: {name} takes no "{rest}"', remedy='write such as "epoch 20"')
    return found


def check_lesson(lesson: Lesson, known: Mapping[str, Callable[[Any], bool]]) -> None:
    """Refuse a lesson that asks for what there is not, with the line of the question.

    Every step's setup is compiled.

    Raises:
        UsageError: as `setup_of`, `read_condition`, `orders_of` and `Descent`, with the place.
    """
    _placed(lesson, 1, partial(_compile, lesson, None))
    for number, step in enumerate(lesson.steps):
        if step.setup:
            _placed(lesson, step.line, partial(_compile, lesson, number))
        if step.question is not None:
            _placed(lesson, step.question.line, partial(condition_of, lesson, number))
            _placed(lesson, step.question.line, partial(orders_of, step.question, known))


def _compile(lesson: Lesson, step: int | None) -> None:
    setup = setup_of(lesson, step)
    if setup.source.own:
        raise UsageError(
            "a lesson brings no table of one's own", remedy='write source = { sample = "…" }'
        )
    Descent(setup, setup.source.table())


def check_lessons(
    lessons: Mapping[str, Lesson], known: Mapping[str, Callable[[Any], bool]]
) -> None:
    """Refuse a lesson that is not the same in every language, or as `check_lesson`."""
    one, *others = lessons.values()
    for lesson in (one, *others):
        check_lesson(lesson, known)
        if [_asked(step) for step in lesson.steps] != [_asked(step) for step in one.steps]:
            raise UsageError(
                f"{one.file} and {lesson.file} have not the same steps, setups and conditions",
                remedy="let them differ in their words alone",
            )


def _asked(step: Step) -> Any:
    """What is not a word in a step."""
    q = step.question
    return dict(step.setup), None if q is None else (q.when, q.number, q.within, q.show)


def condition_of(lesson: Lesson, step: int) -> Condition | None:
    """The condition of a step's question; none where a number answers it, or there is none.

    Raises:
        UsageError: it names what is no fact of the step's setup.
    """
    setup, question = setup_of(lesson, step), lesson.steps[step].question
    if question is None or not question.when:
        return None
    known = {**dict.fromkeys(setup.start, ()), **{name: f.words for name, f in FACTS.items()}}
    return read_condition(question.when, known)


def _placed(lesson: Lesson, line: int, check: Callable[[], Any]) -> None:
    try:
        check()
    except DescendError as error:
        raise UsageError(
            f"{lesson.file}, line {line}: {error.message}", remedy=error.remedy
        ) from None


class Guide:
    """A lesson in every language, and how far its reader is.

    Args:
        lessons: by language, of the same structure.

    Attributes:
        step: the one that is open.
        answered: the numbers of the steps whose question is answered.
    """

    def __init__(self, lessons: Mapping[str, Lesson]) -> None:
        self.lessons = lessons
        self._one = next(iter(lessons.values()))
        self.step = 0
        self.answered: set[int] = set()
        self._conditions = [condition_of(self._one, i) for i in range(len(self))]

    def __len__(self) -> int:
        return len(self._one.steps)

    @property
    def setup(self) -> Setup:
        """What the open step begins with."""
        return setup_of(self._one, self.step)

    def go(self, step: int) -> bool:
        """Open a step; whether that asks for another setup than the one that was open."""
        before = self.setup
        self.step = min(max(step, 0), len(self) - 1)
        return self.setup != before

    @property
    def question(self) -> Question | None:
        """What the open step asks."""
        return self._one.steps[self.step].question

    @property
    def n_questions(self) -> int:
        """How many there are."""
        return sum(step.question is not None for step in self._one.steps)

    def note(self, facts: Facts, course: Iterable[Facts] = ()) -> bool:
        """Look at the facts of the run; whether they have answered the open question just now.

        Args:
            course: the facts at earlier places of the same run.
        """
        condition = self._conditions[self.step]
        if condition is None or self.step in self.answered:
            return False
        if not any(condition.holds(then) for then in (facts, *course)):
            return False
        self.answered.add(self.step)
        return True

    def type_number(self, value: float) -> bool:
        """Answer the open question by a number; whether it is right."""
        question = self.question
        if question is None or question.number is None:
            return False
        right = abs(value - question.number) <= question.within
        if right:
            self.answered.add(self.step)
        return right
