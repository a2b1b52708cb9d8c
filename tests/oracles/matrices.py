"""numpy.linalg at work, and special functions whose derivatives JAX has too."""

import numpy as np
from scipy import special


def marginal_likelihood(p, x, y):
    """A Gaussian process: the Cholesky factor of a covariance of 12 points."""
    gaps = (x[:, None] - x[None, :]) / np.exp(p[0])
    covariance = np.exp(p[1]) * np.exp(-0.5 * gaps**2) + np.exp(p[2]) * np.eye(12)
    lower = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(lower, y)
    return 0.5 * np.sum(whitened**2) + np.sum(np.log(np.diag(lower)))


def log_determinants(a):
    sign, logarithm = np.linalg.slogdet(a @ np.swapaxes(a, -1, -2) + np.eye(5))
    return np.sum(sign * logarithm**2) + np.sum(np.linalg.det(a[:, :3, :3]))


def solutions(a, b):
    system = a + 6 * np.eye(5)
    return np.sum(np.sin(np.linalg.solve(system, b))) + np.trace(np.linalg.inv(system @ system))


def projection(a, y):
    """Least squares: what the columns explain, by QR, by the pseudo-inverse, by lstsq."""
    q, r = np.linalg.qr(a)
    fitted = q @ (q.T @ y)
    weights = np.linalg.pinv(a) @ y
    other = np.linalg.lstsq(a, y)[0]
    return np.sum(fitted**3) + np.sum(weights * other) + np.sum(np.abs(np.diag(r)))


def spectra(a):
    symmetric = a @ a.T + np.diag(np.arange(4.0))
    values, vectors = np.linalg.eigh(symmetric)
    root = (vectors * np.sqrt(values)) @ vectors.T
    singular = np.linalg.svd(a, compute_uv=False)
    return np.sum(root**2 * np.arange(16.0).reshape(4, 4)) + np.sum(singular**1.5)


def low_rank(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.sum(((u[:, :2] * s[:2]) @ vt[:2]) ** 3) + np.linalg.norm(a, 2)


def modified_bessel(p, x):
    return np.sum(special.i0e(p[0] * x) * special.i1e(p[1] * x)) + np.log(special.i0(p[2]))


def quantile_scale(p, x):
    inside = special.ndtri(special.expit(p[0] + p[1] * x))
    return np.sum(inside**2) + np.sum(special.log_ndtr(p[2] * x - 2.0))


def beta_shape(p, x):
    a, b = np.exp(p[0]), np.exp(p[1])
    return np.sum((a - 1) * np.log(x) + (b - 1) * np.log1p(-x)) - 15 * special.betaln(a, b)
