"""Lessons in Chromium: one played through by mouse, one by keyboard alone, and one of a teacher."""

from pathlib import Path
from typing import Any

import pytest

from browser import Looks, Page, Server, look, wait
from test_access import AUDITED, AXE

TAB, ENTER, RIGHT = "\ue004", "\ue007", "\ue014"


def answered(page: Page) -> bool:
    return bool(page.js(
        "return document.querySelector('.lesson-question')?.dataset.answered === 'true'"
    ))  # fmt: skip


def title(page: Page) -> str:
    return page.text(".lesson-step h3")


def open_lesson(page: Page, name: str) -> None:
    page.open_panel("lesson")
    page.click(page.field(f"lesson {name}"))
    wait(lambda: title(page), "the lesson")


def next_step(page: Page, wanted: str) -> None:
    page.click(page.field("next"))
    wait(lambda: title(page) == wanted, f"the step {wanted}")
    assert not answered(page)


def rate(page: Page, power: float, said: str) -> None:
    page.slide("lr", power)
    wait(lambda: page.text(".controls .slider .value") == said, "the rate to be said")


def test_the_learning_rate_is_learnt_by_experiment(page: Page) -> None:
    open_lesson(page, "learning-rate")
    assert page.text(".lesson-step h2") == "The learning rate"
    assert title(page) == "Too small" and not answered(page)
    assert "Step 1 of 4" in page.text(".lesson-place")
    for count in range(1, 21):
        page.press("n")
        wait(lambda count=count: page.step == 100 * count, "an epoch")
    wait(lambda: answered(page), "the first answer")
    assert "1 of 4 answered" in page.text(".lesson-place")
    assert page.text(".lesson-status") == "Answered."
    assert page.text(".panels > [role=status]").startswith("Answered. It is still on its way.")

    next_step(page, "Just right")
    page.click(page.field("hint"))
    wait(lambda: "a hundred times as high" in page.text(".lesson-question"), "the hint")
    rate(page, -0.7, "0.2")
    page.play_until(lambda: page.state == "goal", "the goal", "r ")
    wait(lambda: answered(page), "the second answer")

    next_step(page, "Too large")
    rate(page, 0, "1")
    page.play_until(lambda: page.state == "diverging", "a divergence", "r ")
    wait(lambda: answered(page), "the third answer")

    next_step(page, "The edge")
    page.click(page.field("show"))
    wait(lambda: answered(page), "what is shown")
    assert page.text(".controls .slider .value") == "0.6"
    assert "4 of 4 answered" in page.text(".lesson-place")
    assert "That was the last step: 4 of 4" in page.text(".panel.lesson")
    page.click(page.field("lessons"))
    wait(lambda: page.shows(page.field("lesson minimum")), "the list of lessons")


def go_to(page: Page, selector: str) -> None:
    """Tab until the focus is there."""
    for _ in range(80):
        page.press(TAB)
        if page.js("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"no Tab leads to {selector}")


def test_backpropagation_is_learnt_by_keyboard_alone(page: Page) -> None:
    go_to(page, ".open-lesson")
    page.press(ENTER)
    wait(lambda: page.shows(page.field("lesson backpropagation")), "the list of lessons")
    go_to(page, page.field("lesson backpropagation"))
    page.press(ENTER)
    wait(lambda: title(page) == "Forward", "the lesson")

    go_to(page, page.field("answer"))
    page.press("-5" + ENTER)
    wait(lambda: "-5 is not right yet" in page.text(".lesson-status"), "a wrong answer to be told")
    go_to(page, page.field("answer"))
    page.press("\b\b-10" + ENTER)
    wait(lambda: answered(page), "the first answer")
    go_to(page, page.field("next"))
    page.press(ENTER)
    wait(lambda: title(page) == "Backward", "the second step")
    go_to(page, page.field("answer"))
    page.press("1,01" + ENTER)
    wait(lambda: answered(page), "the second answer")
    assert page.step == 0  # no digit was an order

    go_to(page, page.field("next"))
    page.press(ENTER)
    wait(lambda: title(page) == "See it", "the third step")
    page.press("e")
    wait(lambda: answered(page), "the third answer")
    assert page.parameter("w3") == "1.010000"

    go_to(page, page.field("next"))
    page.press(ENTER)
    wait(lambda: title(page) == "Backwards once more", "the fourth step")
    go_to(page, "input.lr")
    while (said := page.text(".controls .slider .value")) != "0.5":
        page.press(RIGHT)
        wait(lambda said=said: page.text(".controls .slider .value") != said, "another rate")
    page.press("r")
    wait(lambda: page.step == 0, "the start")
    page.press("e")
    wait(lambda: answered(page), "the fourth answer")
    assert "4 of 4" in page.text(".panel.lesson")


def test_a_lesson_stays_open_beside_other_panels_and_brings_its_setup(page: Page) -> None:
    open_lesson(page, "vanishing-gradients")
    wait(lambda: page.kind == "plane", "the network's picture")
    page.open_panel("model")
    assert page.shows(".panel.lesson") and page.shows(".panel.model")
    page.open_panel("descent")
    assert page.shows(".panel.lesson") and not page.shows(".panel.model")
    page.click(page.field("next"))
    wait(lambda: title(page) == "Another activation function", "the next step")
    wait(lambda: "8 relu" in page.text(".formula"), "its network")
    page.click(page.field("back"))
    wait(lambda: "8 sigmoid" in page.text(".formula"), "the network before")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_lessons_and_what_is_taken_away_are_for_everybody(
    page: Page, language: str, dark: bool, width: int
) -> None:
    look(page.driver, Looks(width=width, dark=dark))
    page.click(f"[lang={language}]:not(html)")
    page.open_panel("lesson")
    found = audit(page, width)
    page.click(page.field("lesson backpropagation"))
    wait(lambda: title(page), "the lesson")
    page.click(page.field("hint"))
    wait(lambda: "2·e" in page.text(".lesson-question"), "the hint")
    found += audit(page, width)
    page.open_panel("takeaway")
    wait(lambda: page.text(".taken-address").startswith("#descend="), "the address")
    found += audit(page, width)
    assert found == []
    if language == "zh-CN":
        assert title(page) == "向前" and "问题" in page.js(
            "return document.querySelector('.lesson-question').getAttribute('aria-label')"
        )


def audit(page: Page, width: int) -> list[str]:
    """What axe-core has against the page, and whether it is wider than its place."""
    if page.js("return document.documentElement.scrollWidth") > width:
        return ["wider than the page"]
    if not AXE.is_file():
        return []
    page.js(AXE.read_text("utf-8"))
    return list(page.driver.execute_async_script(AUDITED))


TEACHER = """+++
title = "{title}"
[setup]
lr = 0.01
+++

A <b>bold</b> word, <img src=x onerror=window.hit=1> and <script>window.hit=1</script>.

## {step} <img src=x onerror=window.hit=1>

[a link](javascript:window.hit=1) Press **N**.

```question
ask = "{ask} <svg onload=window.hit=1>"
when = "epoch >= 1"
right = "<iframe src='javascript:parent.hit=1'></iframe>right"
```
"""


def test_a_teachers_lesson_is_opened_and_nothing_in_it_runs(driver: Any, tmp_path: Path) -> None:
    words = {
        "en": {"title": "My lesson", "step": "Look", "ask": "One epoch?"},
        "zh": {"title": "我的课", "step": "看", "ask": "一轮？"},
    }
    for lang, said in words.items():
        (tmp_path / f"mine.{lang}.md").write_text(TEACHER.format(**said), encoding="utf-8")
    driver.delete_all_cookies()
    look(driver, Looks())
    with Server(str(tmp_path / "mine.en.md")) as server:
        page = Page(driver).open(server.address)
        wait(lambda: page.shows(".lesson-step"), "the lesson to be open")
        assert page.text(".lesson-step h2") == "My lesson"
        assert title(page) == "Look <img src=x onerror=window.hit=1>"
        assert page.text(".controls .slider .value") == "0.01"
        page.press("n")
        wait(lambda: answered(page), "the answer")
        page.click("[lang=zh-CN]:not(html)")
        wait(lambda: page.text(".lesson-step h2") == "我的课", "the other language")
        assert page.js("return document.querySelector('.lesson-text b').textContent") == "bold"
        links = page.js(
            "return [...document.querySelectorAll('.lesson-text a')].map(a => a.protocol)"
        )
        assert "javascript:" not in links
        bad = "script, iframe, [onerror], [onload]"
        assert page.js(
            "return document.querySelectorAll(`.lesson-text :is(${arguments[0]})`).length", bad
        ) == 0  # fmt: skip
        assert page.js("return window.hit") is None
        driver.get_log("browser")  # that a picture "x" is not there
