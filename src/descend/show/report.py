"""What reports say: the content is gathered as sections; `layout` makes text or HTML of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from descend.records.record import FitRecord, History, Minimum, flat_parameters, leaves
from descend.records.statuses import status_named
from descend.show.layers import layers_section, standardised
from descend.show.layout import Section
from descend.show.numbers import NAME_WIDTH, count, duration, full, plural, short, shortened

__all__ = ["fit_told", "minimum_told"]

SPELLED_OUT = 16  # array parameters up to this many numbers are shown one by one
MOST_NUMBERS = 60  # and all of them together up to this many
MOST_CORRELATIONS = 12
CORRELATION_FROM = 0.1
UNDETERMINED = "the data do not determine this parameter"
NOT_ARRIVED = "the descent had not arrived"


def fit_told(record: FitRecord) -> tuple[str, list[Section]]:
    """The report on a fit.

    >>> fit_told(FitRecord(model="y = a*x", params={"a": 2.0}, n_rows=3, loss=0.25, epochs=7))[0]
    'Fit of y = a*x'
    """
    found = [layers_section(record)] if record.layers else [
        _parameters(record), _correlations(record)
    ]  # fmt: skip
    sections = [
        _task(record),
        _statistics(record),
        *found,
        Section("Warnings", remarks=list(record.warnings)),
    ]
    return f"Fit of {record.model}", _said(sections)


def _said(sections: Iterable[Section]) -> list[Section]:
    return [section for section in sections if section.rows or section.remarks]


def _task(record: FitRecord) -> Section:
    names = f"target {record.target}, data {', '.join(record.inputs) or 'none'}"
    dropped = f", {plural(record.n_dropped, 'row')} dropped" if record.n_dropped else ""
    if record.n_weightless:
        dropped += f", {record.n_weightless} of weight 0"
    source = f"{record.data_name}, " if record.data_name else ""
    rows: list[tuple[str, ...]] = [
        ("data", f"{source}{plural(record.n_rows, 'row')}{dropped}; {names}")
    ]
    if record.goal:
        rows.append(("inferred", record.goal))
    rows.append(("loss", record.loss_name))
    if record.layers and record.scales:
        rows.append(("scaling", standardised(record)))
    rows.append(("method", f"{record.optimizer}, {_batches(record)}".lstrip(", ")))
    if record.lr_factors:
        rows.append(("lr times", _factors(record.lr_factors)))
    if record.chosen_for:
        rows.append(("chosen for", record.chosen_for))
    if record.sigma_given:
        rows.append(("sigma", _sigma(record)))
    if record.start_source:
        rows.append(("start", record.start_source))
    rows.append((record.unit + "s", _amount(record)))
    rows += _rate(record.history, record.unit)
    if record.best_epoch is not None or record.ema is not None:
        rows.append(("returned", _returned(record)))
    if record.draws or record.running:
        rows.append(("serves with", _serving(record)))
    rows += _thinned(record.history, record.unit)
    rows.append(("time", _time(record.seconds, record.compile_seconds, record.engine)))
    rows.append(("seed", str(record.seed)))
    rows.append(_ending(record))
    return Section("", rows=rows)


def _returned(record: FitRecord) -> str:
    if record.best_epoch == 0:
        return f"the parameters of the start, the best of {plural(record.epochs, record.unit)}"
    what = "the parameters"
    if record.ema is not None:
        what = f"the moving average of the parameters (ema={record.ema:g})"
    if record.best_epoch is None:
        return what
    best = f"{record.unit} {count(record.best_epoch)}, the best of {count(record.epochs)}"
    return f"{what} of {best}" if record.ema is None else f"{what}, after {best}"


def _factors(lr_factors: Mapping[str, float]) -> str:
    """By what learning rates are multiplied; the names of layers are numbers with dots."""
    layers = {name: name.replace(".", "").isdigit() for name in lr_factors}
    return ", ".join(
        f"{factor:g} for {'layer ' if layers[name] else ''}{name}"
        for name, factor in lr_factors.items()
    )


def _rate(history: History, unit: str) -> list[tuple[str, str]]:
    """How a scheduled learning rate went."""
    known: Any = [] if history.lr is None else np.flatnonzero(np.isfinite(history.lr))
    if not len(known):
        return []
    rates, at = history.lr[known], history.epoch[known]
    changes = int(np.sum(rates[1:] != rates[:-1])) if history.every == 1 else 0
    told = f"; {plural(changes, 'change')}" if changes else ""
    first, last = (f"{rates[i]:.4g} in {unit} {count(int(at[i]))}" for i in (0, -1))
    return [("rate", f"{first}, {last}{told}")]


def _serving(record: FitRecord) -> str:
    parts = ["the mean of every draw"] if record.draws else []
    if record.running:
        kept = "value" if len(record.running) == 1 else "values"
        parts.append(f"the running {kept} of {', '.join(record.running)}")
    return f"{' and '.join(parts)}, in the loss evaluated anew, too"


def _thinned(history: History, unit: str) -> list[tuple[str, str]]:
    if history.every == 1:
        return []
    kept = f"{count(len(history.loss))} of {plural(history.epochs, unit)} are kept"
    return [("history", f"{kept}: one in {count(history.every)}, and the last")]


def _ending(record: FitRecord | Minimum) -> tuple[str, str]:
    return (status_named(record.status).headline, record.message)


def _sigma(record: FitRecord) -> str:
    what = "a covariance matrix, " if record.sigma_is_matrix else ""
    if record.errors_from:
        return f"{what}by which residuals are divided"
    if record.absolute_sigma:
        return f"{what}absolute: in the target's unit, and errors follow from it"
    return f"{what}relative: errors are scaled as if reduced chi² were 1"


def _batches(record: FitRecord) -> str:
    if record.batch_size is None or record.batch_size >= record.n_rows:
        return "all rows at once"
    order = "shuffled" if record.shuffle else "in order"
    joined = f", {record.accumulate} to an update" if record.accumulate > 1 else ""
    return f"batches of {plural(record.batch_size, 'row')}, {order}{joined}"


def _amount(record: FitRecord) -> str:
    parts = []
    if record.n_updates:
        parts.append(plural(record.n_updates, "update"))
    if record.n_evaluations and record.unit == "iteration":
        parts.append(f"{plural(record.n_evaluations, 'evaluation')} of the model")
    return count(record.epochs) + (f" ({', '.join(parts)})" if parts else "")


def _time(seconds: float, compile_seconds: float, engine: str) -> str:
    if engine != "native":
        return f"{duration(seconds)}, interpreted (not compiled)"
    if math.isnan(compile_seconds):
        return f"{duration(seconds)}, native code"
    how = f"compiled in {duration(compile_seconds)}"
    made = how if compile_seconds else "loaded from the cache"
    return f"{duration(seconds)}, native code ({made})"


def _statistics(record: FitRecord) -> Section:
    squares = "(residual / sigma)²" if record.sigma_given else "squared residuals"
    spread = math.sqrt(record.reduced_chi2) if record.reduced_chi2 >= 0 else math.nan
    if record.sigma_is_matrix:
        squares = "residuals, whitened by the covariance matrix and squared"
    if not math.isnan(record.deviance):
        squares, spread = "(count - rate)² / rate, which is Pearson's", math.nan
    freedom = "degrees of freedom" if record.dof is None else f"{record.dof}, degrees of freedom"
    last = f"mean over {record.unit} {count(record.epochs)}, parameters moving"
    if record.batch_size is None or record.batch_size >= record.n_rows:
        last = f"in {record.unit} {count(record.epochs)}, before its update"
    held = "on the rows held back, at the returned parameters"
    entries: list[tuple[str, float, str]] = [
        ("running loss", record.running_loss, last),
        ("loss", record.loss, "evaluated anew at the returned parameters"),
        ("validation loss", record.validation_loss, held),
        ("deviance", record.deviance, "twice the log-likelihood lost against the data themselves"),
        ("chi²", record.chi2, f"sum of {squares}"),
        ("reduced chi²", record.reduced_chi2, f"chi² / {freedom}"),
        ("residual spread", spread, "square root of reduced chi²"),
        ("R²", record.r2, "share of the variance explained"),
        *_metrics(record),
        ("AIC", record.aic, "Akaike's criterion"),
        ("AICc", record.aicc, "the same, corrected for few rows"),
        ("BIC", record.bic, "Schwarz's criterion"),
    ]
    shown = [entry for entry in entries if entry[0] == "loss" or not math.isnan(entry[1])]
    if record.status == "diverged":
        shown = [entry for entry in shown if math.isfinite(entry[1])]
    rows: list[tuple[str, ...]] = [(name, full(value), note) for name, value, note in shown]
    if record.n_classes:
        rows.append(("classes", str(record.n_classes), "that are told apart"))
    return Section("Statistics", rows=rows)


METRICS = {
    "accuracy": ("accuracy", "share of the rows that are told right"),
    "base_rate": ("base rate", "share of the most frequent class"),
    "all_labels_right": ("all labels right", "share of the rows"),
    "auc": ("AUC", "area under the ROC curve"),
    "log_loss": ("log loss", "mean of -log p, p of the row's own class"),
    "rmse": ("RMSE", "root of the mean squared error"),
    "mae": ("MAE", "mean absolute error"),
}
"""Metric → what the report calls it, and what it is."""
OF_NUMBERS = ("rmse", "mae")


def _metrics(record: FitRecord) -> list[tuple[str, float, str]]:
    """How well classes are told apart, and how near the numbers of a network are."""
    several = "all_labels_right" in record.metrics
    told = {
        name: words for name, words in METRICS.items()
        if (record.layers if name in OF_NUMBERS else record.n_classes)
    }  # fmt: skip
    if several:
        told["accuracy"] = ("accuracy", "share of the labels that are right")
    return [
        (words[0], record.metrics[name], words[1])
        for name, words in told.items() if name in record.metrics
    ]  # fmt: skip




def _parameters(record: FitRecord) -> Section:
    stderr, start = _numbers(record.stderr), _numbers(record.start)

    def cells(label: str, value: float) -> tuple[str, ...]:
        error = stderr.get(label, math.nan)
        told = (_error_cell(record, label, error), _relative(record, label, value, error))
        return (*told, _at(start, label)) if start else told

    header = ("± error", "relative", *(("start",) if start else ()))
    section = _number_table(record.params, header, cells, MOST_NUMBERS, (1, 2))
    section.remarks += _parameter_remarks(record)
    return section


def _number_table(
    params: Any, header: tuple[str, ...], cells: Callable[[str, float], tuple[str, ...]],
    most: float, even: tuple[int, ...],
) -> Section:  # fmt: skip
    """A row a number: its name, its value, and more cells; larger arrays are summed up.

    Args:
        most: numbers that are shown one by one. even: columns with decimal points in one place.
    """
    section, rows = Section("Parameters", ("name", "value", *header)), []
    for name, leaf in leaves(params):
        size = np.size(leaf)
        if np.ndim(leaf) and (size > SPELLED_OUT or size > most):
            section.remarks.append(_summary(name, np.asarray(leaf)))
            continue
        most -= size
        for label, value in flat_parameters({name: leaf}):
            rows.append((shortened(label, NAME_WIDTH), full(value), *cells(label, value)))
    section.fill(rows, even)
    return section


def _numbers(tree: Any) -> dict[str, float]:
    """Single numbers by name, of those leaves that the table may show one by one."""
    small = {name: leaf for name, leaf in leaves(tree) if np.size(leaf) <= SPELLED_OUT}
    return dict(flat_parameters(small))


def _error_cell(record: FitRecord, label: str, error: float) -> str:
    if _belongs(label, record.fixed):
        return "fixed"
    if math.isfinite(error):
        return full(error, 6)
    return "tied" if _belongs(label, record.ties) else "—"


def _belongs(label: str, names: Iterable[str]) -> bool:
    """Whether a number is one of these parameters, or in one of them."""
    return any(label == name or label.startswith(f"{name}[") for name in names)


def _relative(record: FitRecord, label: str, value: float, error: float) -> str:
    if not math.isfinite(error) and _belongs(label, (*record.fixed, *record.ties)):
        return ""
    if not math.isfinite(error) or value == 0:
        return "—"
    share = abs(error / value)
    return f"{share:.2%}" if share < 100 else "> 9999%"


def _summary(name: str, array: np.ndarray[Any, Any]) -> str:
    shape = "×".join(map(str, array.shape))
    finite = array[np.isfinite(array)]
    if not finite.size:
        return f"{name}: array {shape}, no finite number"
    lost = f", {count(array.size - finite.size)} not finite" if finite.size < array.size else ""
    return (
        f"{name}: array {shape}, mean {short(float(finite.mean()), 4)}, "
        f"sd {short(float(finite.std()), 4)}, "
        f"from {short(float(finite.min()), 4)} to {short(float(finite.max()), 4)}{lost}"
    )


def _parameter_remarks(record: FitRecord) -> list[str]:
    remarks, held = _bond_remarks(record), _held(record)
    if record.scales:
        remarks.append(
            f"They belong to rescaled columns ({', '.join(record.scales)}): the model saw "
            "(column - mean) / spread, as the warnings say."
        )
    if not record.has_errors:
        remarks.append(f"— no standard errors: {record.errors_note or NOT_ARRIVED}.")
    elif any(math.isnan(e) for n, e in _free(record, _numbers(record.stderr)) if n not in held):
        remarks.append(f"— no standard error: {record.errors_note or UNDETERMINED}.")
    elif record.errors_from:
        remarks.append(f"± {record.errors_from}.")
    return remarks + record.findings


def _bond_remarks(record: FitRecord | Minimum) -> list[str]:
    """What is fixed and tied, what lies on a bound, and what was moved on another scale."""
    remarks = [f"{name} is tied: {name} = {formula}." for name, formula in record.ties.items()]
    consequence = (
        "it has no standard error there, and those of the others hold for as long as it stays. "
        "Widen the bound if you can."
    )
    if isinstance(record, Minimum):
        consequence = f"beyond it the value {'rises' if record.maximize else 'falls'} further."
    remarks += [
        f"{name} lies on its bound {short(edge)}: {consequence}"
        for name, edge in _held(record).items()
    ]
    if record.scaled:
        moved = ", ".join(f"{name} ({scale})" for name, scale in record.scaled.items())
        remarks.append(f"Moved on another scale, but told as they are: {moved}.")
    return remarks


def _held(record: FitRecord | Minimum) -> dict[str, float]:
    """The parameters that lie on a bound, each with that bound."""
    found = {}
    params = record.named() if isinstance(record, Minimum) else record.params
    for name, value in _numbers(params).items():
        low, high = record.bounds.get(name, (-math.inf, math.inf))
        is_free = math.isfinite(value) and not _belongs(name, record.fixed)
        if is_free and (value <= low or value >= high):
            found[name] = low if value <= low else high
    return found


def _free(record: FitRecord, numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return (
        (name, value)
        for name, value in numbers.items()
        if not _belongs(name, (*record.fixed, *record.ties))
    )


def _correlations(record: FitRecord) -> Section:
    section = Section("")
    if record.correlation is None:
        return section
    strong = correlated_pairs(record)
    section.title = f"Correlations (above {CORRELATION_FROM:g}, strongest first)"
    section.packed = True
    for first, second, value in strong[:MOST_CORRELATIONS]:
        pair = f"{shortened(first, NAME_WIDTH)}, {shortened(second, NAME_WIDTH)}"
        section.rows.append((pair, f"{value:+.4f}"))
    if len(strong) > MOST_CORRELATIONS:
        rest = len(strong) - MOST_CORRELATIONS
        section.remarks.append(f"… and {rest} more above {CORRELATION_FROM:g}.")
    return section


def correlated_pairs(record: FitRecord) -> list[tuple[str, str, float]]:
    """Pairs of parameters correlated above 0.1 in absolute value, strongest first."""
    if record.correlation is None:
        return []
    matrix = np.asarray(record.correlation, dtype=np.float64)
    rows, columns = np.triu_indices(len(matrix), k=1)
    values = matrix[rows, columns]
    kept = np.flatnonzero(np.abs(values) > CORRELATION_FROM)
    kept = kept[np.argsort(-np.abs(values[kept]), kind="stable")]
    names = record.covariance_names
    return [(names[rows[k]], names[columns[k]], float(values[k])) for k in kept]


def minimum_told(record: Minimum) -> tuple[str, list[Section]]:
    """The report on a minimisation (or maximisation).

    >>> minimum_told(Minimum(function="x**2", params=1e-9, value=1e-18, iterations=3))[0]
    'Minimum of x**2'
    """
    task = Section("")
    if record.optimizer:
        task.rows.append(("method", record.optimizer))
    if record.chosen_for:
        task.rows.append(("chosen for", record.chosen_for))
    if record.start_source not in ("", "given"):
        task.rows.append(("start", record.start_source))
    amount = count(record.iterations)
    if record.n_evaluations:
        amount += f", {plural(record.n_evaluations, 'evaluation')}"
    task.rows += [
        ("iterations", amount),
        *_thinned(record.history, "iteration"),
        ("time", _time(record.seconds, record.compile_seconds, record.engine)),
        ("seed", str(record.seed)),
        _ending(record),
        ("value", full(record.value)),
    ]
    gradient = _numbers(record.named(record.gradient)) if record.gradient is not None else {}
    start = _numbers(record.named(record.start)) if record.start is not None else {}

    errors = None if record.stderr is None else _numbers(record.named(record.stderr))

    def cells(label: str, value: float) -> tuple[str, ...]:
        slope = short(gradient.get(label, math.nan))
        slope = "fixed" if _belongs(label, record.fixed) else slope
        slope = "tied" if _belongs(label, record.ties) else slope
        error = None if errors is None else errors.get(label, math.nan)
        known = () if error is None else (full(error, 6) if math.isfinite(error) else "—",)
        return *known, slope, _at(start, label)

    header = ("gradient", "start") if errors is None else ("± error", "gradient", "start")
    params = _number_table(record.named(), header, cells, math.inf, (1,))
    if record.errors_note:
        params.remarks.append(f"— no standard errors: {record.errors_note}.")
    params.remarks += _bond_remarks(record)
    warnings = Section("Warnings", remarks=list(record.warnings))
    title = f"{'Maximum' if record.maximize else 'Minimum'} of {record.function}"
    return title, _said([task, params, warnings])


def _at(numbers: Mapping[str, float], label: str) -> str:
    return short(numbers[label]) if label in numbers else ""
