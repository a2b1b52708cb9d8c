"""What is said in several languages: one table a subject, each line in every language."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files

from descend.errors import UsageError, suggest

__all__ = ["LANGUAGES", "TAGS", "check_language", "filled", "preferred", "table_of", "words_of"]

LANGUAGES = ("en", "zh")
TAGS = {"en": "en", "zh": "zh-CN"}
"""How the languages are named in a page."""
NOUN = re.compile(r"\{(\w+):(\w+)\|(\w+)\}")


def check_language(lang: str) -> str:
    """The language, if there is one of that name.

    Raises:
        UsageError: any other.
    """
    if lang not in LANGUAGES:
        raise UsageError(
            f'there are no words in the language "{lang}"{suggest(str(lang), LANGUAGES)}',
            remedy=f"choose one of {', '.join(LANGUAGES)}",
        )
    return lang


@functools.cache
def table_of(subject: str) -> Mapping[str, Mapping[str, str]]:
    """All words on a subject: by key, by language."""
    return tomllib.loads(files("descend.words").joinpath(f"{subject}.toml").read_text("utf-8"))


@functools.cache
def words_of(subject: str, lang: str) -> Mapping[str, str]:
    """All words on a subject in one language, by key.

    >>> words_of("explain", "zh")["gradient"], words_of("studio", "zh")["lr"]
    ('梯度', '学习率')
    """
    return {key: texts[lang] for key, texts in table_of(subject).items()}


def filled(sentence: str, gaps: Mapping[str, object]) -> str:
    """A sentence with its gaps filled: `{n}`, or with a noun by its number, `{n:epoch|epochs}`.

    >>> filled("{n:epoch|epochs} of {all}", {"n": 1, "all": 3}), filled("{n:a|b}", {"n": 2})
    ('1 epoch of 3', '2 b')
    """

    def noun(gap: re.Match[str]) -> str:
        name, one, several = gap.groups()
        return f"{{{name}}} {one if gaps[name] == 1 else several}"

    return NOUN.sub(noun, sentence).format(**gaps)


def preferred(header: str) -> str:
    """The language that a browser asks for first among those that there are.

    Args:
        header: of `Accept-Language`.

    >>> preferred("de, zh-CN;q=0.8, en;q=0.5"), preferred("fr"), preferred("en;q=0.2,zh-TW")
    ('zh', 'en', 'zh')
    """
    asked: list[tuple[float, int, str]] = []
    for part in header.split(","):
        tag, _, quality = part.partition(";q=")
        language = tag.strip().lower().split("-")[0]
        if language in LANGUAGES:
            try:
                asked.append((-float(quality or 1), len(asked), language))
            except ValueError:
                continue
    return min(asked)[2] if asked else LANGUAGES[0]
