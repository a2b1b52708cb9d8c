"""Values and derivatives of the corpus, against JAX in float64: the same source under its NumPy.

JAX is in the benchmark's environment alone: `make oracles` runs this there; elsewhere it is left
out. Functions of one number are compared in value, gradient, Hessian times vector and, where it
is small, the Hessian; others in value and Jacobian, by both modes.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import descend
from oracles import arrays, formulas, matrices, networks
from oracles.points import POINTS

jax = pytest.importorskip("jax", reason="JAX is not installed here: `make oracles` brings it")

TOLERANCE = 1e-10
LARGEST_HESSIAN = 40
MODULES = (formulas, networks, arrays, matrices)
FUNCTIONS = {
    name: function
    for module in MODULES
    for name, function in vars(module).items()
    if isinstance(function, types.FunctionType) and function.__module__ == module.__name__
}


class _Special:
    """What of `scipy.special` is spread over JAX."""

    def __getattr__(self, name: str) -> Any:
        home = jax.scipy.special if hasattr(jax.scipy.special, name) else jax.nn
        return getattr(home, name)


@pytest.fixture(scope="module", autouse=True)
def float64() -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")


@pytest.fixture(scope="module", autouse=True)
def bounded() -> Iterator[Callable[[], None]]:
    """JAX keeps what it compiled: now and then it is told to let go."""
    calls = itertools.count(1)

    def called() -> None:
        if next(calls) % 12 == 0:
            jax.clear_caches()

    yield called
    jax.clear_caches()


def under_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same code, in which `np`, `special` and `scan` mean JAX's."""
    other = {"np": jax.numpy, "special": _Special(), "scan": jax.lax.scan}
    return types.FunctionType(function.__code__, {**function.__globals__, **other})  # type: ignore[attr-defined]


def compare(found: Any, expected: Any, what: str) -> None:
    """Equal to 1e-10 of the largest element of each array."""
    ours, theirs = (jax.tree_util.tree_leaves(t) for t in (found, expected))
    assert len(ours) == len(theirs), what
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, what
        assert np.isfinite(b).all(), what
        scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-3)
        worst = float(np.max(np.abs(a - b), initial=0.0)) / scale
        assert worst <= TOLERANCE, f"{what}: {worst:.1e}"


def smooth_arguments(args: tuple[Any, ...]) -> tuple[int, ...]:
    """The arguments that hold floats."""
    leaves = [jax.tree_util.tree_leaves(a) for a in args]
    return tuple(
        i for i, held in enumerate(leaves) if all(np.asarray(v).dtype.kind == "f" for v in held)
    )


def test_every_function_has_a_point() -> None:
    assert sorted(FUNCTIONS) == sorted(POINTS)
    assert len(POINTS) >= 60


@pytest.mark.parametrize("name", POINTS)
def test_agreement_with_jax(name: str, bounded: Callable[[], None]) -> None:
    bounded()
    agree(name)


def agree(name: str) -> None:
    """Compare one function with its twin."""
    function, args = FUNCTIONS[name], POINTS[name]
    theirs = under_jax(function)
    expected = theirs(*args)
    if np.ndim(expected):
        compare(descend.jacobian(function)(*args), jax.jacobian(theirs)(*args), "jacobian")
        _products(function, theirs, args)
        return
    wrt = smooth_arguments(args)
    value, gradient = descend.value_and_grad(function, wrt)(*args)
    compare(value, expected, "value")
    compare(gradient, jax.grad(theirs, wrt)(*args), "gradient")
    size = sum(np.size(v) for v in jax.tree_util.tree_leaves(args[0]))
    if isinstance(args[0], np.ndarray) and size <= LARGEST_HESSIAN:
        compare(descend.hessian(function)(*args), jax.hessian(theirs)(*args), "hessian")
    rest = args[1:]
    vector = jax.tree_util.tree_map(lambda v: np.cos(np.arange(np.size(v))).reshape(np.shape(v)),
                                    args[0])  # fmt: skip
    ours = descend.hvp(lambda p: function(p, *rest), [args[0]], [vector])
    along = jax.jvp(jax.grad(lambda p: theirs(p, *rest)), (args[0],), (vector,))[1]
    compare(ours, along, "hessian times vector")


def _products(
    function: Callable[..., Any], theirs: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    tangents = [np.sin(1.0 + np.arange(a.size)).reshape(a.shape) for a in args]
    compare(descend.jvp(function, args, tangents), jax.jvp(theirs, args, tuple(tangents)), "jvp")
    value, back = descend.vjp(function, *args)
    expected, theirs_back = jax.vjp(theirs, *args)
    cotangent = np.cos(np.arange(value.size)).reshape(value.shape)
    compare(value, expected, "value")
    compare(back(cotangent), theirs_back(jax.numpy.asarray(cotangent)), "vjp")
