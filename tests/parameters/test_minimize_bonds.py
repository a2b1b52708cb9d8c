"""Every method of `minimize` keeps every bond: against minima in closed form."""

import numpy as np
import pytest

import descend
from whole import covered

SMOOTH = ["bfgs", "lbfgs", "cg", "newton", "nelder_mead"]
FIRST_ORDER = ["sgd", "adam", "rmsprop", "adamw"]
BONDS = {
    "nothing": ({}, (4, -2)),
    "a bound from above": ({"bounds": {"a": (None, 2)}}, (2, -1.5)),
    "a bound from below": ({"bounds": {"b": (-1, None)}}, (3.5, -1)),
    "two bounds": ({"bounds": {"a": (0.5, 2), "b": (-1, None)}}, (2, -1)),
    "a fixed one": ({"fixed": {"b": -0.5}}, (3.25, -0.5)),
    "a tie": ({"ties": {"b": "-a"}}, (2.5, -2.5)),
}


def bowl(a, b):
    return (a - 3) ** 2 + 2 * (b + 1) ** 2 + a * b


@covered("method, bonds", SMOOTH, BONDS)
def test_a_bowl_with_bonds(method: str, bonds: str) -> None:
    options, (a, b) = BONDS[bonds]
    start = {"a": 1.0, "b": 0.5} if "a fixed" not in bonds and "tie" not in bonds else {"a": 1.0}
    found = descend.minimize(bowl, start=start, optimizer=method, **options)
    tolerance = 1e-5 if method == "nelder_mead" else 1e-7
    assert found.success, found.message
    assert (found.params["a"], found.params["b"]) == pytest.approx((a, b), abs=tolerance)
    for name, (low, high) in options.get("bounds", {}).items():
        if found.params[name] in (low, high):
            assert "bound" in found.report()
    if "bounds" in options:
        assert any(found.params[n] in edges for n, edges in options["bounds"].items())


@pytest.mark.parametrize("bonds", BONDS)
@pytest.mark.parametrize("method", FIRST_ORDER)
def test_methods_with_a_learning_rate(method: str, bonds: str) -> None:
    options, (a, b) = BONDS[bonds]
    start = {"a": 1.0, "b": 0.5} if "a fixed" not in bonds and "tie" not in bonds else {"a": 1.0}
    rule = {"weight_decay": 0.0} if method == "adamw" else {}
    optimizer = {
        "sgd": descend.SGD, "adam": descend.Adam, "rmsprop": descend.RMSprop, "adamw": descend.AdamW
    }[method](lr=0.01, **rule)
    found = descend.minimize(bowl, start=start, optimizer=optimizer, max_iter=20_000, **options)
    assert (found.params["a"], found.params["b"]) == pytest.approx((a, b), abs=0.02)


@pytest.mark.parametrize("method", SMOOTH)
def test_one_number_of_an_array_is_fixed(method: str) -> None:
    target = np.array([1.0, -2.0, 3.0])
    found = descend.minimize(
        lambda w: np.sum((w - target) ** 2) + w[0] * w[1], start={"w": np.array([1.0, 0.5, 0.0])},
        optimizer=method, fixed=["w[1]"],
    )  # fmt: skip
    assert found.params["w"] == pytest.approx([0.75, 0.5, 3.0], abs=1e-5)
