"""Ready peaks whose widths are tied end in the best minimum, without a start."""

import warnings

import numpy as np
from scipy.optimize import least_squares

import descend
from descend import models
from whole import sampled

X = np.linspace(0.0, 10.0, 150)


def gaussian(x, area, centre, sigma):
    return area / (np.sqrt(2 * np.pi) * sigma) * np.exp(-(((x - centre) / sigma) ** 2) / 2)


def lorentzian(x, area, centre, sigma):
    return area / (np.pi * sigma * (1 + ((x - centre) / sigma) ** 2))


@sampled("seed", [0, 1, 3, 8, 11, 20, 26, 30, 60, 152, 178], 2)
def test_two_peaks_of_one_width_end_in_the_best_minimum(seed):
    rng = np.random.default_rng(seed)
    shape, ready = ((gaussian, models.gaussian), (lorentzian, models.lorentzian))[seed % 2]
    width, first = rng.uniform(0.25, 1.0), rng.uniform(2, 5)
    second = first + rng.uniform(1.2, 4.5) * width
    one, two = rng.uniform(0.5, 3, 2)
    level, noise = rng.uniform(0, 1), rng.normal(size=X.size)
    y = shape(X, one, first, width) + shape(X, two, second, width) + level
    y += 0.03 * noise * max(one, two) / width / 2.5

    def rest(p):
        return shape(X, p[0], p[1], p[4]) + shape(X, p[2], p[3], p[4]) + p[5] - y

    best = 2 * least_squares(rest, [one, first, two, second, width, level], method="lm").cost
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ready("p_") + ready("q_") + models.constant()
        fit = descend.fit(model, X, y, ties={"q_sigma": "p_sigma"})
    assert fit.success and fit.chi2 <= best * (1 + 1e-6)
    assert fit.params["p_sigma"] == fit.params["q_sigma"]
