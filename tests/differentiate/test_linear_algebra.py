"""Linear algebra: values against NumPy, derivatives against complex steps through plain algorithms.

The algorithms know nothing of derivative rules: elimination, Gram and Schmidt, Newton's method for
one eigenpair at a time. They use no complex conjugate, so that they are analytic.
"""

from collections.abc import Callable

import numpy as np
import pytest

import descend
from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.determinant import COFACTORS, COFACTORS_ALONG, DET, SLOGDET
from descend.graph.elementwise import add, call, mul
from descend.graph.evaluate import evaluate
from descend.graph.linear import reduce_sum
from descend.graph.linear_algebra import cholesky, inverse, solve, triangular_solve
from descend.graph.matrices import LINEAR_ALGEBRA, matmul, mt
from descend.graph.node import Node
from descend.graph.source import const, input_node
from descend.graph.spectral import EIGH, PINV, QR, SVD
from descend.simplify.driver import simplify

Array = np.ndarray
RNG = np.random.default_rng(8)
SQUARE = RNG.normal(size=(2, 4, 4)) + 2 * np.eye(4)
TALL = RNG.normal(size=(5, 3))
SIDES = RNG.normal(size=(2, 4, 2))


def symmetric(a: Node) -> Node:
    return mul(add(a, mt(a)), 0.5)


def definite(a: Node) -> Node:
    return matmul(a, mt(a))


def many(function: Callable[..., Array], core: int = 2) -> Callable[..., Array]:
    """A function of single matrices, applied along leading axes."""

    def over(*arrays: Array) -> Array:
        if arrays[0].ndim == core:
            return function(*arrays)
        return np.stack([over(*rest) for rest in zip(*arrays, strict=True)])

    return over


def plain_cholesky(a: Array) -> Array:
    n = len(a)
    lower = np.zeros_like(a)
    for j in range(n):
        lower[j, j] = np.sqrt(a[j, j] - np.sum(lower[j, :j] ** 2))
        for i in range(j + 1, n):
            lower[i, j] = (a[i, j] - np.sum(lower[i, :j] * lower[j, :j])) / lower[j, j]
    return lower


def plain_qr(a: Array) -> Array:
    """Gram and Schmidt, twice; the signs are those of LAPACK."""
    signs = np.sign(np.diag(np.linalg.qr(a.real)[1]))
    q = np.zeros_like(a)
    for j in range(a.shape[1]):
        v = a[:, j].copy()
        for _ in range(2):
            v = v - q[:, :j] @ (q[:, :j].T @ v)
        q[:, j] = signs[j] * v / np.sqrt(np.sum(v * v))
    return np.concatenate([q, np.triu(q.T @ a)])


def eigenpair(a: Array, w: float, v: Array) -> tuple[complex, Array]:
    """Newton's method on A v = w v, vᵀ v = 1, from nearby."""
    n = len(a)
    w, v = complex(w), v.astype(complex)
    for _ in range(4):
        system = np.zeros((n + 1, n + 1), complex)
        system[:n, :n] = a - w * np.eye(n)
        system[:n, n], system[n, :n] = -v, 2 * v
        off = np.append(a @ v - w * v, v @ v - 1)
        step = np.linalg.solve(system, off)
        v, w = v - step[:n], w - step[n]
    return w, v


def plain_eigh(a: Array) -> Array:
    a = (a + a.T) / 2
    values, vectors = np.linalg.eigh(a.real)
    pairs = [eigenpair(a, w, v) for w, v in zip(values, vectors.T, strict=True)]
    return np.stack([np.append(w, v) for w, v in pairs], 1)


def plain_svd(a: Array) -> Array:
    _, s, vt = np.linalg.svd(a.real, full_matrices=False)
    pairs = [eigenpair(a.T @ a, x * x, v) for x, v in zip(s, vt, strict=True)]
    values = np.array([np.sqrt(w) for w, _ in pairs])
    v = np.stack([v for _, v in pairs], 1)
    return np.concatenate([a @ v / values, values[None], v.T])


def plain_cofactors(a: Array) -> Array:
    return np.linalg.det(a) * np.linalg.inv(a).T


def plain_along(a: Array, k: Array) -> Array:
    p = np.linalg.inv(a)
    return np.linalg.det(a) * (np.trace(p @ k) * p.T - (p @ k @ p).T)


def plain_slogdet(a: Array) -> Array:
    d = np.linalg.det(a)
    sign = np.sign(d.real)
    return np.array([sign, np.log(sign * d)])


CASES = {
    "solve": (solve, np.linalg.solve, (SQUARE, SIDES)),
    "solve transposed": (
        lambda a, b: solve(a, b, True),
        lambda a, b: np.linalg.solve(np.swapaxes(a, 1, 2), b),
        (SQUARE, SIDES),
    ),
    "inverse": (inverse, np.linalg.inv, (SQUARE[0],)),
    "triangular_solve": (
        lambda a, b: triangular_solve(a, b, True),
        lambda a, b: np.linalg.solve(np.tril(a), b),
        (SQUARE, SIDES),
    ),
    "triangular_solve transposed": (
        lambda a, b: triangular_solve(a, b, False, True),
        lambda a, b: np.linalg.solve(np.triu(a).T, b),
        (SQUARE[1], SIDES[1]),
    ),
    "cholesky": (
        lambda a: cholesky(definite(a)),
        many(lambda a: plain_cholesky(a @ a.T)),
        (SQUARE,),
    ),
    "det": (DET.apply, np.linalg.det, (SQUARE,)),
    "cofactors": (COFACTORS.apply, many(plain_cofactors), (SQUARE,)),
    "cofactors_along": (
        COFACTORS_ALONG.apply,
        lambda a, k: many(plain_along)(a, np.broadcast_to(k, a.shape)),
        (SQUARE, SQUARE[::-1]),
    ),
    "slogdet": (SLOGDET.apply, many(plain_slogdet), (-SQUARE[:, :3, :3],)),
    "eigh": (lambda a: EIGH.apply(symmetric(a)), many(plain_eigh), (SQUARE,)),
    "svd": (SVD.apply, plain_svd, (TALL,)),
    "svd square": (SVD.apply, many(plain_svd), (SQUARE,)),
    "pinv": (
        lambda a: PINV.apply(a, rcond=1e-12),
        lambda a: np.linalg.solve(a.T @ a, a.T),
        (TALL,),
    ),
    "pinv wide": (
        lambda a: PINV.apply(a, rcond=1e-12),
        lambda a: np.linalg.solve(a @ a.T, a).T,
        (TALL.T,),
    ),
    "qr": (QR.apply, plain_qr, (TALL,)),
    "qr square": (QR.apply, many(plain_qr), (SQUARE,)),
}


def fresh(arrays: tuple[Array, ...]) -> list[Node]:
    return [input_node(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]


def test_every_primitive_has_a_case() -> None:
    assert {name.partition(" ")[0] for name in CASES} - {"inverse"} == set(LINEAR_ALGEBRA)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_values(name: str, dtype: type) -> None:
    build, plain, arrays = CASES[name]
    arrays = tuple(a.astype(dtype) for a in arrays)
    inputs = fresh(arrays)
    out = build(*inputs)
    check_graph([out])
    (got,) = evaluate([out], dict(zip(inputs, arrays, strict=True)))
    want = plain(*(a.astype(np.float64) for a in arrays)).real
    assert got.dtype == dtype and got.shape == out.shape
    tolerance = 400 * np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def stepped(plain: Callable[..., Array], arrays: list[Array], weights: Array, i: int) -> Array:
    """The gradient of Σ w·sin(result) by one complex step per element."""
    found = np.zeros(arrays[i].shape)
    for k in range(arrays[i].size):
        moved = [a.astype(complex) for a in arrays]
        moved[i].flat[k] += 1e-40j
        found.flat[k] = np.sum(np.sin(plain(*moved)) * weights).imag / 1e-40
    return found


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    build, plain, arrays = CASES[name]
    inputs, rng = fresh(arrays), np.random.default_rng(8)
    out = build(*inputs)
    weights = rng.uniform(0.5, 1.5, out.shape)
    loss = reduce_sum(mul(call("sin", out), const(weights)), tuple(range(out.ndim)))
    given = dict(zip(inputs, arrays, strict=True))
    gradients = reverse([loss], [const(1.0)], inputs)
    along = [rng.normal(size=a.shape) for a in arrays]
    seeds = [const(d) for d in along]
    (slope,) = forward([loss], inputs, seeds)
    second = forward(gradients, inputs, seeds)
    third = reverse(gradients, seeds, inputs)
    check_graph([*gradients, slope, *second, *third])
    n = len(inputs)
    roots = simplify([*gradients, slope, *second, *third], final=True)
    got = evaluate(roots, given)
    want = [stepped(plain, list(arrays), weights, i) for i in range(n)]
    for have, expected in zip(got, want, strict=False):
        np.testing.assert_allclose(have, expected, rtol=1e-10, atol=1e-11)
    total = sum(np.sum(e * d) for e, d in zip(want, along, strict=True))
    np.testing.assert_allclose(got[n], total, rtol=1e-10, atol=1e-11)
    step = 1e-5
    ends = [[a + s * step * d for a, d in zip(arrays, along, strict=True)] for s in (1, -1)]
    for i in range(n):
        above, below = (stepped(plain, end, weights, i) for end in ends)
        expected = (above - below) / (2 * step)
        size = np.abs(expected).max()
        np.testing.assert_allclose(got[n + 1 + i], expected, rtol=1e-6, atol=1e-7 * size)
        np.testing.assert_allclose(got[2 * n + 1 + i], expected, rtol=1e-6, atol=1e-7 * size)


@pytest.mark.parametrize("name", CASES)
def test_batching_equals_a_loop(name: str) -> None:
    build, _, arrays = CASES[name]
    inputs = fresh(arrays)
    out = build(*inputs)
    stacks = [np.stack([a, 1.5 * a, a[..., ::-1, ::-1]]) for a in arrays]
    wide = {n: input_node("many", s.shape, s.dtype) for n, s in zip(inputs, stacks, strict=True)}
    together = batch([out], wide, 3)
    check_graph(together)
    (got,) = evaluate(together, {wide[n]: s for n, s in zip(inputs, stacks, strict=True)})
    for k in range(3):
        (alone,) = evaluate([out], {n: s[k] for n, s in zip(inputs, stacks, strict=True)})
        np.testing.assert_allclose(got[k], alone, rtol=1e-13, atol=1e-14)


# --- where there is no answer, or more than one -------------------------------------------------


def test_a_singular_matrix_spoils_nothing_but_its_own() -> None:
    a = np.stack([np.ones((3, 3)), np.eye(3), np.full((3, 3), np.nan)])
    x = input_node("x", a.shape)
    outputs = [inverse(x), cholesky(x), EIGH.apply(x), SVD.apply(x), PINV.apply(x, rcond=1e-12)]
    found = evaluate(outputs, {x: a})
    for value in found:
        assert np.isfinite(value[1]).all() and np.isnan(value[2]).all()
    assert np.isnan(found[0][0]).all() and np.isnan(found[1][0]).all()
    np.testing.assert_allclose(found[4][0], np.full((3, 3), 1 / 9), rtol=1e-13)


def test_equal_eigenvalues_and_singular_values() -> None:
    """Sums over a repeated value are smooth: their derivative is finite and right."""
    x = input_node("x", (3, 3))
    weight = np.arange(9.0).reshape(3, 3)
    packed = {
        EIGH.apply(symmetric(x)): np.eye(4, 1) * np.ones(3),
        SVD.apply(x): np.eye(7)[:, 3:4] * np.ones(3),
        PINV.apply(x, rcond=1e-12): weight,
    }
    sums = [reduce_sum(mul(node, const(w)), (0, 1)) for node, w in packed.items()]
    back = [reverse([total], [const(1.0)], [x])[0] for total in sums]
    values, singular, inverted = evaluate(back, {x: 2.0 * np.eye(3)})
    np.testing.assert_allclose(values, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(singular, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(inverted, -weight / 4, rtol=1e-14)


def minors(a: Array) -> Array:
    """The cofactors by their definition: signed determinants of what is left."""
    n = len(a)
    return np.array(
        [
            [
                (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))
                for j in range(n)
            ]
            for i in range(n)
        ]
    )


def singular(n: int, rank: int) -> Array:
    rng = np.random.default_rng(n + rank)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))


DETERMINANTS = {
    "regular": SQUARE[1],
    "of a negative determinant": SQUARE[0][::-1],
    "singular": singular(5, 4),
    "twice singular": singular(5, 3),
    "thrice singular": singular(6, 3),
    "of equal singular values": np.eye(5),
    "of zeros": np.zeros((4, 4)),
    "diagonal": np.diag([1.0, 2.0, 3.0, 0.0]),
}


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("name", DETERMINANTS)
def test_a_determinant_has_its_cofactors_as_gradient(name: str, engine: str) -> None:
    a = DETERMINANTS[name]
    along = np.random.default_rng(3).normal(size=a.shape)
    gradient = descend.grad(np.linalg.det, engine=engine)(a)
    np.testing.assert_allclose(gradient, minors(a), rtol=1e-12, atol=1e-12)
    moved = descend.jvp(np.linalg.det, [a], [along], engine=engine)[1]
    assert moved == pytest.approx(np.sum(minors(a) * along), rel=1e-11, abs=1e-12)
    slope = lambda b: np.sum(descend.grad(np.linalg.det)(b) * along)  # noqa: E731
    step = 1e-5
    want = (minors(a + step * along) - minors(a - step * along)) / (2 * step)
    for second in (
        descend.grad(slope, engine=engine)(a),
        descend.hvp(np.linalg.det, [a], [along], engine=engine),
    ):
        np.testing.assert_allclose(second, want, rtol=1e-6, atol=1e-6)
