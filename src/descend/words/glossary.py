"""The terms that texts share, and whether a text and its translation use the same ones."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files

from descend.lean import dataclass
from descend.words import LANGUAGES

__all__ = ["TERMS", "Term", "missing_terms"]


@dataclass(frozen=True)
class Term:
    """One term in every language.

    Attributes:
        key: its name in `glossary.toml`.
        names: the term, by language.
        means: a sentence on it, by language.
        forms: the term and its other forms, by language.
    """

    key: str
    names: Mapping[str, str]
    means: Mapping[str, str]
    forms: Mapping[str, tuple[str, ...]]


def _read() -> Mapping[str, Term]:
    table = tomllib.loads(files("descend.words").joinpath("glossary.toml").read_text("utf-8"))
    return {
        key: Term(
            key, {lang: entry[lang] for lang in LANGUAGES}, entry["means"],
            {lang: (entry[lang], *entry.get("also", {}).get(lang, ())) for lang in LANGUAGES},
        )
        for key, entry in table.items()
    }  # fmt: skip


TERMS: Mapping[str, Term] = _read()
"""All terms by key, in the order of the glossary."""


@functools.cache
def _english() -> tuple[re.Pattern[str], Mapping[str, Term]]:
    """What finds the terms of an English text, the longest first, and whose each form is."""
    owners = {form.lower(): term for term in TERMS.values() for form in term.forms["en"]}
    longest = sorted(owners, key=len, reverse=True)
    return re.compile(rf"(?<![\w{{-])({'|'.join(map(re.escape, longest))})(e?s)?\b", re.I), owners


def missing_terms(english: str, chinese: str) -> list[str]:
    """The terms that an English text names and its Chinese translation does not, by key.

    What stands in a gap's braces is no word.

    >>> missing_terms("The learning rate is too high.", "学习率太高。")
    []
    >>> missing_terms("The learning rates are too high.", "学习速度太高。")
    ['learning_rate']
    """
    pattern, owners = _english()
    found = {owners[match[1].lower()].key: None for match in pattern.finditer(english)}
    return [key for key in found if not any(f in chinese for f in TERMS[key].forms["zh"])]
