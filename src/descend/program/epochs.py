"""The end of an epoch as a graph: the stop code, what the history keeps, the best parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.graph.elementwise import call, cast, select
from descend.graph.linear import broadcast_like, reduce_sum, zeros
from descend.graph.node import Dim, Node, sizes, substitute
from descend.graph.selection import reduce_max
from descend.graph.source import const, input_node, row_count
from descend.lean import dataclass
from descend.methods.base import NOT_FINITE
from descend.methods.metrics import as_metric
from descend.parameters.vector import pieces
from descend.program.building import FLOAT, Nodes
from descend.program.pipeline import DescentBuilder
from descend.program.stopping import Rules, end_of_epoch, first_state
from descend.task.columns import AVERAGED, SCHEDULE, column_key, running_slot
from descend.trace.context import tracing
from descend.trace.model import Model
from descend.trace.tensor import as_node, wrap

__all__ = ["EndOfEpoch"]


@dataclass(frozen=True)
class EndOfEpoch:
    """The last stage of a descent's program, as `pipeline.Recipe` asks for it.

    Attributes:
        rules: the stopping rules that are on.
        validation: the model traced for the rows held back, if there are any.
    """

    rules: Rules
    validation: Model | None = None

    def __call__(self, b: DescentBuilder) -> None:
        """Enter the stop code, the records and the states' values after an epoch."""
        rules = self.rules
        own = b.state.get("method/loss") if b.pieces else None
        answers, code = _answers(b), _method_code(b)
        loss = b.mean
        if own is not None:
            nothing_yet = call("eq", code, const(NOT_FINITE, np.int64))
            loss = select(nothing_yet, b.mean, cast(own, FLOAT))
        space = b.recipe.space
        varied = {n: a for n, a in answers.items() if space is None or space.varies(n)}
        o: dict[str, Any] = {"params": list(varied.values()), "code": code}
        o["loss"] = o["watched"] = b.records["loss"] = loss
        if self.validation is not None:
            o["watched"] = b.records["validation_loss"] = self.validation_loss(b, answers)
        for name in rules.metrics:
            self.measure(b, name, answers)
        _scheduled_rate(b, o["watched"])
        if rules.needs("gradient"):
            o["largest_gradient"] = _mean_gradient(b, "gradient" in rules.record)
        if rules.needs("previous"):
            o["previous"] = _previous(b, varied)
        if rules.keep_best:
            self.keep_best(b, o["watched"], answers)
        if "params" in rules.record:
            b.records |= {f"params.{name}": node for name, node in answers.items()}
        self.judge(b, o)

    def judge(self, b: DescentBuilder, o: Mapping[str, Any]) -> None:
        """The stop code by the rules, and the rules' own state."""
        first = first_state(self.rules)
        s = {n: b.put_state(f"stopping rule/{n}", "rule", value) for n, value in first.items()}
        h = SimpleNamespace()
        for name in self.rules.limits:
            node = b.fixed.setdefault(f"rule.{name}", input_node(name))
            setattr(h, name, wrap(node))
        seen = SimpleNamespace(**{name: _stand_ins(value) for name, value in o.items()})
        code, after = b.run(end_of_epoch, self.rules.active(), seen, s, h)
        b.after |= {f"stopping rule/{name}": cast(node, FLOAT) for name, node in after.items()}
        b.stop = cast(code, np.int64)

    def measure(self, b: DescentBuilder, name: str, answers: Nodes) -> None:
        """Record the mean of a metric: over the epoch's rows, and over those held back."""
        loss = b.recipe.loss
        assert loss is not None
        metric = as_metric(name, loss)

        def mean(nodes: Sequence[Node], rows: Dim | int, target: Node) -> Node:
            value: Node = b.run(metric.per_row, nodes[0], target, loss.link)
            axes = (0,) if metric.table else tuple(range(value.ndim))
            entries = 1.0 if metric.table else float(np.prod(sizes(value.shape[1:]), initial=1))
            whole = reduce_sum(cast(value, FLOAT), axes)
            n = call("mul", row_count(rows, FLOAT), entries)
            return call("div", whole, broadcast_like(n, whole))

        key = f"metric/{name}"
        training = b.model.training
        nodes = b.model.nodes if training is None else training.nodes
        own = mean(nodes, b.rows, b.data["target"])
        nothing = zeros(own.shape, FLOAT)
        total = b.put_state(key, "rule", nothing)
        share = broadcast_like(row_count(b.rows, FLOAT), own)
        b.new[key] = call("add", total, call("mul", own, share))
        b.after[key] = nothing
        b.records[f"metric {name}"] = call("div", total, share)
        if self.validation is not None:
            model = self.validation
            held = mean(model.nodes, model.rows, b.fixed["validation.target"])
            here = _places(b, model, answers)
            b.records[f"metric validation_{name}"] = substitute([held], here)[0]

    def validation_loss(self, b: DescentBuilder, answers: Nodes) -> Node:
        """The loss on the rows held back, at the present parameters."""
        model, target = self.validation, b.recipe.target
        assert model is not None and target is not None
        b.capture(model.trace)
        data = {column_key(name): node for name, node in model.data.items()}
        data["target"] = input_node("validation target", (model.rows, *target.shape), target.dtype)
        for name in ("sample_weight", "sigma"):
            if name in b.data:
                data[name] = input_node(f"validation {name}", (model.rows,), FLOAT)
        b.fixed |= {f"validation.{name}": node for name, node in data.items()}
        loss, _ = b.loss_of(model, data)
        return cast(substitute([loss], _places(b, model, answers))[0], FLOAT)

    def keep_best(self, b: DescentBuilder, watched: Node, answers: Nodes) -> None:
        """The parameters of the lowest loss watched so far.

        Without validation rows the loss is that of the parameters before the (only) update.
        """
        kept = {name: node for name, node in b.state.items() if b.kinds[name] == "model"}
        begins = {name: b.begins(f"start {name}", value) for name, value in answers.items()}
        begins |= {name: b.begin[name] for name in kept}
        values = answers | kept
        epoch = call("add", b.index, 1.0)
        if self.validation is None and not b.pieces:
            epoch = b.index
            for name, leaf in [*b.natural(b.leaves).items(), *kept.items()]:
                begin = begins[name]
                values[name] = b.put_state(f"judged value/{name}", "rule", begin)
                b.new[f"judged value/{name}"] = leaf
        lowest = b.put_state("best loss", "best", np.inf)
        better = call("lt", watched, lowest)
        b.after["best loss"] = select(better, watched, lowest)
        b.after["best epoch"] = select(better, epoch, b.put_state("best epoch", "best", 0.0))
        for name, value in values.items():
            best = b.put_state(f"best value/{name}", "best", begins[name])
            b.after[f"best value/{name}"] = select(broadcast_like(better, value), value, best)


def _places(b: DescentBuilder, model: Model, answers: Nodes) -> dict[Node, Node]:
    """What takes the place of a model's inputs as it serves, at the present parameters."""
    here = {leaf: answers[name] for name, leaf in model.leaves.items()}
    if model.training is not None:
        running = model.training.effects.running
        here |= {r.form: b.state[running_slot(name)] for name, r in running.items()}
    return here


def _stand_ins(value: Any) -> Any:
    return [wrap(v) for v in value] if isinstance(value, list) else wrap(value)


def _method_state(b: DescentBuilder, key: str) -> Nodes:
    prefix = f"{key}/"
    return {n.removeprefix(prefix): s for n, s in b.state.items() if n.startswith(prefix)}


def _answers(b: DescentBuilder) -> Nodes:
    """The parameters that would be returned now, as leaves."""
    if not b.pieces:
        return dict(b.natural({n: b.state.get(AVERAGED + n, a) for n, a in b.leaves.items()}))
    vector = b.run(b.optimizer.answer, b.state["all parameters"], _method_state(b, "method"))
    return b.natural(dict(zip(b.leaves, pieces(vector, list(b.leaves.values())), strict=True)))


def _method_code(b: DescentBuilder) -> Node:
    """The optimizer's own verdict: 0 to go on; of several leaves, when all have ended."""
    codes: list[Node] = []
    for key in ["method"] if b.pieces else list(b.leaves):
        own = {name: wrap(node) for name, node in _method_state(b, key).items()}
        with tracing():
            status = b.optimizer.status(own)
        if status is None:
            return const(0, np.int64)
        codes.append(cast(as_node(status), np.int64))
    code = codes[0] if codes else const(0, np.int64)
    for other in codes[1:]:
        code = call("min", code, other)
    return code


def _scheduled_rate(b: DescentBuilder, watched: Node) -> None:
    """A scheduled learning rate is a state that the end of an epoch sets."""
    if "learning rate" not in b.state:
        return
    b.records["lr"] = b.state["learning rate"]
    s = {n.removeprefix(SCHEDULE): x for n, x in b.state.items() if n.startswith(SCHEDULE)}
    if s:
        lr: Any = b.bound.lr  # type: ignore[attr-defined]
        s = {n: cast(x, FLOAT) for n, x in b.run(lr.watch, watched, b.index, s).items()}
        b.after |= {f"{SCHEDULE}{n}": x for n, x in s.items()}
    b.after["learning rate"] = b.rate_at(call("add", b.index, 1.0), s)


def _mean_gradient(b: DescentBuilder, record: bool) -> Node:
    """The largest component of the gradient, averaged over the epoch's rows."""
    largest = square = const(0.0)
    for name, gradient in b.bounds.pulls(b.gradients, b.leaves).items():
        key = f"mean gradient/{name}"
        total = b.put_state(key, "rule", zeros(gradient.shape, gradient.dtype))
        share = broadcast_like(row_count(b.rows, gradient.dtype), gradient)
        b.new[key] = call("add", total, call("mul", gradient, share))
        b.after[key] = zeros(gradient.shape, gradient.dtype)
        mean = cast(call("div", total, share), FLOAT)
        axes = tuple(range(mean.ndim))
        size = call("abs", mean)
        largest = call("max", largest, reduce_max(size, axes) if axes else size)
        square = call("add", square, reduce_sum(call("mul", mean, mean), axes))
    if record:
        b.records["grad_norm"] = call("sqrt", square)
    return largest


def _previous(b: DescentBuilder, answers: Nodes) -> list[Node]:
    """The parameters as they were at the end of the epoch before."""
    found = []
    for name, value in answers.items():
        begin = b.begins(f"start {name}", value)
        found.append(b.put_state(f"previous value/{name}", "rule", begin))
        b.after[f"previous value/{name}"] = value
    return found
