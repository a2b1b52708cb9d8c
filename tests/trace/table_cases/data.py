"""What the cases of the coverage table are made of: arrays, and the list of cases."""

from collections.abc import Callable
from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
B = RNG.normal(size=(3, 4))
U = RNG.uniform(0.1, 0.9, size=(3, 4))
P = RNG.uniform(0.5, 3.0, size=(3, 4))
V = RNG.normal(size=5)
W = RNG.normal(size=5)
I = RNG.integers(-5, 6, size=(3, 4))
J = RNG.integers(1, 6, size=(3, 4))
T = A > 0
S = RNG.normal(size=(2, 3, 4))
Q = RNG.normal(size=(4, 4))
F = A.astype(np.float32)
N = np.array([[1.0, np.nan, 3.0], [np.nan, -2.0, 0.5]])
E = np.array([0.0, -0.0, 1.5, -2.5, 2.5, np.inf, -np.inf, np.nan])
X0, X1 = 0.7, 1.9

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]
CASES: list[Case] = []


def case(names: str, model: Callable[..., Any], *arrays: Any, module: str = "numpy") -> None:
    for name in names.split():
        CASES.append((f"{module}.{name}", model, arrays))


def each(names: str, make: Callable[[Any], Callable[..., Any]], *arrays: Any) -> None:
    """One case a name, with the function looked up by the model itself."""
    for name in names.split():
        CASES.append((f"numpy.{name}", make(name), arrays))


def call(name: str) -> Callable[..., Any]:
    return lambda *a: getattr(np, name)(*a)
