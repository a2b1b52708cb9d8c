"""The studio's words in its languages, from one table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

__all__ = ["LANGUAGES", "TAGS", "WORDS", "preferred", "words_of"]

WORDS: Mapping[str, Mapping[str, str]] = tomllib.loads(
    files("descend.studio").joinpath("catalogue.toml").read_text("utf-8")
)
"""By key, by language."""
LANGUAGES = tuple(WORDS["language"])
TAGS = {"en": "en", "zh": "zh-CN"}
"""How the languages are named in a page."""


def words_of(language: str) -> dict[str, str]:
    """All words of one language.

    >>> words_of("zh")["lr"]
    '学习率'
    """
    return {key: texts[language] for key, texts in WORDS.items()}


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
