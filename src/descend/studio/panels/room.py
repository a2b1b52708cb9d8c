"""What the panels of one page share: the bench, the words, and how a setup is exchanged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nicegui import ui

from descend.errors import DescendError
from descend.studio.bench import Bench
from descend.studio.opened import Opened
from descend.studio.setup import Setup
from descend.studio.speech import Speech, text_of

__all__ = ["Panel", "Room"]


class Room:
    """The place of the panels.

    Args:
        arrived: called when another setup stands on the bench.
        script: runs JavaScript in the page.
    """

    def __init__(
        self, bench: Bench, speech: Speech, arrived: Callable[[], None],
        script: Callable[[str], Any],
    ) -> None:  # fmt: skip
        self.bench, self.speech, self.script = bench, speech, script
        self._arrived = arrived
        self._waiting = 0

    def build(self) -> None:
        """Make the lines in which it is said that something is compiled, or was refused."""
        self._status = text_of("p").classes("status").props("aria-live=polite")
        self._trouble = text_of("pre").classes("trouble").props("aria-live=assertive")
        self._status.set_visibility(False)
        self._trouble.set_visibility(False)

    async def put(
        self, setup: Setup, opened: Opened | None = None, own: bool = False
    ) -> DescendError | None:
        """Put a setup on the bench, and say how that goes.

        Args:
            own: whether who asks shows why at a place of its own.

        Returns:
            why it was refused.
        """
        self._waiting += 1
        self.say_compiling()
        found, there = None, False
        try:
            there = await self.bench.put(setup, opened)
        except DescendError as error:
            found = error
        finally:
            self._waiting -= 1
            self.say_compiling()
        if found is not None and not own:
            self.complain(str(found))
        if there:
            self.complain("")
            self._arrived()
        return found

    def say_compiling(self) -> None:
        """Say that something is compiled, and what is done then."""
        waits = self.bench.waits
        said = [self.speech.say("compiling")]
        if waits:
            said.append(self.speech.say("then", order=self.speech.say(waits)))
        self._status.set_text(" ".join(said))
        self._status.set_visibility(self._waiting > 0)

    async def change(self, **fields: Any) -> None:
        """Put the setup with other values of some fields."""
        try:
            setup = dataclasses.replace(self.bench.setup, **fields)
        except DescendError as error:
            self.complain(str(error))
            return
        await self.put(setup)

    def draw(self, call: str) -> None:
        """Have the module that draws do something."""
        self.script(f"document.querySelector('.drawing').studio.{call}")

    def complain(self, words: str) -> None:
        """Show why something was refused, or nothing any more."""
        self._trouble.set_text(words)
        self._trouble.set_visibility(bool(words))


class Panel:
    """A panel: built when it is opened for the first time, and again for another setup."""

    name = ""
    stays = False  # open beside the others

    def __init__(self, room: Room) -> None:
        self.room, self.speech, self.bench = room, room.speech, room.bench
        self.place: ui.element | None = None

    def open(self) -> None:
        """Build it in the place where the page is being made."""
        with ui.element("div").classes(f"panel {self.name}") as self.place:
            self.build()

    def again(self) -> None:
        """Build it anew, with the focus where it was."""
        if self.place is None:
            return
        self.place.clear()
        with self.place:
            self.build()
        self.room.script(REFOCUS)

    def build(self) -> None:
        """Make what is in it."""
        raise NotImplementedError


REFOCUS = "window.descendRefocus?.()"
"""The page remembers in which field the focus was."""
