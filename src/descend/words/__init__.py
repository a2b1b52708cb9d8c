"""What is said in several languages: one table a subject, each line in every language."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files

from descend.errors import UsageError, suggest

__all__ = ["LANGUAGES", "check_language", "words_of"]

LANGUAGES = ("en", "zh")


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
def words_of(subject: str, lang: str) -> Mapping[str, str]:
    """All words on a subject in one language, by key.

    >>> words_of("explain", "zh")["gradient"]
    '梯度'
    """
    table = tomllib.loads(files("descend.words").joinpath(f"{subject}.toml").read_text("utf-8"))
    return {key: texts[lang] for key, texts in table.items()}
