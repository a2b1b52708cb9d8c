"""The way of a run: how many batches it made, and what was changed before them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Edit", "Leg", "Way"]

Place = tuple[int, ...]


class Edit(NamedTuple):
    """A number of a parameter that was set by hand.

    Attributes:
        name: of the parameter. place: of the number in its array.
    """

    name: str
    place: Place
    value: float


class Leg(NamedTuple):
    """A part of the way.

    Attributes:
        batches: how many it has.
        lr: the learning rate from here on; None where it stays what it was.
        edits: numbers that were set before its first batch.
    """

    batches: int
    lr: float | None = None
    edits: tuple[Edit, ...] = ()


class Way:
    """What was changed by hand, each by how many updates had been made.

    Between two updates only what came of all changes counts. It may be read in another thread than
    it is written in.

    Args:
        lr: the learning rate at the start.

    >>> way = Way(0.1)
    >>> way.set_rate(0, 0.2)
    >>> way.edit(5, Edit("0.bias", (1,), 0.5), before=0.0)
    >>> way.legs(8)
    [Leg(batches=5, lr=0.2, edits=()),
     Leg(batches=3, lr=None, edits=(Edit(name='0.bias', place=(1,), value=0.5),))]
    >>> way.edit(5, Edit("0.bias", (1,), 0.0), before=0.5)
    >>> way.legs(8)
    [Leg(batches=8, lr=0.2, edits=())]
    """

    def __init__(self, lr: float) -> None:
        self._rates = {0: lr}
        self._edits: dict[int, dict[tuple[str, Place], tuple[float, float]]] = {}

    def set_rate(self, updates: int, lr: float) -> None:
        """The learning rate is another one from here on."""
        self._rates = {**self._rates, updates: lr}

    def edit(self, updates: int, edit: Edit, before: float) -> None:
        """A number was set; what it was set back to before the next update is no change."""
        here, key = dict(self._edits.get(updates, {})), edit[:2]
        first, _ = here.pop(key, (before, before))
        if edit.value != first:
            here[key] = (first, edit.value)
        self._edits = {**self._edits, updates: here}

    def legs(self, updates: int) -> list[Leg]:
        """The way up to so many updates; its first leg says the rate that it begins with."""
        rates, edited = self._rates, {at: here for at, here in self._edits.items() if here}
        begins = sorted({*rates, *edited})
        found = []
        for begin, end in zip(begins, [*begins[1:], updates], strict=True):
            edits = tuple(Edit(*key, value) for key, (_, value) in edited.get(begin, {}).items())
            found.append(Leg(end - begin, rates.get(begin), edits))
        return found
