"""What the residuals say of the fit, as a whole and row by row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from descend.errors import UsageError
from descend.lean import dataclass
from descend.run.view import free_count, on_bounds
from descend.show import canvas
from descend.show.layout import Section
from descend.show.shown import Uncertain
from descend.trust.complete import evidence_of
from descend.trust.quantiles import region_factor, student_factor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Diagnostics", "Test", "diagnose", "diagnosed", "durbin_watson", "leverages", "ljung_box",
    "runs_test",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SHAPIRO = 5000
SURE = 0.01  # tests that would be passed less often are named
FULL = 1 - 1e-9


class Test(NamedTuple):
    """A test: its statistic, and how often a faithful model gives one as far out."""

    name: str
    statistic: float
    p_value: float
    meaning: str


@dataclass
class Diagnostics(Uncertain):
    """Tests of the residuals, and the weight of each row (arrays of n numbers).

    Attributes:
        tests: normality, autocorrelation, and where the sigmas are absolute, χ² itself.
        durbin_watson: about 2 where neighbours have nothing in common; 0 where they agree.
        leverage: how much of its own value each row decides: the diagonal of the hat matrix.
        studentized: residuals over their own standard errors, each judged by the others.
        cooks: how far leaving out a row would move all fitted values (Cook 1977).
        ordered_by: the column along which neighbours are neighbours.
        findings: what is remarkable, in plain words.
    """

    tests: tuple[Test, ...]
    durbin_watson: float
    leverage: Array
    standardized: Array
    studentized: Array
    cooks: Array
    ordered_by: str
    findings: tuple[str, ...]

    __repr__ = Uncertain.__repr__

    def _told(self) -> tuple[str, list[Section]]:
        """The tests, and what is remarkable."""
        tests = Section("", ("test", "statistic", "p", "of"))
        tests.rows = [
            (test.name, f"{test.statistic:.4g}", f"{test.p_value:.3g}", test.meaning)
            for test in self.tests
        ]
        along = f" along {self.ordered_by}" if self.ordered_by else ""
        tests.remarks = [
            f"Durbin–Watson {self.durbin_watson:.3f} (about 2 where neighbours{along} have nothing "
            "in common).",
            f"Leverage from {self.leverage.min():.3g} to {self.leverage.max():.3g}, "
            f"Cook's distance up to {self._largest():.3g}.",
        ]
        findings = list(self.findings) or ["Nothing remarkable."]
        return "Diagnostics of the residuals", [tests, Section("Findings", remarks=findings)]

    def _largest(self) -> float:
        finite = self.cooks[~(self.cooks != self.cooks)]
        return float(finite.max()) if finite.size else math.nan

    def plot(self, path: canvas.Path = None) -> Figure:
        """Draw residuals in order, against normal quantiles, and the weight of each row.

        Raises:
            UsageError: the path cannot be written.
        """
        first = self.findings[0] if self.findings else "nothing remarkable"
        figure = canvas.new_figure("Diagnostics", [first])
        (order, normal), (leverage, cooks) = figure.subplots(2, 2)
        n = self.studentized.size
        row = np.arange(n, dtype=np.float64)
        canvas.points(order, row, self.studentized)
        for height in (-2.0, 0.0, 2.0):
            order.axhline(height, color=canvas.FIT if height == 0 else canvas.MUTED, linewidth=1.0)
        canvas.style(order, "row", "studentised residual")
        place = special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
        canvas.points(normal, place, np.sort(self.studentized))
        ends = np.array([place[0], place[-1]])
        normal.plot(ends, ends, color=canvas.FIT, linewidth=1.2)
        canvas.style(normal, "normal quantile", "studentised residual")
        canvas.points(leverage, self.leverage, self.studentized)
        canvas.style(leverage, "leverage", "studentised residual")
        canvas.points(cooks, row, self.cooks)
        canvas.style(cooks, "row", "Cook's distance")
        return canvas.save(figure, path)


def diagnosed(fit: Any) -> Diagnostics:
    """See `Fit.diagnostics`."""
    evidence = evidence_of(fit, "diagnostics")
    if not evidence.squares:
        raise UsageError(
            f"diagnostics judge the residuals of a sum of squares, and the loss is "
            f"{fit.loss_name}",
            remedy='fit with loss="mse"',
        )
    residual, slopes = evidence.linear()
    space = evidence.whole.job.space
    # What a bound holds follows no row.
    slopes = slopes[:, ~on_bounds(space, evidence.leaves)]
    columns, order, along = evidence.rows.columns, None, ""
    inputs = [(name, c) for name, c in columns.items() if c.ndim == 1]
    if len(columns) == len(inputs) == 1 and evidence.rows.n_rows == residual.size:
        along = inputs[0][0]
        order = np.argsort(inputs[0][1], kind="stable")
    dof = evidence.rows.counted - free_count(space, evidence.leaves)
    # y - fitted, as fit.residuals are
    return diagnose(-residual, slopes, dof, bool(fit.absolute_sigma), order, along)


@np.errstate(all="ignore")
def diagnose(
    residual: Array, jacobian: Array, dof: int, absolute: bool,
    order: Array | None = None, ordered_by: str = "",
) -> Diagnostics:  # fmt: skip
    """Judge n scaled residuals by themselves and by the (n, p) derivatives.

    Studentised residuals and Cook's distances: Cook and Weisberg, "Residuals and Influence in
    Regression" (1982), sections 2.2 and 3.1, the model taken as linear at its minimum.

    Args:
        jacobian: of the parameters that are free to follow the data.
        dof: degrees of freedom of s². absolute: whether s² is known to be 1 instead.
        order: along which neighbouring residuals are neighbours (the only column, if there is
            one); as they stand where None.
    """
    p = jacobian.shape[1]
    leverage = leverages(jacobian)
    room = np.where(leverage < FULL, 1 - leverage, math.nan)
    chi2 = float(residual @ residual)
    spread = 1.0 if absolute else chi2 / dof if dof > 0 else math.nan
    standardized = residual / np.sqrt(spread * room)
    left = (chi2 - residual**2 / room) / (dof - 1 if dof > 1 else math.nan)
    studentized = standardized if absolute else residual / np.sqrt(left * room)
    cooks = standardized**2 * leverage / room / p
    along = residual if order is None else residual[order]
    tests = [_normality(residual), ljung_box(along), runs_test(along)]
    if absolute and dof > 0:
        tests.append(_goodness(chi2, dof))
    kept = tuple(test for test in tests if not math.isnan(test.p_value))
    watson = durbin_watson(along)
    findings = _findings(kept, watson)
    # Studentised by the others, a residual has one degree less; by a known scale it is normal.
    others = math.inf if absolute else dof - 1
    findings += tuple(_rows(leverage, studentized, cooks, others, p))
    return Diagnostics(
        kept, watson, leverage, standardized, studentized, cooks, ordered_by, findings
    )


def leverages(jacobian: Array) -> Array:
    """The diagonal of the hat matrix J(JᵀJ)⁻¹Jᵀ, by the SVD.

    >>> leverages(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])).round(4)
    array([0.8333, 0.3333, 0.8333])
    """
    if not jacobian.size:
        return np.zeros(len(jacobian))
    size = np.sqrt(np.sum(jacobian**2, axis=0))
    scaled = jacobian / np.where(size > 0, size, 1)
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    known = values > values[0] * np.finfo(np.float64).eps * max(jacobian.shape)
    return np.asarray(np.minimum(np.sum(left[:, known] ** 2, axis=1), 1.0))


def durbin_watson(residual: Array) -> float:
    """Σ(rᵢ - rᵢ₋₁)² / Σrᵢ² (Durbin and Watson 1950).

    >>> durbin_watson(np.array([1.0, -1.0, 1.0, -1.0]))
    3.0
    """
    total = float(residual @ residual)
    return float(np.sum(np.diff(residual) ** 2) / total) if total > 0 else math.nan


def ljung_box(residual: Array, lags: int | None = None) -> Test:
    """The test of Ljung and Box, "On a measure of lack of fit in time series models" (1978).

    Q = n(n+2)·Σ ρₖ²/(n-k) over the first lags (10, or n/5 where that is fewer) is χ².
    """
    n = residual.size
    lags = max(1, min(10, n // 5)) if lags is None else lags
    centred = residual - residual.mean()
    total = float(centred @ centred)
    meaning = f"autocorrelation over {lags} neighbours"
    if n < 8 or total <= 0:
        return Test("Ljung–Box", math.nan, math.nan, meaning)
    rho = np.array([centred[k:] @ centred[:-k] for k in range(1, lags + 1)]) / total
    q = n * (n + 2) * float(np.sum(rho**2 / (n - np.arange(1, lags + 1))))
    return Test("Ljung–Box", q, float(special.chdtrc(lags, q)), meaning)


def runs_test(residual: Array) -> Test:
    """The test of Wald and Wolfowitz (1940) on the runs of equal signs; z is normal for many.

    >>> test = runs_test(np.repeat([1.0, -1.0], 10))
    >>> round(test.statistic, 3), test.p_value < 0.001
    (-4.135, True)
    """
    signs = residual[residual != 0] > 0
    up, n = int(signs.sum()), signs.size
    down = n - up
    meaning = "runs of equal signs"
    if up < 4 or down < 4:
        return Test("runs", math.nan, math.nan, meaning)
    runs = 1 + int(np.sum(signs[1:] != signs[:-1]))
    mean = 2 * up * down / n + 1
    variance = (mean - 1) * (mean - 2) / (n - 1)
    z = (runs - mean) / math.sqrt(variance)
    return Test("runs", z, float(2 * special.ndtr(-abs(z))), meaning)


def _normality(residual: Array) -> Test:
    """Shapiro and Wilk (1965) up to 5000 residuals, D'Agostino and Pearson (1973) beyond."""
    from scipy import stats

    n = residual.size
    if n < 8 or np.ptp(residual) <= 0:
        return Test("Shapiro–Wilk", math.nan, math.nan, "normal residuals")
    if n <= MOST_SHAPIRO:
        found, name = stats.shapiro(residual), "Shapiro–Wilk"
    else:
        found, name = stats.normaltest(residual), "D'Agostino–Pearson"
    return Test(name, float(found.statistic), float(found.pvalue), "normal residuals")


def _goodness(chi2: float, dof: int) -> Test:
    p_value = float(special.chdtrc(dof, chi2))
    return Test("chi²", chi2, p_value, "chi² as large, if model and sigmas are right")


def _findings(tests: tuple[Test, ...], watson: float) -> tuple[str, ...]:
    """What is remarkable, in plain words."""
    found = []
    by_name = {test.name: test for test in tests}
    for name in ("Shapiro–Wilk", "D'Agostino–Pearson"):
        if name in by_name and by_name[name].p_value < SURE:
            found.append(
                f"The residuals are not normal ({name}, p = {by_name[name].p_value:.2g}): look for "
                "outliers, or use a robust loss; prediction bands do not hold."
            )
    signs = [t for n_ in ("Ljung–Box", "runs") if (t := by_name.get(n_)) and t.p_value < SURE]
    if signs:
        which = ", ".join(f"{t.name}, p = {t.p_value:.2g}" for t in signs)
        alike = "are alike" if watson < 2 else "alternate"
        found.append(
            f"Neighbouring residuals {alike} ({which}; Durbin–Watson {watson:.2f}): the model "
            "misses something, or another minimum is better (starts=8 looks for it), or the "
            "errors are correlated; standard errors do not hold."
        )
    chi2 = by_name.get("chi²")
    if chi2 is not None and (chi2.p_value < SURE or chi2.p_value > 1 - SURE):
        large = chi2.p_value < SURE
        size = "large" if large else "small"
        why = "the model misses something, or the sigmas are too small"
        why = why if large else "the sigmas are too large"
        found.append(f"chi² is far too {size} (p = {chi2.p_value:.2g}): {why}.")
    return tuple(found)


def _rows(leverage: Array, studentized: Array, cooks: Array, dof: float, p: int) -> list[str]:
    """The rows that stand out."""
    found = []
    # Bonferroni: one false alarm in twenty fits
    limit = student_factor(1 - 0.05 / leverage.size, dof) if dof > 0 else math.inf
    far = np.flatnonzero(np.abs(studentized) > limit)
    if far.size:
        found.append(
            f"Far from the fit, beyond {limit:.2f} standard errors: {_listed(far, studentized)}."
        )
    decided = np.flatnonzero(leverage > 0.99)
    if decided.size and dof >= 0:
        found.append(f"The fit follows these rows wherever they lie: {_listed(decided, leverage)}.")
    # 1 is about the middle of F(p, dof), and below it where degrees of freedom are few.
    middle = region_factor(0.5, p, dof + 1) ** 2 / p if p and dof >= 0 else math.inf
    heavy = np.flatnonzero(cooks > max(1.0, middle))
    if heavy.size:
        found.append(
            f"Leaving out one of these rows would move the fit out of its own 50 % region: "
            f"{_listed(heavy, cooks)}."
        )
    return found


def _listed(rows: Array, values: Array) -> str:
    """The rows that stand out most, with their numbers."""
    order = rows[np.argsort(-np.abs(values[rows]), kind="stable")]
    shown = ", ".join(f"row {row} ({values[row]:.3g})" for row in order[:5])
    return shown + (f" and {order.size - 5} more" if order.size > 5 else "")
