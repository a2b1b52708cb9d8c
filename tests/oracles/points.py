"""Where the functions of the corpus are compared: the arguments of each, drawn once."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(20)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def between(low: float, high: float, *shape: int) -> Any:
    return RNG.uniform(low, high, size=shape)


def spaced(count: int) -> Any:
    """Numbers without ties, in no order."""
    return RNG.permutation(np.linspace(-2.0, 2.1, count)) + RNG.uniform(0, 0.05, count)


def weights(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {name: 0.7 * normal(*shape) for name, shape in shapes.items()}


X, Y = normal(12, 4), normal(12)
T = np.linspace(0.1, 2.0, 15)

POINTS: dict[str, tuple[Any, ...]] = {
    # formulas
    "rosenbrock": (normal(5),),
    "himmelblau": (normal(2),),
    "ackley": (normal(4),),
    "rastrigin": (normal(4),),
    "styblinski_tang": (normal(6),),
    "beale": (normal(2),),
    "decay_residuals": (np.array([2.0, 0.8, 0.3]), T),
    "thurber": (between(0.5, 1.5, 7), T),
    "gaussian_peaks": (between(0.5, 1.5, 6), T),
    "michaelis_menten": (between(0.5, 2.0, 3), T),
    "arrhenius": (np.array([3.0, 12.0]), 280 + 10 * T),
    "planck": (np.array([1.3, 2.1]), T + 0.5),
    "lennard_jones": (np.array([[0, 0, 0], [1.2, 0, 0.1], [0.1, 1.3, 0], [0, 0.2, 1.1]]),),
    "pairwise_energy": (normal(5, 3),),
    "kepler": (np.array([1.1, 0.4]), T),
    "great_circle": (np.array([0.6, 0.1]), np.array([0.9, 1.2])),
    "van_der_waals": (np.array([1.1, 0.7]), T + 1),
    "black_scholes": (np.array([100.0, 95.0, 0.03, 0.25, 0.8]),),
    "student_t": (np.array([1.2, 0.1, 0.2]), Y),
    "gamma_likelihood": (np.array([0.4, -0.2]), T),
    "beta_likelihood": (np.array([0.4, 0.9]), between(0.05, 0.95, 9)),
    "dirichlet_entropy": (normal(4),),
    "error_functions": (normal(6),),
    "hyperbolic": (normal(6),),
    "inverse_circular": (normal(6),),
    "logarithms": (normal(6),),
    "powers": (normal(5), between(0.5, 2.5, 5)),
    "sinc_and_friends": (normal(6),),
    # networks
    "linear": (weights(a=(4,), b=()), X, Y),
    "ridge": (normal(4), X, Y),
    "logistic": (normal(4), X, Y),
    "two_layers": (weights(w1=(4, 5), b1=(5,), w2=(5,), b2=()), X, Y),
    "relu_layers": (
        [weights(w=(4, 6), b=(6,)), weights(w=(6, 5), b=(5,)), weights(w=(5, 1), b=(1,))],
        X,
        Y,
    ),
    "swish": (normal(4, 3), X),
    "gelu": (normal(4, 3), X),
    "cross_entropy": (normal(4, 3), X, RNG.integers(0, 3, 12)),
    "stable_softmax": (normal(4, 3), X),
    "focal": (normal(4), X, Y),
    "huber": (normal(4), X, Y),
    "log_cosh": (normal(4), X, Y),
    "quantile": (normal(4), X, Y),
    "poisson": (0.3 * normal(4), X, Y),
    "gaussian_nll": ((normal(4), 0.3 * normal(4)), X, Y),
    "layer_norm": ((normal(4), normal(4)), X),
    "batch_norm": (normal(4, 3), X),
    "attention": (weights(q=(4, 3), k=(4, 3), v=(4, 3)), X),
    "heads": ((normal(4, 2, 3), normal(4, 2, 3), normal(4, 2, 3)), X),
    "convolution": (normal(3), normal(20)),
    "embedding": (normal(7, 3), RNG.integers(0, 7, (6, 2))),
    "elman": (weights(w=(3, 3), u=(3, 4), b=(3,)), X),
    "elman_scanned": (weights(w=(3, 3), u=(3, 4), b=(3,)), X),
    "gated": (weights(z=(3, 7), r=(3, 7), h=(3, 7)), X),
    "mixture": (normal(3, 4), Y),
    "triplet": (normal(4, 3), X),
    "weight_sharing": (normal(4, 4), X),
    # arrays
    "cholesky_by_hand": (normal(3, 3),),
    "gauss_elimination": (normal(3, 3), normal(3)),
    "power_iteration": (normal(3, 3),),
    "gram_schmidt": (normal(3, 3) + 2 * np.eye(3),),
    "determinant": (normal(3, 3),),
    "matrix_exponential": (0.5 * normal(3, 3),),
    "products": (normal(3, 3), normal(3, 3)),
    "einsums": (normal(3, 3), normal(3, 3)),
    "tensordots": (normal(3, 3), normal(3, 3)),
    "rotations": (normal(2),),
    "cross_products": (normal(3, 3), normal(3, 3)),
    "norms": (normal(3, 4),),
    "slices": (normal(7),),
    "gathered": (normal(5), np.array([3, 0, 0, 4, -1, 2])),
    "picked_rows": (normal(4, 4), np.array([0, 2, 2, 3])),
    "masked": (normal(8),),
    "clipped": (spaced(8),),
    "selected": (spaced(8),),
    "extrema": (spaced(9).reshape(3, 3),),
    "sorted_weights": (spaced(8),),
    "quantiles": (spaced(9),),
    "cumulative": (normal(6),),
    "statistics": (normal(3, 5),),
    "correlations": (normal(3, 3),),
    "reshaped": (normal(3, 4),),
    "joined": (normal(3, 2), normal(3, 2)),
    "padded": (normal(6),),
    "triangles": (normal(3, 3),),
    "interpolated": (normal(6), between(-1.9, 1.9, 9)),
    "polynomials": (normal(4), T),
    "integrals": (normal(8),),
    "gradients_of_arrays": (normal(7),),
    "meshes": (normal(3),),
    "runge_kutta": (np.array([1.1, 0.4, 0.3, 0.6]),),
    "scanned_decay": (np.array([0.3, 0.8, 1.1]),),
    "scanned_backwards": (spaced(7),),
    "kalman": (np.array([0.9, -1.0, -0.5]), normal(10)),
    "vector_of_all": (normal(4),),
    "matrix_of_few": (normal(2),),
    "marginal_likelihood": (normal(3), np.linspace(0.0, 3.0, 12), normal(12)),
    "log_determinants": (normal(2, 5, 5),),
    "solutions": (normal(5, 5), normal(5, 2)),
    "projection": (normal(7, 3), normal(7)),
    "spectra": (normal(4, 4),),
    "low_rank": (normal(5, 4),),
    "modified_bessel": (np.array([1.3, 0.4, 2.0]), T),
    "quantile_scale": (normal(3), T),
    "beta_shape": (normal(2), T / 2.1),
}
