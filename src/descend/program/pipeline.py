"""The path of a model, from top to bottom: trace, loss, differentiate, update, stop, simplify.

Every pass takes graphs and gives graphs, has a name, and is recorded, so that it can be printed.
What comes out is a `Program`: state, data, fixed inputs, one step, one end of an epoch. It says
nothing of numbers: the same program serves every start, learning rate and set of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.differentiate.forward import forward
from descend.differentiate.gauss_newton import half_hessian, normal_equations
from descend.differentiate.reverse import reverse
from descend.errors import UsageError
from descend.graph.elementwise import call, cast
from descend.graph.linear import broadcast_like, reduce_sum
from descend.graph.node import Dim, Node, postorder, substitute
from descend.graph.program import EpochGraph, Program, Slot, StepGraph
from descend.graph.source import const, input_node
from descend.parameters.bounded import Bounds, held_equations, kept
from descend.parameters.vector import fitted, joined, pieces
from descend.program.building import COUNT, FLOAT, Building, Nodes
from descend.program.objective import (
    Curvature,
    curvature_graph,
    entries,
    loss_function,
    loss_graph,
)
from descend.program.recipe import Descent, Pass, Recipe
from descend.program.updates import averaged, gathered, hold, rated
from descend.simplify.apart import set_apart
from descend.simplify.driver import simplify
from descend.task.columns import (
    ROW,
    SCHEDULE,
    SEED,
    SIGMA,
    UPDATES,
    WEIGHT,
    WHITENING,
    running_slot,
)
from descend.trace.model import Model
from descend.trace.tensor import as_node, wrap

__all__ = [
    "DescentBuilder",
    "descent",
]

LEAST_SHARED = 9  # parameters from which on a method's step is compiled by itself
MOST_EXACT = 12  # parameters whose exact second derivatives are worked out beside Gauss–Newton's


def descent(model: Model, recipe: Recipe) -> Descent:
    """Build the program of a whole descent from a traced model."""
    building = DescentBuilder(model, recipe)
    building.shares = True
    building.loss()
    building.vary()
    building.train()
    building.derivatives()
    if recipe.optimizer.scope == "vector":
        building.update_vector()
    else:
        building.update_leaves()
    recipe.end_of_epoch(building)
    return building.assemble()


class DescentBuilder(Building):
    """The stages of one descent, in the order in which `descent` calls them."""

    def loss(self) -> None:
        """The mean loss of a batch, with the penalty; and the residuals, if there are any."""
        recipe = self.recipe
        if recipe.target is not None:
            tail, dtype = recipe.target.shape, recipe.target.dtype
            self.data["target"] = input_node("target", (self.rows, *tail), dtype)
        for name, wanted in ((WEIGHT, recipe.weighted), (SIGMA, recipe.scaled)):
            if wanted:
                positive = name == SIGMA  # a weight may be 0
                self.data[name] = input_node(name, (self.rows,), FLOAT, positive)
        if recipe.whitened:
            self.data[WHITENING] = input_node(WHITENING, (self.rows, self.rows), FLOAT)
        self.objective, self.residual = self.loss_of(self.model, self.data)
        self.curvature = self.curvature_of(self.residual)
        results = {"loss": self.objective}
        self.passes.append(Pass("loss", "what is minimised: a mean over the batch", results))

    def loss_of(self, model: Model, data: Mapping[str, Node]) -> tuple[Node, Node | None]:
        """The loss on the rows of `data`, with the penalty, and the residuals."""
        recipe, loss = self.recipe, self.recipe.loss
        if loss is not None:
            loss = loss.bind(self.numbers("loss", loss, model.nodes[0].dtype))
        run = self.run if recipe.plan.batch_size is None else self.run_apart
        total, residual = loss_graph(model, recipe.sign, data, loss, run)
        if residual is not None and run == self.run_apart:
            self.refuse_coupling(residual, *model.nodes, *data.values())
        if recipe.penalty is not None:
            bound = recipe.penalty.bind(self.numbers("penalty", recipe.penalty, total.dtype))
            value = self.run(bound.value, list(model.leaves.values()))
            total = call("add", total, cast(value, total.dtype))
        return total, residual

    def each_loss(self) -> Node:
        """The loss of each row, or of each entry."""
        loss = self.recipe.loss
        assert loss is not None
        bound = loss.bind(self.numbers("loss", loss, self.model.nodes[0].dtype))
        nodes = self.model.nodes
        prediction: Any = nodes if len(nodes) > 1 else nodes[0]
        found: Node = self.run(loss_function(bound), prediction, self.data["target"])
        return found

    def curvature_of(self, residual: Node | None) -> Curvature | None:
        """The second-order view of the loss, where it is of use."""
        loss = self.recipe.loss
        asked = loss is not None and (
            loss.curved or loss.axis == "own" or self.optimizer.needs == "gauss_newton"
        )
        if not asked or residual is not None or self.recipe.penalty is not None:
            return None
        assert loss is not None
        bound = loss.bind(self.numbers("loss", loss, self.model.nodes[0].dtype))
        return curvature_graph(self.model, self.data, bound, self.run)

    def vary(self, scaled: bool = True) -> None:
        """Leave to the optimizer what may vary: fixed parameters become inputs, tied ones go."""
        c, space = self.curvature, self.recipe.space
        self.named = self.objective, self.residual, c
        if space is None:
            return
        self.entered = entered = space.enter(self.model.leaves, scaled)
        self.leaves = entered.leaves
        self.fixed |= entered.fixed
        self.bounds = Bounds(entered, self.fixed, getattr(self.optimizer, "maximize", False))
        parts = [] if c is None else [getattr(c, f.name) for f in fields(c)]
        self.objective, self.residual, *parts = entered.placed([*self.named[:2], *parts])
        self.curvature = None if c is None else Curvature(*parts)

    def train(self) -> None:
        """Descend the loss of the model as it trains, where that is another one.

        What was named remains: the loss of the model as it serves.
        """
        training = self.model.training
        if training is None:
            return
        effects = training.effects
        self.capture(training.trace)
        self.traces.append(training.trace)
        self.data[ROW], self.fixed[SEED] = effects.row, effects.seed
        self.put_state(COUNT, "method", 0.0, effects.step)
        kept = [running.new for running in effects.running.values()]
        objective, _ = self.loss_of(replace(self.model, nodes=training.nodes), self.data)
        if self.entered is not None:
            objective, *kept = self.entered.placed([objective, *kept])
        self.objective, self.residual, self.curvature = objective, None, None
        for (name, running), new in zip(effects.running.items(), kept, strict=True):
            slot = running_slot(name)
            self.put_state(slot, "model", const(running.begin), running.form)
            self.new[slot] = new
        about = "the same with the draws of a step, and with the values of the batch"
        self.passes.append(Pass("training", about, {"loss": self.objective}))

    def natural(self, values: Nodes) -> Nodes:
        """Every parameter of the model, where what is varied has these values."""
        entered = self.entered
        return values if entered is None else entered.natural(self.model.leaves, values)

    def derivatives(self) -> None:
        """The gradient by backpropagation, or the normal equations of the residuals."""
        leaves = list(self.leaves.values())
        if self.optimizer.needs == "gauss_newton":
            about = self.normal_equations(leaves)
            self.passes.append(Pass("normal equations", about, dict(self.equations)))
        if self.optimizer.needs in ("gauss_newton", "value") and not self.recipe.wants_gradient:
            return
        seed = const(1, self.objective.dtype)
        found = reverse([self.objective], [seed], leaves)
        self.gradients = dict(zip(self.leaves, found, strict=True))
        about = "backpropagation: from the loss back to every parameter"
        titles = {f"d loss / d {name}": g for name, g in self.gradients.items()}
        self.passes.append(Pass("gradient", about, titles))

    def normal_equations(self, leaves: Sequence[Node]) -> str:
        """JᵀJ and Jᵀr of the residuals, or what stands for them; returns what was done."""
        if self.residual is not None:
            share = entries(self.residual, self.rows)
            made = normal_equations(self.residual, leaves)
            about = "the Jacobian J of the residuals r by forward mode, summed up to JᵀJ and Jᵀr"
        elif (curved := self.curvature) is not None:
            share = entries(curved.prediction, self.rows)
            made = normal_equations(curved.prediction, leaves, curved.slope, curved.bend)
            about = "the prediction's Jacobian J, summed up with the loss's first two derivatives"
            if curved.lowest is not None:
                self.equations["loss"] = call("sub", self.objective, curved.lowest)
        else:
            raise UsageError(
                "this optimizer needs a loss with two derivatives for each row's prediction",
                remedy='leave out optimizer, or choose loss="mse"',
            )
        for name, node in zip(("jtj", "jtr"), made, strict=True):
            self.equations[name] = call("div", node, broadcast_like(share, node))
        if self.residual is None and sum(leaf.size for leaf in leaves) <= MOST_EXACT:
            assert self.recipe.loss is not None
            exact = half_hessian(self.objective, leaves)
            both = self.equations["jtj"], cast(exact, self.equations["jtj"].dtype)
            self.equations["jtj"] = self.run(self.recipe.loss.second_order, *both)
        return about

    def clipped(self) -> Nodes:
        """The gradients as the optimizer sees them."""
        gradients = self.gradients
        if self.recipe.accumulation is not None:
            gradients = gathered(self, gradients)
        if not self.optimizer.bounded:
            gradients = self.bounds.pulls(gradients, self.leaves)
        if self.recipe.clip is None:
            return gradients
        if self.optimizer.needs in ("hvp", "value"):
            raise UsageError(
                f"{type(self.optimizer).__name__} knows no clip",
                remedy='leave out clip, or choose optimizer="bfgs"',
            )
        bound = self.recipe.clip.bind(self.numbers("clip", self.recipe.clip))
        limited = self.run(bound.__call__, list(gradients.values()))
        return dict(zip(gradients, limited, strict=True))

    def hyperparameters(self) -> SimpleNamespace:
        """`h` of the optimizer's step; a scheduled rate is a state that epochs set."""
        t = self.state[COUNT] if COUNT in self.state else self.put_state(COUNT, "method", 0.0)
        self.new[COUNT] = call("add", t, 1.0)
        self.bound = self.optimizer.bind(self.numbers("optimizer", self.optimizer))
        h = SimpleNamespace(**{f.name: getattr(self.bound, f.name) for f in fields(self.bound)})
        h.t = wrap(self.new[COUNT])
        if hasattr(getattr(h, "lr", None), "value"):
            first = {name: const(value) for name, value in h.lr.begin().items()}
            for name, value in first.items():
                self.put_state(f"{SCHEDULE}{name}", "rule", value)
            h.lr = wrap(self.put_state("learning rate", "rule", self.rate_at(const(0.0), first)))
        return h

    def rate_at(self, epoch: Node, remembered: Nodes) -> Node:
        """A scheduled learning rate after so many epochs, from what the schedule remembers."""
        lr: Any = self.bound.lr  # type: ignore[attr-defined]
        own = getattr(lr, "function", None)
        found = self.run(lr.rate, epoch, remembered) if own is None else self.run(own, epoch)
        return cast(found, FLOAT)

    def step(
        self, key: str, p: Node, first: Node, h: Any, asked: Any = None, **evaluated: Node
    ) -> Node:
        """One step of the optimizer at `p`; its state is entered under `key`.

        Args:
            first: where `p` begins.
            asked: by name, functions of a direction that join what is evaluated.
        """
        kinds = self.optimizer.init(np.ones(p.shape, p.dtype))
        own = {name: np.asarray(value) for name, value in kinds.items()}
        begin = {n: fitted(b, own[n].shape, own[n].dtype)
                 for n, b in self.run(self.optimizer.init, first).items()}  # fmt: skip
        s = {n: self.put_state(f"{key}/{n}", "method", begin[n]) for n in own}
        e = SimpleNamespace(**{name: wrap(node) for name, node in evaluated.items()})
        given = [p, *evaluated.values(), *s.values()]
        given += [as_node(v) for v in vars(h).values() if hasattr(v, "node")]

        def noting(function: Callable[[Any], Any], direction: Any) -> Any:
            given.append(as_node(function(direction)))
            return wrap(given[-1])

        vars(e).update({name: partial(noting, each) for name, each in (asked or {}).items()})
        moved, after = self.run(self.optimizer.step, p, e, s, h)
        new = [fitted(after[name], value.shape, value.dtype) for name, value in own.items()]
        new.append(fitted(moved, p.shape, p.dtype))
        if self.shares and self.optimizer.needs == "gauss_newton" and p.size >= LEAST_SHARED:
            new = set_apart(new, [*given, *self.fixed.values()])
        self.new |= {f"{key}/{name}": node for name, node in zip(own, new[:-1], strict=True)}
        return new[-1]

    def update_leaves(self) -> None:
        """The optimizer's step for every leaf; the step is taken if what it gives is finite."""
        h, gradients = self.hyperparameters(), self.clipped()
        own = dict.fromkeys(self.leaves, h) if self.recipe.rates is None else rated(self, h)
        for name, leaf in self.leaves.items():
            first = self.begins(f"moved {name}", leaf)
            self.put_state(name, "parameter", first, leaf)
            loss = cast(self.objective, leaf.dtype)
            gradient = cast(gradients[name], leaf.dtype)
            new = self.step(name, leaf, first, own[name], loss=loss, gradient=gradient)
            self.new[name] = new if (box := self.bounds.of(name, leaf)) is None else kept(new, *box)
        if self.recipe.averaging is not None:
            averaged(self)
        hold(self)
        size = call("abs", cast(self.objective, FLOAT))
        for name in self.leaves:
            total = _total(call("abs", self.new[name]))
            size = call("add", size, cast(total, FLOAT))
        self.ok = call("lt", size, np.inf)
        self.record_update()

    def update_vector(self) -> None:
        """The optimizer's step for all parameters as one vector."""
        h, gradients = self.hyperparameters(), self.clipped()
        leaves = list(self.leaves.values())
        dtype = np.result_type(*(leaf.dtype for leaf in leaves))
        length = (sum(leaf.size for leaf in leaves),)
        first = self.begins("moved", input_node("moved", length, dtype))
        vector = self.put_state("all parameters", "parameter", first)
        self.pieces = dict(zip(self.leaves, pieces(vector, leaves), strict=True))
        e = {"loss": self.objective, **self.equations}
        if not self.equations and self.gradients:
            e["gradient"] = joined([gradients[name] for name in self.leaves], dtype)
        e = {name: cast(node, dtype) for name, node in e.items()}
        h.lower, h.upper = None, None
        h.parts = tuple(leaf.size for leaf in leaves)
        if box := self.bounds.of_all(vector):
            h.lower, h.upper = (wrap(side) for side in box)
            if self.equations and not self.optimizer.bounded:
                e["jtj"], e["jtr"] = held_equations(vector, e["jtj"], e["jtr"], *box)
        new = self.step("method", vector, first, h, self.directional(dtype), **e)
        self.new["all parameters"] = kept(new, *box) if box else new
        self.record_update()

    def directional(self, dtype: Any) -> dict[str, Callable[[Any], Any]]:
        """What a step may ask for in a direction: only what is asked for is worked out."""
        leaves = list(self.leaves.values())

        def tangents(direction: Any) -> list[Node]:
            return pieces(as_node(direction), leaves)

        def jt_rvv(direction: Any) -> Any:
            assert self.residual is not None
            along = tangents(direction)
            (first,) = forward([self.residual], leaves, along)
            (second,) = forward([first], leaves, along)
            sums = joined(reverse([self.residual], [second], leaves), dtype)
            share = entries(self.residual, self.rows)
            return wrap(call("div", sums, broadcast_like(cast(share, dtype), sums)))

        def hvp(direction: Any) -> Any:
            found = forward(list(self.gradients.values()), leaves, tangents(direction))
            return wrap(joined(found, dtype))

        if self.equations:
            return {} if self.residual is None else {"jt_rvv": jt_rvv}
        return {"hvp": hvp} if self.gradients else {}

    def record_update(self) -> None:
        results = {f"new {name}": node for name, node in self.new.items()}
        about = f"one step of {type(self.optimizer).__name__}"
        self.passes.append(Pass("update", about, results))

    # --- assembly

    def assemble(self) -> Descent:
        """The program of what is needed, after simplification."""
        step = {name: self.new.get(name, node) for name, node in self.state.items()}
        after = {name: self.after.get(name, node) for name, node in self.state.items()}
        begin = {name: cast(self.begin[name], node.dtype) for name, node in self.state.items()}
        roots = [*step.values(), *after.values(), *begin.values(), *self.records.values()]
        roots += [self.objective, self.stop, *([self.ok] if self.ok is not None else [])]
        places = {self.leaves[name]: piece for name, piece in self.pieces.items()}
        done = iter(simplify(substitute(roots, places), final=True))
        step, after, begin, records = (
            {name: next(done) for name in group} for group in (step, after, begin, self.records)
        )
        objective, stop = next(done), next(done)
        ok = next(done, None)
        ends = [*records.values(), objective, stop, *([ok] if ok is not None else [])]
        kept = self.needed(step, after, ends)
        slots = tuple(
            Slot(name, self.kinds[name], node, begin[name], step[name], after[name])
            for name, node in self.state.items() if name in kept
        )  # fmt: skip
        used = set(postorder([*ends, *(x for s in slots for x in (s.begin, s.step, s.epoch))]))
        data, fixed, start = (
            {name: node for name, node in group.items() if node in used}
            for group in (self.data, self.fixed, self.start)
        )
        results = {f"new {s.name}": s.step for s in slots} | {"loss": objective}
        self.passes.append(Pass("simplify", "the whole step, with less to compute", results))
        program = Program(
            slots, tuple(data.values()), tuple(fixed.values()),
            self.rows if isinstance(self.rows, Dim) else Dim("rows"),
            StepGraph(cast(objective, FLOAT), ok),
            EpochGraph(self.index, self.mean, stop, tuple(records.values())), self.recipe.plan,
            tuple(start.values()),
        )  # fmt: skip
        captured = {name: array for name, array in self.captured.items() if name in fixed}
        return Descent(
            program, tuple(data), tuple(fixed), tuple(start), tuple(records), captured,
            tuple(self.passes), *self.named, {**self.data, **self.fixed},
            tuple(self.traces),
        )  # fmt: skip

    def needed(self, step: Nodes, after: Nodes, ends: Sequence[Node]) -> set[str]:
        """The states that the answer, the history or the verdict depend on."""
        names = {node: name for name, node in self.state.items()}
        kept: set[str] = set()
        lasting = ("parameter", "average", "model", "best", *(("method",) if self.pieces else ()))
        waiting = [n for n in self.state if self.kinds[n] in lasting and n != COUNT]
        own = (UPDATES, *self.optimizer.kept)
        waiting += [n for n in self.state if n.rpartition("/")[2] in own]
        seen: set[Node] = set()
        roots = list(ends)
        while roots or waiting:
            new = [n for n in postorder(roots, stop=lambda n: n in seen) if n not in seen]
            seen.update(new)
            asked = {*waiting, *(names[n] for n in new if n in names)} - kept
            kept |= asked
            roots, waiting = [g for name in asked for g in (step[name], after[name])], []
        return kept


def _total(x: Node) -> Node:
    return reduce_sum(x, tuple(range(x.ndim)))
