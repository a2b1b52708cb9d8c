"""Random programs for hypothesis: short lists of numbers, read as graphs over two inputs."""

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from descend.graph import selection
from descend.graph.elementwise import call, select
from descend.graph.linear import (
    broadcast,
    concatenate,
    cumsum,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
)
from descend.graph.multilinear import contract
from descend.graph.node import Node
from descend.graph.source import const, input_node

SHAPE = (2, 3)
Step = tuple[int, int, int]
Make = Callable[[Node, Node, int], Node]


def bounded(name: str) -> Make:
    """A function whose partial is large or singular somewhere, kept where it is neither."""

    def make(x: Node, _y: Node, _n: int) -> Node:
        return call(name, call("add", call("mul", x, x), 0.5))

    return make


def middle(x: Node, y: Node, n: int) -> Node:
    condition = call("lt", x, 0.123456)
    return select(condition, y, call("mul", x, 0.5 + n))


def one_axis(x: Node, n: int) -> int:
    return n % x.ndim


def part(x: Node, n: int) -> Node:
    axis = one_axis(x, n)
    starts = tuple(1 if i == axis and e > 1 else 0 for i, e in enumerate(x.shape))
    steps = tuple(2 if i == axis and e > 2 else 1 for i, e in enumerate(x.shape))
    return slice_(x, starts, x.shape, steps)


def shrunk(x: Node) -> Node:
    """Back to the common shape, so that programs do not run out of partners or of memory."""
    if x.shape == SHAPE:
        return x
    flat = reshape(x, (x.size,))
    size = int(np.prod(SHAPE))
    if x.size < size:
        flat = pad(flat, (0,), (size - x.size,), (0,))
    return reshape(slice_(flat, (0,), (size,), (1,)), SHAPE)


def spaced(x: Node, n: int) -> Node:
    return pad(x, (n % 2, 0), (0, n % 3), (1, 0))


def gathered(x: Node, n: int) -> Node:
    return selection.take(x, const(np.array([n % 3, 0, (n + 1) % 3, n % 3])), 1)


def scattered(x: Node, n: int) -> Node:
    return selection.put_add(x, const(np.array([n % 4, 2, n % 4])), 1, 4)


OPERATIONS: list[Make] = [
    lambda x, y, n: call("add", x, y),
    lambda x, y, n: call("sub", x, y),
    lambda x, y, n: call("mul", x, y),
    lambda x, y, n: call("mul", x, (-1.0, 0.5, 2.0, 1.0, -0.3)[n % 5]),
    lambda x, y, n: call("add", x, (0.0, -0.0, 1.0, -2.5)[n % 4]),
    lambda x, y, n: call("div", x, (2.0, -1.0, 3.0)[n % 3]),
    lambda x, y, n: call("div", x, call("add", call("mul", y, y), 1.0)),
    lambda x, y, n: call("pow", x, (2.0, 3.0, 1.0, 0.0, 5.0)[n % 5]),
    lambda x, y, n: call("neg", x),
    lambda x, y, n: call("sin", x),
    lambda x, y, n: call("tanh", x),
    lambda x, y, n: call("exp", call("sin", x)),
    lambda x, y, n: call("max", x, y),
    lambda x, y, n: call("hypot", call("add", x, 2.0), y),
    lambda x, y, n: call("mul0", x, y),
    bounded("sqrt"),
    bounded("log"),
    bounded("gammaln"),
    middle,
    lambda x, y, n: broadcast(reduce_sum(x, (n % 2,)), SHAPE, (1 - n % 2,)),
    lambda x, y, n: broadcast(selection.reduce_max(x, (n % 2,)), SHAPE, (1 - n % 2,)),
    lambda x, y, n: shrunk(transpose(x, (1, 0))),
    lambda x, y, n: shrunk(part(x, n)),
    lambda x, y, n: shrunk(spaced(x, n)),
    lambda x, y, n: shrunk(concatenate([x, y, x][: 2 + n % 2], n % 2)),
    lambda x, y, n: set_slice(x, part(y, 1), (0, n % 2), (1, 1)),
    lambda x, y, n: flip(x, (n % 2,)),
    lambda x, y, n: cumsum(x, n % 2, reverse=n % 3 == 0),
    lambda x, y, n: shrunk(gathered(x, n)),
    lambda x, y, n: shrunk(scattered(x, n)),
    lambda x, y, n: shrunk(contract(x, y, (0, 1), (2, 1), (0, 2))),
    lambda x, y, n: contract(x, y, (0, 1), (0, 1), (0, 1)),
]  # fmt: skip

GROWING = [2, 7, 14, 17, 30, 31]

steps = st.tuples(st.integers(0, len(OPERATIONS) - 1), st.integers(0, 30), st.integers(0, 30))
programs = st.lists(steps, min_size=1, max_size=12)
seeds = st.integers(0, 2**20)


def build(program: Sequence[Step]) -> tuple[list[Node], Node]:
    """The two inputs and a scalar that depends on what the program made last."""
    inputs = [input_node("x", SHAPE), input_node("y", SHAPE)]
    pool = list(inputs)
    for operation, first, second in program:
        x, y = pool[-1 - first % len(pool)], pool[-1 - second % len(pool)]
        made = OPERATIONS[operation](x, y, second)
        pool.append(call("sin", made) if operation in GROWING else made)
    loss = reduce_sum(call("mul", call("tanh", pool[-1]), call("cos", pool[-2])), (0, 1))
    return inputs, loss
