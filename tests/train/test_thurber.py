"""NIST's Thurber (StRD, higher difficulty) from its second start, against the certified values."""

from pathlib import Path

import numpy as np
import pytest

import descend

FORMULA = "y = (b1 + b2*x + b3*x**2 + b4*x**3) / (1 + b5*x + b6*x**2 + b7*x**3)"
START = [1300, 1500, 500, 75, 1, 0.4, 0.05]
CERTIFIED = [
    (1.2881396800e03, 4.6647963344e00), (1.4910792535e03, 3.9571156086e01),
    (5.8323836877e02, 2.8698696102e01), (7.5416644291e01, 5.5675370270e00),
    (9.6629502864e-01, 3.1333340687e-02), (3.9797285797e-01, 1.4984928198e-02),
    (4.9727297349e-02, 6.5842344623e-03),
]  # fmt: skip
TABLE = Path(__file__).parents[2] / "examples" / "thurber.csv"


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_thurber(engine):
    table = np.genfromtxt(TABLE, delimiter=",", names=True)
    columns = {"x": table["x"], "y": table["y"]}
    start = {f"b{k + 1}": value for k, value in enumerate(START)}
    fit = descend.fit(FORMULA, columns, start=start, engine=engine)
    assert fit.success and fit.dof == 30
    assert fit.chi2 == pytest.approx(5.6427082397e03, rel=1e-10)
    assert np.sqrt(fit.reduced_chi2) == pytest.approx(1.3714600784e01, rel=1e-10)
    for (value, error), name in zip(CERTIFIED, start, strict=True):
        assert fit.params[name] == pytest.approx(value, rel=1e-9)
        assert fit.stderr[name] == pytest.approx(error, rel=1e-8)
