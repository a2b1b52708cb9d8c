"""How each of many fits can end, and what is told of one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, RUNNING, STATUS, UNBOUNDED, Outcome
from descend.records.statuses import STATUSES

__all__ = [
    "BAD_DATA",
    "JUDGED",
    "OUTCOMES",
    "SINGULAR",
    "SPENT",
    "TOO_FEW",
    "VERDICTS_OF",
    "OneFit",
    "place_of",
]

SPENT, BAD_DATA, TOO_FEW, SINGULAR = 20, 21, 22, 23


def _plainly(sentence: str, name: str) -> str:
    """The sentence of an end without the numbers of a fit."""
    plain = re.split(r" \(| after \{|; stopped in \{| in \{", sentence)[0]
    return name.replace("_", " ") if "{" in plain else plain


OUTCOMES: dict[int, Outcome] = {
    **STATUS,
    RUNNING: Outcome("not_fitted", False, "not fitted: the run was interrupted before"),
    SPENT: Outcome("iterations_spent", False, "all iterations were spent; it had not converged"),
    BAD_DATA: Outcome("bad_data", False, "its data hold values that are missing or not finite"),
    TOO_FEW: Outcome("too_few_points", False, "it has fewer points than parameters"),
    SINGULAR: Outcome("singular", False, "converged, but its data do not determine all parameters"),
    **{
        40 + i: Outcome(name, row.success, _plainly(row.sentence, name))
        for i, (name, row) in enumerate(STATUSES.items())
    },
}
"""What the status codes of many fits mean: those of the methods, of what else may happen, and the
rows of the table of ends, for the fits that were looked at closer."""
JUDGED = {name: 40 + i for i, name in enumerate(STATUSES)}
"""The code of a row of the table of ends."""
VERDICTS_OF = {
    **{code: "minimum" if o.success else "not converged" for code, o in STATUS.items()},
    **dict.fromkeys((NOT_FINITE, BAD_DATA), "diverged"), UNBOUNDED: "runaway",
    RUNNING: "interrupted", SPENT: "not converged", TOO_FEW: "flat", SINGULAR: "flat",
    **{JUDGED[name]: row.verdict for name, row in STATUSES.items()},
}  # fmt: skip
"""What an end means, in the words of the table of ends."""


def place_of(fit: int, count: int) -> int:
    """The number of a fit among so many, where negative ones count from the end.

    Raises:
        IndexError: there is none.

    >>> place_of(-1, 3)
    2
    """
    if not -count <= fit < count:
        raise IndexError(f"there is no fit {fit}: there are {count}, counted from 0")
    return range(count)[fit]


@dataclass(frozen=True)
class OneFit:
    """One of many fits.

    Attributes:
        index, key: its number, and what it is called (None where fits are just counted).
        params, stderr: name → number or array.
        status, message: how it ended.
        verdict: what that means, in the words of the table of ends.
    """

    index: int
    key: Any
    params: Mapping[str, Any]
    stderr: Mapping[str, Any]
    status: str
    message: str
    verdict: str
    success: bool
    iterations: int
    loss: float
    chi2: float
    dof: int
