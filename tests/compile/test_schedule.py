"""What is stored between nests and what is computed where it is used."""

import numpy as np
import pytest

import descend
from descend.compile import schedule


def test_shared_operands_count_once_in_the_price(monkeypatch):
    kept = []
    made = schedule._costs

    def seen(*args):
        cost, stored = made(*args)
        kept.append(max(cost.values()))
        return cost, stored

    monkeypatch.setattr(schedule, "_costs", seen)
    monkeypatch.setenv("DESCEND_CACHE", "off")

    def squared(x, a):
        value = a * x
        for _ in range(9):
            value = value * value + value * x
        return value

    x = np.linspace(-0.5, 0.5, 50)
    found = descend.fit(squared, x, squared(x, 0.7), start={"a": 0.5})
    assert found.params["a"] == pytest.approx(0.7, rel=1e-6)
    assert kept and max(kept) <= schedule.NEST_LIMIT
