"""The chain rule of one row, a number at a time; asked for before it is shown."""

import pytest

from browser import Page, wait

SEEN = """
const [label, line] = arguments;
const text = document.querySelector(
  `.figure [data-node='${label}'] text:nth-of-type(${line})`);
return text && getComputedStyle(text).visibility == 'visible';
"""


def opened(page: Page) -> Page:
    page.open_panel("steps")
    wait(lambda: page.js("return !!document.querySelector('.walk .figure svg')"), "the graph")
    return page


def told(page: Page) -> str:
    return page.text(".walk .sentence")


def visible(page: Page, label: str, line: int) -> bool:
    """Whether a line of a node of the graph is seen: its value, or its derivative."""
    return bool(page.js(SEEN, label, line))


def after(page: Page, press: str, count: int) -> None:
    page.click(f"[data-field={press}]")
    wait(lambda: f"{count} of" in page.text(".walk"), f"number {count}")


def test_numbers_come_one_after_the_other(page: Page) -> None:
    opened(page)
    assert not visible(page, "v1", 2)
    after(page, "steps_next", 1)
    assert "v1 = x² = 0" in told(page)
    assert visible(page, "v1", 2)
    assert not visible(page, "v2", 2)
    after(page, "steps_all", 19)
    assert visible(page, "w1", 3)
    assert "one whole step" in told(page)
    after(page, "steps_back", 18)
    assert not page.complaints()


def test_the_last_numbers_are_those_of_one_example(page: Page) -> None:
    page.press("e")
    wait(lambda: page.step == 1, "a step")
    opened(page)
    after(page, "steps_all", 19)
    new = float(page.text(".walk .sentence .formula").rpartition("= ")[2])
    page.press("e")
    wait(lambda: page.step == 2, "the same step")
    assert float(page.parameter("w3")) == pytest.approx(new, abs=1e-6)


def test_it_asks_before_it_shows(page: Page) -> None:
    opened(page)
    page.click("[data-field=asks]")
    wait(lambda: "= ?" in told(page), "a question")
    for answer, word in (("0", "Right."), ("77", "Not so")):
        page.find("[data-field=answer]").send_keys(answer + "\n")
        wait(lambda word=word: word in told(page), word)
    assert "1 of 2 right" in page.text(".walk")


def test_another_setup_is_explained_anew(page: Page) -> None:
    opened(page)
    page.find("[data-field=row]").clear()
    page.find("[data-field=row]").send_keys("51\n")
    wait(lambda: "0.5" in page.text(".figure [data-node=x]"), "row 51")
