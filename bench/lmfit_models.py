"""Values of lmfit's lineshapes, written to tests/data/lmfit_models.json.

usage: .bench-venv/bin/python bench/lmfit_models.py
"""

import json
from pathlib import Path

import lmfit
import numpy as np
from lmfit import lineshapes

X = np.array([0.05, 0.4, 1.3, 2.0, 2.7, 5.5])
Y = np.array([-1.0, 0.3, 0.9, 1.1, 2.0, 4.0])
ONE = {"amplitude": 3.0, "center": 1.7, "sigma": 0.6}
EDGES = {"amplitude": 3.0, "center1": 1.1, "sigma1": 0.3, "center2": 3.9, "sigma2": 0.7}
FLAT = {"amplitude": 3.0, "centerx": 1.7, "sigmax": 0.6, "centery": 0.8, "sigmay": 1.2}

CASES = {
    "gaussian": (lineshapes.gaussian, ONE, {}),
    "lorentzian": (lineshapes.lorentzian, ONE, {}),
    "voigt": (lineshapes.voigt, {**ONE, "gamma": 0.4}, {}),
    "pseudo_voigt": (lineshapes.pvoigt, {**ONE, "fraction": 0.3}, {}),
    "lognormal": (lineshapes.lognormal, {**ONE, "center": 0.5}, {}),
    "exponential": (lineshapes.exponential, {"amplitude": 3.0, "decay": 1.4}, {}),
    "power_law": (lineshapes.powerlaw, {"amplitude": 3.0, "exponent": -1.4}, {}),
    "linear": (lineshapes.linear, {"slope": 3.0, "intercept": -1.4}, {}),
    "quadratic": (lineshapes.parabolic, {"a": 3.0, "b": -1.4, "c": 0.2}, {}),
    "step": (lineshapes.step, ONE, {"form": "erf"}),
    "step_atan": (lineshapes.step, ONE, {"form": "atan"}),
    "step_logistic": (lineshapes.step, ONE, {"form": "logistic"}),
    "rectangle": (lineshapes.rectangle, EDGES, {"form": "erf"}),
    "rectangle_atan": (lineshapes.rectangle, EDGES, {"form": "atan"}),
    "rectangle_logistic": (lineshapes.rectangle, EDGES, {"form": "logistic"}),
    "sine": (lineshapes.sine, {"amplitude": 3.0, "frequency": 2.2, "shift": 0.7}, {}),
    "gaussian2d": (lineshapes.gaussian2d, FLAT, {}),
}


def entry(function, parameters, options):
    data = {"x": X.tolist()} | ({"y": Y.tolist()} if "centery" in parameters else {})
    arrays = [np.array(column) for column in data.values()]
    values = function(*arrays, **parameters, **options)
    return {"data": data, "parameters": parameters, "values": values.tolist()}


if __name__ == "__main__":
    table = {name: entry(*case) for name, case in CASES.items()}
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(e)}" for name, e in table.items())
    text = f'{{\n  "made_by": "lmfit {lmfit.__version__}",\n  "models": {{\n{lines}\n  }}\n}}\n'
    path = Path(__file__).parents[1] / "tests" / "data" / "lmfit_models.json"
    path.write_text(text, encoding="utf-8")
