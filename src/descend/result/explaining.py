"""`explain`: a function at a point, or a model on one row of the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest
from descend.graph.blocks import BLOCK
from descend.graph.node import Dim, Node
from descend.methods.base import Optimizer
from descend.methods.table import as_optimizer
from descend.parameters.space import FIXED, Space
from descend.records.explanation import Update
from descend.run.build import Built
from descend.run.job import Job
from descend.run.view import view_of
from descend.show.explain import Explanation, explain_graph
from descend.show.expressions import number
from descend.task.checks import check_count
from descend.task.columns import column_key
from descend.task.coupling import coupling
from descend.task.problem import Problem, called, is_setting
from descend.task.rows import Rows
from descend.task.start import given_start
from descend.trace.effects import Effects, noting
from descend.trace.formula import Formula
from descend.trace.model import Spec, trace_model
from descend.trace.trace import trace_function
from descend.words import check_language

__all__ = ["TELLING", "explain_at", "explain_point", "stepping", "told_as", "updates_of"]

METHOD = ("optimizer", "lr")
TELLING = ("lang", "parameter")
Array = np.ndarray[Any, np.dtype[Any]]


def explain_point(function: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> Explanation:
    """Explain a function of plain arguments at a point; all floats are differentiated.

    With `optimizer` or `lr` among `named` (and no arguments of those names), the update that
    follows is shown too; `lang` and `parameter` are those of `explain`.
    """
    own, call, title = called(function)
    if isinstance(call, Formula):
        point = (dict(args[0]) if args and isinstance(args[0], Mapping) else {}) | dict(named)
    else:
        point = dict(zip(own.positional, args, strict=False)) | dict(named)
        if len(args) > len(own.positional):
            raise UsageError(f"{title} takes {len(own.positional)} arguments, not {len(args)}")
    missing = [n for n in own.names if n not in point and n not in own.defaults]
    if missing:
        listed = ", ".join(f"{n}=…" for n in missing)
        raise UsageError(
            f"{title} needs a value for {', '.join(missing)}", remedy=f"give {listed}"
        )
    asked, telling = (
        {n: point.pop(n) for n in known if n in point and n not in own.names}
        for known in (METHOD, TELLING)
    )
    for name in point:
        if name not in own.names:
            raise UsageError(f'{title} has no argument "{name}"{suggest(name, own.names)}')
    constants = {n: v for n, v in point.items() if is_setting(v)}
    start = given_start(
        [n for n in own.names if n in point and n not in constants],
        {n: v for n, v in point.items() if n not in constants}, {},
    )  # fmt: skip
    problem = Problem(title, call, own, {}, None, "", tuple(start.trees), constants)
    arrange = problem.arrange(start.trees, start.names)
    model = trace_model(call, arrange, {}, {n: Spec.of(a) for n, a in start.arrays.items()})
    bound = {model.leaves[n]: a for n, a in start.arrays.items()} | dict(model.trace.captured)
    if len(model.nodes) != 1 or model.nodes[0].shape != ():
        raise UsageError(
            f"{title} returns no single number, so it has no gradient",
            remedy="return a scalar, for instance with np.sum or np.mean",
        )
    names = {node: name for name, node in model.leaves.items()}
    told = explain_graph(
        ("function", {"name": title}), model.nodes[0], model.leaves, bound, names,
        model.origin, output_name="y" if "y" not in own.names else "result",
    )  # fmt: skip
    if asked:
        add_updates(told, stepping(**{"optimizer": "sgd", **asked}), start.arrays)
    return told_as(told, **telling)


def told_as(told: Explanation, lang: str = "en", parameter: str = "") -> Explanation:
    """An explanation in a language, with the chain rule of a parameter.

    Raises:
        UsageError: a language or a parameter that there is not.
    """
    if parameter and parameter not in told.gradient:
        known = [*told.gradient]
        raise UsageError(
            f'there is no parameter "{parameter}"{suggest(parameter, known)}',
            remedy=f"the parameters are {', '.join(known)}",
        )
    told.lang, told.parameter = check_language(lang), parameter
    return told


def stepping(optimizer: Any, lr: Any = None) -> Optimizer:
    """Return the optimizer whose update is to be shown.

    Raises:
        UsageError: a method that does not make its step of one gradient alone.
    """
    given = {} if lr is None else {"lr": lr}
    found = as_optimizer(optimizer, **given)
    if found.scope != "leaf":
        raise UsageError(
            f"the update of {type(found).__name__} is not made of one gradient alone, so it "
            "cannot be explained by one",
            remedy="choose a method that is, such as sgd or adam, or leave the optimizer out",
        )
    return found


def explain_at(
    job: Job, built: Built, rows: Rows, begin: Mapping[str, Array], row: int
) -> Explanation:
    """Explain one row of the data at the parameters of the start."""
    at = check_count("row", row, 0)
    why = built.model.why_rows or coupling(built.model)
    if why:
        raise UsageError(
            f"one row cannot be explained by itself: the model couples the rows ({why})",
            remedy="compute such numbers before the fit",
        )
    held = None if rows.beyond is None else rows.beyond.apart
    total = rows.total + (0 if held is None else len(held.places))
    if at >= total:
        raise UsageError(f"there is no row {at}: the data have {total} rows, counted from 0")
    one = _row(rows, at)
    own, seen, varied = view_of(job, built, begin)
    made, model = seen.descent, seen.model
    names = {node: _title(name, job) for name, node in made.inputs.items()}
    names |= {node: name for name, node in model.leaves.items()}
    bound, _ = replace(own, rows=one).inputs_at(seen, varied, 1)
    data = [node for name, node in made.inputs.items() if name in one.all()]
    rows_of = model.rows if isinstance(model.rows, Dim) else None  # else refused above
    told = explain_graph(
        ("row", {"row": at, "name": job.problem.name}),
        made.objective, model.leaves, bound, names, built.model.origin, data, rows_of,
        layers=_layers(job, built, seen),
    )  # fmt: skip
    add_updates(told, job.settings.optimizer, varied)
    if job.space is not None:
        told.updates = _within(job.space, told.updates)
    return told


def _row(rows: Rows, at: int) -> Rows:
    """One row by itself, by its number among all rows."""
    if rows.beyond is None:
        return rows.take(np.array([at]))
    names, held, among = [*rows.all()], rows.beyond.apart, at
    if held is not None:
        if rows.n_dropped:
            raise UsageError(
                "rows were left out and others held back, so that the row of that number is not "
                "known",
                remedy="give the row by itself: descend.explain(model, x, y, start=fit)",
            )
        before = int(np.searchsorted(held.places, at))
        among = at - before
        if before < len(held.places) and held.places[before] == at:
            own = {n: c[before : before + 1] for n, c in held.columns.items()}
            row = rows.beyond.assembly.all(own)
            return _one(rows, row, at)
    with closing(rows.beyond.blocks(names, among // BLOCK)) as blocks:  # type: ignore[type-var]
        first, columns = next(blocks)
        place = slice(among - first, among - first + 1)
        row = {n: c[place].copy() for n, c in zip(names, columns, strict=True)}
    return _one(rows, row, at)


def _one(rows: Rows, row: Mapping[str, Array], at: int) -> Rows:
    """A row by itself, of its columns as the program calls them."""
    return Rows(
        {n: row[column_key(n)] for n in rows.columns}, {n: row[n] for n in rows.extra}, 1,
        rows.n_dropped, np.array([at]),
    )  # fmt: skip


def _layers(job: Job, built: Built, seen: Built) -> list[tuple[str, Node]]:
    """Number and name of each layer of a network, and what it makes of the rows as it serves.

    Equal operations on equal nodes are one node, so that these are nodes of the objective.
    """
    network = job.problem.network
    if network is None:
        return []

    def all_layers(x: Any, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(network.outputs(x, params))

    (x,) = built.model.data.values()
    held = {n.removeprefix(f"{FIXED} "): a for n, a in seen.descent.inputs.items()}
    leaves = {n: seen.model.leaves.get(n, held.get(n)) for n in built.model.leaves}
    training = built.model.training
    effects = Effects(built.model.rows, x.dtype) if training is None else training.effects
    whole = frozenset([x]) if built.model.whole else frozenset()
    with noting(effects.serving()):
        outputs = trace_function(all_layers, (x, leaves), whole=whole).outputs
    named = [f"{n} {layer.name}" for n, layer in enumerate(network.layers)]
    return list(zip(named, outputs, strict=True))


def _within(space: Space, updates: list[Update]) -> list[Update]:
    """The updates as bounds let them be; none where other numbers than the parameters move."""
    if space.scales:
        return []
    return [replace(u, new=space.inside(u.name, np.asarray(u.new))) for u in updates]


def _title(name: str, job: Job) -> str:
    if name == "target":
        return job.problem.target
    return name.removesuffix(" (data)").removeprefix(f"{FIXED} ")


def add_updates(told: Explanation, optimizer: Optimizer, begin: Mapping[str, Array]) -> None:
    """The step that follows: the method's own first one, or plain gradient descent."""
    name = type(optimizer).__name__
    plain = name == "SGD" and not getattr(optimizer, "momentum", 0)
    if optimizer.scope != "leaf":
        return
    told.updates = updates_of(optimizer, begin, told.gradient)
    rate = getattr(optimizer, "lr", None)
    if plain and isinstance(rate, int | float) and not getattr(optimizer, "weight_decay", 0):
        sign = "+" if getattr(optimizer, "maximize", False) else "-"
        told.lr = float(rate) if sign == "-" else -float(rate)
        told.rule = ("plain", {"sign": sign, "rate": number(rate)})
    elif isinstance(rate, int | float):
        told.rule = ("method_rate", {"name": name, "rate": number(rate)})
    else:
        told.rule = ("method", {"name": name})


def updates_of(
    optimizer: Optimizer, begin: Mapping[str, Array], gradient: Mapping[str, Any]
) -> list[Update]:
    """What the optimizer's first step makes of every parameter."""
    h = optimizer.hyper(optimizer.numbers(), 1.0, 0.0)
    found = []
    for name, p in begin.items():
        e = SimpleNamespace(loss=np.array(0.0), gradient=np.asarray(gradient[name], p.dtype))
        new, _ = optimizer.step(p, e, optimizer.init(p), h)
        found.append(Update(name, p, gradient[name], np.asarray(new)))
    return found
