"""What goes with the updates of a program: batches for one, rates of some, averages of many."""

from __future__ import annotations

from types import SimpleNamespace

from descend.graph.elementwise import call, cast, select
from descend.graph.linear import broadcast_like
from descend.graph.source import input_node, row_count
from descend.parameters.bounded import kept
from descend.parameters.vector import fitted
from descend.program.building import FLOAT, Building, Nodes
from descend.task.columns import AVERAGED, EPOCH_ROWS, UPDATES
from descend.trace.tensor import as_node, wrap

__all__ = ["averaged", "gathered", "hold", "rated"]

GATHERED = "gathered/"
AVERAGES = "averaged updates"


def gathered(b: Building, gradients: Nodes) -> Nodes:
    """The mean gradients of the batches since the last update."""
    own = b.recipe.accumulation
    assert own is not None
    own = own.bind(b.numbers("accumulation", own))
    given = list(gradients.values())
    begin = b.run(own.begin, given)
    s = {n: b.put_state(GATHERED + n, "rule", x) for n, x in begin.items()}
    whole = b.fixed.setdefault(EPOCH_ROWS, input_node(EPOCH_ROWS))
    means, b.full, after = b.run(own.gather, given, row_count(b.rows, FLOAT), whole, s)
    b.new |= {GATHERED + n: fitted(x, s[n].shape, s[n].dtype) for n, x in after.items()}
    count = b.put_state(UPDATES, "rule", 0.0)
    b.new[UPDATES] = call("add", count, cast(b.full, FLOAT))
    return dict(zip(gradients, means, strict=True))


def rated(b: Building, h: SimpleNamespace) -> dict[str, SimpleNamespace]:
    """The hyperparameters of each leaf that is moved, with its own learning rate."""
    own, space = b.recipe.rates, b.recipe.space
    assert own is not None
    own = own.bind(b.numbers("rates", own))
    found = dict.fromkeys(b.leaves, h)
    for leaf in b.model.leaves:
        factor, name = own.of(leaf), leaf if space is None else space.key(leaf)
        if factor is not None and name in found:
            rate = call("mul", cast(as_node(h.lr), FLOAT), as_node(factor))
            found[name] = SimpleNamespace(**{**vars(h), "lr": wrap(rate)})
    return found


def averaged(b: Building) -> None:
    """The moving averages of what is varied, on the scales on which it is moved."""
    own = b.recipe.averaging
    assert own is not None
    own = own.bind(b.numbers("averaging", own))
    t = call("add", b.put_state(AVERAGES, "average", 0.0), 1.0)
    b.new[AVERAGES] = t
    for name, leaf in b.leaves.items():
        key = AVERAGED + name
        old = b.put_state(key, "average", b.begins(f"moved {name}", leaf))
        new = fitted(b.run(own.follow, old, b.new[name], t), leaf.shape, leaf.dtype)
        box = b.bounds.of(name, leaf)
        b.new[key] = new if box is None else kept(new, *box)  # which rounding might leave


def hold(b: Building) -> None:
    """Let all but the model's own values stay as they are after batches that make no update."""
    if b.full is None:
        return
    for name, new in b.new.items():
        if b.kinds[name] in ("parameter", "method", "average"):
            old = b.state[name]
            b.new[name] = select(broadcast_like(b.full, old), new, old)
