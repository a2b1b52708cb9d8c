"""Derivatives that are called with numbers: worked out once, then run natively, call after call.

A plan is what remains of tracing, differentiating, simplifying and compiling: something that runs,
the captured arrays, and the form of the result. Plans are kept by the structure of the arguments
(forms, shapes, dtypes, and the values of what is neither an array nor a float). A plan is used
again while everything that the function captured is seen to be the same; else the function is
traced again, and if the graph is one from before, nothing more is done.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from descend.compile.cache import graph_key
from descend.compile.called import CalledFunction
from descend.compile.function import compile_graph
from descend.compile.native import NotNative
from descend.differentiate.arguments import Argnums, Key, Point, chosen_places, trace_at
from descend.differentiate.indices import Check, index_checks
from descend.differentiate.signature import Unkeyed, signature
from descend.differentiate.transforms import Derivative, Derived, pullback, value, within
from descend.errors import UsageError, shorten, suggest
from descend.graph.bulk import without_collection
from descend.graph.evaluate import Prepared
from descend.graph.node import Node
from descend.lean import dataclass
from descend.simplify.driver import simplify
from descend.trace.captures import Captures
from descend.trace.context import current
from descend.trace.tree import flatten

__all__ = ["Planner", "planner_of", "pulled_back", "runner"]

MOST_PLANS = 64
MOST_FUNCTIONS = 256
ENGINES = ("native", "interpreted")

Function = Callable[..., Any]
Run = Callable[[Sequence[Any]], Sequence[Any]]


def runner(outputs: Sequence[Node], inputs: Sequence[Node], engine: str) -> Run:
    """A function from the values of the inputs to those of the outputs.

    What has no native code yet is interpreted: the values agree but for the last digits.
    """
    simple = simplify(outputs, final=True)
    if engine == "native":
        try:
            return CalledFunction(compile_graph(simple, inputs))
        except NotNative:
            pass
    prepared = Prepared(simple, inputs)
    return lambda values: [v[()] for v in prepared(values, {})]


class Call(NamedTuple):
    """A function and what it is given; `vectors` are the tangents of a product with vectors."""

    function: Function
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    vectors: Sequence[Any] = ()


@dataclass(frozen=True)
class Finished:
    """What follows from a graph alone, whatever the captured arrays hold.

    Attributes:
        count: how many results are the derivative's; those of the checks follow.
    """

    run: Run
    assemble: Callable[[Sequence[Any]], Any]
    count: int
    checks: Sequence[Check] = ()


@dataclass(frozen=True)
class Plan:
    """A derivative that is ready to run for one structure of the arguments.

    Attributes:
        hidden: the captured arrays, whose values are read at each call.
        point: what was traced, where the planner is asked to keep it.
        later: what else was finished at this point, by name.
    """

    finished: Finished
    captures: Captures
    hidden: list[Any]
    point: Point | None
    later: dict[str, Finished]

    def __call__(self, leaves: Sequence[Any]) -> Any:
        return _completed(self.finished, [*leaves, *self.hidden] if self.hidden else leaves)


def _completed(finished: Finished, values: Sequence[Any]) -> Any:
    results = finished.run(values)
    if finished.checks:
        for check in finished.checks:
            check(results)
        results = results[: finished.count]
    return finished.assemble(results)


class Planner:
    """Makes and keeps the plans of one derivative; the function itself is given with each call.

    Args:
        derive: what is worked out at the point where the function is traced.
        argnums: the arguments that are differentiated; None for all positional ones.
        has_aux: whether the function returns a pair, of which only the first is differentiated.
        engine: `native`, or `interpreted`.
        keeps_point: whether plans keep the traced point, for what is derived from it later.
    """

    def __init__(
        self, derive: Derivative, argnums: Argnums | None, has_aux: bool = False,
        engine: str = "native", keeps_point: bool = False,
    ) -> None:  # fmt: skip
        if engine not in ENGINES:
            raise UsageError(
                f"engine={engine!r} is neither 'native' nor 'interpreted'"
                + suggest(str(engine), ENGINES)
            )
        self.derive, self.argnums, self.has_aux = derive, argnums, has_aux
        self.engine, self.keeps_point = engine, keeps_point
        self._lock = threading.Lock()
        self._plans: OrderedDict[Hashable, Plan] = OrderedDict()
        self._finished: OrderedDict[Hashable, Finished] = OrderedDict()
        self._by_value: OrderedDict[Hashable, bool] = OrderedDict()
        self._places: dict[Hashable, frozenset[Key]] = {}

    def __call__(
        self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any],
        vectors: Sequence[Any] = (),
    ) -> Any:  # fmt: skip
        """The derivative of the function at these arguments; part of the graph inside a trace."""
        try:
            if current() is not None:
                point = self.point(Call(function, args, kwargs, vectors))
                return within(self.derive(point, vectors), point)
            plan, leaves = self.planned(Call(function, args, kwargs, vectors))
            return plan(leaves)
        except Exception as error:
            shorten(error)
            raise

    def point(self, call: Call, others: bool = False) -> Point:
        """The function, traced at its arguments."""
        asked = self._asked(call.args)
        return trace_at(call.function, asked, call.args, call.kwargs, self.has_aux, others)

    def planned(self, call: Call) -> tuple[Plan, Sequence[Any]]:
        """The plan for a call outside of any trace, and the values that it is run with."""
        chosen = self._chosen(call)
        _, args, kwargs, vectors = call
        key: Hashable = None
        by_value = False
        try:
            key, leaves = signature(args, kwargs, chosen, vectors)
            if key in self._by_value:
                key, by_value = None, True
                key, leaves = signature(args, kwargs, chosen, vectors, True)
        except Unkeyed:
            return self._made(call, key, by_value)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
        if plan is not None and plan.captures.unchanged():
            return plan, leaves
        return self._made(call, key, by_value)

    def _asked(self, args: Sequence[Any]) -> Argnums:
        return range(len(args)) if self.argnums is None else self.argnums

    def _chosen(self, call: Call) -> frozenset[Key]:
        """The places of the differentiated arguments, which depend on the call's form alone."""
        form = len(call.args), tuple(call.kwargs)
        found = self._places.get(form)
        if found is None:
            asked = self._asked(call.args)
            places = chosen_places(call.function, asked, len(call.args), call.kwargs)
            found = self._places[form] = frozenset(places)
        return found

    # --- making plans ---------------------------------------------------------------------------

    @without_collection()
    def _made(self, call: Call, key: Hashable, by_value: bool) -> tuple[Plan, Sequence[Any]]:
        point, needs_values = self._traced(call, by_value)
        if needs_values and not by_value:
            if key is not None:
                self._remember(self._by_value, key, True)
            key = self._key_by_value(call)
        captured = point.trace.captured
        plan = Plan(
            self._finish(point, call.vectors), point.trace.captures, [a for _, a in captured],
            point if self.keeps_point else None, {},
        )  # fmt: skip
        if key is not None and plan.captures.is_pure:
            self._remember(self._plans, key, plan)
        return plan, [v for _, v in point.given] + flatten(list(call.vectors))[0]

    def _traced(self, call: Call, by_value: bool) -> tuple[Point, bool]:
        """The point with inputs for all numbers, or for the differentiated ones alone.

        The latter where the function needs to know the values of its other arguments, as for a
        branch or the length of a loop: then it fails with stand-ins, in whatever way.
        """
        if not by_value and len(self._chosen(call)) < len(call.args) + len(call.kwargs):
            try:
                return self.point(call, others=True), False
            except Exception:
                return self.point(call), True
        return self.point(call), by_value

    def _key_by_value(self, call: Call) -> Hashable:
        try:
            return signature(call.args, call.kwargs, self._chosen(call), call.vectors, True)[0]
        except Unkeyed:
            return None

    def _finish(self, point: Point, vectors: Sequence[Any]) -> Finished:
        """Differentiate, simplify and compile, unless the same graph has been here before."""
        given = [node for node, _ in point.given]
        hidden = [node for node, _ in point.trace.captured]
        aux, form = ([], None) if point.aux is None else point.aux
        text = graph_key([*point.outputs, *aux], [*given, *hidden])
        places = {node: i for i, node in enumerate(given)}
        key = (
            blake2b(text.encode()).digest(), point.form, point.tree, form,
            tuple(places[n] for n in point.inputs),
            tuple(np.shape(v) for v in flatten(list(vectors))[0]),
        )  # fmt: skip
        found = self._finished.get(key)
        if found is None:
            derived = self.derive(point, vectors)
            found = finished(derived, point, [*given, *derived.seeds, *hidden], self.engine)
            self._remember(self._finished, key, found)
        return found

    def _remember(self, table: OrderedDict[Hashable, Any], key: Hashable, entry: Any) -> None:
        with self._lock:
            table[key] = entry
            table.move_to_end(key)
            while len(table) > MOST_PLANS:
                table.popitem(last=False)


def finished(derived: Derived, point: Point, inputs: Sequence[Node], engine: str) -> Finished:
    """A derivative made ready to run, with what must be known to judge its indices."""
    count = len(derived.outputs)
    more, checks = index_checks(point.outputs, point.trace.origin, count)
    run = runner([*derived.outputs, *more], inputs, engine)
    return Finished(run, derived.assemble, count, checks)


# --- derivatives that are no wrappers -----------------------------------------------------------

_planners: weakref.WeakKeyDictionary[Function, dict[Hashable, Planner]] = (
    weakref.WeakKeyDictionary()
)
_planners_lock = threading.Lock()


def planner_of(function: Function, derive: Derivative, engine: str) -> Planner:
    """The planner of a derivative of a function for all its positional arguments.

    Kept as long as the function lives, of the functions that came last.
    """
    keeps_point = derive is value
    try:
        with _planners_lock:
            held = _planners.get(function)
            if held is None:
                while len(_planners) >= MOST_FUNCTIONS:
                    _planners.pop(next(iter(_planners)))
                held = _planners[function] = {}
            planner = held.get((derive, engine))
            if planner is None:
                planner = Planner(derive, None, engine=engine, keeps_point=keeps_point)
                held[derive, engine] = planner
            return planner
    except TypeError:  # it cannot be hashed, or not be referred to weakly
        return Planner(derive, None, engine=engine, keeps_point=keeps_point)


def pulled_back(
    function: Function, primals: Sequence[Any], engine: str
) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function at the primals, and the function that sends a cotangent back."""
    planner = planner_of(function, value, engine)
    call = Call(function, primals, {})
    if current() is not None:
        point = planner.point(call)
        return within(value(point), point), lambda g: within(pullback(point, g), point)
    plan, leaves = planner.planned(call)
    kept = [np.array(v)[()] for v in leaves]
    made = plan.point
    assert made is not None
    at = {node: v for (node, _), v in zip(made.given, kept, strict=True)}
    here = replace(made, values=[at[node] for node in made.inputs])

    def back(cotangent: Any) -> tuple[Any, ...]:
        derived = pullback(here, cotangent)
        if current() is not None:
            return tuple(within(derived, here))
        if "back" not in plan.later:
            hidden = [node for node, _ in here.trace.captured]
            inputs = [*at, *derived.seeds, *hidden]
            plan.later["back"] = finished(derived, here, inputs, engine)
        sent: tuple[Any, ...] = _completed(
            plan.later["back"], [*kept, *derived.values, *plan.hidden]
        )
        return sent

    return plan(kept), back
