"""The pages for learners are what the catalogue and the lessons say, and lead to what is there."""

import re
from pathlib import Path

import pytest

from descend.words.glossary import TERMS
from learning import GLOSSARY, INDEX, learning_makers

ROOT = Path(__file__).parent.parent
MAKERS = learning_makers()
WRITTEN = "docs/writing-lessons.md"


@pytest.mark.parametrize("page", MAKERS)
def test_a_page_is_what_it_is_made_of(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == MAKERS[page](""), "make docs"


def test_there_is_no_other_page_of_a_lesson() -> None:
    there = {str(p.relative_to(ROOT)) for p in (ROOT / "docs" / "lessons").iterdir()}
    assert there == {*MAKERS} - {GLOSSARY}
    assert len(there - {INDEX}) == 16


@pytest.mark.parametrize("page", [*MAKERS, WRITTEN])
def test_links_resolve(page: str) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", (ROOT / page).read_text("utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert links or page == GLOSSARY
    assert not [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


def test_the_glossary_has_a_row_for_each_term() -> None:
    text = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    for term in TERMS.values():
        assert f"| {term.names['en']} | {term.names['zh']} |" in text


def test_the_example_of_a_lesson_is_one() -> None:
    from descend.studio.guide import check_lesson
    from descend.studio.lessons import read_lesson
    from descend.studio.orders import ORDERS

    text = (ROOT / WRITTEN).read_text(encoding="utf-8")
    (example,) = re.findall(r"^`````markdown\n(.*?)^`````$", text, re.M | re.S)
    lesson = read_lesson(example)
    check_lesson(lesson, {name: order.takes for name, order in ORDERS.items()})
    assert len(lesson.steps) == 1 and lesson.steps[0].question is not None


def test_the_facts_that_are_documented_are_those_there_are() -> None:
    from descend.studio.guide import FACTS

    text = (ROOT / WRITTEN).read_text(encoding="utf-8").split("| fact | |")[1]
    named = {
        name for row in text.splitlines() if row.startswith("| ")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }  # fmt: skip
    assert named - {"w1"} == {*FACTS}
