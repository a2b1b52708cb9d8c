"""One contract for every optimiser of the table."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

from descend.errors import UsageError
from descend.methods.base import STATUS, Optimizer
from descend.methods.conjugate_gradient import ConjugateGradient
from descend.methods.damped import LeanLevenbergMarquardt
from descend.methods.first_order import SGD, Adagrad, Adam, AdamW, RMSprop
from descend.methods.least_squares import GaussNewton, LevenbergMarquardt
from descend.methods.newton import NewtonCG
from descend.methods.quasi_newton import BFGS, LBFGS
from descend.methods.schedules import cosine
from descend.methods.simplex import NelderMead
from descend.methods.table import OPTIMIZERS

METHODS = {
    "sgd": SGD(lr=2e-2),
    "sgd momentum": SGD(lr=3e-3, momentum=0.9),
    "sgd dampening": SGD(lr=6e-3, momentum=0.9, dampening=0.5, weight_decay=1e-6),
    "sgd nesterov": SGD(lr=3e-3, momentum=0.9, nesterov=True),
    "adagrad": Adagrad(lr=0.5, lr_decay=1e-6),
    "rmsprop": RMSprop(lr=3e-3),
    "rmsprop centered": RMSprop(lr=1e-3, centered=True, momentum=0.5, weight_decay=1e-6),
    "adam": Adam(lr=1e-2),
    "adam amsgrad": Adam(lr=1e-2, amsgrad=True, weight_decay=1e-6),
    "adamw": AdamW(lr=1e-2, weight_decay=1e-6),
    "lm": LevenbergMarquardt(),
    "lm straight": LevenbergMarquardt(acceleration=0.0),
    "lm lean": LeanLevenbergMarquardt(),
    "gauss-newton": GaussNewton(),
    "bfgs": BFGS(),
    "lbfgs": LBFGS(),
    "lbfgs of two": LBFGS(history_size=2),
    "cg": ConjugateGradient(),
    "newton": NewtonCG(),
    "nelder-mead": NelderMead(),
}
VECTORS = {name: m for name, m in METHODS.items() if m.scope == "vector"}


def parabola(p):
    return np.array([1.0, 3.0], p.dtype) * (p - np.array([2.0, -1.0], p.dtype)), np.diag(
        np.array([1.0, 3.0], p.dtype)
    )


def valley(p):
    """Rosenbrock's function as a sum of squares, a tenth as steep."""
    r = np.array([1 - p[0], np.sqrt(10) * (p[1] - p[0] ** 2)], p.dtype)
    return r, np.array([[-1, 0], [-2 * np.sqrt(10) * p[0], np.sqrt(10)]], p.dtype)


def bend(problem, p, v):
    """The residuals' second derivative along v: the problems are at most quadratic."""
    r, after, before = (problem(p + k * v)[0] for k in (0, 1, -1))
    return after + before - 2 * r


def evaluate(problem, p):
    r, jacobian = problem(p)

    def hvp(v):
        # Of a quadratic, differences of the gradient over any length are exact but for rounding.
        turned = (problem(p + v)[1] - problem(p - v)[1]) / 2
        return 2 * (jacobian.T @ (jacobian @ v) + turned.T @ r)

    return SimpleNamespace(
        loss=r @ r, gradient=2 * jacobian.T @ r, jtj=jacobian.T @ jacobian, jtr=jacobian.T @ r,
        jt_rvv=lambda v: jacobian.T @ bend(problem, p, v), hvp=hvp,
    )  # fmt: skip


def run(method: Optimizer, problem, p, steps, goal):
    """Step until the goal is near, the method ends, or the steps are spent."""
    s = method.init(p)
    for t in range(1, steps + 1):
        h = method.hyper(method.numbers(), t=float(t))
        p, s = method.step(p, evaluate(problem, p), s, h)
        code = method.status(s)
        near = method.scope == "leaf" and np.max(np.abs(p - goal)) < 1e-3
        if near or (code is not None and int(code) != 0):
            break
    return method.answer(p, s)


def test_every_optimizer_of_the_table_is_under_contract():
    others = {LeanLevenbergMarquardt}  # of fit_many, and of no name
    assert {type(m) for m in METHODS.values()} == {*OPTIMIZERS.values()} | others


@pytest.mark.parametrize("method", VECTORS.values(), ids=VECTORS.keys())
@pytest.mark.parametrize(
    ("problem", "lower", "upper", "minimum"),
    [
        (parabola, [-3.0, -0.5], [np.inf, np.inf], [2.0, -0.5]),
        (parabola, [-3.0, 0.0], [0.5, 2.0], [0.5, 0.0]),
        # On the face p0 = 0.5 the valley's floor is at p1 = 0.25.
        (valley, [-np.inf, -np.inf], [0.5, 9.0], [0.5, 0.25]),
        (valley, [-9.0, -9.0], [9.0, 9.0], [1.0, 1.0]),
    ],
    ids=["one bound", "a corner", "a face of the valley", "no bound in the way"],
)
def test_stays_within_bounds_and_finds_the_minimum_there(method, problem, lower, upper, minimum):
    p, lower, upper = np.array([-1.0, 1.5]), np.array(lower), np.array(upper)
    s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    h.lower, h.upper = lower, upper
    for _ in range(1000):
        assert np.all((lower <= p) & (p <= upper))
        p, s = method.step(p, evaluate(problem, p), s, h)
        if int(method.status(s)):
            break
    assert STATUS[int(method.status(s))].success
    assert np.max(np.abs(method.answer(p, s) - minimum)) < 1e-6


@pytest.mark.parametrize("method", VECTORS.values(), ids=VECTORS.keys())
def test_wide_bounds_change_nothing_that_matters(method):
    far = np.full(2, 1e6)
    ends = []
    for sides in (None, (-far, far)):
        p = np.array([-1.0, 1.5])
        s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
        if sides is not None:
            h.lower, h.upper = sides
        for _ in range(20):
            p, s = method.step(p, evaluate(valley, p), s, h)
        ends.append(p)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize(
    ("problem", "minimum"), [(parabola, [2.0, -1.0]), (valley, [1.0, 1.0])], ids=["bowl", "valley"]
)
def test_descends_to_the_minimum(method, problem, minimum):
    answer = run(method, problem, np.array([-1.0, 1.5]), 20_000, minimum)
    assert np.max(np.abs(answer - minimum)) < 1e-3


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_state_keeps_its_keys_shapes_and_dtypes(method, dtype):
    p = np.array([-1.0, 1.5], dtype)
    s = method.init(p)
    h = method.hyper(method.numbers(), t=1.0)
    facts = {k: (v.shape, v.dtype) for k, v in s.items()}
    assert all(v.dtype == dtype for v in s.values())
    for _ in range(4):
        p, s = method.step(p, evaluate(valley, p), s, h)
        assert {k: (v.shape, v.dtype) for k, v in s.items()} == facts
        assert (p.shape, p.dtype) == ((2,), dtype)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_init_and_step_are_pure(method):
    p = np.array([-1.0, 1.5])
    s = method.init(p)
    h = method.hyper(method.numbers(), t=1.0)
    for _ in range(3):
        e = evaluate(valley, p)
        arrays = {name: value for name, value in vars(e).items() if not callable(value)}
        before = copy.deepcopy((p, arrays, s, vars(h)))
        first, second = method.step(p, e, s, h), method.step(p, e, s, h)
        np.testing.assert_equal((p, arrays, s, vars(h)), before)
        np.testing.assert_equal(first, second)
        assert not any(np.shares_memory(new, p) for new in first[1].values() if new is not p)
        p, s = first


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_numbers_come_from_h_and_not_from_the_object(method):
    other = method.bind({name: 0.5 * value for name, value in method.numbers().items()})
    assert other.structure() == method.structure()
    p = np.array([-1.0, 1.5])
    s = method.init(p)
    for t in (1.0, 2.0):
        e, h = evaluate(valley, p), method.hyper(other.numbers(), t=t)
        np.testing.assert_equal(method.step(p, e, s, h), other.step(p, e, s, h))
        p, s = method.step(p, e, s, h)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_numbers_and_bind_are_inverse(method):
    assert method.bind(method.numbers()) == method
    assert hash(method.structure()) == hash(method.bind(method.numbers()).structure())


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.scope == "leaf"], ids=str)
def test_a_leaf_may_be_a_scalar_or_a_matrix(method):
    for shape in ((), (2, 3)):
        p = np.full(shape, 2.0)
        s = method.init(p)
        h = method.hyper(method.numbers(), t=1.0)
        moved, _ = method.step(p, SimpleNamespace(loss=4.0, gradient=np.full(shape, 4.0)), s, h)
        assert moved.shape == shape
        assert np.all(moved < p)


@pytest.mark.parametrize("make", [SGD, Adagrad, RMSprop, Adam, AdamW])
def test_maximize_climbs_by_the_mirrored_path(make):
    down, up = make(lr=0.1, weight_decay=0.0), make(lr=0.1, weight_decay=0.0, maximize=True)
    p = q = np.array([1.0, -2.0])
    s, r = down.init(p), up.init(q)
    for t in (1.0, 2.0, 3.0):
        h = down.hyper(down.numbers(), t=t)
        p, s = down.step(p, SimpleNamespace(gradient=2 * p), s, h)
        q, r = up.step(q, SimpleNamespace(gradient=-2 * q), r, h)
    np.testing.assert_array_equal(p, q)


def test_structure_changes_only_with_flags_and_terms():
    assert Adam(lr=0.5, betas=(0.5, 0.9)).structure() == Adam().structure()
    assert Adam(amsgrad=True).structure() != Adam().structure()
    assert Adam(weight_decay=0.1).structure() != Adam().structure()
    assert LBFGS(history_size=5).structure() != LBFGS().structure()
    assert NewtonCG(radius=2.0).structure() == NewtonCG().structure()
    assert Adam().structure() != AdamW(weight_decay=0.0).structure()
    assert SGD(lr=cosine(0.1, epochs=5)).structure() == SGD(lr=cosine(0.2, epochs=9)).structure()
    assert SGD(lr=cosine(0.1, epochs=5)).structure() != SGD(lr=0.1).structure()


def test_a_schedule_is_evaluated_at_the_epoch():
    method = SGD(lr=cosine(1.0, epochs=10))
    assert method.hyper(method.numbers(), t=99.0, epoch=5.0).lr == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(lr=-1.0), r"SGD: lr must lie in \[0, inf\), not -1.0"),
        (lambda: SGD(lr=float("nan")), "lr must lie in"),
        (lambda: SGD(lr="0.1"), "SGD: lr must be a number, not '0.1'"),
        (lambda: SGD(lr=True), "SGD: lr must be a number, not True"),
        (lambda: Adam(betas=(0.9, 1.0)), r"Adam: betas must lie in \[0, 1\), not 1.0"),
        (lambda: Adam(betas=0.9), "Adam: betas must be two numbers, not 0.9"),
        (lambda: SGD(nesterov=True), "nesterov=True needs a momentum above 0"),
        (lambda: SGD(momentun=0.9), 'SGD has no option "momentun" .did you mean "momentum"'),
        (lambda: Adam(learning_rate=0.1), 'no option "learning_rate" .did you mean "lr"'),
        (lambda: Adam(beta1=0.1), 'no option "beta1" .did you mean "betas"'),
        (lambda: LevenbergMarquardt(ftol=2.0), r"ftol must lie in \[0, 1\)"),
        (lambda: LBFGS(history_size=0), "LBFGS: history_size must be a whole number of at least 1"),
        (lambda: LBFGS(history_size=2.5), "history_size must be a whole number of at least 1, not"),
        (lambda: NelderMead(edge=0.0), r"NelderMead: edge must lie in \(0, inf\)"),
        (lambda: LevenbergMarquardt(radius=0.0), r"radius must lie in \(0, inf\)"),
    ],
)
def test_wrong_hyperparameters_are_refused_in_words(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_every_status_code_has_a_name_and_a_sentence():
    assert sorted(STATUS) == list(range(len(STATUS)))
    assert len({outcome.name for outcome in STATUS.values()}) == len(STATUS)
    assert all(outcome.message for outcome in STATUS.values())
