"""What a model cannot do: the error names the line of the model and what to write instead."""

import inspect
import random
import re
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy import random as rng_module
from scipy import special

from descend import fit, value_and_grad
from descend.errors import DescendWarning, NotCoveredError, TraceError, UsageError
from descend.graph.node import Dim, RowsAsked
from descend.graph.source import input_node
from descend.trace.trace import trace_function

ROWS = Dim()
OUTSIDE = np.zeros(3)


def refused(model: Callable[..., Any], line: str, *words: str, error: Any = TraceError) -> None:
    """Trace over rows x, a vector v, a scalar w; check the line and the words of the error."""
    nodes = {
        "x": input_node("x", (ROWS,)), "v": input_node("v", (3,)), "w": input_node("w"),
        "m": input_node("m", (3, 3)), "f": input_node("f", (3,), np.float32),
    }  # fmt: skip
    names = list(inspect.signature(model).parameters)
    with pytest.raises(error) as caught:
        trace_function(model, [nodes[n] for n in names])
    text = str(caught.value)
    if line:
        assert re.search(rf"at: test_refusals\.py:\d+: .*{re.escape(line)}", text), text
    for word in words:
        assert word in text, text


def test_a_branch_names_its_line_and_np_where() -> None:
    def model(w: Any) -> Any:
        y = 2 * w
        if y > 1:
            return y
        return w

    refused(model, "if y > 1:", "branches on a value", "do: use np.where(condition, a, b)")


@pytest.mark.parametrize(
    ("model", "line", "words"),
    [
        (lambda w: w and 1.0, "w and 1.0", ["np.where"]),
        (lambda w: [v for v in (1, 2) if v > w], "if v > w", ["np.where"]),
        (lambda w: float(w), "float(w)", ["float() of a value", ".astype(np.float64)"]),
        (lambda w: int(w), "int(w)", ["int() of a value", "np.floor"]),
        (
            lambda w: range(w.astype(int)),
            "range(w",
            ["an integer is needed", "fixed number of steps"],
        ),
        (lambda w: [1, 2][w], "[1, 2][w]", ["only integers can be used as an index"]),
        (lambda w: complex(w), "complex(w)", ["complex numbers are not differentiated"]),
        (lambda v: v.item(), "v.item()", [".item() of a value", "leave it an array"]),
        (lambda v: v.tolist(), "v.tolist()", [".tolist()", "keep the array"]),
        (lambda x: [r + 1 for r in x], "for r in x", ["loop over the rows", "all rows at once"]),
        (lambda w: list(w), "list(w)", ["iteration over a 0-d array"]),
        (lambda x: x[x > 0], "x[x > 0]", ["how many elements a mask selects", "np.where"]),
        (lambda v: np.nonzero(v), "np.nonzero(v)", ["np.nonzero cannot be part", "np.where"]),
        (lambda v: v.nonzero(), "v.nonzero()", [".nonzero() cannot be part", "np.where"]),
        (
            lambda v: np.where(v > 0),
            "np.where(v > 0)",
            ["one argument", "np.where(condition, a, b)"],
        ),
        (
            lambda w: np.random.normal() * w,
            "np.random.normal()",
            ["np.random.normal in a model", "draw before the fit"],
        ),
        (lambda w: rng_module.uniform() * w, "rng_module", ["np.random.uniform in a model"]),
        (
            lambda v: np.fft.fft(v),
            "np.fft.fft(v)",
            ["np.fft.fft cannot be part", "cosines and sines"],
        ),
        (lambda m: np.linalg.eig(m), "np.linalg.eig(m)", ["np.linalg.eig cannot be part"]),
        (lambda v: v * 1j, "v * 1j", ["complex numbers", "real and imaginary parts"]),
        (lambda v: v.astype(complex), "v.astype(complex)", ["complex128"]),
        (lambda v: v * np.array(["a", "b", "c"]), "v * np.array", ["dtype <U1", "as numbers"]),
        (lambda v: v & 1, "v & 1", ["bitwise_and", "float64"]),
        (lambda v: v[0.5], "v[0.5]", ["integer"]),
        (lambda w: max([w, 1.0], key=abs), "max([w, 1.0]", ["key=", "np.where"]),
        (lambda v: np.arange(v[0]), "np.arange(v[0])", ["np.arange with a bound", "known n"]),
        (lambda v: np.exp(v, out=OUTSIDE), "np.exp(v, out=OUTSIDE)", ["plain array", "np.empty"]),
        (
            lambda v: np.exp(v, bogus=1),
            "np.exp(v, bogus=1)",
            ["unexpected keyword argument 'bogus'"],
        ),
        (lambda v: np.sum(v, bogus=1), "np.sum(v, bogus=1)", ["np.sum:", "bogus"]),
        (lambda v: v.view("i8"), "v.view", [".view() cannot be part", ".astype(dtype)"]),
    ],
)
def test_refusals(model: Any, line: str, words: list[str]) -> None:
    refused(model, line, *words)


@pytest.mark.parametrize(
    ("model", "line", "words"),
    [
        (
            lambda v: special.hyp2f1(1.0, 2.0, 3.0, v),
            "special.hyp2f1",
            ["special.hyp2f1 is not covered yet", "do: "],
        ),
        (
            lambda v: special.gammasgn(v),
            "special.gammasgn",
            ["what is there and similar", "gamma"],
        ),
        (lambda m: np.linalg.svd(m[:2]), "np.linalg.svd", ["full_matrices=False"]),
        (lambda m: np.linalg.qr(m[:, :1], "complete"), "np.linalg.qr", ["mode='reduced'"]),
        (lambda v: special.jv(v, 1.0), "special.jv", ["an order that is not a known number"]),
        (lambda v: special.zeta(v), "special.zeta", ["no derivative", "first argument"]),
        (lambda v: np.add.at(v, 0, 1), "np.add.at", ["np.add.at is not covered yet"]),
    ],
)
def test_names_that_are_not_there_yet(model: Any, line: str, words: list[str]) -> None:
    refused(model, line, *words, error=NotCoveredError)


@pytest.mark.parametrize(
    ("model", "line", "words"),
    [
        (
            lambda v: v + np.ones(4),
            "v + np.ones(4)",
            ["could not be broadcast together with shapes (3,) (4,)"],
        ),
        (
            lambda v, m: m @ np.ones(2),
            "m @ np.ones(2)",
            ["(3, 3) and (2,) not aligned: 3 (dim 1) != 2 (dim 0)"],
        ),
        (
            lambda v: v.reshape(2, 2),
            "v.reshape(2, 2)",
            ["cannot reshape array of shape (3,) into shape (2, 2)"],
        ),
        (
            lambda v: np.sum(v, axis=1),
            "np.sum(v, axis=1)",
            ["axis 1 is out of bounds for array of dimension 1"],
        ),
        (lambda v: v[3], "v[3]", ["index 3 is out of bounds for axis 0 with size 3"]),
        (
            lambda v: v[0, 0],
            "v[0, 0]",
            ["too many indices for array: array is 1-dimensional, but 2"],
        ),
        (lambda v: v[[5]], "v[[5]]", ["index 5 is out of bounds"]),
        (lambda v: v[[True, False]], "v[[True, False]]", ["boolean index of shape (2,)"]),
        (
            lambda v, w: np.array([v, w]),
            "np.array([v, w])",
            ["elements of the list have different shapes: (), (3,)"],
        ),
        (
            lambda v, m: np.concatenate([v, m]),
            "np.concatenate",
            ["dimensions must match", "array 1 has 2"],
        ),
        (lambda m: np.stack([m, m[0]]), "np.stack", ["all input arrays must have the same shape"]),
        (lambda v: np.max(v[:0]), "np.max(v[:0])", ["zero-size array to reduction operation max"]),
        (lambda v: np.full(2, v), "np.full(2, v)", ["from shape (3,) into shape (2,)"]),
        (lambda v: np.transpose(v, (1, 0)), "np.transpose", ["axis 1 is out of bounds"]),
        (lambda m: np.einsum("ij", m, m), "np.einsum", ["has 1 operands, 2 were given"]),
        (lambda v, m: np.einsum("ij,j->i", m, v[:2]), "np.einsum", ["disagree on the size"]),
    ],
)
def test_shapes_that_do_not_fit(model: Any, line: str, words: list[str]) -> None:
    refused(model, line, *words, error=UsageError)


def test_writing_errors_name_their_line() -> None:
    def into_the_users_array(w: Any) -> Any:
        OUTSIDE[0] = w

    def too_long(v: Any) -> Any:
        out = np.zeros(2)
        out[:] = v

    def into_scalar(w: Any) -> Any:
        w[0] = 1.0

    def by_mask(x: Any) -> Any:
        x[x > 0] = x[:1]

    def integer_in_place(v: Any) -> Any:
        k = v.astype(int)
        k += v

    words = "a plain NumPy array cannot hold", "make the array in the model, with np.zeros"
    refused(into_the_users_array, "OUTSIDE[0] = w", *words)
    refused(
        too_long, "out[:] = v", "could not broadcast input array from shape (3,)", error=UsageError
    )
    refused(into_scalar, "w[0] = 1.0", "a scalar cannot be written to")
    refused(by_mask, "", error=(TraceError, RowsAsked))
    refused(integer_in_place, "k += v", "Cannot cast ufunc 'add' output", "'same_kind'")


def test_returning_nothing_or_text() -> None:
    def forgets(w: Any) -> Any:
        w * 2

    refused(forgets, "", "forgets returns None", "do: end it with `return`")
    refused(lambda w: "text", "", "returns 'text', which is not a number")


def test_promotion_to_float64_is_said_once() -> None:
    def model(f: Any) -> Any:
        a = f * np.ones(3)
        return a + f * np.ones(3)

    node = input_node("f", (3,), np.float32)
    with pytest.warns(DescendWarning) as caught:
        done = trace_function(model, [node])
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "np.multiply of float32 and float64 computes in float64" in text
    assert "a = f * np.ones(3)" in text
    assert done.outputs[0].dtype == np.float64


ROW_MODELS = [
    lambda x: x[0], lambda x: x[1:], lambda x: range(len(x)), lambda x: range(x.shape[0] + 1),
    lambda x: np.zeros(2 * len(x)),
    lambda x: 1 if len(x) / 2 > 3 else x,
    lambda x: x + np.ones(5), lambda x: np.prod(x), lambda x: np.diff(x), lambda x: np.roll(x, 1),
    lambda x: x.reshape(2, -1), lambda x: np.concatenate([x, x]), lambda x: np.median(x),
    lambda x: x.shape == (5,), lambda x: x[np.arange(2)], lambda x: np.split(x, 2),
    lambda x: np.zeros(len(x) - 1), lambda x: x[[True] * 5],
]  # fmt: skip


@pytest.mark.parametrize("model", ROW_MODELS)
def test_asking_for_the_number_of_rows(model: Any) -> None:
    """The caller traces again with the number; RowsAsked says which one is asked for."""
    with pytest.raises(RowsAsked) as caught:
        trace_function(model, [input_node("x", (ROWS,))])
    assert caught.value.dim is ROWS


SYMBOLIC = [
    lambda x, m: x / len(x),
    lambda x, m: (1 / len(x)) * np.sum(x) + (len(x) - 1) * x - 2.0 * len(x) + len(x) ** 0.5,
    lambda x, m: np.sum(x) / x.shape[0] + np.mean(m) / x.size,
    lambda x, m: np.mean((x - np.mean(x)) ** 2) - np.var(x) + np.std(m, axis=0)[1],
    lambda x, m: np.zeros(len(x)) + np.ones(x.shape) + np.full_like(x, 2.0) + np.arange(len(x)),
    lambda x, m: np.broadcast_to(x[:, None], m.shape) + m.reshape(-1, 2) + m.reshape(x.shape[0], 2),
    lambda x, m: np.stack([x, x**2], axis=-1) @ np.array([1.0, 2.0]) + m @ np.ones(2),
    lambda x, m: m[:, 0] * x[::-1] + m.T[1] + np.cumsum(x) + x[:].copy() + x[...],
    lambda x, m: np.sort(m, axis=1) + np.argsort(m, axis=1) + m[:, [1, 0]],
    lambda x, m: np.interp(x, [0.0, 1.0], [2.0, 5.0]) + np.searchsorted([0.0, 0.5], x),
    lambda x, m: m.max(axis=1) + np.max(x) + np.linalg.norm(m, axis=1),
    lambda x, m: np.where(x > 0, x, m[:, 1]),
    lambda x, m: np.einsum("ij,ij->i", m, m) + np.outer(x, [1.0, 2.0]).sum(1) + np.sort(x),
    lambda x, m: np.column_stack([x, m]).sum(axis=1) + np.hstack([m, m])[:, 3],
    lambda x, m: x.reshape(-1, 1) * m,
    lambda x, m: np.eye(2)[(m[:, 0] > 0).astype(int)] * m,
]  # fmt: skip


@pytest.mark.parametrize("model", SYMBOLIC)
def test_models_for_any_number_of_rows(model: Any, agree: Any) -> None:
    for rows in (1, 5, 8):
        x = np.linspace(-1, 2, rows)
        agree(model, x, np.column_stack([x**2, np.cos(x)]), rows=True)


GENERATOR = np.random.default_rng(0)
NOISES = {"legacy": np.random.RandomState(0), "python": random.Random(0)}
DRAW = GENERATOR.uniform
FROZEN = scipy.stats.norm(0, 1)


class Noisy:
    """A model that keeps its generator."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)

    def __call__(self, w: Any) -> Any:
        return w + self.rng.normal()


def imported_inside(w: Any) -> Any:
    from random import gauss

    return w + gauss(0, 1)


@pytest.mark.parametrize(
    ("model", "line", "drawn"),
    [
        (lambda w: w + GENERATOR.normal(size=3), "GENERATOR", "np.random.Generator.normal"),
        (lambda w: w + NOISES["legacy"].rand(), "NOISES", "np.random.RandomState.rand"),
        (lambda w: w + NOISES["python"].random(), "NOISES", "random.Random.random"),
        (lambda w: w + random.random(), "random.random()", "random.random"),
        (lambda w: w + secrets.randbelow(3), "secrets", "secrets.randbelow"),
        (lambda w: w + DRAW(), "DRAW()", "np.random.Generator.uniform"),
        (lambda w: w + np.random.default_rng(3).normal(), "default_rng(3)", "default_rng"),
        (lambda w: w + FROZEN.rvs(), "FROZEN.rvs()", "rvs of a distribution"),
        (lambda w: w + scipy.stats.norm.rvs(size=3), "scipy.stats", "rvs of a distribution"),
        (Noisy(), "self.rng.normal()", "np.random.Generator.normal"),
        (imported_inside, "from random import gauss", "random.gauss"),
    ],
)
def test_random_numbers_from_outside_are_not_frozen(model: Any, line: str, drawn: str) -> None:
    refused(model, line, f"{drawn}", "in a model: the numbers would be drawn once", "as data")


def test_a_generator_among_the_constants_is_not_frozen() -> None:
    x = np.linspace(0, 1, 9)
    with pytest.raises(TraceError, match=r"np\.random\.Generator\.normal in a model"):
        fit(lambda x, a, rng: a * x + rng.normal(), x, x, constants=dict(rng=GENERATOR))


def test_a_density_of_scipy_is_no_draw() -> None:
    value = value_and_grad(lambda w: w * FROZEN.pdf(0.0))(2.0)[0]
    assert value == pytest.approx(2 / np.sqrt(2 * np.pi), rel=1e-15)
