"""Gradient descent: θ_new = θ_old − α ∇J(θ), from a given or a random start."""

import numpy as np

import descend

ALPHA = 0.05


def cost(theta):
    return 3 * theta[0] ** 2 + 4 * theta[1] ** 2 + 5 * theta[2] ** 2


def main() -> None:
    gradient = descend.grad(cost)
    theta = np.array([1.0, 1.0, 1.0])
    print("By hand, from a given start:")
    for step in range(5):
        print(f"  step {step}: θ = {theta}, J = {cost(theta):.6f}")
        theta = theta - ALPHA * gradient(theta)

    rule = descend.SGD(lr=ALPHA)
    five = descend.minimize(cost, start=[1.0, 1.0, 1.0], optimizer=rule, max_iter=5)
    print(f"minimize, the same five steps: θ = {five.params}")
    assert np.allclose(five.params, theta, rtol=1e-14)

    start = np.random.default_rng(7).normal(size=3)
    print(f"\nFrom a random start, θ = {start}:")
    end = descend.minimize(cost, start=start, optimizer=rule, max_iter=1000, xtol=1e-12)
    print(f"  θ = {end.params} after {end.iterations} steps; {end.message}")
    assert np.abs(end.params).max() < 1e-9


if __name__ == "__main__":
    main()
