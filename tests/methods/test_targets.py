"""What targets a loss takes, whatever the entry, and what is said of others."""

import numpy as np
import pandas as pd
import pytest

import descend
from descend.errors import InternalError
from descend.methods.losses import Loss
from descend.methods.table import LOSSES, as_loss

X = np.stack([np.cos(np.arange(60.0)), np.sin(1.7 * np.arange(60))], 1)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
START = {"w": np.zeros((2, 3)), "b": np.zeros(3)}


def logits(x, w, b):
    return x @ w + b


def fitted(y, loss="cross_entropy", model=logits, start=START, **options):
    return descend.fit(model, X, y, loss=loss, start=start, **options)


def test_every_loss_says_what_its_targets_may_be() -> None:
    for name in LOSSES:
        assert as_loss(name).domain, name


def test_a_loss_that_does_not_say_it_cannot_be_asked_for_by_name(monkeypatch) -> None:
    class Silent(Loss):
        name = "silent"

    monkeypatch.setattr("descend.methods.table.LOSSES", {"silent": Silent})
    with pytest.raises(InternalError, match='"silent" does not say what its targets may be'):
        as_loss("silent")


@pytest.mark.parametrize(
    ("labels", "row", "remedy"),
    [
        (Y + 1, r"class numbers 0 to 2: row \d+ has 3", "number them from 0: y - 1"),
        (Y - 1, r"class numbers 0 to 2: row \d+ has -1", r"np.unique\(y, return_inverse=True\)"),
        (Y + 0.5, r"class numbers 0 to 2: row 0 has", ""),
        (2 * Y, r"class numbers 0 to 2: row \d+ has 4", r"np.unique\(y, return_inverse=True\)"),
    ],
)
def test_class_numbers_that_are_none(labels, row, remedy) -> None:
    for _ in range(2):
        with pytest.raises(descend.DataError, match=row) as told:
            fitted(labels)
        assert not remedy or told.match(remedy)
    with pytest.raises(descend.DataError, match=r"class numbers 0 to 2: row \d+ of fit 0 has"):
        descend.fit_many(logits, X[None], labels[None], loss="cross_entropy", start=START)


def test_the_second_call_looks_at_its_own_targets() -> None:
    fitted(Y)
    fitted(Y)
    with pytest.raises(descend.DataError, match="class numbers 0 to 2"):
        fitted(Y + 1)


def test_a_remedy_for_class_numbers_works() -> None:
    labels = 2 * Y
    assert fitted(np.unique(labels, return_inverse=True)[1]).loss == fitted(Y).loss
    assert fitted((Y + 1) - 1).loss == fitted(Y).loss


def test_class_numbers_as_a_column() -> None:
    with pytest.raises(descend.UsageError, match=r"(?s)y has the shape \(60, 1\).*give y\[:, 0\]"):
        fitted(Y[:, None])


def test_rows_that_are_no_probabilities() -> None:
    with pytest.raises(descend.DataError, match=r"not below 0 and sum to 1: row 0 has"):
        fitted(np.tile([1.2, -0.1, -0.1], (60, 1)))
    several = (np.arange(180).reshape(60, 3) * 0.618 % 1.0 < 0.5).astype(float)
    with pytest.raises(descend.DataError, match=r'several labels, write loss="bce_with_logits"'):
        fitted(several)
    counts = np.tile([2.0, 1.0, 1.0], (60, 1))
    with pytest.raises(descend.DataError, match=r"y / y.sum\(axis=-1, keepdims=True\)"):
        fitted(counts)
    assert fitted(counts / counts.sum(axis=-1, keepdims=True)).success
    assert fitted(several, "bce_with_logits").success


def test_one_logit_is_no_class() -> None:
    for model, start in (
        (lambda x, w: x @ w, {"w": np.zeros(2)}),
        (lambda x, w: x @ w, {"w": np.zeros((2, 1))}),
    ):
        with pytest.raises(descend.UsageError, match='one log-odds a row, write loss="bce_with_l'):
            fitted((Y > 0).astype(float), model=model, start=start)


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("binary_crossentropy", "bce"), ("BCEWithLogitsLoss", "bce_with_logits"),
        ("sparse_categorical_crossentropy", "cross_entropy"), ("smooth_l1", "huber"),
    ],
)  # fmt: skip
def test_names_of_others_lead_to_what_does_the_same(written, ours) -> None:
    with pytest.raises(descend.UsageError, match=f'here "{ours}" does that'):
        fitted(Y, written)


@pytest.mark.parametrize(("outputs", "target"), [(3, X[:, 0]), (2, X)])
def test_a_mean_and_a_log_variance_for_each_value(outputs, target) -> None:
    start = {"w": np.zeros((2, outputs)), "b": np.zeros(outputs)}
    with pytest.raises(descend.UsageError, match=r"a pair \(mean, log variance\) for each value"):
        fitted(target, "gaussian_nll", start=start)


def test_signs() -> None:
    with pytest.raises(descend.DataError, match=r"targets -1 or 1: row \d+ has 0"):
        fitted((Y > 0).astype(float), "hinge", lambda x, w: x @ w, {"w": np.ones(2)})


NAMES = np.array(["a", "b", "c"])[Y]


@pytest.mark.parametrize(
    "labels",
    [NAMES, list(NAMES), NAMES.astype(object), NAMES.astype("S"), pd.Categorical(NAMES),
     pd.Series(NAMES), Y.astype(str), list(Y.astype(str))],
)  # fmt: skip
def test_what_is_said_of_text_labels_works(labels) -> None:
    with pytest.raises(descend.DataError, match="y holds text") as told:
        fitted(labels)
    call = told.value.remedy.partition(": ")[2]
    assert fitted(eval(call, {"np": np, "y": labels})).loss == fitted(Y).loss


@pytest.mark.parametrize("low", [-1.0, 1.0, 3.0])
def test_what_is_said_of_two_numbers_works(low) -> None:
    y = np.where(Y > 0, low + 2, low)
    start = {"w": np.zeros(2), "b": 0.0}
    with pytest.raises(descend.DataError, match=r'"bce_with_logits" needs targets in \[0') as told:
        fitted(y, "bce_with_logits", start=start)
    call = told.value.remedy.partition(": ")[2]
    found = fitted(eval(call, {"np": np, "y": y}), "bce_with_logits", start=start)
    assert found.loss == fitted(1.0 * (Y > 0), "bce_with_logits", start=start).loss


@pytest.mark.parametrize("options", [{"missing": "drop"}, {"validation_split": 0.3}, {}])
def test_the_row_is_that_of_the_data_given(options) -> None:
    y = 1.0 * (Y > 0)
    y[41] = 2.0
    if "missing" in options:
        y[[3, 17]] = np.nan
    start = {"w": np.zeros(2), "b": 0.0}
    with pytest.raises(descend.DataError, match=r"row 41 has 2\.0"):
        fitted(y, "bce_with_logits", start=start, optimizer="adam", epochs=2, **options)
    weight = np.where(np.arange(60) == 41, -1.0, 1.0)
    if "missing" in options:
        with pytest.raises(descend.DataError, match="sigma must be positive, and is not in row 41"):
            fitted(np.where(y > 1, 0, y), "mse", start=start, sigma=weight, **options)


@pytest.mark.parametrize(
    ("domain", "wrong"), [("(0, inf)", 0.0), ("[0, 1)", 1.0), ("(-1, 1]", -1.0), ("[2, inf)", 1.0)]
)
def test_a_loss_of_ones_own_says_its_targets(domain, wrong) -> None:
    own = type("Own", (Loss,), {"domain": domain, "per_row": lambda self, p, t: (p - t) ** 2})
    own.name = "own"
    own().check(np.array([0.5 if wrong < 1.5 and "2" not in domain else 2.0]))
    with pytest.raises(descend.DataError, match=r'"own" needs targets in .*: row 1 has'):
        own().check(np.array([2.0 if "inf" in domain else 0.5, wrong]))


@pytest.mark.parametrize("domain", ["positive", "[0;1]", "[0, 1", "", None])
def test_a_domain_that_says_nothing(domain) -> None:
    own = type("Own", (Loss,), {"domain": domain, "per_row": lambda self, p, t: (p - t) ** 2})
    if domain == "":
        own().check(np.array([-5.0]))
    else:
        with pytest.raises(descend.UsageError, match="which says no targets"):
            own().check(np.array([1.0]))


def test_a_variance_that_is_one_number() -> None:
    """Of a constant variance the minimum is least squares', with log of the mean square."""
    y = X @ [1.0, 2.0] + 0.1 * np.cos(7.0 * np.arange(60))
    start = {"w": np.zeros(2), "v": 0.0}
    fit = fitted(y, "gaussian_nll", lambda x, w, v: (x @ w, v), start)
    w, rest, *_ = np.linalg.lstsq(X, y, rcond=None)
    np.testing.assert_allclose(fit.params["w"], w, rtol=1e-7)
    assert fit.params["v"] == pytest.approx(np.log(rest[0] / 60), rel=1e-6)
    assert fit.stderr["v"] == pytest.approx(np.sqrt(2 / 60), rel=1e-6)
    assert fit.fitted.shape == (60, 2) and "gaussian_nll" in fit.report()
