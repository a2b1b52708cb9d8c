"""`minimize` and `maximize` against SciPy and by hand."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize as scipys
from scipy.optimize import rosen_der

import descend

ENGINES = ["native", "interpreted"]


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_rosenbrock(engine):
    start = np.array([-1.2, 1.0, 0.5])
    found = descend.minimize(rosenbrock, start, engine=engine)
    reference = scipys(rosenbrock, start, method="BFGS", tol=1e-10)
    assert found.success and found.optimizer == "BFGS()"
    assert found.value <= reference.fun
    np.testing.assert_allclose(found.params, 1.0, atol=1e-9)
    np.testing.assert_allclose(found.gradient, rosen_der(found.params), atol=1e-12)
    assert np.array_equal(found.start, start)


def test_the_start_is_not_changed():
    start = np.ones(3)
    descend.minimize(lambda x: np.sum((x - 3) ** 2), start)
    assert np.array_equal(start, np.ones(3))


def test_forms_of_parameters():
    bare = descend.minimize(lambda x: (x - 2) ** 2, 1)
    assert isinstance(bare.params, float) and bare.params == pytest.approx(2)
    listed = descend.minimize(lambda x: x[0] ** 2 + (x[1] - 1) ** 2, [3, 4])
    assert isinstance(listed.params, np.ndarray)
    tree = descend.minimize(
        lambda p: (p["a"] - 1) ** 2 + np.sum((p["b"] - 2) ** 2), {"a": 0.0, "b": np.zeros(2)}
    )
    assert tree.params["a"] == pytest.approx(1) and tree.params["b"] == pytest.approx(np.full(2, 2))
    named = descend.minimize(lambda u, v: (u - 1) ** 2 + (v + 1) ** 2, start={"u": 0, "v": 0})
    assert named.params == pytest.approx({"u": 1.0, "v": -1.0})
    formula = descend.minimize("(u - 1)**2 + (v + 1)**2", start={"u": 0, "v": 0})
    assert formula.params == named.params


def test_a_maximum():
    found = descend.maximize(lambda x: 4 - (x - 1) ** 2, start=5.0)
    assert found.maximize and found.params == pytest.approx(1) and found.value == pytest.approx(4)
    assert found.report().startswith("Maximum of lambda(x)")
    assert found.history["loss"][-1] == pytest.approx(4)
    assert found.history["loss"][0] == -12.0


def test_descending_a_function_without_end_is_told():
    with pytest.warns((descend.DescendWarning, descend.DivergedWarning)):
        found = descend.minimize(lambda x: x**3, start=-1.0, max_iter=3000)
    assert not found.success and found.exit_code == 4


def test_plain_descent_follows_the_formula():
    found = descend.minimize(
        lambda x: x**2, start=1.0, optimizer="sgd", lr=0.25, max_iter=4, record="params"
    )
    assert found.history["params"]["x"].tolist() == [0.5, 0.25, 0.125, 0.0625]
    assert found.history["loss"].tolist() == [1.0, 0.25, 0.0625, 0.015625]
    assert found.iterations == 4 and found.status == "epochs_spent"


def test_a_diverging_descent_suggests_a_rate():
    with pytest.warns(descend.DivergedWarning, match=r"(?s)diverged in iteration.*Try lr=0\.5"):
        descend.minimize(lambda x: x**2, start=1.0, optimizer="sgd", lr=5.0, max_iter=5000)


def test_captured_data_and_seeded_starts():
    x = np.linspace(0, 1, 30)
    y = np.sin(6 * x)
    found = descend.minimize(
        lambda f, a: np.mean((a * np.sin(f * x) - y) ** 2), start="random", starts=20, seed=1
    )
    again = descend.minimize(
        lambda f, a: np.mean((a * np.sin(f * x) - y) ** 2), start="random", starts=20, seed=1
    )
    assert found.value < 1e-10 and found.params == again.params


def test_a_loop_and_its_gradient():
    def orbit(v):
        position = 0.0
        for _ in range(50):
            v = v - 0.02 * 9.81
            position = position + 0.02 * v
        return (position - 1.0) ** 2

    found = descend.minimize(orbit, 0.0)
    assert found.params == pytest.approx(1.0 + 9.81 * 0.02 * 51 / 2, rel=1e-9)


def test_report_and_json():
    found = descend.minimize("3*x1**2 + 4*x2**2", start={"x1": 1, "x2": 1})
    assert str(found) == found.report()
    assert found.to_json_dict()["params"].keys() == {"x1", "x2"}
    assert "<table" in found._repr_html_() or "<" in found._repr_html_()


def test_the_picture_has_the_function_in_it(tmp_path):
    found = descend.minimize(
        lambda x: np.sum((x - 1) ** 2), np.zeros(2), optimizer="sgd", lr=0.1, record="params"
    )
    found.plot(tmp_path / "way.png")
    assert (tmp_path / "way.png").stat().st_size > 5000


def test_verbose_names_iterations(capsys):
    descend.minimize(lambda x: x**2, 1.0, optimizer="sgd", lr=0.25, max_iter=2, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "iteration 1/2  loss 1", "iteration 2/2  loss 0.25",
        "all 2 iterations were spent; no stopping rule was met before",
    ]  # fmt: skip


def test_starts_are_drawn_around_what_was_given():
    """A double well: one side is deeper, and only other starts find it."""

    def well(x):
        return (x**2 - 1) ** 2 + 0.2 * x

    here = descend.minimize(well, 1.0)
    best = descend.minimize(lambda a, b: well(a) + well(b), {"a": 0.0, "b": 0.0}, starts=20)
    assert here.params > 0
    assert best.params["a"] < 0 and best.params["b"] < 0


def test_several_starts_are_told_and_counted_as_those_of_a_fit():
    def wells(x):
        return (x**2 - 4) ** 2 + x

    one, found = (descend.minimize(wells, start=1.0, starts=n) for n in (1, 5))
    told = re.search(r"best of 5 starts, ([1-5]) of which agree", found.start_source)
    assert told and found.n_evaluations > one.n_evaluations
    assert found.value <= one.value and found.params == pytest.approx(-2.03054662, abs=1e-6)
