"""Linear algebra by hand, indexing, branches, cumulative functions, loops."""

import numpy as np
from scipy import special

from descend import scan


def cholesky_by_hand(a):
    s = a @ a.T + 3 * np.eye(3)
    l00 = np.sqrt(s[0, 0])
    l10, l20 = s[1, 0] / l00, s[2, 0] / l00
    l11 = np.sqrt(s[1, 1] - l10**2)
    l21 = (s[2, 1] - l20 * l10) / l11
    l22 = np.sqrt(s[2, 2] - l20**2 - l21**2)
    return np.log(l00) + np.log(l11) + np.log(l22) + l20 * l21


def gauss_elimination(a, b):
    rows = [a[i] + 4 * np.eye(3)[i] for i in range(3)]
    right = [b[i] for i in range(3)]
    for i in range(3):
        for j in range(i + 1, 3):
            factor = rows[j][i] / rows[i][i]
            rows[j] = rows[j] - factor * rows[i]
            right[j] = right[j] - factor * right[i]
    x2 = right[2] / rows[2][2]
    x1 = (right[1] - rows[1][2] * x2) / rows[1][1]
    x0 = (right[0] - rows[0][1] * x1 - rows[0][2] * x2) / rows[0][0]
    return np.sum(np.array([x0, x1, x2]) ** 2)


def power_iteration(a):
    s = a @ a.T
    v = np.ones(3)
    for _ in range(5):
        v = s @ v
        v = v / np.linalg.norm(v)
    return v @ s @ v


def gram_schmidt(a):
    basis = []
    for column in a.T:
        for q in basis:
            column = column - (q @ column) * q
        basis.append(column / np.sqrt(column @ column))
    return np.sum(np.stack(basis) * np.arange(9.0).reshape(3, 3))


def determinant(a):
    minors = a[0, 0] * (a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1])
    minors = minors - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0])
    return (minors + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0])) ** 2


def matrix_exponential(a):
    term = total = np.eye(3)
    for k in range(1, 12):
        term = term @ a / k
        total = total + term
    return np.trace(total @ total.T)


def products(a, b):
    return np.sum(np.outer(a[0], b[0]) @ np.kron(a[:2, :2], b[:2, :2])[:3, :3]) + np.vdot(a, b)


def einsums(a, b):
    one = np.einsum("ij,jk,ki->", a, b, a)
    return one + np.sum(np.einsum("ij,kj->ik", a, b) ** 2) + np.einsum("ii", a @ b)


def tensordots(a, b):
    c = np.tensordot(a[:, :, None] * b[:, None, :], b, axes=([0, 2], [0, 1]))
    return np.sum(c**2) + np.sum(np.inner(a, b)[0] * np.dot(a, b)[:, 1])


def rotations(p):
    c, s = np.cos(p), np.sin(p)
    x = np.array([[1.0, 0.0, 0.0], [0.0, c[0], -s[0]], [0.0, s[0], c[0]]])
    z = np.array([[c[1], -s[1], 0.0], [s[1], c[1], 0.0], [0.0, 0.0, 1.0]])
    return np.sum((z @ x @ z) * np.arange(1.0, 10.0).reshape(3, 3))


def cross_products(a, b):
    return np.sum(np.cross(a, b) ** 2) + np.linalg.norm(np.cross(a[0], b[1]))


def norms(a):
    return np.linalg.norm(a) + np.sum(np.linalg.norm(a, axis=1)) + np.sum(np.abs(a) ** 3) ** (1 / 3)


def slices(x):
    return np.sum(x[1:] * x[:-1]) + np.sum(x[::2] ** 2) + np.sum(x[::-1][:3] * x[-3:]) + x[-1] ** 3


def gathered(x, index):
    return np.sum(x[index] ** 2 * np.arange(1.0, 1 + len(index))) + x[index][0] * x[2]


def picked_rows(a, index):
    return np.sum(a[index, 1] * a[1, index]) + np.sum(a[index] ** 2)


def masked(x):
    return np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), x**2)) + np.sum(x * (x < 0.5))


def clipped(x):
    return np.sum(np.clip(x, -0.8, 0.9) ** 2) + np.sum(np.minimum(x, x[::-1] + 0.1))


def selected(x):
    kinds = [x < -0.5, x < 0.5]
    return np.sum(np.select(kinds, [np.sin(x), x**2], default=np.exp(-x)))


def extrema(a):
    return np.max(a) ** 2 + np.sum(np.min(a, axis=0) * np.max(a, axis=1)) + np.ptp(a[0])


def sorted_weights(x):
    return np.sum(np.sort(x) * np.arange(1.0, 1 + x.size)) + np.sum(x[np.argsort(-x)][:3] ** 2)


def quantiles(x):
    return np.median(x) * np.quantile(x, 0.3) + np.percentile(x, 85) ** 2


def cumulative(x):
    return np.sum(np.cumsum(x) ** 2) + np.sum(np.cumprod(1 + 0.1 * x)) + np.sum(np.diff(x, 2) ** 2)


def statistics(a):
    return np.mean(a) * np.var(a) + np.sum(np.std(a, axis=0)) + np.sum(np.cov(a) ** 2)


def correlations(a):
    return np.sum(np.corrcoef(a)[0] ** 2) + np.average(a[0], weights=np.arange(1.0, 4.0))


def reshaped(a):
    flat = np.ravel(a.T)
    return np.sum(flat * np.roll(flat, 2)) + np.sum(np.tile(a, 2)[:, 1:5] ** 2) + np.sum(a.T[1])


def joined(a, b):
    both = np.concatenate([a, b * 2], axis=1)
    return np.sum(np.stack([a, b]) ** 2 @ both[:2, :3]) + np.sum(np.vstack([a, b])[::2] ** 3)


def padded(x):
    wide = np.pad(x, 2)
    edge = np.pad(x, (1, 2), mode="edge")
    return np.sum(wide[1:] * wide[:-1]) + np.sum(edge**2) + np.sum(np.repeat(x, 2) ** 3)


def triangles(a):
    return np.sum(np.tril(a) @ np.triu(a, 1)) + np.sum(np.diag(a) ** 2) + np.trace(a @ a)


def interpolated(y, x):
    grid = np.linspace(-2.0, 2.0, 6)
    return np.sum(np.interp(x, grid, y) ** 2)


def polynomials(c, x):
    return np.sum(np.polyval(c, x) ** 2) + np.sum(np.vander(x, 4) @ c)


def integrals(y):
    grid = np.linspace(0.0, 1.0, y.size) ** 2
    return np.trapezoid(np.exp(y), grid) + np.sum(np.convolve(y, y[:3]) ** 2)


def gradients_of_arrays(y):
    return np.sum(np.gradient(y) ** 2) + np.sum(np.gradient(y**2, 0.5))


def meshes(p):
    x, y = np.meshgrid(np.linspace(0, 1, 4), np.linspace(-1, 1, 3))
    return np.sum(np.exp(-p[0] * (x - p[1]) ** 2 - p[2] * y**2) * (x + y))


def runge_kutta(p):
    def slope(s):
        return np.array([p[0] * s[0] - p[1] * s[0] * s[1], p[2] * s[0] * s[1] - p[3] * s[1]])

    s = np.array([1.0, 0.5])
    for _ in range(10):
        a = slope(s)
        b = slope(s + 0.05 * a)
        c = slope(s + 0.05 * b)
        s = s + 0.1 / 6 * (a + 2 * b + 2 * c + slope(s + 0.1 * c))
    return np.sum(s**2)


def scanned_decay(p):
    def step(state, x):
        state = state * np.exp(-p[0]) + p[1] * x
        return state, state**2

    last, squares = scan(step, p[2], np.linspace(0.0, 1.0, 9))
    return last + np.sum(squares)


def scanned_backwards(x):
    def step(carry, row):
        total, largest = carry
        return (total * 0.5 + np.sin(row), np.maximum(largest, row)), total * row

    (total, largest), made = scan(step, (0.0, -9.0), x, reverse=True)
    return total * largest + np.sum(made)


def kalman(p, y):
    def step(state, seen):
        mean, spread = state
        spread = p[0] ** 2 * spread + np.exp(p[1])
        whole = spread + np.exp(p[2])
        off = seen - p[0] * mean
        gain = spread / whole
        new = (p[0] * mean + gain * off, (1 - gain) * spread)
        return new, 0.5 * (np.log(whole) + off**2 / whole)

    _, losses = scan(step, (0.0, 1.0), y)
    return np.sum(losses)


def vector_of_all(x):
    return np.stack([np.sin(x) * x[0], np.cumsum(x), special.expit(x) ** 2])


def matrix_of_few(p):
    return np.outer(p, np.exp(p)) + np.array([[p[0], 1.0], [p[1], p[0] * p[1]]])
