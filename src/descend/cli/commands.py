"""The commands, and where each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from descend.late import Late

__all__ = ["COMMANDS", "PLACES"]

PLACES = {
    "fit": "cli.fit:fit",
    "minimize": "cli.minimize:minimize",
    "grad": "cli.derivatives:grad",
    "explain": "cli.explain:explain",
    "predict": "cli.predict:predict",
    "studio": "cli.studio:studio",
    "runs": "cli.runs:runs",
}
COMMANDS: Mapping[str, Callable[..., int | None]] = Late(PLACES)
"""All but `completion`, which is made of them."""
