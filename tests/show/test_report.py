"""Reports: every promised number is there, aligned, and a missing one is owned up to."""

import math
from html.parser import HTMLParser

import numpy as np
import pytest

from descend.records.record import FitRecord, History, Minimum
from descend.show.layout import as_html, as_text
from descend.show.report import fit_told, minimum_told


def lesson(**changes):
    given = {
        "model": "y = w1*x**2 + w2*x + w3",
        "data_name": "examples/parabola.csv",
        "n_rows": 100,
        "optimizer": "SGD(lr=0.001)",
        "batch_size": 1,
        "start": {"w1": 1.0, "w2": 0.0, "w3": 1.0},
        "params": {"w1": 4.3343028571, "w2": 4.6531934521, "w3": 6.0618949671},
        "loss": 0.00064149407,
        "running_loss": 0.00064228662,
        "chi2": 0.064149407,
        "reduced_chi2": 0.00066133409,
        "dof": 97,
        "r2": 0.99990536,
        "aic": -729.17106,
        "bic": -721.35555,
        "epochs": 1000,
        "n_updates": 100_000,
        "n_evaluations": 100_000,
        "seconds": 0.0006,
        "compile_seconds": 0.025,
        "history": History(loss=[1.0]),
    }
    return FitRecord(**(given | changes))


def fit_report(record):
    return as_text(*fit_told(record))


def line(report, start):
    """The one line of a report that begins with a word."""
    found = [text for text in report.splitlines() if text.strip().startswith(start)]
    assert len(found) == 1, (start, found)
    return found[0].strip()


def test_the_lesson_is_reported_to_the_digits_it_prints():
    report = fit_report(lesson())
    assert report.splitlines()[0] == "Fit of y = w1*x**2 + w2*x + w3"
    assert line(report, "w1").split() == ["w1", "4.334302857", "—", "—", "1"]
    assert line(report, "w2").split() == ["w2", "4.653193452", "—", "—", "0"]
    assert line(report, "w3").split() == ["w3", "6.061894967", "—", "—", "1"]
    assert "— no standard errors: the descent had not arrived." in report


def test_both_losses_are_there_and_told_apart():
    report = fit_report(lesson())
    assert line(report, "running loss").split(maxsplit=3)[2:] == [
        "0.0006422866200",
        "mean over epoch 1000, parameters moving",
    ]
    assert "  loss                0.0006414940700  evaluated anew at the returned" in report


def test_what_was_done_is_said():
    report = fit_report(lesson(n_dropped=2, seed=7))
    assert line(report, "data").endswith(
        "examples/parabola.csv, 100 rows, 2 rows dropped; target y, data x"
    )
    assert line(report, "method").endswith("SGD(lr=0.001), batches of 1 row, in order")
    assert line(report, "epochs").endswith("1000 (100,000 updates)")
    assert line(report, "time").endswith("600 µs, native code (compiled in 25 ms)")
    assert line(report, "seed").split() == ["seed", "7"]
    assert line(report, "stopped").endswith(
        "all 1000 epochs were spent; no stopping rule was met before"
    )
    for name, digits in {
        "chi²": "0.0641494",
        "R²": "0.9999053",
        "AIC": "-729.1710",
        "BIC": "-721.3",
    }.items():
        assert line(report, name).split()[1].startswith(digits)
    assert "chi² / 97, degrees of freedom" in report


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "interpreted"}, "interpreted (not compiled)"),
        ({"compile_seconds": 0.0}, "native code (loaded from the cache)"),
        ({"batch_size": None}, "all rows at once"),
        ({"batch_size": 32, "shuffle": True}, "batches of 32 rows, shuffled"),
        ({"start_source": "best of 32 candidates"}, "start       best of 32 candidates"),
        ({"status": "diverged", "message": "w1 left first"}, "FAILED      w1 left first"),
        ({"status": "interrupted"}, "stopped     interrupted; the last completed update"),
        ({"errors_note": "the covariance is singular"}, "errors: the covariance is singular."),
        ({"sigma_given": True}, "sum of (residual / sigma)²"),
        ({"validation_loss": 0.5}, "0.5000000000     on the rows held back"),
        ({"warnings": ["5 rows look odd."]}, "Warnings\n  5 rows look odd."),
        ({"ties": {"w2": "2*w1"}}, "w2 is tied: w2 = 2*w1."),
        ({"bounds": {"w3": (6.0618949671, math.inf)}}, "w3 lies on its bound 6.06189"),
    ],
)  # fmt: skip
def test_special_circumstances_are_said(changes, words):
    assert words in fit_report(lesson(**changes))


def test_errors_stand_beside_their_values_and_relative_ones_in_percent():
    record = lesson(
        stderr={"w1": 0.05, "w2": np.nan, "w3": 0.001}, fixed=("w2",), status="converged"
    )
    report = fit_report(record)
    assert line(report, "w1").split() == ["w1", "4.334302857", "0.0500000", "1.15%", "1"]
    assert line(report, "w2").split() == ["w2", "4.653193452", "fixed", "0"]
    assert "no standard error" not in report


def test_a_single_missing_error_is_explained():
    report = fit_report(lesson(stderr={"w1": 0.05, "w2": np.nan, "w3": 0.001}))
    assert "— no standard error: the data do not determine this parameter." in report


def test_correlations_are_sorted_by_strength_and_weak_ones_left_out():
    covariance = np.array([[1.0, 0.05, -0.9], [0.05, 1.0, 0.4], [-0.9, 0.4, 1.0]])
    report = fit_report(lesson(covariance=covariance))
    assert "w1, w3  -0.9000    w2, w3  +0.4000" in report
    assert "w1, w2" not in report


def test_decimal_points_stand_below_one_another():
    record = FitRecord(model="m", n_rows=9, params={"a": 1288.1396, "b": 0.0497, "c": -75.4})
    rows = fit_report(record).splitlines()
    places = {row.index(".") for row in rows if row.strip()[:2] in ("a ", "b ", "c ")}
    assert len(places) == 1


def many(n):
    generator = np.random.default_rng(1)
    params = {f"amplitude_{i}": float(generator.normal() * 10.0 ** (i % 17 - 8)) for i in range(n)}
    half = generator.normal(size=(n, n))
    return FitRecord(
        model="y = " + " + ".join(f"{name}*exp(-x/{i + 1})" for i, name in enumerate(params)),
        n_rows=1_000_000,
        params=params,
        stderr={name: abs(value) / 10 for name, value in params.items()},
        start=params,
        covariance=half @ half.T,
        epochs=123_456,
        batch_size=64,
        warnings=["a warning that is long enough to need a second line " * 3],
    )


@pytest.mark.parametrize("record", [lesson(), many(1), many(30)])
def test_reports_fit_a_terminal(record):
    assert max(map(len, fit_report(record).splitlines())) <= 80


def test_thirty_parameters_are_all_named_and_correlations_counted():
    report = fit_report(many(30))
    assert all(f"amplitude_{i} " in report for i in range(30))
    assert " more above 0.1." in report


def test_arrays_are_spelled_out_when_small_and_summarised_when_large():
    params = {"w": np.array([[1.0, 2.0]]), "W": np.arange(2048.0).reshape(64, 32), "s": 1.5}
    report = fit_report(FitRecord(model="net", n_rows=10, params=params))
    assert line(report, "w[0, 1]").split()[2] == "2.000000000"
    assert "W: array 64×32, mean 1024, sd 591.2, from 0 to 2047" in report
    assert "W[" not in report


def test_a_diverged_fit_shows_what_it_has():
    params = {"a": np.inf, "W": np.full(100, np.nan)}
    report = fit_report(FitRecord(model="m", n_rows=2, params=params, status="diverged"))
    assert line(report, "a ").split()[1] == "inf"
    assert "W: array 100, no finite number" in report


class Table(HTMLParser):
    """Collects the cells, and the tags left open."""

    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data.strip())


def test_html_is_well_formed_escaped_and_says_the_same():
    page = Table()
    page.feed(as_html(*fit_told(lesson(model="y = where(x < 3, w1, w2) & <b>"))))
    assert page.open == []
    assert "Fit of y = where(x < 3, w1, w2) & <b>" in page.cells
    assert "4.334302857" in page.cells
    assert "evaluated anew at the returned parameters" in page.cells


def test_minimum_report():
    record = Minimum(
        function="3*x[0]**2 + 4*x[1]**2",
        params=np.array([1e-9, 0.0]),
        start=np.ones(2),
        gradient=np.array([6e-9, 0.0]),
        value=3e-18,
        status="gradient_small",
        iterations=120,
        n_evaluations=121,
        maximize=True,
    )
    report = as_text(*minimum_told(record))
    assert report.startswith("Maximum of 3*x[0]**2 + 4*x[1]**2\n")
    assert line(report, "x[0]").split() == ["x[0]", "1.000000000e-09", "6e-09", "1"]
    assert line(report, "value ").split() == ["value", "3.000000000e-18"]
    assert "the gradient is as good as zero; stopped in iteration 120" in report
