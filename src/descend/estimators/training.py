"""How an estimator trains: by `fit`, with what it keeps from call to call in plain arrays."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from descend.errors import DescendWarning
from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.penalties import Penalty
from descend.networks.network import Network
from descend.result.fit import Fit
from descend.result.resume import state_of
from descend.run.state import SavedState
from descend.task.columns import AVERAGED
from descend.train.fit import plain_fit

__all__ = ["Left", "dense", "left_of", "new_rows", "of_weights", "state_arrays", "trained"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Left:
    """What a run has left, for another to go on with: on these or on other rows.

    Attributes:
        params: by name.
        state: what the optimizer carries from step to step; epochs count from 0 again.
    """

    params: Mapping[str, Array]
    state: SavedState

    @property
    def _evidence(self) -> Left:
        """As of a fit."""
        return self


def left_of(
    arrays: Mapping[str, Array], params: Mapping[str, Array], seed: int, optimizer: Optimizer
) -> Left | None:
    """What to go on with, of arrays as `state_arrays` gives them and of parameters.

    Returns:
        None where another optimizer left them.
    """
    structure = arrays["structure"].item()
    if structure.partition(":")[0] != type(optimizer).__name__:
        return None
    dtype = next(iter(params.values())).dtype
    own = {n: a.astype(dtype) if "/" in n else a for n, a in arrays.items() if n != "structure"}
    return Left(params, SavedState(own, structure, 0, 0, 0.0, 0, seed, {}))


def state_arrays(found: Fit) -> dict[str, Array]:
    """What the optimizer of a fit carries from step to step, and what it belongs to."""
    state = state_of(found)
    own = {
        name: array for name, array in state.arrays.items()
        if name not in found.params or AVERAGED + name in state.arrays
    }  # fmt: skip
    return own | {"structure": np.array(state.structure)}


def trained(model: Any, x: Array, y: Array, **options: Any) -> Fit:
    """Fit from one start, where estimators have their own words for how it ended.

    Raises:
        ValueError: the numbers have left the range of floating point.
    """
    if len(x) == 1:  # twice the same row has the loss and the step of one
        x, y = np.repeat(x, 2, axis=0), np.repeat(y, 2, axis=0)
        weight = options.get("sample_weight")
        options["sample_weight"] = None if weight is None else np.repeat(weight, 2)
        options["batch_size"] = options["shuffle"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DescendWarning)
        found = plain_fit(model=model, x=x, y=y, starts=1, **options)
    if found.status == "diverged":
        raise ValueError(found.message)
    return found


def new_rows(x: Array, y: Array, x_held: Array, y_held: Array) -> Array:
    """Whether each row is none of those held back, each of which stands for one row.

    >>> x, y = np.array([[1.0], [2.0], [1.0], [1.0]]), np.array([[0.0], [0.0], [0.0], [1.0]])
    >>> new_rows(x, y, x[:1], y[:1])
    array([False,  True,  True,  True])
    """
    held = np.column_stack([x_held, y_held])
    left = Counter(row.tobytes() for row in held)
    found = np.ones(len(x), bool)
    for i, row in enumerate(np.column_stack([x, y]).astype(held.dtype)):
        key = row.tobytes()
        if left[key]:
            left[key] -= 1
            found[i] = False
    return found


def of_weights(network: Network, penalty: Penalty | None) -> dict[str, Penalty] | None:
    """A penalty as it is asked for of the weights of a network, whose biases are spared."""
    return None if penalty is None else dict.fromkeys(network.weights, penalty)


def dense(x: Any) -> Array:
    """The same rows as an array: what is sparse is written out."""
    return np.asarray(x.toarray() if sparse.issparse(x) else x)
