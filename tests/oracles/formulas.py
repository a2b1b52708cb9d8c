"""Scientific formulas in plain NumPy: sums of special functions, residuals, energies."""

import numpy as np
from scipy import special


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def ackley(x):
    radius = np.sqrt(np.mean(x**2))
    waves = np.mean(np.cos(2 * np.pi * x))
    return -20 * np.exp(-0.2 * radius) - np.exp(waves) + 20 + np.e


def rastrigin(x):
    return 10 * x.size + np.sum(x**2 - 10 * np.cos(2 * np.pi * x))


def styblinski_tang(x):
    return 0.5 * np.sum(x**4 - 16 * x**2 + 5 * x)


def beale(x):
    constants = np.array([1.5, 2.25, 2.625])
    powers = np.arange(1, 4)
    return np.sum((constants - x[0] + x[0] * x[1] ** powers) ** 2)


def decay_residuals(p, t):
    return np.mean((p[0] * np.exp(-p[1] * t) + p[2] - np.cos(t)) ** 2)


def thurber(b, x):
    top = b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3
    bottom = 1 + b[4] * x + b[5] * x**2 + b[6] * x**3
    return np.sum((top / bottom - np.arctan(x)) ** 2)


def gaussian_peaks(p, x):
    height, centre, width = p.reshape(3, -1, 1)
    return np.sum(np.sum(height * np.exp(-(((x - centre) / width) ** 2)), axis=0) ** 2)


def michaelis_menten(p, s):
    rate = p[0] * s / (p[1] + s + s**2 / p[2])
    return np.sum(np.log1p(rate) ** 2)


def arrhenius(p, t):
    return np.sum((np.log(p[0]) - p[1] / (8.314e-3 * t)) ** 2)


def planck(p, wavelength):
    return np.sum(p[0] / (wavelength**5 * np.expm1(p[1] / wavelength)))


def lennard_jones(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            r2 = np.sum((x[i] - x[j]) ** 2)
            total = total + 4 * (r2**-6 - r2**-3)
    return total


def pairwise_energy(x):
    gaps = x[:, None, :] - x[None, :, :]
    squares = np.sum(gaps**2, axis=-1) + np.eye(len(x))
    return 0.5 * np.sum(np.triu(1 / np.sqrt(squares), 1))


def kepler(p, t):
    mean = p[0] * t
    anomaly = mean
    for _ in range(6):
        step = (anomaly - p[1] * np.sin(anomaly) - mean) / (1 - p[1] * np.cos(anomaly))
        anomaly = anomaly - step
    return np.sum(np.arctan2(np.sqrt(1 - p[1] ** 2) * np.sin(anomaly), np.cos(anomaly) - p[1]))


def great_circle(p, q):
    a = np.sin((q[0] - p[0]) / 2) ** 2
    b = np.cos(p[0]) * np.cos(q[0]) * np.sin((q[1] - p[1]) / 2) ** 2
    return 2 * 6371.0 * np.arcsin(np.sqrt(a + b))


def van_der_waals(p, v):
    return np.sum((8 * p[0] / (3 * v - 1) - 3 / v**2) ** 2) + np.hypot(p[0], p[1])


def black_scholes(p):
    spot, strike, rate, spread, years = p
    scaled = spread * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + spread**2 / 2) * years) / scaled
    return spot * special.ndtr(d1) - strike * np.exp(-rate * years) * special.ndtr(d1 - scaled)


def student_t(p, x):
    nu, mu, sigma = np.exp(p[0]), p[1], np.exp(p[2])
    z = (x - mu) / sigma
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2)
    constant = constant - 0.5 * np.log(nu * np.pi) - np.log(sigma)
    return -np.sum(constant - (nu + 1) / 2 * np.log1p(z**2 / nu))


def gamma_likelihood(p, x):
    shape, rate = np.exp(p)
    terms = shape * np.log(rate) - special.gammaln(shape) + special.xlogy(shape - 1, x)
    return -np.mean(terms - rate * x)


def beta_likelihood(p, x):
    a, b = np.exp(p[0]), np.exp(p[1])
    terms = (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - special.betaln(a, b)
    return -np.mean(terms)


def dirichlet_entropy(p):
    alpha = np.exp(p)
    whole = np.sum(alpha)
    constant = np.sum(special.gammaln(alpha)) - special.gammaln(whole)
    inner = np.sum((alpha - 1) * special.digamma(alpha))
    return constant + (whole - alpha.size) * special.digamma(whole) - inner


def error_functions(x):
    return np.sum(special.erf(x) * special.erfc(0.5 * x) + np.log(special.ndtr(x)))


def hyperbolic(x):
    return np.sum(np.sinh(x) / np.cosh(2 * x) + np.arcsinh(x) * np.tanh(x) + np.arctanh(x / 9))


def inverse_circular(x):
    z = np.tanh(x)
    return np.sum(np.arcsin(z) * np.arccos(0.5 * z) + np.arctan(3 * z) + np.arccosh(2 + z**2))


def logarithms(x):
    y = x**2 + 1
    return np.sum(np.log(y) + np.log2(y) * np.log10(y) + np.log1p(y) + np.logaddexp(x, -2 * x))


def powers(x, p):
    y = np.abs(x) + 0.5
    return np.sum(y**p + p**y + np.cbrt(y) + np.sqrt(y) ** 3 + np.exp2(p) + y**-2.5)


def sinc_and_friends(x):
    return np.sum(np.sinc(x) + np.square(x) * np.reciprocal(2 + np.cos(x)) + np.deg2rad(x))
