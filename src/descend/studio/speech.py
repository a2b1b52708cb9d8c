"""The words of a page in the language that is chosen, written anew when another one is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from descend.words import filled, words_of

__all__ = ["Speech", "text_of"]

Text = str | Callable[[], str]
"""The key of a word, or what says it."""


class Speech:
    """Whoever writes words: each is written again in every language that is chosen.

    Attributes:
        language: the one that is spoken.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._named: list[tuple[ui.element | None, Callable[[str], Any], Callable[[], str]]] = []

    def say(self, key: str, **gaps: Any) -> str:
        """A word or sentence in the language of now, its gaps filled."""
        found = words_of("studio", self.language)[key]
        return filled(found, gaps) if gaps else found

    def name(
        self, write: Callable[[str], Any], text: Text, owner: ui.element | None = None
    ) -> None:
        """Write a word now, and again in every language that is chosen.

        Args:
            owner: the element that it belongs to; with it the word goes.
        """
        read = partial(self.say, text) if isinstance(text, str) else text
        self._named.append((owner, write, read))
        write(read())

    def label(self, element: ui.element, text: Text) -> None:
        """Give an element its name for screen readers, and for those who point at it."""

        def write(said: str) -> None:
            element.props["aria-label"] = element.props["title"] = said

        self.name(write, text, element)

    def text(self, text: Text, tag: str = "span") -> TextElement:
        """Make an element with a word in it."""
        found = text_of(tag)
        self.name(found.set_text, text, found)
        return found

    def speak(self, language: str) -> None:
        """Write every word anew."""
        self.language = language
        self.refresh()

    def refresh(self) -> None:
        """Write every word that is still there, since what it says may have changed."""
        self._named = [row for row in self._named if row[0] is None or not row[0].is_deleted]
        for _, write, read in self._named:
            write(read())


def text_of(tag: str, text: str = "") -> TextElement:
    """An element with a text, which is never markup."""
    return TextElement(tag=tag, text=text)
