"""What a stand-in answers when the model asks what it is: as what it stands for, or not at all."""

import collections.abc
import copy
import dataclasses
import functools
import io
import math
import numbers
import pickle
import typing
from typing import Any

import numpy as np
import pytest

import descend

NUMBER, ARRAY = 2.0, np.array([1.0, 3.0])


def branches(ask: Any) -> Any:
    """A model that goes one way or the other, as the question is answered."""
    return lambda x: np.sum(x) * 2 if ask(x) else np.sum(x) * 3


QUESTIONS = {
    "len": lambda x: hasattr(x, "__len__"),
    "iter": lambda x: hasattr(x, "__iter__"),
    "own attribute": lambda x: hasattr(x, "node"),
    "getattr": lambda x: getattr(x, "__len__", None) is not None,
    "Iterable": lambda x: isinstance(x, collections.abc.Iterable),
    "Sized": lambda x: isinstance(x, collections.abc.Sized),
    "Sequence": lambda x: isinstance(x, collections.abc.Sequence),
    "Hashable": lambda x: isinstance(x, collections.abc.Hashable),
    "SupportsFloat": lambda x: isinstance(x, typing.SupportsFloat),
    "Number": lambda x: isinstance(x, numbers.Number),
    "Real": lambda x: isinstance(x, numbers.Real),
    "Integral": lambda x: isinstance(x, numbers.Integral),
    "float": lambda x: isinstance(x, float),
    "either": lambda x: isinstance(x, float | int),
    "list": lambda x: isinstance(x, (list, tuple)),
    "array": lambda x: isinstance(x, np.ndarray),
    "isscalar": np.isscalar,
    "iterable": np.iterable,
    "callable": callable,
    "ndim": lambda x: np.ndim(x) == 0,
    "length": lambda x: isinstance(len(np.atleast_1d(x)), int),
}


@pytest.mark.parametrize("at", [NUMBER, ARRAY], ids=["number", "array"])
@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_questions_of_both(ask: Any, at: Any) -> None:
    model = branches(ask)
    assert descend.value_and_grad(model)(at)[0] == model(at)


OF_ARRAYS = {
    "type": lambda x: type(x) is np.ndarray,
    "type among": lambda x: type(x) in (list, tuple),
    "name": lambda x: type(x).__name__ == "ndarray",
    "subclass": lambda x: issubclass(type(x), np.ndarray),
    "shape": lambda x: hasattr(x, "shape"),
    "getitem": lambda x: hasattr(x, "__getitem__"),
}


@pytest.mark.parametrize("ask", OF_ARRAYS.values(), ids=OF_ARRAYS.keys())
def test_arrays_answer_what_numbers_cannot(ask: Any) -> None:
    model = branches(ask)
    assert descend.value_and_grad(model)(ARRAY)[0] == model(ARRAY)
    with pytest.raises(descend.TraceError, match="Python's numbers and NumPy's") as caught:
        descend.value_and_grad(model)(NUMBER)
    assert "np.ndim(x) == 0" in str(caught.value)


def test_an_element_passes_for_a_float_and_its_type_is_refused() -> None:
    assert descend.grad(lambda v: v[0] * (2 if isinstance(v[0], float) else 3))(ARRAY)[0] == 2.0
    with pytest.raises(descend.TraceError, match="the type of a number"):
        descend.grad(lambda v: v[0] * (2 if type(v[0]) is np.float64 else 3))(ARRAY)


def test_results_of_math_are_pythons_floats() -> None:
    assert descend.grad(lambda x: math.sin(x) * (2 if type(math.sin(x)) is float else 3))(0.0) == 2


def test_the_class_attribute_in_comparisons_is_refused() -> None:
    with pytest.raises(descend.TraceError, match=r"x\.__class__") as caught:
        descend.grad(branches(lambda x: x.__class__ is np.ndarray))(ARRAY)
    assert "isinstance(value, …)" in str(caught.value)


def matched(x: Any) -> Any:
    match x:
        case float():
            return x * 2
        case _:
            return np.sum(x) * 3


def test_class_patterns_are_refused() -> None:
    for at in (NUMBER, ARRAY):
        with pytest.raises(descend.TraceError, match=r"case float\(…\)"):
            descend.grad(matched)(at)


def test_other_patterns_and_classes_of_objects_are_let_be() -> None:
    class Rate:
        def __init__(self, x: Any) -> None:
            self.x = x

        def named(self) -> str:
            return self.__class__.__name__

    def model(x: Any, kind: str = "square") -> Any:
        match kind:
            case "square":
                factor = len(Rate(x).named())
            case _:
                factor = 0
        return factor * x

    assert descend.grad(model)(NUMBER) == 4.0


@functools.singledispatch
def dispatched(x: Any) -> Any:
    return np.sum(x) * 2


@dispatched.register(list)
def _of_list(x: Any) -> Any:
    return sum(x) * 3


@dispatched.register(np.ndarray)
def _of_array(x: Any) -> Any:
    return np.sum(x) * 5


def test_single_dispatch_goes_by_what_the_argument_stands_for() -> None:
    assert descend.value_and_grad(lambda x: dispatched(x))(ARRAY)[0] == 20.0
    assert descend.value_and_grad(lambda x: dispatched([x, x]))(NUMBER)[0] == 12.0
    with pytest.raises(descend.TraceError, match="the type of a number"):
        descend.grad(lambda x: dispatched(x))(NUMBER)


def test_attributes_that_arrays_have_and_models_cannot_use() -> None:
    with pytest.raises(descend.NotCoveredError, match=r"\.strides of an array"):
        descend.grad(lambda x: np.sum(x) * len(x.strides))(ARRAY)
    with pytest.raises(AttributeError, match=r"'numpy\.ndarray' object has no attribute 'values'"):
        descend.grad(lambda x: np.sum(x.values))(ARRAY)


# --- copies ---------------------------------------------------------------------------------------

TABLE = [np.ones(3), {"scale": np.full(2, 2.0)}]


def shallow(x: Any) -> Any:
    z = copy.copy(np.zeros(3))
    z[0] = x
    return np.sum(3 * z)


def apart(x: Any) -> Any:
    z = np.zeros(2)
    z[0] = x
    other = copy.copy(z)
    other[0] = 5 * x
    return z[0] + 0 * other[1]


def deep(x: Any) -> Any:
    return copy.deepcopy({"x": x, "list": [x, x]})["list"][1] ** 2


def captured(x: Any) -> Any:
    mine = copy.deepcopy(TABLE)
    mine[0][1] = x
    mine[1]["scale"][0] = x
    return np.sum(mine[0]) + np.sum(mine[1]["scale"])


@dataclasses.dataclass
class State:
    value: Any
    spare: Any = None


def of_objects(x: Any) -> Any:
    state = copy.deepcopy(State(x))
    other = copy.copy(state)
    other.value = 3 * x
    return state.value + other.value


@pytest.mark.parametrize("model", [shallow, apart, deep, captured, of_objects])
def test_copies(model: Any) -> None:
    value, slope = descend.value_and_grad(model)(NUMBER)
    assert value == model(NUMBER)
    assert slope == pytest.approx((model(NUMBER + 1e-6) - model(NUMBER - 1e-6)) / 2e-6, rel=1e-8)
    assert np.array_equal(TABLE[0], np.ones(3))


def test_pickles_are_refused() -> None:
    with pytest.raises(descend.TraceError, match="cannot be pickled"):
        descend.grad(lambda x: pickle.Pickler(io.BytesIO()).dump(x))(NUMBER)
    with pytest.raises(descend.TraceError, match=r"pickle\.dumps cannot be part") as caught:
        descend.grad(lambda x: pickle.loads(pickle.dumps([x]))[0])(NUMBER)
    assert "copy.deepcopy" in str(caught.value)
    made = descend.grad(lambda x: x * np.sum(pickle.loads(pickle.dumps(np.ones(3)))))(NUMBER)
    assert made == 3.0


# --- classes in a model ---------------------------------------------------------------------------

FACTOR = 3.0


def constants(x: Any) -> Any:
    class Settings:
        scale = math.pi * FACTOR
        weights = np.ones(2) * FACTOR
        squares = tuple(FACTOR * k for k in range(2))

    return x * Settings.scale + np.sum(Settings.weights) + sum(Settings.squares)


def own_dataclass(x: Any) -> Any:
    @dataclasses.dataclass(frozen=True)
    class Own:
        value: float
        spare: np.ndarray | None = None
        other: float = dataclasses.field(default_factory=lambda: FACTOR)

        def squared(self) -> Any:
            return np.square(self.value) * self.other

    return Own(x).squared()


def inherited(x: Any) -> Any:
    class Mine(State):
        def doubled(self) -> Any:
            return np.exp(0 * self.value) * self.value * FACTOR

    return Mine(x, 1).doubled()


def in_functions(x: Any) -> Any:
    def inner() -> Any:
        class Deep:
            scale = math.sqrt(FACTOR)

        return [Deep.scale * v for v in (x, x)]

    return sum(inner())


@pytest.mark.parametrize("model", [constants, own_dataclass, inherited, in_functions])
def test_classes_in_a_model_see_the_names_of_the_module(model: Any) -> None:
    value, slope = descend.value_and_grad(model)(NUMBER)
    assert value == pytest.approx(model(NUMBER), rel=1e-15)
    assert slope == pytest.approx((model(NUMBER + 1e-6) - model(NUMBER - 1e-6)) / 2e-6, rel=1e-8)
