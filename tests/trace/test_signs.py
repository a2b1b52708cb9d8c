"""Signs of eigenvectors and singular vectors: those of NumPy, in every variant, on both engines."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import descend
from whole import sampled

RNG = np.random.default_rng(3)

VARIANTS: dict[str, Callable[[Any], Any]] = {
    "eigh": lambda a: np.linalg.eigh(a + np.swapaxes(a, -1, -2)),
    "eigh of the lower triangle": lambda a: np.linalg.eigh(a, UPLO="L"),
    "eigh of the upper triangle": lambda a: np.linalg.eigh(a, UPLO="U"),
    "svd": lambda a: np.linalg.svd(a),
    "svd of symmetric": lambda a: np.linalg.svd(a + np.swapaxes(a, -1, -2), hermitian=True),
    "svd of transposed": lambda a: np.linalg.svd(np.swapaxes(a, -1, -2)),
    "svd of tall": lambda a: np.linalg.svd(a[..., :-1], full_matrices=False),
    "svd of wide": lambda a: np.linalg.svd(a[..., :-1, :], full_matrices=False),
    "qr": lambda a: np.linalg.qr(a),
    "qr of wide": lambda a: np.linalg.qr(a[..., :-1, :]),
}
SHAPES = [(2, 2), (3, 3), (5, 5), (8, 8), (3, 4, 4)]


@sampled("name, shape, engine", itertools.product(VARIANTS, SHAPES, ["native", "interpreted"]), 3)
def test_factors_are_numpys(name: str, shape: tuple[int, ...], engine: str) -> None:
    factors = VARIANTS[name]

    def model(a: Any) -> Any:
        found = tuple(factors(a))
        return sum(np.sum(part) for part in found), found

    derivative = descend.value_and_grad(model, has_aux=True, engine=engine)
    for _ in range(5):
        a = RNG.normal(size=shape)
        (_, found), _ = derivative(a)
        for got, want in zip(found, factors(a), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-9)
        narrow = a.astype(np.float32)
        (_, found), _ = derivative(narrow)
        for got, want in zip(found, factors(narrow), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-3)


@pytest.mark.parametrize("name", ["svd of symmetric", "svd of wide", "eigh of the upper triangle"])
def test_derivatives_of_signed_factors(name: str) -> None:
    """Against differences of NumPy's own factors, each weighted by random numbers."""
    factors, a = VARIANTS[name], RNG.normal(size=(4, 4))
    weights = [RNG.normal(size=np.shape(part)) for part in factors(a)]

    def model(x: Any) -> Any:
        return sum(np.sum(w * part) for w, part in zip(weights, factors(x), strict=True))

    steps = 1e-6 * np.eye(16).reshape(16, 4, 4)
    right = np.reshape([(model(a + h) - model(a - h)) / 2e-6 for h in steps], (4, 4))
    np.testing.assert_allclose(descend.grad(model)(a), right, rtol=1e-6, atol=1e-6)
