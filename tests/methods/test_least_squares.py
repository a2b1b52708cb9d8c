"""Levenberg–Marquardt against certified values.

Data, starts, certified parameters and residual sums of squares: NIST/ITL Statistical Reference
Datasets, Nonlinear Regression, https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml (files
Thurber.dat, MGH09.dat, MGH10.dat, BoxBOD.dat, Misra1a.dat, Rat43.dat). Jacobians by complex step.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from descend.methods.base import STATUS
from descend.methods.least_squares import GaussNewton, LevenbergMarquardt


def numbers(text):
    return np.array([float(word) for word in text.split()])


@dataclass
class Problem:
    model: object
    x: np.ndarray
    y: np.ndarray
    starts: tuple
    certified: list
    rss: float

    def evaluate(self, p, c=1.0, units=1.0):
        """Return what the method sees at p, for a loss c·rᵀr and parameters in other units."""
        b = p * units
        jacobian = np.empty((len(self.y), len(p)))
        with np.errstate(all="ignore"):
            residual = self.model(b, self.x) - self.y
            for j in range(len(p)):
                step = b.astype(complex)
                step[j] += 1e-30j
                jacobian[:, j] = (
                    np.broadcast_to(self.model(step, self.x), self.y.shape).imag / 1e-30
                )
            jacobian = jacobian * units
            return SimpleNamespace(
                loss=c * (residual @ residual),
                jtj=c * (jacobian.T @ jacobian),
                jtr=c * (jacobian.T @ residual),
                jt_rvv=lambda v: c * self.bend(b, v * units, jacobian),
            )

    def bend(self, b, v, jacobian):
        """Return Jᵀr″ along v, by central differences of complex steps."""
        size = np.linalg.norm(v)
        t = 1e-5 * np.linalg.norm(b) / size if size > 0 else 1.0
        with np.errstate(all="ignore"):
            after, before = (self.model(b + k * t * v + 1e-30j * v, self.x).imag for k in (1, -1))
            return jacobian.T @ ((after - before) / (2e-30 * t))



THURBER = Problem(
    lambda b, x: (
        (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)
    ),
    numbers(
        """-3.067 -2.981 -2.921 -2.912 -2.84 -2.797 -2.702 -2.699 -2.633 -2.481 -2.363 -2.322
        -1.501 -1.46 -1.274 -1.212 -1.1 -1.046 -0.915 -0.714 -0.566 -0.545 -0.4 -0.309 -0.109
        -0.103 0.01 0.119 0.377 0.79 0.963 1.006 1.115 1.572 1.841 2.047 2.2"""
    ),
    numbers(
        """80.574 84.248 87.264 87.195 89.076 89.608 89.868 90.101 92.405 95.854 100.696 101.06
        401.672 390.724 567.534 635.316 733.054 759.087 894.206 990.785 1090.109 1080.914 1122.643
        1178.351 1260.531 1273.514 1288.339 1327.543 1353.863 1414.509 1425.208 1421.384 1442.962
        1464.35 1468.705 1447.894 1457.628"""
    ),
    ([1000, 1000, 400, 40, 0.7, 0.3, 0.03], [1300, 1500, 500, 75, 1, 0.4, 0.05]),
    [
        1.2881396800e3, 1.4910792535e3, 5.8323836877e2, 7.5416644291e1,
        9.6629502864e-1, 3.9797285797e-1, 4.9727297349e-2,
    ],
    5.6427082397e3,
)  # fmt: skip

MGH09 = Problem(
    lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    numbers("4 2 1 0.5 0.25 0.167 0.125 0.1 0.0833 0.0714 0.0625"),
    numbers("0.1957 0.1947 0.1735 0.16 0.0844 0.0627 0.0456 0.0342 0.0323 0.0235 0.0246"),
    ([25, 39, 41.5, 39], [0.25, 0.39, 0.415, 0.39]),
    [1.9280693458e-1, 1.9128232873e-1, 1.2305650693e-1, 1.3606233068e-1],
    3.0750560385e-4,
)

MGH10 = Problem(
    lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    np.arange(50.0, 126.0, 5.0),
    numbers(
        """34780 28610 23650 19630 16370 13720 11540 9744 8261 7030 6005 5147 4427 3820 3307
        2872"""
    ),
    ([2, 400000, 25000], [0.02, 4000, 250]),
    [5.6096364710e-3, 6.1813463463e3, 3.4522363462e2],
    8.7945855171e1,
)

BOXBOD = Problem(
    lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    numbers("1 2 3 5 7 10"),
    numbers("109 149 149 191 213 224"),
    ([1, 1], [100, 0.75]),
    [2.1380940889e2, 5.4723748542e-1],
    1.1680088766e3,
)

MISRA1A = Problem(
    lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
    numbers("77.6 114.9 141.1 190.8 239.9 289 332.8 378.4 434.8 477.3 536.8 593.1 689.1 760"),
    numbers("10.07 14.73 17.94 23.93 29.61 35.18 40.02 44.82 50.76 55.05 61.01 66.4 75.47 81.78"),
    ([500, 0.0001], [250, 0.0005]),
    [2.3894212918e2, 5.5015643181e-4],
    1.2455138894e-1,
)

RAT43 = Problem(
    lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    np.arange(1.0, 16.0),
    numbers(
        """16.08 33.83 65.8 97.2 191.55 326.2 386.87 520.53 590.03 651.92 724.93 699.56 689.96
        637.56 717.41"""
    ),
    ([100, 10, 1, 1], [700, 5, 0.75, 1.3]),
    [6.9964151270e2, 5.2771253025, 7.5962938329e-1, 1.2792483859],
    8.7864049080e3,
)

PROBLEMS = {
    "thurber": THURBER,
    "mgh09": MGH09,
    "mgh10": MGH10,
    "boxbod": BOXBOD,
    "misra1a": MISRA1A,
    "rat43": RAT43,
}


def run(evaluate, start, method=None, steps=1000):
    method = method or LevenbergMarquardt()
    p = np.array(start, dtype=float) if isinstance(start, list) else start
    s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    trials = [p]
    while int(method.status(s)) == 0 and len(trials) <= steps:
        p, s = method.step(p, evaluate(p), s, h)
        trials.append(p)
    return method.answer(p, s), s, trials


@pytest.mark.parametrize("which", [0, 1], ids=["start 1", "start 2"])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_nist_certified_values(problem, which):
    answer, s, trials = run(problem.evaluate, problem.starts[which])
    assert STATUS[int(s["status"])].success
    np.testing.assert_allclose(s["loss"], problem.rss, rtol=2e-10)
    np.testing.assert_allclose(answer, problem.certified, rtol=1e-9)
    assert len(trials) < 200


def test_a_curved_valley_takes_far_fewer_steps_if_they_bend():
    straight, bent = (
        run(MGH10.evaluate, MGH10.starts[1], LevenbergMarquardt(acceleration=a)) for a in (0.0, 0.3)
    )
    np.testing.assert_allclose(straight[0], bent[0], rtol=1e-9)
    assert 2 * len(bent[2]) < len(straight[2])


def test_large_residuals_do_not_slow_the_end():
    # Brown and Dennis (1971): JᵀJ is far from the Hessian, and Gauss–Newton steps go too far.
    x = np.arange(1.0, 21.0) / 5
    problem = Problem(
        lambda b, x: (
            (b[0] + b[1] * x - np.exp(x)) ** 2 + (b[2] + b[3] * np.sin(x) - np.cos(x)) ** 2
        ),
        x, np.zeros(20), (), [], 85822.2016263563,
    )  # fmt: skip
    _, s, trials = run(problem.evaluate, [25.0, 5.0, -5.0, -1.0])
    assert STATUS[int(s["status"])].success
    np.testing.assert_allclose(s["loss"], problem.rss, rtol=1e-12)
    assert len(trials) < 100


def test_gauss_newton_arrives_at_the_certified_values():
    for problem in (MISRA1A, RAT43, BOXBOD):
        answer, s, _ = run(problem.evaluate, problem.starts[1], GaussNewton())
        assert STATUS[int(s["status"])].success
        np.testing.assert_allclose(answer, problem.certified, rtol=1e-9)


@pytest.mark.parametrize("problem", [THURBER, RAT43], ids=["thurber", "rat43"])
def test_the_path_does_not_depend_on_units(problem):
    # Powers of two, so that a change of units is exact in floating point.
    start = np.array(problem.starts[1], dtype=float)
    units = 2.0 ** np.array([-40, 33, 0, 7, 60, -3, 12])[: len(start)]
    _, _, plain = run(problem.evaluate, start)
    _, _, other = run(lambda p: problem.evaluate(p, units=units), start / units)
    assert len(other) == len(plain)
    np.testing.assert_allclose(np.array(other) * units, np.array(plain), rtol=1e-12)


@pytest.mark.parametrize("c", [2.0**-30, 1 / 37, 2.0**20])
def test_the_answer_does_not_depend_on_the_scale_of_the_loss(c):
    answer, s, _ = run(lambda p: THURBER.evaluate(p, c=c), THURBER.starts[1])
    np.testing.assert_allclose(answer, THURBER.certified, rtol=1e-9)
    np.testing.assert_allclose(s["loss"] / c, THURBER.rss, rtol=2e-10)


def linear(design, y):
    def evaluate(p):
        r = design @ p - y
        return SimpleNamespace(loss=r @ r, jtj=design.T @ design, jtr=design.T @ r)

    return evaluate


def test_a_straight_line_takes_few_evaluations_and_matches_lstsq():
    x = np.linspace(0, 5, 12)
    design, y = np.stack([np.ones(12), x], axis=1), 3 * x + np.sin(40 * x)
    answer, _, trials = run(linear(design, y), [1.0, 1.0])
    np.testing.assert_allclose(answer, np.linalg.lstsq(design, y, rcond=None)[0], rtol=1e-12)
    assert len(trials) < 10


@pytest.mark.parametrize(
    "design",
    [np.ones((5, 2)), np.stack([np.arange(5.0), np.zeros(5)], axis=1)],
    ids=["two parameters that do the same", "a parameter without effect"],
)
def test_undetermined_parameters_do_not_stop_the_others(design):
    y = np.array([1.0, 2.0, 2.0, 4.0, 5.0])
    answer, s, _ = run(linear(design, y), [0.5, 0.25])
    assert STATUS[int(s["status"])].success
    best = np.linalg.lstsq(design, y, rcond=None)[1]
    least = np.sum((design @ np.linalg.pinv(design) @ y - y) ** 2)
    assert best.size == 0
    np.testing.assert_allclose(s["loss"], least, rtol=1e-12)
    assert np.all(np.isfinite(answer))


def test_a_perfect_fit_ends():
    x = np.linspace(0.1, 2, 20)
    exact = Problem(lambda b, x: b[0] * np.exp(-b[1] * x), x, 2 * np.exp(-3 * x), (), [], 0.0)
    answer, s, trials = run(exact.evaluate, [1.0, 1.0])
    np.testing.assert_allclose(answer, [2, 3], rtol=1e-13)
    assert STATUS[int(s["status"])].success
    assert len(trials) < 30


def test_a_start_at_the_answer_ends_at_once():
    x = np.arange(4.0)
    answer, s, trials = run(linear(np.stack([np.ones(4), x], axis=1), 2 + 3 * x), [2.0, 3.0])
    assert STATUS[int(s["status"])].name == "gtol"
    assert len(trials) == 2
    np.testing.assert_array_equal(answer, [2, 3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_trial_that_is_not_finite_is_rejected(bad):
    # log(b)·x has no value at b ≤ 0, where the first steps from 20 lead.
    x = np.linspace(1, 2, 9)
    problem = Problem(
        lambda b, x: np.log(b[0]) * x, x, np.log(0.01) * x + 0.001 * x**2, (), [], 0.0
    )

    def evaluate(p):
        e = problem.evaluate(p)
        return e if p[0] > 0 else SimpleNamespace(loss=bad, jtj=e.jtj * bad, jtr=e.jtr * bad)

    answer, s, trials = run(evaluate, [20.0])
    assert min(t[0] for t in trials) <= 0
    slope = np.log(0.01) + 0.001 * np.sum(x**3) / np.sum(x**2)
    np.testing.assert_allclose(answer, np.exp(slope), rtol=1e-8)
    assert STATUS[int(s["status"])].success


def test_only_derivatives_that_are_not_finite_reject_too():
    e = linear(np.eye(2), np.ones(2))
    method = LevenbergMarquardt()
    p = np.zeros(2)
    s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    p, s = method.step(p, e(p), s, h)
    broken = e(p)
    broken.jtj = broken.jtj * np.array([[1, np.nan], [1, 1]])
    trial, after = method.step(p, broken, s, h)
    np.testing.assert_array_equal(after["x"], [0, 0])
    assert 0 < np.linalg.norm(trial) < np.linalg.norm(p)


def test_a_start_that_is_not_finite_is_said():
    nothing = SimpleNamespace(loss=np.nan, jtj=np.eye(2) * np.nan, jtr=np.ones(2) * np.nan)
    answer, s, trials = run(lambda p: nothing, [1.0, 2.0])
    assert STATUS[int(s["status"])].name == "not_finite"
    assert len(trials) == 2
    np.testing.assert_array_equal(answer, [1, 2])


def test_a_wrong_jacobian_stalls_at_the_best_point():
    def evaluate(p):
        return SimpleNamespace(loss=p @ p + 1, jtj=np.eye(2), jtr=-p)

    answer, s, _ = run(evaluate, [1.0, 2.0])
    assert STATUS[int(s["status"])].name == "stalled"
    np.testing.assert_array_equal(answer, [1, 2])


def test_a_wrong_jacobian_stalls_at_zero_too():
    def evaluate(p):
        r = p + 1
        return SimpleNamespace(loss=r @ r, jtj=np.eye(2), jtr=-r)

    answer, s, trials = run(evaluate, [0.0, 0.0])
    assert STATUS[int(s["status"])].name == "stalled"
    assert len(trials) < 200
    np.testing.assert_array_equal(answer, [0, 0])


def test_the_loss_of_the_answer_never_rises():
    best = np.inf
    for steps in range(1, 60, 4):
        answer, _, _ = run(MGH09.evaluate, MGH09.starts[0], steps=steps)
        loss = MGH09.evaluate(answer).loss
        # Within rounding, steps are judged by the gradient.
        assert loss <= best * (1 + 1e-12)
        best = loss


@pytest.mark.parametrize("option", ["ftol", "xtol", "gtol"])
def test_looser_tolerances_end_earlier_under_their_name(option):
    _, tight, full = run(RAT43.evaluate, RAT43.starts[0])
    _, s, trials = run(RAT43.evaluate, RAT43.starts[0], LevenbergMarquardt(**{option: 1e-4}))
    assert STATUS[int(s["status"])].name == option
    assert len(trials) < len(full)
    np.testing.assert_allclose(s["loss"], tight["loss"], rtol=1e-3)


def test_single_precision_ends_at_its_own_precision():
    def evaluate(p):
        e = MISRA1A.evaluate(p.astype(float))
        return SimpleNamespace(**{k: np.float32(v) for k, v in vars(e).items() if k != "jt_rvv"})

    answer, s, trials = run(evaluate, np.array([250, 0.0005], np.float32))
    assert answer.dtype == np.float32
    assert STATUS[int(s["status"])].success
    np.testing.assert_allclose(answer, MISRA1A.certified, rtol=1e-4)
    assert len(trials) < 60
