"""`black_box`: a Python function inside a model, of which nothing is known but its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.graph.black_box import BLACK_BOX, Opaque
from descend.graph.elementwise import cast
from descend.graph.node import Node, Shape
from descend.trace.context import current, note, where
from descend.trace.tensor import Tensor, as_node, is_traced, wrap
from descend.trace.typing_rules import broadcast_shapes, to_shape

__all__ = ["BlackBox"]

Function = Callable[..., Any]


class BlackBox:
    """A function marked by `descend.black_box`; see there."""

    def __init__(
        self, function: Function, shape: Any, step: float | None, elementwise: bool
    ) -> None:
        if not callable(function):
            raise UsageError(f"black_box takes a function, not {function!r}")
        if step is not None and not 0 < step < 1:
            raise UsageError(
                f"black_box: step={step!r} is not between 0 and 1",
                remedy="it is relative to the size of what is moved; 6e-6 unless given",
            )
        if elementwise and shape is not None:
            raise UsageError(
                "black_box: shape= and elementwise=True exclude one another",
                remedy="elementwise results have the common shape of the arguments",
            )
        self.function, self.shape = function, shape
        self.step, self.elementwise = step, elementwise
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return self.function(*args, **kwargs)
        moving = [i for i, v in enumerate(args) if _is_number(v)]
        if any(is_traced(v) for i, v in enumerate(args) if i not in moving) or is_traced(kwargs):
            raise UsageError(
                f"the black box {self.__name__} takes traced arrays as its own arguments only, "
                "not inside of lists or by keyword",
                where=where(),
                remedy="hand each array over as a positional argument",
            )
        nodes = [self._node(args[i]) for i in moving]
        shape = self._result_shape(nodes)
        if self.elementwise:
            nodes = [to_shape(n, shape) for n in nodes]
        opaque = Opaque(
            self.__name__, _filled(self.function, args, moving, kwargs), self.step, self.elementwise
        )
        made = BLACK_BOX.apply(*nodes, opaque=opaque, shape=shape, lead=0, which=())
        return wrap(note(made))

    def _node(self, value: Any) -> Node:
        node = as_node(value)
        return cast(node, np.float64) if node.dtype.kind == "f" else node

    def _result_shape(self, nodes: Sequence[Node]) -> Shape:
        if self.shape is None:
            return broadcast_shapes([(), *(n.shape for n in nodes)])
        shape = self.shape(*(n.shape for n in nodes)) if callable(self.shape) else self.shape
        return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def _is_number(value: Any) -> bool:
    if isinstance(value, (Tensor, float, int, np.generic)):
        return True
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _filled(
    function: Function, args: Sequence[Any], moving: Sequence[int], kwargs: dict[str, Any]
) -> Function:
    """The function of the numbers among its arguments; the others are handed on as they are."""

    def of_numbers(*values: Any) -> Any:
        whole = list(args)
        for i, value in zip(moving, values, strict=True):
            whole[i] = value
        return function(*whole, **kwargs)

    return function if len(moving) == len(args) and not kwargs else of_numbers
