"""The pages for whoever learns: the glossary, and the lessons as they stand in the studio."""

from __future__ import annotations

from collections.abc import Callable

GLOSSARY = "docs/glossary.md"
INDEX = "docs/lessons/README.md"
SAID = {
    "en": {"question": "Question.", "hint": "A hint", "right": "What is seen",
           "begins": "It begins with ", "step": "This step begins with ", "other": "简体中文",
           "all": "All lessons", "open": "Open it in the studio:",
           "seen": "The lesson in the studio: a question answered by experiment"},
    "zh": {"question": "问题：", "hint": "提示", "right": "看到的结果",
           "begins": "开始的设置：", "step": "这一步开始的设置：", "other": "English",
           "all": "全部课程", "open": "在工作室中打开：",
           "seen": "工作室中的这一课：用实验回答一个问题"},
}  # fmt: skip


def glossary_page(_: str = "") -> str:
    """Every term in both languages, with a sentence on it in both."""
    from descend.words.glossary import TERMS

    rows = [
        f"| {term.names['en']} | {term.names['zh']} | {term.means['en']} | {term.means['zh']} |"
        for term in TERMS.values()
    ]
    return "\n".join([
        "# Glossary · 术语表", "",
        f"{len(TERMS)} terms that the studio, the explanations and the lessons share. The Chinese",
        "ones are those of 《动手学深度学习》, the Chinese “Dive into Deep Learning”.", "",
        f"工作室、讲解与课程共用的 {len(TERMS)} 个术语。中文术语采用《动手学深度学习》的译法。", "",
        "| English | 中文 | | |", "|---|---|---|---|", *rows, "",
    ])  # fmt: skip


def place(name: str, lang: str) -> str:
    """Where the page of a lesson stands."""
    return f"docs/lessons/{name}.md" if lang == "en" else f"docs/lessons/{name}.{lang}.md"


def picture(name: str, lang: str) -> str:
    """Where the picture of a lesson lies, seen from its page; `make e2e-screenshots` draws it."""
    return f"../images/lesson-{name}{'' if lang == 'en' else f'.{lang}'}.webp"


def lesson_page(name: str, lang: str) -> str:
    """A lesson as a page."""
    from descend.studio.lessons import own_lesson

    lesson, said = own_lesson(name)[lang], SAID[lang]
    other = "zh" if lang == "en" else "en"
    lines = [
        f"# {lesson.title}", "",
        f"[{said['other']}]({place(name, other).rpartition('/')[2]}) · [{said['all']}](README.md)",
        "", f"{said['open']} `descend studio --lesson {name}`", "", lesson.text, "",
        f"![{said['seen']}]({picture(name, lang)})", "",
    ]  # fmt: skip
    lines += _setup(said["begins"], lesson.setup)
    for number, step in enumerate(lesson.steps, 1):
        lines += [f"## {number}. {step.title}", ""]
        lines += _setup(said["step"], step.setup)
        lines += [step.text, ""] if step.text else []
        if step.question is not None:
            asked = step.question
            lines += [
                f"> **{said['question']}** {asked.ask}", "",
                f"<details><summary>{said['hint']}</summary>", "", asked.hint, "", "</details>", "",
                f"<details><summary>{said['right']}</summary>", "", asked.right, "", "</details>",
                "",
            ]  # fmt: skip
    return "\n".join(lines)


def _setup(said: str, setup: object) -> list[str]:
    if not isinstance(setup, dict) or not setup:
        return []
    said_of = [f"`{name} = {_value(v)}`" for name, v in setup.items() if v not in ("", {})]
    return [f"{said}{', '.join(said_of)}", ""]


def _value(value: object) -> str:
    """A value as TOML writes it, as far as lessons have them."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{n} = {_value(v)}' for n, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def index_page(_: str = "") -> str:
    """All lessons, in both languages."""
    from descend.studio.lessons import LESSONS, own_lesson

    rows = []
    for name in LESSONS:
        lesson = own_lesson(name)
        links = [f"[{lesson[lang].title}]({place(name, lang).rpartition('/')[2]})" for lang in SAID]
        rows.append(f"| {links[0]} | {links[1]} | `descend studio --lesson {name}` |")
    return "\n".join([
        "# Lessons · 课程", "",
        "Short guided pages, each with questions that are answered by experiment in",
        "[the studio](../studio.md). [How to write one](../writing-lessons.md).", "",
        "简短的引导课程，每一课都有在[工作室](../studio.md)里用实验回答的问题。"
        "[怎样写一课](../writing-lessons.md)。", "",
        "| English | 中文 | |", "|---|---|---|", *rows, "",
        "Terms · 术语: [glossary](../glossary.md).", "",
    ])  # fmt: skip


def learning_makers() -> dict[str, Callable[[str], str]]:
    """Each page with what makes it."""
    from descend.studio.lessons import LESSONS

    makers: dict[str, Callable[[str], str]] = {GLOSSARY: glossary_page, INDEX: index_page}
    for name in LESSONS:
        for lang in SAID:
            makers[place(name, lang)] = lambda _, name=name, lang=lang: lesson_page(name, lang)
    return makers
