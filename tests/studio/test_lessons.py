"""Lessons are read with their mistakes named by line; each question can be answered as it says."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from descend.errors import UsageError
from descend.studio.conditions import read_condition
from descend.studio.frames import unpack
from descend.studio.guide import (
    FACTS,
    Guide,
    check_lesson,
    condition_of,
    course_of,
    facts_of,
    orders_of,
    setup_of,
)  # fmt: skip
from descend.studio.lessons import LESSONS, Lesson, open_lesson, own_lesson, read_lesson
from descend.studio.orders import ORDERS
from descend.studio.session import Session
from descend.words import LANGUAGES
from descend.words.glossary import missing_terms

KNOWN = {name: order.takes for name, order in ORDERS.items()}
PATIENCE = 60.0
EACH = [(name, step) for name in LESSONS for step in range(len(own_lesson(name)["en"].steps))]
pytestmark = pytest.mark.filterwarnings("ignore::descend.DescendWarning")


def test_there_are_eight_lessons_in_every_language() -> None:
    assert len(LESSONS) == 8
    for name in LESSONS:
        assert {*own_lesson(name)} == {*LANGUAGES}


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_whole(name: str) -> None:
    for lesson in own_lesson(name).values():
        check_lesson(lesson, KNOWN)
        assert lesson.text and 3 <= len(lesson.steps) <= 5
        for step in lesson.steps:
            asked = step.question
            assert asked is not None and asked.hint and asked.right
            assert asked.show or asked.number is not None


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_the_same_in_both_languages(name: str) -> None:
    en, zh = own_lesson(name).values()
    assert en.setup == zh.setup and len(en.steps) == len(zh.steps)
    for one, other in zip(en.steps, zh.steps, strict=True):
        assert one.setup == other.setup
        a, b = one.question, other.question
        assert a is not None and b is not None
        assert (a.when, a.number, a.within, a.show) == (b.when, b.number, b.within, b.show)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_uses_the_terms_of_the_glossary(name: str) -> None:
    def texts(lesson: Lesson) -> list[str]:
        found = [lesson.title, lesson.text]
        for step in lesson.steps:
            assert step.question is not None
            found += [step.title, step.text, step.question.ask, step.question.hint]
            found.append(step.question.right)
        return found

    pairs = zip(*map(texts, own_lesson(name).values()), strict=True)
    wrong = {en: missing for en, zh in pairs if (missing := missing_terms(en, zh))}
    assert not wrong


class Pupil:
    """Somebody who does what a question's `show` says, and looks at the facts after each order."""

    def __init__(self, lesson: Lesson, step: int) -> None:
        self.setup = setup_of(lesson, step)
        self.session = Session(self.setup)
        self.names = self.session.scene()["params"]
        self.have, self.start = -1, float("nan")

    def facts(self) -> dict[str, float | str]:
        there, got = threading.Event(), []
        self.session.ask(self.have, lambda n, frame: (got.append((n, frame)), there.set()))
        assert there.wait(PATIENCE)
        self.have, frame = got[0]
        head, blocks = unpack(frame)
        if not head["updates"]:
            self.start = head["loss"]
        params = dict(zip(self.names, blocks["params"].tolist(), strict=True))
        return facts_of(self.setup, head, params, self.start)


@pytest.mark.parametrize(("name", "step"), EACH)
def test_a_question_is_answered_by_what_the_lesson_suggests(name: str, step: int) -> None:
    lesson = own_lesson(name)["en"]
    question, condition = lesson.steps[step].question, condition_of(lesson, step)
    assert question is not None
    pupil = Pupil(lesson, step)
    try:
        facts = pupil.facts()
        if condition is None:
            number_is_right(pupil, name, step)
            return
        assert not condition.holds(facts), "answered before anything is done"
        met = False
        for order in orders_of(question, KNOWN):
            pupil.session.order(order.name, order.value)
            met = met or condition.holds(facts := pupil.facts())
        assert met, facts
    finally:
        pupil.session.close()


def number_is_right(pupil: Pupil, name: str, step: int) -> None:
    """The numbers that are asked for, each found in a way of its own."""
    asked = own_lesson(name)["en"].steps[step].question
    assert asked is not None and asked.number is not None
    if name == "minimum":  # the normal equation of one parameter
        x = [i / 100 for i in range(100)]
        y = [4 * v * v + 5 * v + 6 for v in x]
        found = sum(a * b for a, b in zip(x, y, strict=True)) / sum(v * v for v in x)
    elif step == 0:  # d(e²)/de at the first example
        found = 2 * (1 - 6)
    else:
        pupil.session.order("example")
        found = float(pupil.facts()["w3"])
    assert abs(found - asked.number) <= asked.within


# --- files of a teacher


GOOD = """+++
title = "Rates"
[setup]
lr = 0.01
+++

Look.

## One

Text.

```setup
batch_size = "all"
```

```question
ask = "Diverge!"
when = "state == diverging"
show = ["lr 1.0", "epoch 20"]
```

```python
## no step: code
```

## Two

End.
"""


def test_a_file_is_read() -> None:
    lesson = read_lesson(GOOD, "a.md")
    assert (lesson.title, lesson.text, len(lesson.steps)) == ("Rates", "Look.", 2)
    one, two = lesson.steps
    assert one.title == "One" and "no step: code" in one.text and "ask" not in one.text
    assert one.question is not None and one.question.line == 18 and two.question is None
    assert setup_of(lesson).batch_size == 1 and setup_of(lesson, 0).batch_size is None
    assert setup_of(lesson, 0).lr == 0.01
    check_lesson(lesson, KNOWN)


WRONG: dict[str, tuple[str, str, str, int, str]] = {
    "no head": ("+++\ntitle", "title", "begins with \\+++", 1, "write the lines"),
    "no title": ('title = "Rates"\n', "", "has no title", 2, 'title = "…"'),
    "no TOML in the head": ('title = "Rates"', "title = Rates", "no TOML", 2, "name = "),
    "no TOML in a block": ("ask = ", "ask ", "no TOML", 18, "name = "),
    "another key": ('ask = "Div', 'ak = "Div', 'no "ak" .did you mean "ask"', 18, "write ask"),
    "a text for a list": ('["lr 1.0", "epoch 20"]', '"lr"', '"show" is no str', 18, "a list"),
    "no answer": ('when = "state == diverging"\n', "", "experiment or by a number", 18, "when"),
    "two answers": ("show =", "number = 2\nshow =", "one of both", 18, "when"),
    "nothing asked": ('ask = "Diverge!"\n', "", "asks nothing", 18, "ask ="),
    "no step": ("## ", "### ", "has no step", 29, "##"),
    "a block too early": ("Look.", "```setup\nlr = 1\n```", "before the first step", 7, "below"),
    "deeply nested": ('batch_size = "all"', f"a = {'[' * 5000}", "nested too deeply", 14, "flat"),
    "two questions": ("End.", '```setup\n```\n```setup\n```', "a second setup", 31, "another step"),
    "a block that is open": ("End.", "```question\nask = 1", "not closed", 29, "end it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_with_its_line_and_a_remedy(name: str) -> None:
    before, after, words, line, remedy = WRONG[name]
    assert before in GOOD
    with pytest.raises(UsageError, match=words) as caught:
        read_lesson(GOOD.replace(before, after), "circle.md")
    assert caught.value.message.startswith(f"circle.md, line {line}: ")
    assert remedy in (caught.value.remedy or "")


MEANT: dict[str, tuple[str, str, str, int]] = {
    "an unknown fact": ("state ==", "stat ==", '"stat" is no fact .did you mean "state"', 18),
    "an unknown word": ("== diverging", "== divergent", 'never "divergent" .did you mean "div', 18),
    "no comparison": ("state == diverging", "print(1)", "is no comparison", 18),
    "an unknown order": ("lr 1.0", "rate 1.0", 'show has no order "rate"', 18),
    "a rate out of range": ("lr 1.0", "lr 1e9", 'lr takes no "1e9"', 18),
    "an unknown field": ('batch_size = "all"', "batchsize = 3", 'no "batchsize"', 9),
    "another optimizer": ("lr = 0.01", 'optimizer = "adm"', 'no optimizer "adm"', 1),
    "a formula that is none": ("lr = 0.01", 'formula = "y = w1*x +"', "something is missing", 1),
    "a column that is none": ("lr = 0.01", 'target = "z"', 'no column "z"', 1),
    "a table of one's own": ("lr = 0.01", 'source = { own = "a", digest = "0" }', "no table", 1),
    "a date": ("lr = 0.01", "lr = 1979-05-27", "the learning rate is a number", 1),
}


@pytest.mark.parametrize("name", MEANT)
def test_what_there_is_not_is_told_with_its_line(name: str) -> None:
    before, after, words, line = MEANT[name]
    lesson = read_lesson(GOOD.replace(before, after), "circle.md")
    with pytest.raises(UsageError, match=words) as caught:
        check_lesson(lesson, KNOWN)
    assert caught.value.message.startswith(f"circle.md, line {line}: ")


def test_files_in_two_languages_belong_together(tmp_path: Path) -> None:
    (tmp_path / "a.en.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "a.zh.md").write_text(GOOD.replace("Rates", "学习率"), encoding="utf-8")
    (tmp_path / "b.md").write_text("\ufeff" + GOOD.replace("\n", "\r\n"), encoding="utf-8")
    for file in ("a.en.md", "a.zh.md"):
        found = open_lesson(str(tmp_path / file))
        assert {lang: one.title for lang, one in found.items()} == {"en": "Rates", "zh": "学习率"}
    assert {one.title for one in open_lesson(str(tmp_path / "b.md")).values()} == {"Rates"}
    (tmp_path / "a.zh.md").unlink()
    assert {one.title for one in open_lesson(str(tmp_path / "a.en.md")).values()} == {"Rates"}


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        open_lesson(str(tmp_path / "none.md"))
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(UsageError, match="no text in UTF-8"):
        open_lesson(str(tmp_path / "binary.md"))
    (tmp_path / "large.md").write_text("a" * 200_001, encoding="utf-8")
    with pytest.raises(UsageError, match="200,001 bytes"):
        open_lesson(str(tmp_path / "large.md"))


# --- conditions and the guide


FACTS_READ = {**dict.fromkeys(("w1", "diverging"), ()), **{n: f.words for n, f in FACTS.items()}}
SEEN: dict[str, float | str] = {
    "state": "stuck", "loss": 2.0, "start": 10.0, "epoch": 3.0, "w1": -1.5, "diverging": 1.0,
    "optimizer": "adam", "mean": math.nan,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("loss < 2.5", True), ("loss < 2", False), ("loss <= 2", True), ("loss == 2.0", True),
        ("loss != 2", False), ("loss >= 0.2 * start", True), ("loss > 0.2*start", False),
        ("loss < start", True), ("w1 < -1e0 and epoch >= 3", True), ("w1 > .5", False),
        ("state == stuck", True), ("state != stuck", False), ("state == diverging", False),
        ("optimizer == adam and loss < 1", False), ("held < 1", False), ("held >= 1", False),
        ("mean != 1", False), ("mean < 2", False), ("loss < mean", False),
    ],
)  # fmt: skip
def test_conditions(text: str, holds: bool) -> None:
    assert read_condition(text, FACTS_READ).holds(SEEN) is holds


@pytest.mark.parametrize(
    "text",
    [
        "", "loss", "loss <", "< 1", "loss = 1", "loss <> 1", "loss < 1 or epoch > 2", "loss < (1)",
        "loss < 1 and", "__import__('os')", "loss < 1; epoch", "loss < 1e", "state < stuck",
        "state == 1", "loss == stuck", "loss < 2 * state", "optimizer == stuck", "loss.real < 1",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_condition(text, FACTS_READ)


def test_a_guide_goes_through_a_lesson() -> None:
    guide = Guide(own_lesson("backpropagation"))
    assert guide.step == 0 and guide.n_questions == 4
    assert not guide.type_number(-5) and guide.type_number(-10.0) and guide.answered == {0}
    assert not guide.go(2)
    assert not guide.note({"step": 1.0, "w3": 1.2}) and not guide.note({})
    assert guide.note({"step": 1.0, "w3": 1.01}) and guide.answered == {0, 2}
    assert not guide.note({"step": 1.0, "w3": 1.01})
    guide.go(99)
    assert guide.step == len(guide) - 1
    assert Guide(own_lesson("batch-size")).go(1)


def test_what_passed_quickly_counts() -> None:
    guide = Guide(own_lesson("learning-rate"))
    guide.go(1)  # loss < 0.001 and epoch <= 100
    now: dict[str, float | str] = {
        "rows": 100.0, "batch_size": 1.0, "epoch": 4000.0, "loss": 1e-5, "lr": 0.2,
    }  # fmt: skip
    late = {"epochs": np.array([64.0, 128.0]), "losses": np.array([0.01, 1e-4])}
    assert not guide.note(now, course_of(now, late))
    early = {"epochs": np.array([64.0, 128.0]), "losses": np.array([9e-4, 1e-4])}
    assert [seen["step"] for seen in course_of(now, early)] == [6400.0, 12800.0]
    assert guide.note(now, course_of(now, early))


def test_the_form_that_is_documented_is_a_lesson() -> None:
    import descend.studio.lessons as module

    text = "\n".join(line[4:] for line in (module.__doc__ or "").split("\n\n", 1)[1].split("\n"))
    lesson = read_lesson(text.split("\nween")[0], "form.md")
    check_lesson(lesson, KNOWN)
    assert json.dumps(lesson.steps[0].setup) == '{"lr": 0.5}'
