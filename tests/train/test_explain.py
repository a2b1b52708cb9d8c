"""The explanation agrees with derivatives worked out by other means."""

import numpy as np
import pytest

import descend
from descend.show.expressions import number, value_text

X = np.linspace(0.1, 2.0, 12)
Y = np.exp(-X)


def model(x, a, k):
    rate = np.exp(-k * x)
    return a * rate + np.where(x > 1, k, 0.0)


def by_differences(function, at):
    """Central differences of a function of a dict of numbers."""
    slopes = {}
    for name, value in at.items():
        h = 1e-6
        up, down = ({**at, name: value + s * h} for s in (1, -1))
        slopes[name] = (function(up) - function(down)) / (2 * h)
    return slopes


@pytest.mark.parametrize("row", [0, 11])
@pytest.mark.parametrize("loss", ["mse", "huber(0.1)", "log_cosh"])
def test_one_row(row, loss):
    at = {"a": 1.5, "k": 0.7}
    told = descend.explain(model, X, Y, row=row, start=at, loss=loss)
    from descend.methods.table import as_loss

    def value(p):
        prediction = np.asarray(model(X[row : row + 1], **p))
        return float(as_loss(loss).per_row(prediction, Y[row : row + 1])[0])

    expected = by_differences(value, at)
    for name, slope in told.gradient.items():
        assert float(slope) == pytest.approx(expected[name], rel=1e-6)
    last = told.forward[-1]
    assert last.label == "loss" and float(last.value) == pytest.approx(value(at))
    assert any(step.label == "rate" and step.written == "np.exp(-k * x)" for step in told.forward)


def test_every_backward_step_is_incoming_times_local():
    told = descend.explain(model, X, Y, row=3, start={"a": 1.5, "k": 0.7})
    checked = 0
    for step in told.backward:
        if len(step.summands) > 1:
            np.testing.assert_allclose(step.incoming, sum(step.summands))
        for part in step.sent:
            if part.local is not None:
                np.testing.assert_allclose(part.value, step.incoming * part.local)
                checked += 1
    assert checked > 5
    k = [step for step in told.backward if step.label == "k"]
    assert len(k) == 1 and len(k[0].summands) == 2


def test_a_function_at_a_point():
    told = descend.explain("3*x1**2 + 4*x2**2 + 5*x3**2", {"x1": 1, "x2": 1, "x3": 1})
    assert {n: float(v) for n, v in told.gradient.items()} == {"x1": 6.0, "x2": 8.0, "x3": 10.0}
    assert [s.written for s in told.forward][:3] == ["x1**2", "3*x1**2", "x2**2"]
    text = str(told)
    assert "d y/d x3 = 10" in text and "v7 = 5 · v6" in text
    vector = descend.explain(lambda x: np.sum(x * x[0]), np.array([2.0, 3.0]))
    np.testing.assert_allclose(vector.gradient["x"], [7.0, 2.0])
    assert "(every entry gets what came in)" in str(vector)


def test_the_update_at_a_point_is_shown_on_request():
    told = descend.explain("3*x1**2 + 4*x2**2", {"x1": 1.0, "x2": 1.0}, lr=0.1)
    assert [float(u.new) for u in told.updates] == pytest.approx([1 - 0.6, 1 - 0.8], rel=1e-15)
    assert "x2 ← 1 - 0.1 × 8 = 0.2" in str(told)
    told = descend.explain(lambda v: v**2, 1.0, optimizer="adam")
    assert "UPDATE: the first step of Adam with lr = 0.001\n  v ← 1 - 0.0009" in str(told)
    assert descend.explain(lambda x, lr: x * lr, 2.0, lr=3.0).updates == []
    with pytest.raises(descend.UsageError, match="BFGS is not made of one gradient alone"):
        descend.explain(lambda v: v**2, 1.0, optimizer="bfgs")
    with pytest.raises(descend.UsageError, match='no argument "learning"'):
        descend.explain(lambda v: v**2, 1.0, learning=1.0)


def test_keyword_arguments_and_constants():
    told = descend.explain(lambda x, n=2, flag=True: x**n if flag else x, x=3.0)
    assert float(told.gradient["x"]) == 6.0


def test_the_update_of_other_optimizers_is_their_first_step():
    told = descend.explain(
        model, X, Y, row=2, start={"a": 1.0, "k": 1.0}, optimizer=descend.Adam(lr=0.1)
    )
    assert "UPDATE: the first step of Adam with lr = 0.1\n" in str(told)
    for u in told.updates:
        assert float(u.new) == pytest.approx(1.0 - 0.1 * np.sign(float(u.gradient)), rel=1e-6)


def test_a_tree_and_arrays_are_summarised():
    told = descend.explain(
        lambda X, W: np.tanh(X @ W).sum(axis=1), np.ones((4, 3)), np.ones(4), row=1,
        start={"W": np.full((3, 20), 0.1)},
    )  # fmt: skip
    assert "(3×20)" in str(told)
    assert all(len(line) <= 130 for line in str(told).splitlines())


def test_numbers_in_words():
    assert [number(v) for v in (0.0, -0.0, 1e-12, 123456.5, np.bool_(True))] == [
        "0", "0", "1e-12", "123456.5", "True"
    ]  # fmt: skip
    assert value_text(np.arange(3.0)) == "[0, 1, 2]"
    assert value_text(np.zeros((2, 50))) == "[0, 0, 0, …] (2×50)"


@pytest.mark.parametrize(
    "coupled", [lambda x, a: a * x / x.max(), lambda x, a: a * np.linspace(0, 1, len(x))]
)
def test_rows_that_know_of_one_another_are_not_explained_alone(coupled):
    fit = descend.fit(coupled, X, Y, start={"a": 1.0})
    with pytest.raises(descend.UsageError, match="one row cannot be explained by itself"):
        fit.explain(0)


def test_a_step_that_a_bound_cuts_short_says_so():
    told = descend.explain(
        lambda x, a: a * x, np.array([1.0, 2.0]), np.array([4.0, 8.0]), row=0,
        start={"a": 3.0}, bounds={"a": (0, 3.5)}, optimizer="sgd", lr=1.0,
    )  # fmt: skip
    assert "a ← 3 - 1 × (-2) = 5, which its bound makes 3.5" in str(told)
    free = descend.explain(
        lambda x, a: a * x, np.array([1.0, 2.0]), np.array([4.0, 8.0]), row=0,
        start={"a": 3.0}, bounds={"a": (0, 9)}, optimizer="sgd", lr=1.0,
    )  # fmt: skip
    assert str(free).rstrip().endswith("a ← 3 - 1 × (-2) = 5")
