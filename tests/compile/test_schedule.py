"""What is stored between nests and what is computed where it is used."""

import numpy as np

import descend
from descend.compile import schedule


def test_a_shared_operand_counts_once_in_the_price(monkeypatch):
    counted = []
    made = schedule._costs

    def seen(*args):
        found = made(*args)
        counted.append(len(found[1]))
        return found

    monkeypatch.setattr(schedule, "_costs", seen)
    monkeypatch.setenv("DESCEND_CACHE", "off")

    def squared(x, a):
        value = a * x
        for _ in range(9):
            value = value * value + value * x
        return value

    x = np.linspace(-0.5, 0.5, 50)
    y = squared(x, 0.7)
    once = descend.fit(squared, x, y, start={"a": 0.5}, optimizer="sgd", epochs=1)
    assert once.n_updates == 1 and counted and max(counted) == 0
