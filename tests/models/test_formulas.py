"""Ready models in formulas, in Python and on the command line."""

import copy
import json
import pickle

import numpy as np
import pytest

import descend
import descend.models as m
from descend.cli.app import main
from descend.models.formulas import addends, guess_formula
from descend.models.reading import parse_formula
from descend.models.table import KINDS
from descend.trace.formula_functions import FUNCTIONS

X = np.linspace(0.5, 9.5, 60)
PEAK = m.gaussian()(X, 3.0, 4.0, 0.8)
OTHER = m.lorentzian()(X, 2.0, 7.0, 0.4)


def fitted(formula: str, y: np.ndarray, **columns: np.ndarray) -> descend.Fit:
    return descend.fit(formula, {"x": X, **columns, "y": y})


@pytest.mark.parametrize(
    "formula, y, values",
    [
        ("y = gaussian(x)", PEAK, {"amplitude": 3, "center": 4, "sigma": 0.8}),
        (
            "y = gaussian(x) + linear(x)", PEAK + 0.5 * X + 1,
            {"center": 4, "slope": 0.5, "intercept": 1},
        ),
        ("y = gaussian(x) + a*x + b", PEAK + 0.5 * X + 1, {"center": 4, "a": 0.5, "b": 1}),
        ("y = 2*gaussian(x) - 3", 2 * PEAK - 3, {"amplitude": 3, "center": 4}),
        ("y = x*gaussian(x) + 1", X * PEAK + 1, {"amplitude": 3, "center": 4}),
        ("y = gaussian(x)/x", PEAK / X, {"amplitude": 3, "center": 4}),
        ("y = linear(x) - gaussian(x)", 0.5 * X + 1 - PEAK, {"amplitude": 3, "slope": 0.5}),
        ("y = -(gaussian(x) + c)", -PEAK - 2, {"amplitude": 3, "c": 2}),
        (
            "y = gaussian(x) + gaussian(x)", PEAK + m.gaussian()(X, 2.0, 7.0, 0.4),
            {"gaussian1_center": 4, "gaussian2_center": 7},
        ),
        (
            "y = gaussian(x) + lorentzian(x)", PEAK + OTHER,
            {"gaussian_center": 4, "lorentzian_center": 7},
        ),
        ("y = gaussian(log(x))", m.gaussian()(np.log(X), 3.0, 1.2, 0.3), {"center": 1.2}),
        ("y = exponential(x) * sine(x)", np.exp(-X / 4) * np.sin(5 * X + 1),
         {"exponential_decay": 4, "sine_frequency": 5, "sine_shift": 1}),
        ("y = polynomial3(x)", X**3 - X, {"c3": 1, "c1": -1}),
        ("y = logistic4(x)", m.logistic(4)(X, 1.0, 3.0, 5.0, 0.7), {"bottom": 1, "center": 5}),
    ],
)  # fmt: skip
def test_a_formula_is_fitted_from_its_guess(formula: str, y: np.ndarray, values: dict) -> None:
    fit = fitted(formula, y)
    assert fit.success and fit.start_source == "guessed from the data"
    assert fit.chi2 <= 1e-12 * np.sum(y**2)
    for name, value in values.items():
        assert fit.params[name] == pytest.approx(value, rel=1e-6), name


def test_what_no_ready_model_explains_is_searched_for() -> None:
    fit = fitted("y = gaussian(x) + 1/(1 + exp(-k*x))", PEAK + 1 / (1 + np.exp(-0.3 * X)))
    assert fit.start_source.startswith("amplitude, center, sigma guessed from the data; k ")


def test_a_column_named_like_a_parameter_stays_a_column_elsewhere() -> None:
    """A column sigma is common: it holds the errors."""
    errors = np.full(X.size, 0.1)
    fit = descend.fit(
        "y = gaussian(x)", {"x": X, "y": PEAK, "sigma": errors}, sigma=errors, absolute_sigma=True
    )
    assert fit.params["sigma"] == pytest.approx(0.8)
    both = parse_formula("y = gaussian(x) + sigma*x").bind(["x", "y", "sigma"])
    assert both.data == ("x", "sigma")
    assert both.parameters == ("gaussian_amplitude", "gaussian_center", "gaussian_sigma")


def test_names_that_are_not_called_stay_names() -> None:
    formula = parse_formula("y = linear*x + constant")
    assert formula.names == ("linear", "x", "constant") and not formula.own


@pytest.mark.parametrize(
    "formula, words",
    [
        ("y = gausian(x)", r'no function "gausian"[^^]*\^\^\^\^\^\^\^[^^]*mean "gaussian"'),
        ("y = gaussian(x, 3)", "gaussian takes one argument, here it has 2"),
        ("y = gaussian2d(x)", "gaussian2d takes 2 arguments, here it has 1"),
        ("y = gaussian()", "nothing between these brackets"),
        ("y = gaussian(x", "never closed"),
        ("y = polynomial12(x)", 'there is no function "polynomial12"'),
        ("y = gaussian(amplitude=3)", "take no keywords"),
    ],
)
def test_what_cannot_be_read(formula: str, words: str) -> None:
    with pytest.raises(descend.FormulaError, match=words):
        parse_formula(formula)


def test_a_start_value_by_name() -> None:
    y = PEAK + OTHER
    start = {"gaussian_center": 4.1, "lorentzian_sigma": 0.5}
    fit = descend.fit("y = gaussian(x) + lorentzian(x)", {"x": X, "y": y}, start=start)
    assert fit.start["gaussian_center"] == 4.1 and fit.start["lorentzian_sigma"] == 0.5
    with pytest.raises(descend.FormulaError, match='"gaussian_centre", which does not occur'):
        descend.fit("y = gaussian(x)", {"x": X, "y": y}, start={"gaussian_centre": 4})


def test_components_of_formulas() -> None:
    y = PEAK - OTHER + 0.5 * X + 1
    fit = fitted("y = gaussian(x) - lorentzian(x) + a*x + b", y)
    parts = fit.components({"x": X})
    assert list(parts) == ["gaussian", "lorentzian", "a*x + b"]
    assert parts["gaussian"] == pytest.approx(PEAK, abs=1e-6)
    assert parts["lorentzian"] == pytest.approx(-OTHER, abs=1e-6)
    assert sum(parts.values()) == pytest.approx(fit.predict({"x": X}), rel=1e-12)


@pytest.mark.parametrize(
    "formula",
    [
        "y = a*(gaussian(x) - 2) + b",
        "y = -gaussian(x) - (lorentzian(x) - c*x)",
        "y = x - (-(gaussian(x)))*d",
        "y = gaussian(x) + gaussian(x) - (c - x)",
    ],
)
def test_addends_are_the_whole(formula: str) -> None:
    read = parse_formula(formula)
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(1, 2) for name in read.names}
    total = sum(part.evaluate(values) for part in addends(read).values())
    assert total == pytest.approx(read.evaluate(values), rel=1e-13)


def test_guesses_of_formulas_over_several_columns() -> None:
    rng = np.random.default_rng(2)
    t = rng.uniform(0, 5, X.size)
    y = PEAK + m.exponential()(t, 4.0, 2.0)
    formula = parse_formula("y = gaussian(x) + exponential(t)")
    values = guess_formula(formula, {"x": X, "t": t}, y, {})
    assert values["gaussian_center"] == pytest.approx(4.0, rel=0.02)
    assert values["exponential_decay"] == pytest.approx(2.0, rel=0.05)


def test_formulas_travel() -> None:
    formula = parse_formula("y = gaussian(x) + linear(x)")
    for other in (copy.deepcopy(formula), pickle.loads(pickle.dumps(formula))):
        assert other.names == formula.names and other.own == formula.own


def test_every_data_set_has_a_guess_of_its_own() -> None:
    for center in (3.0, 7.0, 5.0):
        fit = fitted("y = gaussian(x)", m.gaussian()(X, 3.0, center, 0.8))
        assert fit.start["center"] == pytest.approx(center, abs=0.1)


def test_command_line(tmp_path, capsys) -> None:
    path, saved, picture = tmp_path / "peak.csv", tmp_path / "peak.descend", tmp_path / "peak.png"
    rows = np.column_stack([X, PEAK + 0.5 * X + 1])
    np.savetxt(path, rows, delimiter=",", header="x,y", comments="")
    command = ["fit", str(path), "y = gaussian(x) + linear(x)"]
    assert main([*command, "--save", str(saved), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "target y; data x; parameters amplitude, center, sigma, slope, intercept" in out
    assert "start       guessed from the data" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(descend.load(saved).components({"x": X})) == ["gaussian", "linear"]
    assert main([*command, "--json", "--start", "center=3.5"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["params"]["center"] == pytest.approx(4.0)
    assert "guessed from the data" in told["start_source"]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_formulas_know_all_ready_models(name: str) -> None:
    data = ", ".join(KINDS[name].data)
    assert {*KINDS[name].parameters} <= {*parse_formula(f"y = {name}({data})").names}


def test_no_ready_model_has_the_name_of_a_function() -> None:
    assert not KINDS.keys() & FUNCTIONS.keys()
