"""Lessons: Markdown files that a teacher can write too, one for each language.

    +++
    title = "The learning rate"
    [setup]
    lr = 0.001
    +++

    What the lesson is about, in Markdown.

    ## One step too far

    What to do and what to look at.

    ```setup
    lr = 0.5
    ```

    ```question
    ask = "Find a learning rate at which the loss grows."
    when = "state == diverging"
    hint = "Move the slider to the right."
    right = "Above 0.75 each step goes farther than the one before."
    show = ["reset", "lr 0.9", "play"]
    ```

Between `+++` and in the blocks stands TOML. A step's `setup` is put on top of the lesson's when the
step is opened. A question is answered by experiment, as soon as `when` holds, or by a `number`,
which may be `within` so much of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from descend.errors import UsageError, suggest
from descend.lean import dataclass
from descend.words import LANGUAGES

__all__ = [
    "LESSONS",
    "SUFFIX",
    "Lesson",
    "Question",
    "Step",
    "find_lesson",
    "open_lesson",
    "own_lesson",
    "read_lesson",
]

LESSONS = (
    "minimum", "gradient", "learning-rate", "batch-size", "backpropagation", "optimizers",
    "vanishing-gradients", "overfitting",
)  # fmt: skip
"""The lessons that come along, in order."""
SUFFIX = ".md"
FENCE = "+++"
BLOCKS = ("setup", "question")
LARGEST = 200_000  # bytes of a file
MOST_STEPS = 50
STEP = re.compile(r"##\s+(.*\S)\s*")
OPENS = re.compile(r"(`{3,}|~{3,})\s*(\w*).*")


class Question(NamedTuple):
    """What a step asks.

    Attributes:
        when: the condition of an experiment, as it is written; empty for a number.
        number, within: what is to be typed, and how near it has to be.
        hint, right: told to whoever asks for help, and to whoever has answered.
        show: orders that answer it.
        line: where it stands.
    """

    ask: str
    when: str = ""
    number: float | None = None
    within: float = 0.0
    hint: str = ""
    right: str = ""
    show: tuple[str, ...] = ()
    line: int = 0


class Step(NamedTuple):
    """One page of a lesson: its text, and what it begins with, on top of the lesson's setup."""

    title: str
    text: str
    setup: Mapping[str, Any]
    question: Question | None
    line: int = 0


@dataclass(frozen=True)
class Lesson:
    """A lesson in one language.

    Attributes:
        file: where it was read from, as messages name it.
        setup: what differs from the setup that the studio opens on.
    """

    file: str
    title: str
    setup: Mapping[str, Any]
    text: str
    steps: tuple[Step, ...]


class _Text(NamedTuple):
    """A part of a text with the line, counted from 1, that it begins at."""

    line: int
    text: str


def own_lesson(name: str) -> dict[str, Lesson]:
    """A lesson that comes along, in every language.

    >>> own_lesson("learning-rate")["zh"].title
    '学习率'
    """
    folder = files("descend.studio").joinpath("lessons")
    names = {lang: f"{name}.{lang}.md" for lang in LANGUAGES}
    return {
        lang: read_lesson(folder.joinpath(file).read_text("utf-8"), file)
        for lang, file in names.items()
    }


def find_lesson(text: str) -> dict[str, Lesson]:
    """A lesson by its name, or a file of one's own.

    Raises:
        UsageError: it is neither; or as of `open_lesson`.
    """
    if text in LESSONS:
        return own_lesson(text)
    if not text.lower().endswith(SUFFIX):
        raise UsageError(
            f'there is no lesson "{text}"{suggest(text, LESSONS)}',
            remedy=f"name one of {', '.join(LESSONS)}, or a file that ends in {SUFFIX}",
        )
    return open_lesson(text)


def open_lesson(path: str) -> dict[str, Lesson]:
    """A lesson of one's own: the file, and those beside it that say the same in other languages.

    `circle.en.md` and `circle.zh.md` belong together; `circle.md` is shown in every language.

    Raises:
        UsageError: it cannot be read, or is none; where, and what to do, is said.
    """
    file = Path(path)
    stem, _, lang = file.stem.rpartition(".")
    if not stem or lang not in LANGUAGES:
        lesson = _read_file(file)
        return dict.fromkeys(LANGUAGES, lesson)
    beside = {lang: file.with_name(f"{stem}.{lang}{file.suffix}") for lang in LANGUAGES}
    found = {lang: _read_file(one) for lang, one in beside.items() if one.exists() or one == file}
    return {other: found.get(other, found[lang]) for other in LANGUAGES}


def _read_file(file: Path) -> Lesson:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the lesson {file} cannot be read: {error.strerror or error}",
            remedy="name a Markdown file, as in descend studio lesson.md",
        ) from None
    if len(raw) > LARGEST:
        raise UsageError(
            f"{file} has {len(raw):,} bytes, which is more than a lesson's {LARGEST:,}",
            remedy="make two lessons of it",
        )
    try:
        return read_lesson(raw.decode("utf-8-sig"), str(file))
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8", remedy="save it as UTF-8") from None


def read_lesson(text: str, file: str = "lesson.md") -> Lesson:
    """A lesson from its text.

    Args:
        file: how messages name it.

    Raises:
        UsageError: it is none; the line, and what to do, is said.

    >>> lesson = read_lesson("+++\\ntitle = 'Rates'\\n+++\\nLook.\\n## One\\nPlay.\\n")
    >>> lesson.title, lesson.text, [(step.title, step.text) for step in lesson.steps]
    ('Rates', 'Look.', [('One', 'Play.')])
    """
    lines = text.splitlines()
    end = lines.index(FENCE, 1) if lines[:1] == [FENCE] and FENCE in lines[1:] else None
    if end is None:
        raise _wrong(
            file, 1, "a lesson begins with +++, its title, and +++",
            'write the lines +++, title = "…", +++ before everything else',
        )  # fmt: skip
    head = _toml(file, _Text(2, "\n".join(lines[1:end])))
    _check_keys(file, 2, head, {"title": str, "setup": dict}, "a lesson's head")
    if not head.get("title", "").strip():
        raise _wrong(file, 2, "the lesson has no title", 'write title = "…" between the two +++')
    about, *steps = _steps(lines[end + 1 :], end + 2)
    if not steps:
        raise _wrong(
            file,
            len(lines),
            "the lesson has no step",
            "begin each one with a line ## and its title",
        )
    if len(steps) > MOST_STEPS:
        raise _wrong(file, steps[MOST_STEPS][0].line, "the lesson has too many steps",
                     f"make several lessons of it, with at most {MOST_STEPS} steps")  # fmt: skip
    plain, blocks = _split(file, about[1], about[0].line)
    if blocks:
        raise _wrong(
            file, blocks[0][1].line - 1, f"this {blocks[0][0]} stands before the first step",
            "put it below the step's title, or what all steps begin with into [setup] above",
        )  # fmt: skip
    made = tuple(_step(file, title, body) for title, body in steps)
    return Lesson(file, head["title"].strip(), head.get("setup", {}), plain, made)


def _steps(lines: list[str], first: int) -> list[tuple[_Text, list[str]]]:
    """The lines by step, with its title; those before the first step come first."""
    parts: list[tuple[_Text, list[str]]] = [(_Text(first, ""), [])]
    fence = ""
    for number, line in enumerate(lines, first):
        fence = _fence_after(fence, line)
        title = None if fence else STEP.fullmatch(line)
        if title:
            parts.append((_Text(number, title[1]), []))
        else:
            parts[-1][1].append(line)
    return parts


def _fence_after(fence: str, line: str) -> str:
    """The marks of the block that is open after a line, or nothing."""
    opens = OPENS.fullmatch(line.strip())
    if not fence:
        return opens[1] if opens else ""
    return "" if line.strip().startswith(fence) and not line.strip().strip(fence[0]) else fence


def _split(file: str, lines: list[str], first: int) -> tuple[str, list[tuple[str, _Text]]]:
    """A step's text without its blocks of TOML, and those."""
    plain: list[str] = []
    blocks: list[tuple[str, _Text]] = []
    kind, inside, fence, begun = "", [""], "", first
    for number, line in enumerate(lines, first):
        before, fence = fence, _fence_after(fence, line)
        if fence and not before:
            word = OPENS.fullmatch(line.strip())
            kind, inside, begun = word[2] if word else "", [], number
            if kind not in BLOCKS:
                plain.append(line)
        elif kind not in BLOCKS:
            plain.append(line)
        elif fence:
            inside.append(line)
        else:
            blocks.append((kind, _Text(begun + 1, "\n".join(inside))))
            kind = ""
    if fence:
        raise _wrong(file, begun, "this block is not closed", f"end it with a line {fence}")
    return "\n".join(plain).strip(), blocks


def _step(file: str, title: _Text, lines: list[str]) -> Step:
    text, blocks = _split(file, lines, title.line + 1)
    found: dict[str, Any] = {}
    for kind, block in blocks:
        if kind in found:
            raise _wrong(
                file, block.line - 1, f"the step has a second {kind}", "begin another step with ##"
            )
        table = _toml(file, block)
        found[kind] = table if kind == "setup" else _question(file, block.line, table)
    return Step(title.text, text, found.get("setup", {}), found.get("question"), title.line)


QUESTION: Mapping[str, type | tuple[type, ...]] = {
    "ask": str, "when": str, "number": (int, float), "within": (int, float), "hint": str,
    "right": str, "show": list,
}  # fmt: skip
"""What a question may say, and as what."""


def _question(file: str, line: int, table: dict[str, Any]) -> Question:
    _check_keys(file, line, table, QUESTION, "a question")
    if not table.get("ask", "").strip():
        raise _wrong(file, line, "the question asks nothing", 'write ask = "…"')
    if ("when" in table) == ("number" in table):
        raise _wrong(
            file, line, "a question is answered by an experiment or by a number, one of both",
            'write when = "state == diverging", or number = 2.5 and within = 0.01',
        )  # fmt: skip
    if not all(isinstance(order, str) for order in table.get("show", ())):
        raise _wrong(file, line, "show is a list of orders", 'write show = ["lr 0.9", "epoch"]')
    return Question(**{**table, "show": tuple(table.get("show", ())), "line": line})


def _check_keys(
    file: str, line: int, table: Mapping[str, Any], known: Mapping[str, Any], what: str
) -> None:
    for key, value in table.items():
        if key not in known:
            raise _wrong(
                file, line, f'{what} has no "{key}"{suggest(key, known)}',
                f"write {', '.join(known)} only",
            )  # fmt: skip
        if not isinstance(value, known[key]) or isinstance(value, bool):
            kinds = {str: "a text in quotes", list: "a list in brackets", dict: "a table, [setup]"}
            raise _wrong(
                file, line, f'"{key}" is no {type(value).__name__}',
                f"make it {kinds.get(known[key], 'a number')}",
            )  # fmt: skip


def _toml(file: str, part: _Text) -> dict[str, Any]:
    try:
        return tomllib.loads(part.text)
    except RecursionError:
        raise _wrong(file, part.line, "this is nested too deeply", "write it flat") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        ahead = int(place[1]) - 1 if place and place[1] else part.text.count("\n")
        why = str(error).replace(place[0], "") if place else str(error)
        raise _wrong(
            file, part.line + ahead, f"this is no TOML: {why}",
            'write name = "text", name = 1.5 or name = ["text", "text"], one a line',
        ) from None  # fmt: skip


def _wrong(file: str, line: int, what: str, remedy: str) -> UsageError:
    return UsageError(f"{file}, line {line}: {what}", remedy=remedy)
