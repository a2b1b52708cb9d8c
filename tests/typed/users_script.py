"""A user's script as type checkers see it: lines that end in `# refused` are errors to them."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import descend
from descend.models import gaussian, linear

Array = np.ndarray[Any, np.dtype[Any]]
X = np.linspace(0.1, 2.0, 20)
Y = 2.0 * np.exp(-1.3 * X)


def decay(x: Any, a: float, k: float) -> Any:
    return a * np.exp(-k * x)


def energy(x: NDArray[np.float64], scale: float = 1.0) -> Any:
    return scale * np.sum(x**2)


def right() -> None:
    fit = descend.fit(decay, X, Y, start=dict(a=1, k=1), optimizer="lm", epochs=100)
    assert_type(fit, descend.Fit)
    assert_type(fit.params, dict[str, Any])
    assert_type(fit.predict(X), Array)
    assert_type(fit.success, bool)
    assert_type(fit.verdict, str)
    assert_type(fit.chi2, float)
    assert_type(fit.report(), str)
    assert_type(fit.history["loss"], Any)
    low, high = fit.confidence()["a"]
    assert_type(low + high, float)
    print(fit.profile("a").low, fit.profile()["k"].high, fit.propagate("a/k").stderr)
    found = descend.minimize(lambda x: np.sum(x**2), start=[1.0, 2.0], max_iter=50)
    assert_type(found.value, float)
    assert_type(found.history.epochs, int)
    many = descend.fit_many(decay, X, np.stack([Y, 2 * Y]), start=dict(a=1, k=1), threads=1)
    assert_type(many.params, dict[str, Array])
    assert_type(many[0].loss, float)
    assert_type([one.loss for one in many], list[float])
    options: dict[str, Any] = {"gtol": 1e-9}
    descend.fit(decay, X, Y, start=fit, **options)
    both = descend.fit_global(decay, [X, X], [Y, 2 * Y], shared="k", start=fit.params, epochs=50)
    assert_type(both["0"].predict(X), Array)
    assert_type(both.params, dict[str, Any])
    assert_type(both.stderr, dict[str, Any])
    assert_type(descend.grad(energy)(X, scale=2.0), Any)
    assert_type(descend.value_and_grad(energy)(X), tuple[Any, Any])
    assert_type(descend.explain(energy, X).gradient, dict[str, Any])
    assert_type(gaussian() + linear(), descend.models.Model)
    print(descend.Adam(lr=descend.step(0.1, 10)), descend.Huber(2.0), descend.Parameter(1.0, min=0))


def wrong() -> None:
    descend.fit(decay, X, Y, strat=dict(a=1, k=1))  # refused
    descend.fit(decay, X, Y, start=dict(a=1, k=1), epochs="many")  # refused
    descend.fit_many(decay, X, np.stack([Y, Y]), strat=dict(a=1, k=1))  # refused
    descend.fit_global(decay, [X, X], [Y, Y], shared="k", strat=dict(a=1))  # refused
    descend.fit_global(decay, [X, X], [Y, Y], shared="k", batch_size=5)  # refused
    descend.minimize(energy, strat=[1.0, 2.0])  # refused
    descend.maximize(energy, start=[1.0, 2.0], epochs=5)  # refused
    descend.Parameter(1.0, minimum=0)  # refused
    print(descend.fit(decay, X, Y, start=dict(a=1, k=1)).parms)  # refused
    print(descend.minimize(lambda x: x**2, start=1.0).stdr)  # refused
    descend.grad(energy)(X, 2.0, 3.0)  # refused
    descend.grad(energy)(X, factor=2.0)  # refused
    print(descend.fitt)  # refused
    descend.models.gausian()  # refused
    descend.Adam(learning=0.1)  # refused
    descend.fit(decay, X, Y, optimizer=descend.Huber(1.0))  # refused


if __name__ == "__main__":
    right()
