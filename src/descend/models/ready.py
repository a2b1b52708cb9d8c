"""The ready models as functions; each returns a `Model`, its parameters after a prefix if given."""

from __future__ import annotations

from descend.errors import UsageError, suggest
from descend.models.model import Model, as_model
from descend.models.table import KINDS, kind_of
from descend.models.waves import FORMS

__all__ = [
    "arrhenius", "constant", "damped_oscillator", "double_exponential", "exponential", "gaussian",
    "gaussian2d", "hill", "linear", "logistic", "lognormal", "lorentzian", "michaelis_menten",
    "polynomial", "power_law", "pseudo_voigt", "quadratic", "rectangle", "sine", "step", "voigt",
    "weibull",
]  # fmt: skip

MOST_COEFFICIENTS = 50


def constant(prefix: str | None = None) -> Model:
    """c, the same everywhere."""
    return as_model(KINDS["constant"], prefix)


def linear(prefix: str | None = None) -> Model:
    """slope·x + intercept."""
    return as_model(KINDS["linear"], prefix)


def quadratic(prefix: str | None = None) -> Model:
    """a·x² + b·x + c."""
    return as_model(KINDS["quadratic"], prefix)


def polynomial(degree: int, prefix: str | None = None) -> Model:
    """c0 + c1·x + … + cn·xⁿ.

    Raises:
        UsageError: a degree that is no whole number from 0 to 50.
    """
    if type(degree) is not int or not 0 <= degree <= MOST_COEFFICIENTS:
        raise UsageError(
            f"polynomial({degree!r}): the degree is a whole number from 0 to {MOST_COEFFICIENTS}"
        )
    return as_model(kind_of(f"polynomial{degree}"), prefix)


def exponential(prefix: str | None = None) -> Model:
    """amplitude·exp(−x/decay); a negative decay makes it grow."""
    return as_model(KINDS["exponential"], prefix)


def double_exponential(prefix: str | None = None) -> Model:
    """amplitude1·exp(−x/decay1) + amplitude2·exp(−x/decay2); the guess has decay1 < decay2."""
    return as_model(KINDS["double_exponential"], prefix)


def power_law(prefix: str | None = None) -> Model:
    """amplitude·x^exponent."""
    return as_model(KINDS["power_law"], prefix)


def arrhenius(prefix: str | None = None) -> Model:
    """amplitude·exp(−energy/(R·x)), x in K and the energy in J/mol (Arrhenius 1889)."""
    return as_model(KINDS["arrhenius"], prefix)


def michaelis_menten(prefix: str | None = None) -> Model:
    """vmax·x/(km + x), the rate of an enzyme (Michaelis and Menten 1913)."""
    return as_model(KINDS["michaelis_menten"], prefix)


def hill(prefix: str | None = None) -> Model:
    """vmax/(1 + (half/x)ⁿ), binding with cooperation (Hill 1910); 0 or vmax where x is 0."""
    return as_model(KINDS["hill"], prefix)


def logistic(parameters: int = 3, prefix: str | None = None) -> Model:
    """A growth curve of three to five parameters (Verhulst 1838, Richards 1959).

    Args:
        parameters: 3 for amplitude/(1 + exp(−(x − center)/width)); 4 for one from bottom to top;
            5 for bottom + (top − bottom)/(1 + exp(−(x − center)/width))^asymmetry.

    Raises:
        UsageError: another number of parameters.
    """
    if parameters not in (3, 4, 5):
        raise UsageError(f"logistic({parameters!r}): it has 3, 4 or 5 parameters")
    return as_model(KINDS[f"logistic{parameters}"], prefix)


def gaussian(prefix: str | None = None) -> Model:
    """amplitude/(√(2π)·sigma)·exp(−((x − center)/sigma)²/2); amplitude is the area."""
    return as_model(KINDS["gaussian"], prefix)


def lorentzian(prefix: str | None = None) -> Model:
    """amplitude/(π·sigma·(1 + ((x − center)/sigma)²)); amplitude is the area."""
    return as_model(KINDS["lorentzian"], prefix)


def voigt(prefix: str | None = None) -> Model:
    """A Gaussian of width sigma seen through a Lorentzian of width gamma (Voigt 1912)."""
    return as_model(KINDS["voigt"], prefix)


def pseudo_voigt(prefix: str | None = None) -> Model:
    """(1 − fraction)·Gaussian + fraction·Lorentzian, both of half width sigma."""
    return as_model(KINDS["pseudo_voigt"], prefix)


def lognormal(prefix: str | None = None) -> Model:
    """amplitude/(√(2π)·sigma·x)·exp(−((log x − center)/sigma)²/2); 0 where x ≤ 0."""
    return as_model(KINDS["lognormal"], prefix)


def weibull(form: str = "density", prefix: str | None = None) -> Model:
    """Weibull's distribution (1951) times an amplitude; 0 where x ≤ 0.

    Args:
        form: `"density"` for amplitude·shape/scale·(x/scale)^(shape−1)·exp(−(x/scale)^shape),
            `"cumulative"` for amplitude·(1 − exp(−(x/scale)^shape)).
    """
    _check_form("weibull", form, ["density", "cumulative"])
    return as_model(KINDS["weibull" if form == "density" else "weibull_cumulative"], prefix)


def gaussian2d(prefix: str | None = None) -> Model:
    """A normal peak over x and y, its axes along x and y; amplitude is the volume."""
    return as_model(KINDS["gaussian2d"], prefix)


def step(form: str = "erf", prefix: str | None = None) -> Model:
    """amplitude·S((x − center)/sigma), S from 0 to 1; a negative sigma makes it fall.

    Args:
        form: S is `"erf"`, erfc(−t)/2; `"atan"`, 1/2 + arctan(t)/π; `"logistic"`,
            1/(1 + exp(−t)).
    """
    _check_form("step", form, FORMS)
    return as_model(KINDS["step" if form == "erf" else f"step_{form}"], prefix)


def rectangle(form: str = "erf", prefix: str | None = None) -> Model:
    """amplitude·(S((x − center1)/sigma1) + S((center2 − x)/sigma2) − 1), S as in `step`."""
    _check_form("rectangle", form, FORMS)
    return as_model(KINDS["rectangle" if form == "erf" else f"rectangle_{form}"], prefix)


def sine(prefix: str | None = None) -> Model:
    """amplitude·sin(frequency·x + shift), in radians."""
    return as_model(KINDS["sine"], prefix)


def damped_oscillator(prefix: str | None = None) -> Model:
    """amplitude·exp(−x/decay)·sin(frequency·x + shift), in radians."""
    return as_model(KINDS["damped_oscillator"], prefix)


def _check_form(name: str, form: str, known: object) -> None:
    forms = [str(one) for one in known]  # type: ignore[attr-defined]
    if form not in forms:
        raise UsageError(
            f"{name} has no form {form!r}{suggest(str(form), forms)}",
            remedy=f"the forms are {', '.join(forms)}",
        )
