"""The gradient of a function of several variables, by backpropagation."""

import numpy as np

import descend


def one(x):
    return 3 * x**2


def several(x):
    return 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2


def main() -> None:
    slope = descend.grad(one)(1.0)
    print(f"y = 3x²                    at x = 1:         dy/dx = {float(slope):g}")
    assert float(slope) == 6

    gradient = descend.grad(several)(np.ones(3))
    print(f"y = 3x1² + 4x2² + 5x3²     at x = [1, 1, 1]: gradient = {gradient}")
    assert gradient.tolist() == [6, 8, 10]

    value, gradient = descend.value_and_grad(several)(np.array([1.0, 2.0, 3.0]))
    print(f"the same                   at x = [1, 2, 3]: value {value:g}, gradient {gradient}")
    assert value == 64 and gradient.tolist() == [6, 16, 30]

    curvature = descend.hessian(several)(np.ones(3))
    print(f"its second derivatives:\n{curvature}")
    assert np.array_equal(curvature, np.diag([6.0, 8.0, 10.0]))


if __name__ == "__main__":
    main()
