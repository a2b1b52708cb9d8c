"""The README in Chinese says what the English one says: the same parts, commands and links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
TABLE = re.compile(r"<!-- benchmark -->.*?<!-- /benchmark -->", re.S)
LANGUAGES = {"README.md", "README.zh-CN.md"}
ANCHORS = {"#the-lesson-step-by-step": "#课程一步一步来"}


def outside(text: str) -> str:
    """The text without code and without the table that is measured."""
    return TABLE.sub("", FENCE.sub("⟨code⟩", text))


def shape(text: str) -> list[str]:
    """What each paragraph is: a heading of a level, a table of a size, code, a picture, a text."""
    found = []
    for part in re.split(r"\n\n+", outside(text).strip()):
        first = part.split("\n")[0]
        if first.startswith("#"):
            found.append(first.split(" ")[0])
        elif first.startswith("|"):
            rows = part.split("\n")
            columns = {len(re.split(r"(?<!\\)\|", row)) - 2 for row in rows}
            found.append(f"table of {len(rows)} rows, {columns} columns")
        elif first.startswith("!["):
            found.append("picture")
        else:
            found.append("code" if first == "⟨code⟩" else "text")
    return found


def links(text: str) -> list[str]:
    return [x for x in re.findall(r"\]\(([^)\s]+)\)", outside(text)) if x not in LANGUAGES]


def test_the_parts_are_the_same() -> None:
    assert shape(CHINESE) == shape(ENGLISH)


def test_code_commands_and_outputs_are_the_same() -> None:
    assert FENCE.findall(CHINESE) == FENCE.findall(ENGLISH)
    assert TABLE.findall(CHINESE) == TABLE.findall(ENGLISH)


def test_links_and_pictures_are_the_same() -> None:
    assert links(CHINESE) == [ANCHORS.get(link, link) for link in links(ENGLISH)]


def test_each_leads_to_the_other() -> None:
    assert "(README.zh-CN.md)" in ENGLISH.split("##")[0]
    assert "(README.md)" in CHINESE.split("##")[0]


def words(text: str) -> list[str]:
    return sorted({*re.findall(r"`([^`\n]+)`", outside(text))})


def test_names_in_code_are_the_same() -> None:
    assert words(CHINESE) == words(ENGLISH)


TERMS = ("梯度下降", "反向传播", "链式法则", "小批量", "学习率", "损失", "优化器")


@pytest.mark.parametrize("term", TERMS)
def test_the_terms_are_those_of_the_field(term: str) -> None:
    assert term in CHINESE


def test_a_difference_is_seen() -> None:
    assert shape(CHINESE.replace("\n## ", "\n### ", 1)) != shape(ENGLISH)
    assert shape(CHINESE + "\n\nmore\n") != shape(ENGLISH)
    assert links(CHINESE.replace("docs/errors.md", "docs/tables.md", 1)) != links(ENGLISH)
