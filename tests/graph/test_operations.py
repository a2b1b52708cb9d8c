"""The table of operations is whole: no primitive lacks a part, and what is said of it is so."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from descend.compile.calls import CALLS
from descend.compile.cells import CELL_RULES
from descend.compile.evaluation import COMBINE
from descend.compile.evaluation import RULES as INDEXED
from descend.compile.function import compile_graph
from descend.compile.legalise import RULES as REWRITTEN
from descend.compile.native import NotNative
from descend.compile.operations import emitter
from descend.errors import InternalError
from descend.graph.elementwise import call, declare
from descend.graph.matrices import LINEAR_ALGEBRA
from descend.graph.node import PRIMITIVES, Dim, Node, Primitive, meeting
from descend.graph.source import input_node

NEEDED: dict[str, dict[str, Any]] = {
    "source": {},
    "loop": {},
    "view": {"a rule at an index": INDEXED, "a rule of few elements": CELL_RULES},
    "gather": {"a rule at an index": INDEXED, "a rule of few elements": CELL_RULES},
    "reduction": {"what combines": COMBINE, "a rule of few elements": CELL_RULES},
    "assembled": {"a rule of few elements": CELL_RULES},
    "call": {"an algorithm": CALLS, "a rule of few elements": CELL_RULES},
    "algorithm": {"an algorithm": CALLS},
    "rewritten": {"a rule in other primitives": REWRITTEN},
}
"""For each way in which native code computes an array: the rules that it needs."""

FLAT = {"argmax", "argmin", "argsort"}  # without a derivative
OWN_WAY = {"cast", "select"}  # with derivatives of their own instead of partials
NAMED = {"sign"}  # not finite only where its argument is not
BITS = {"and", "or", "xor", "not", "shift_left", "shift_right"}
UNITLESS = {"pow", "select", "shift_left", "shift_right"}  # with rules of their own, or none


def lacking(primitive: Primitive) -> list[str]:
    """The parts that a primitive lacks, in words that name it."""
    name = primitive.name
    if primitive.kind == "elementwise":
        missing = _lacking_elementwise(primitive)
    elif not primitive.native:
        missing = []
    elif primitive.native not in NEEDED:
        missing = [f"a known native code ({primitive.native} is none)"]
    else:
        rules = NEEDED[primitive.native].items()
        missing = [f"{part} for native code" for part, table in rules if name not in table]
    if primitive.kind in ("linear", "multilinear", "selection") and name not in FLAT:
        missing += [] if primitive.back else ["the words how it hands back what comes in"]
    if primitive.mixes is meeting and primitive.kind != "opaque":
        missing.append("whether it mixes rows")
    if primitive.cost < 1 or primitive.latency < 1:
        missing.append("a cost")
    return [f"{name} lacks {part}" for part in missing]


def _lacking_elementwise(primitive: Primitive) -> list[str]:
    missing = []
    if primitive.native not in ("", "rewritten") and primitive.name != "cast":
        try:
            emitter(primitive.name)
        except (InternalError, ImportError):
            missing.append(f"an emitter in {primitive.native}")
    if primitive.native == "rewritten" and primitive.name not in REWRITTEN:
        missing.append("a rule in other primitives for native code")
    arguments = arity(primitive.meaning)
    if primitive.partials is None:
        missing += [] if primitive.name in OWN_WAY else ["partials"]
    elif arguments is not None and len(primitive.partials) != arguments:
        missing.append(f"a partial for each of its {arguments} arguments")
    if not primitive.finite and primitive.native != "library" and primitive.name not in NAMED:
        missing += [] if primitive.fails else ["the words why it is not finite"]
    if primitive.native != "library" and primitive.name not in UNITLESS:
        missing += [] if primitive.units else ["what it makes of units"]
    flat = bool(primitive.partials) and not any(primitive.partials or ())
    if flat and primitive.name not in BITS | {"stop_gradient"}:
        jumps = primitive.breaks in ("step", "comparison")
        missing += [] if jumps else ["where it jumps, as no derivative passes"]
    if primitive.word and not primitive.word.isidentifier():
        missing += [] if arguments in (1, 2) else ["a word that can stand before a bracket"]
    return missing


def arity(meaning: Callable[..., Any]) -> int | None:
    """The number of arrays that a meaning takes, None where it takes any number."""
    if isinstance(meaning, np.ufunc):
        return meaning.nin
    try:
        parameters = inspect.signature(meaning).parameters.values()
    except ValueError:
        return None
    plain = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    return None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(plain)


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_no_operation_lacks_a_part(name: str) -> None:
    assert not lacking(PRIMITIVES[name])


POINTS = (-40.5, -3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 17.5)
FINITE = sorted(
    n for n, p in PRIMITIVES.items() if p.kind == "elementwise" and p.finite and p.partials
)


@pytest.mark.parametrize("name", FINITE)
def test_what_is_said_to_stay_finite_does(name: str) -> None:
    primitive = PRIMITIVES[name]
    assert primitive.partials is not None
    grid = np.meshgrid(*[np.array(POINTS)] * len(primitive.partials))
    kinds = (np.float64, np.float32, np.int64, np.bool_)
    tried = 0
    for dtype in kinds:
        arrays = [g.ravel().astype(dtype) for g in grid]
        if name.startswith("shift"):
            arrays[1] = abs(arrays[1])
        try:
            value = primitive.meaning(*arrays)
        except TypeError:  # not for numbers of this dtype
            continue
        assert np.isfinite(value).all()
        tried += 1
    assert tried


def slope(x: Node, _out: Node) -> Node:
    return call("sinh", x)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Primitive]:
    """Declares a primitive for the length of one test."""

    def make(native: str, *partials: Any, finite: bool = True, **parts: Any) -> Primitive:
        monkeypatch.delitem(PRIMITIVES, "scratch", raising=False)
        monkeypatch.setattr("descend.graph.elementwise.register", lambda p: p)
        made = declare("scratch", native, 1, finite, np.cosh, *partials, units="number", **parts)
        monkeypatch.setitem(PRIMITIVES, "scratch", made)
        return made

    emitter.cache_clear()
    return make


@pytest.mark.parametrize(
    ("native", "partials", "words"),
    [
        ("roots", [slope], "scratch lacks an emitter in roots"),
        ("arithmetic", [slope], "scratch lacks an emitter in arithmetic"),
        ("no_such_family", [slope], "scratch lacks an emitter in no_such_family"),
        ("rewritten", [slope], "scratch lacks a rule in other primitives for native code"),
        ("", [], "scratch lacks a partial for each of its 1 arguments"),
        ("", [None], "scratch lacks where it jumps, as no derivative passes"),
    ],
)
def test_words_name_the_operation_and_what_it_lacks(
    scratch: Callable[..., Primitive], native: str, partials: list[Any], words: str
) -> None:
    assert lacking(scratch(native, *partials)) == [words]


def test_what_is_not_finite_says_why(scratch: Callable[..., Primitive]) -> None:
    words = ["scratch lacks the words why it is not finite"]
    assert lacking(scratch("", slope, finite=False)) == words


@pytest.mark.parametrize("extent", [3, 400])
def test_what_has_no_native_code_is_left_to_the_interpreter(
    scratch: Callable[..., Primitive], extent: int
) -> None:
    scratch("", slope)
    x = input_node("x", (extent,))
    with pytest.raises(NotNative, match=r"^scratch$"):
        compile_graph([call("scratch", x)], [x])


def test_words_why_a_number_is_not_finite_belong_to_what_is_not() -> None:
    assert not [p.name for p in PRIMITIVES.values() if p.fails and p.finite]


def test_matrices_of_different_rows_do_not_meet() -> None:
    rows = Dim()
    assert LINEAR_ALGEBRA
    for name in LINEAR_ALGEBRA:
        stacked = input_node("m", (rows, 2, 2))
        arguments = (stacked, stacked) if name.endswith("solve") else (stacked,)
        attrs = {"lower": True, "transposed": False} if name == "triangular_solve" else {}
        attrs |= {"rcond": 1e-15} if name == "pinv" else {}
        node = PRIMITIVES[name].apply(*arguments, **attrs)
        assert not node.op.mixes(node, rows)


SIZED = sorted(
    name for name, p in PRIMITIVES.items()
    if p.kind == "elementwise" and (p.units in ("same", "product") or isinstance(p.units, float))
)  # fmt: skip


@pytest.mark.parametrize("name", SIZED)
def test_what_is_said_of_units_holds_for_numbers(name: str) -> None:
    """In units twice and four times as large, the result is in the unit that follows."""
    primitive = PRIMITIVES[name]
    rng = np.random.default_rng(0)
    arguments = rng.lognormal(size=(len(primitive.partials or ()), 100))
    value = primitive.meaning(*arguments)
    if primitive.units == "product":
        got, factor = primitive.meaning(2.0 * arguments[0], 4.0 * arguments[1]), 8.0
    else:
        power = primitive.units if isinstance(primitive.units, float) else 1.0
        plain = name == "arctan2" or value.dtype == np.bool_
        got, factor = primitive.meaning(*(8.0 * arguments)), 1.0 if plain else 8.0**power
    np.testing.assert_allclose(got, factor * value, rtol=1e-15)


JUMPING = sorted(
    name for name, p in PRIMITIVES.items()
    if p.breaks in ("step", "comparison") and p.partials and p.native != "random"
)  # fmt: skip


@pytest.mark.parametrize("name", JUMPING)
def test_what_is_said_to_jump_is_flat_between(name: str) -> None:
    primitive = PRIMITIVES[name]
    rng = np.random.default_rng(1)
    arguments = 10.0 * rng.normal(size=(len(primitive.partials or ()), 100))
    value = primitive.meaning(*arguments)
    assert np.array_equal(primitive.meaning(*(arguments + 1e-9 * arguments[::-1])), value)
    assert len(np.unique(value)) > 1 or name == "eq" or name == "ne"
