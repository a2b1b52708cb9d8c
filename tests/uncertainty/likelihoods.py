"""Ten likelihood models with data from a formula, and the standard errors statsmodels gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import betaln, expit, gammaln, ndtr
from scipy.stats import beta, binom, gamma, logistic, nbinom, poisson

N = 120
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
X = np.round(1.2 * np.sin(np.arange(1, N + 1) ** 2 * 0.7), 3)
U = np.round((np.arange(1, N + 1) * GOLDEN + 0.13) % 1.0, 6)
"""Evenly spread shares, by which each row draws from its distribution."""
TRIALS = 9


@dataclass(frozen=True)
class Likelihood:
    """A model with its loss.

    Attributes:
        stderr: by statsmodels 0.15.0 (Logit, Probit, Poisson, MNLogit, NegativeBinomial, GLM of
            binomial counts, GenericLikelihoodModel for gamma, BetaModel, OrderedModel; of
            ZeroInflatedPoisson the differences of its `loglike`), in the order of the numbers.
        scale: by what an error here is to be multiplied to be that of its number there, by name:
            of a logarithm, the number itself.
    """

    model: Callable[..., Any]
    target: Any
    loss: Any
    start: dict[str, Any]
    stderr: list[float]
    likelihood: bool = False
    scale: Callable[[dict[str, Any]], dict[str, Any]] = field(default=lambda params: {})


def line(x, a, b):
    return a + b * x


def probit(x, a, b):
    return ndtr(a + b * x)


def classes(x, a, b):
    return np.concatenate([np.zeros((len(x), 1)), a + b * x[:, None]], 1)


def with_size(x, a, b, log_size):
    return np.stack([a + b * x, log_size + 0 * x], 1)


def negative_binomial(p, t):
    mu, size = np.exp(p[:, 0]), np.exp(-p[:, 1])
    own = gammaln(t + size) - gammaln(size) - gammaln(t + 1)
    return -(own + size * np.log(size / (size + mu)) + t * np.log(mu / (size + mu)))


def of_trials(p, t):
    return TRIALS * np.logaddexp(0, p) - t * p


def gamma_loss(p, t):
    mu, shape = np.exp(p[:, 0]), np.exp(p[:, 1])
    return gammaln(shape) - shape * np.log(shape * t / mu) + shape * t / mu + np.log(t)


def beta_loss(p, t):
    mu, size = 1 / (1 + np.exp(-p[:, 0])), np.exp(p[:, 1])
    first, second = mu * size, (1 - mu) * size
    return betaln(first, second) - (first - 1) * np.log(t) - (second - 1) * np.log1p(-t)


def zero_inflated(p, t):
    mu, zero = np.exp(p[:, 0]), p[:, 1]
    none = np.logaddexp(zero, -mu)
    some = t * p[:, 0] - mu - gammaln(t + 1)
    return np.logaddexp(0, zero) - np.where(t == 0, none, some)


def ordered(p, t):
    below = 1 / (1 + np.exp(-(p[:, 1] - p[:, 0])))
    above = 1 / (1 + np.exp(-(p[:, 2] - p[:, 0])))
    return -np.log(np.where(t == 0, below, np.where(t == 1, above - below, 1 - above)))


def thresholds(x, b, first, log_gap):
    return np.stack([b * x, first + 0 * x, first + np.exp(log_gap) + 0 * x], 1)


def _size_itself(params):
    return {"log_size": np.exp(params["log_size"])}


LIKELIHOODS = {
    "logit": Likelihood(
        line, (expit(0.3 + X) > U).astype(float), "bce_with_logits", {}, [0.19585832, 0.25632129],
    ),
    "probit": Likelihood(
        probit, (ndtr(0.2 + 0.7 * X) > U).astype(float), "bce", {},
        [0.12124529, 0.15625289],
    ),
    "poisson": Likelihood(
        line, poisson.ppf(U, np.exp(0.5 + 0.4 * X)), "poisson_log_rate", {},
        [0.07349244, 0.08986771],
    ),
    "multinomial logit": Likelihood(
        classes, np.digitize(X + logistic.ppf(U), [-0.8, 0.9]), "cross_entropy",
        {"a": np.zeros(2), "b": np.zeros(2)}, [0.226717, 0.26986571, 0.28903779, 0.34988601],
    ),
    "negative binomial": Likelihood(
        with_size, nbinom.ppf(U, 2, 2 / (2 + np.exp(0.6 + 0.3 * X))), negative_binomial,
        {"a": 0.5, "b": 0.1, "log_size": -0.5},
        [0.09718874, 0.12272506, 0.15471009], True, _size_itself,
    ),
    "binomial counts": Likelihood(
        line, binom.ppf(U, TRIALS, expit(-0.4 + 0.6 * X)), of_trials, {"a": 0.0, "b": 0.0},
        [0.06416376, 0.08123976], True
    ),
    "gamma": Likelihood(
        with_size, gamma.ppf(U, 3.0, scale=np.exp(0.2 + 0.5 * X) / 3.0), gamma_loss,
        {"a": 0.1, "b": 0.1, "log_size": 0.5}, [0.05210959, 0.0659258, 0.1227594], True,
    ),
    "beta": Likelihood(
        with_size, beta.ppf(U, 8 * expit(0.3 * X), 8 * expit(-0.3 * X)), beta_loss,
        {"a": 0.1, "b": 0.1, "log_size": 1.0}, [0.06045759, 0.07552189, 0.12203696], True,
    ),
    "zero-inflated Poisson": Likelihood(
        with_size, np.where(U < 0.25, 0.0, poisson.ppf((U - 0.25) / 0.75, np.exp(0.9 + 0.4 * X))),
        zero_inflated, {"a": 0.5, "b": 0.1, "log_size": -1.0},
        [0.07705591, 0.09047846, 0.25281114], True,
    ),
    "ordered logit": Likelihood(
        thresholds, np.digitize(0.9 * X + logistic.ppf(U), [-0.5, 1.0]).astype(float), ordered,
        {"b": 0.5, "first": -0.5, "log_gap": 0.3}, [0.22631179, 0.19568245, 0.14176451], True,
    ),
}  # fmt: skip
