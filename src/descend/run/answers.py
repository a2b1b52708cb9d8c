"""What a fitted model answers with: its output as it is, what that means, or a label."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from descend.errors import DataError, UsageError
from descend.methods.links import LINKS, expected, probabilities

__all__ = ["RAW", "Answer", "Kind"]

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["raw", "expected", "labels"]
HALF = 0.5


class Answer(NamedTuple):
    """How a prediction is made of what the model returns.

    Attributes:
        kind: `raw`, as the model returns it; `expected`, the target's mean; `labels`, what is
            likeliest.
        link: of the loss, a name of `LINKS`.
        tells: whether the output says how probable classes are.
        classes: the labels in the order of their numbers, where the target has some.
    """

    kind: Kind = "raw"
    link: str = "identity"
    tells: bool = False
    classes: Array | None = None

    def of(self, output: Any) -> Any:
        """What is predicted, of the model's output for some rows."""
        if self.kind == "raw":
            return output
        if self.kind == "expected":
            return expected(self.link, output)
        return self.chosen(self.probabilities(output))

    def chosen(self, likely: Array) -> Array:
        """The likeliest label of each row, of probabilities; or which labels are likely.

        Raises:
            DataError: a row has no probabilities, but NaN.
        """
        lost = np.atleast_1d(np.isnan(likely).any(axis=-1))
        if lost.any():
            raise DataError(
                f"row {int(lost.argmax())} (rows count from 0) has no likeliest label: what the "
                "model returns there is NaN",
                remedy="leave out rows in which a column is missing",
            )
        if self.classes is None:  # several labels a row
            return (likely > HALF).astype(np.int64)
        return np.asarray(self.classes[likely.argmax(axis=-1)])

    def probabilities(self, output: Any) -> Array:
        """The probability of each class, (rows, classes); of each label where a row has several.

        Raises:
            UsageError: the loss tells no classes apart.

        >>> Answer("raw", "logistic", True).probabilities([0.0])
        array([[0.5, 0.5]])
        """
        if not self.tells:
            raise UsageError(
                "the model predicts numbers, and no probabilities of classes",
                remedy='fit with loss="cross_entropy" or "bce_with_logits", or call predict',
            )
        return probabilities(expected(self.link, output))

    def out(self) -> dict[str, Any]:
        """The same in plain values, for a file."""
        labels = self.classes
        return {
            "kind": self.kind, "link": self.link, "tells": self.tells,
            "classes": None if labels is None else labels.tolist(),
            "dtype": None if labels is None else labels.dtype.str,
        }  # fmt: skip

    @classmethod
    def read(cls, text: dict[str, Any]) -> Answer:
        """What `out` has written.

        Raises:
            ValueError: it is of another kind.
        """
        kind, link, tells, labels = (text[n] for n in ("kind", "link", "tells", "classes"))
        if kind not in ("raw", "expected", "labels") or link not in LINKS or tells not in (0, 1):
            raise ValueError(f"no answer {str(text)[:40]!r}")
        if labels is None:
            return cls(kind, link, bool(tells))
        dtype = np.dtype(text["dtype"])
        if dtype.kind not in "Ubiuf" or not isinstance(labels, list) or len(labels) < 2:
            raise ValueError("the classes are of another kind")
        return cls(kind, link, bool(tells), np.array(labels, dtype))


RAW = Answer()
