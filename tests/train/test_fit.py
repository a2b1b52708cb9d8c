"""`fit`: answers against SciPy, stopping rules against plain loops, both engines alike."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

import descend

RNG = np.random.default_rng(7)
X = np.linspace(0.0, 2.0, 60)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.02 * RNG.normal(size=60)
SIGMA = np.linspace(0.01, 0.05, 60)
ENGINES = ["native", "interpreted"]
SGD = descend.SGD(lr=0.05)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def line(x, a, b):
    return a * x + b


def line_fit(**options):
    fixed = {"start": {"a": 0, "b": 0}, "optimizer": SGD, "epochs": 5000}
    return descend.fit(line, X, Y, **{**fixed, **options})


@pytest.mark.parametrize(
    ("sigma", "absolute"),
    [(None, False), (SIGMA, False), (SIGMA, True)],
    ids=["plain", "sigma", "absolute"],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_parameters_and_errors_are_scipys(engine, sigma, absolute):
    fit = descend.fit(decay, X, Y, sigma=sigma, absolute_sigma=absolute, engine=engine)
    popt, pcov = curve_fit(decay, X, Y, p0=(1, 1, 1), sigma=sigma, absolute_sigma=absolute,
                           xtol=1e-15, ftol=1e-15)  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), popt, rtol=1e-7)
    np.testing.assert_allclose(fit.covariance, pcov, rtol=1e-5)
    np.testing.assert_allclose(list(fit.stderr.values()), np.sqrt(np.diag(pcov)), rtol=1e-5)
    scale = 1.0 if sigma is None else sigma
    chi2 = np.sum(((Y - decay(X, *popt)) / scale) ** 2)
    assert fit.chi2 == pytest.approx(chi2, rel=1e-9) and fit.dof == 57
    assert fit.loss == pytest.approx(chi2 / 60, rel=1e-9)
    assert fit.aic == pytest.approx(60 * np.log(chi2 / 60) + 6, rel=1e-9)
    np.testing.assert_allclose(fit.residuals, Y - fit.fitted)
    np.testing.assert_allclose(fit.fitted, decay(X, *popt), rtol=1e-6)


def test_sample_weights_multiply_the_loss_of_rows():
    weight = np.where(X > 1, 0.0, 2.0)
    fit = descend.fit(decay, X, Y, sample_weight=weight, start={"a": 1, "k": 1, "c": 1})
    half = descend.fit(decay, X[X <= 1], Y[X <= 1], start={"a": 1, "k": 1, "c": 1})
    np.testing.assert_allclose(list(fit.params.values()), list(half.params.values()), rtol=1e-8)
    expected = np.mean(weight * (Y - fit.fitted) ** 2)
    assert fit.loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_stopping_rule_stops_at_the_first_epoch_that_meets_it(engine):
    """Each rule is replayed on the recorded history."""
    kept = {"record": ("params", "gradient"), "engine": engine, "epochs": 400}
    free = line_fit(**kept, gtol=0.0)
    loss, norm = free.history["loss"], free.history["grad_norm"]
    a, b = free.history["params"]["a"], free.history["params"]["b"]
    cases = {
        "stop_loss": (0.1, lambda k: loss[k] < 0.1),
        "ftol": (1e-3, lambda k: k > 0 and abs(loss[k] - loss[k - 1]) <= 1e-3 * abs(loss[k])),
        "xtol": (
            1e-2,
            lambda k: k > 0 and np.hypot(a[k] - a[k - 1], b[k] - b[k - 1])
            <= 1e-2 * (1e-2 + np.hypot(a[k], b[k])),
        ),
    }  # fmt: skip
    for name, (limit, met) in cases.items():
        first = next(k for k in range(400) if met(k))
        fit = line_fit(**{name: limit}, engine=engine, epochs=400)
        assert fit.epochs == first + 1, name
        assert fit.success and fit.status != "epochs_spent"
    by_gradient = line_fit(gtol=0.05, **kept)
    largest = by_gradient.history["grad_norm"]
    assert largest[-1] <= 0.05 * np.sqrt(2) and by_gradient.epochs < 400
    assert norm[by_gradient.epochs - 1] == largest[-1]
    assert by_gradient.status == "gradient_small"


def test_the_recorded_gradient_is_that_of_the_mean_loss():
    fit = line_fit(epochs=1, record="gradient")
    slope = np.array([np.mean(2 * (0 - Y) * X), np.mean(2 * (0 - Y))])
    assert fit.history["grad_norm"][0] == pytest.approx(np.linalg.norm(slope), rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_patience_and_keep_best_with_validation(engine):
    """A validation loss that rises again: the lowest one's parameters come back."""
    x = np.linspace(0, 1, 40)
    y = np.where(np.arange(40) % 4 == 0, 3.0, 0.0) + x
    fit = descend.fit(
        line, x, y, start={"a": 4.0, "b": 0.0}, optimizer=descend.SGD(lr=0.3), batch_size=3,
        validation_split=0.3, patience=10, epochs=2000, seed=5, engine=engine, record="params",
    )  # fmt: skip
    values = fit.history["validation_loss"]
    assert fit.status == "no_improvement"
    best = int(np.argmin(values))
    assert fit.epochs == best + 1 + 10
    assert fit.params["a"] == fit.history["params"]["a"][best] != fit.history["params"]["a"][-1]


@pytest.mark.filterwarnings("ignore:the loss grew")
def test_keep_best_on_all_rows_returns_the_parameters_the_loss_belongs_to():
    fit = line_fit(optimizer=descend.SGD(lr=0.6), epochs=60, keep_best=True, start={"a": 9, "b": 0})
    assert fit.loss == pytest.approx(np.min(fit.history["loss"]), rel=1e-12)


def test_validation_loss_is_the_loss_on_the_rows_held_back():
    fit = line_fit(validation_split=0.25, epochs=10, record="params")
    assert fit.n_rows == 45
    a, b = fit.params["a"], fit.params["b"]
    used = np.isin(X, fit.x["x"])
    assert used.sum() == 45
    expected = np.mean((Y[~used] - (a * X[~used] + b)) ** 2)
    assert fit.validation_loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_shuffled_batches_use_every_row_once_an_epoch(engine):
    """With a zero learning rate the running mean is the plain mean, whatever the order."""
    fit = line_fit(
        optimizer=descend.SGD(lr=0.0), batch_size=7, epochs=3, engine=engine, start={"a": 1, "b": 2}
    )
    assert fit.shuffle and fit.n_updates == 27
    np.testing.assert_allclose(fit.history["loss"], np.mean((X + 2 - Y) ** 2), rtol=1e-12)


def test_the_seed_decides_the_order():
    runs = [line_fit(batch_size=5, epochs=3, seed=s) for s in (0, 0, 1)]
    assert runs[0].params == runs[1].params != runs[2].params
    assert np.array_equal(runs[0].history["loss"], runs[1].history["loss"])


def test_engines_agree_on_shuffled_batches_with_momentum_schedule_and_clipping():
    schedule = descend.warmup(3, then=descend.cosine(0.2, epochs=20))
    options = {
        "optimizer": descend.SGD(lr=schedule, momentum=0.9),
        "batch_size": 7, "epochs": 15, "clip": descend.clip_norm(0.5), "penalty": "l2(1e-3)",
    }  # fmt: skip
    native, plain = (line_fit(**options, engine=e) for e in ENGINES)
    np.testing.assert_allclose(native.history["loss"], plain.history["loss"], rtol=1e-12)
    np.testing.assert_allclose(native.history["lr"], plain.history["lr"], rtol=1e-15)
    expected = [float(schedule.value(float(k))) for k in range(15)]
    np.testing.assert_allclose(native.history["lr"], expected, rtol=1e-14)


def test_changing_numbers_builds_nothing_new(monkeypatch):
    """Learning rates, limits and starts are inputs of one program."""
    line_fit(optimizer=descend.SGD(lr=0.01), stop_loss=1e-3, epochs=2)
    import descend.run.job as job

    monkeypatch.setattr(job, "make_runner", None)
    line_fit(optimizer=descend.SGD(lr=0.02), stop_loss=1e-2, epochs=3, start={"a": 1.5, "b": 1})


def test_a_changed_capture_is_seen():
    scale = 1.0

    def model(x, a):
        return a * x * scale

    first = descend.fit(model, X, 2 * X, start={"a": 1})
    scale = 2.0
    second = descend.fit(model, X, 2 * X, start={"a": 1})
    assert first.params["a"] == pytest.approx(2.0) and second.params["a"] == pytest.approx(1.0)


def test_a_captured_array_is_read_anew():
    basis = np.linspace(1, 2, 60)

    def model(x, a):
        return a * x * basis

    assert descend.fit(model, X, X, start={"a": 1.0}).params["a"] != pytest.approx(0.5)
    basis[:] = 2.0
    assert descend.fit(model, X, X, start={"a": 1.0}).params["a"] == pytest.approx(0.5)


def test_trees_arrays_and_constants():
    def model(x, layers, n, bias=0.5):
        return layers["w"][0] * x**n + layers["w"][1] * x + bias

    fit = descend.fit(
        model, X, 3 * X**2 - X + 1, start={"layers": {"w": np.ones(2)}}, constants={"n": 2}
    )
    np.testing.assert_allclose(fit.params["layers"]["w"], [3, -1], atol=1e-8)
    assert fit.params["bias"] == pytest.approx(1.0)
    assert fit.start_source == "layers given; bias from its default"
    assert fit.stderr["layers"]["w"].shape == (2,)


def test_other_losses_against_scipy():
    from scipy.optimize import minimize

    def objective(p, rho):
        return np.mean(rho(p[0] * X + p[1] - Y))

    rhos = {
        "huber(0.1)": lambda r: np.where(abs(r) <= 0.1, r**2 / 2, 0.1 * (abs(r) - 0.05)),
        "log_cosh": lambda r: np.log(np.cosh(r)),
    }
    for loss, rho in rhos.items():
        fit = descend.fit(line, X, Y, loss=loss, start={"a": 0, "b": 0})
        best = minimize(objective, [0, 0], args=(rho,), tol=1e-12)
        np.testing.assert_allclose(list(fit.params.values()), best.x, atol=2e-5)
        assert fit.loss == pytest.approx(best.fun, rel=1e-8)
        assert fit.has_errors and fit.errors_from.endswith("(the sandwich of Huber and White)")


def test_a_loss_of_ones_own():
    fit = descend.fit(line, X, Y, loss=lambda p, t: (p - t) ** 2, optimizer="bfgs")
    usual = descend.fit(line, X, Y)
    np.testing.assert_allclose(list(fit.params.values()), list(usual.params.values()), rtol=1e-6)
    assert fit.loss_name == "<lambda>"


def test_float32_stays_float32():
    start = {"a": np.float32(0), "b": np.float32(0)}
    for y in (Y, Y.astype(np.float32)):
        fit = descend.fit(line, X.astype(np.float32), y, start=start, optimizer=SGD, epochs=50)
        assert fit.params["a"].dtype == np.float32
        double = line_fit(epochs=50)
        assert fit.params["a"] != double.params["a"]
        assert fit.params["a"] == pytest.approx(double.params["a"], rel=1e-5)


def test_several_columns_and_targets():
    u, v = X, X**2
    y = 2 * u - 3 * v
    for data in ((u, v), {"u": u, "v": v}):
        fit = descend.fit(lambda u, v, a, b: a * u + b * v, data, y)
        np.testing.assert_allclose(list(fit.params.values()), [2, -3], rtol=1e-9)
    fit = descend.fit(lambda u, v, a, b: a * u + b * v, {"u": u, "v": v, "z": y}, "z")
    assert fit.target == "z" and fit.params["b"] == pytest.approx(-3)
    wide = descend.fit(
        lambda x, w: x[:, None] * w, X, np.stack([Y, 2 * Y], 1), start={"w": np.zeros(2)}
    )
    assert wide.dof == 118 and wide.params["w"][1] == pytest.approx(2 * wide.params["w"][0])


def test_the_best_of_32_candidates_is_said_and_seeded():
    fit = descend.fit(decay, X, Y)
    assert fit.start_source == "a, k, c the best of 32 candidates, a, c solved for (seed 0)"
    assert descend.fit(decay, X, Y).start == fit.start
    some = descend.fit(decay, X, Y, start={"a": 2})
    assert some.start["a"] == 2.0
    assert some.start_source == "a given; k, c the best of 32 candidates, c solved for (seed 0)"


@pytest.mark.filterwarnings("ignore:no minimum there")
def test_several_starts_return_the_lowest_loss():
    best = descend.fit(decay, X, Y, start="random", starts=6, seed=3)
    singles = [descend.fit(decay, X, Y, start="random", seed=3).loss]
    assert best.loss <= min(singles)
    assert best.loss == pytest.approx(descend.fit(decay, X, Y).loss, rel=1e-9)
    assert "best of 6 starts" in best.start_source


def test_large_data_that_changed_after_the_fit_are_noticed():
    x = np.linspace(0.0, 1.0, 100_000)
    fit = descend.fit(line, x, 2 * x + 1)
    x[3] += 1
    with pytest.raises(descend.UsageError, match="data arrays have been changed since the fit"):
        _ = fit.loss


def test_a_model_that_counts_its_rows_is_made_for_that_number():
    def model(x, a):
        return a * np.linspace(0, 1, len(x))

    for n in (60, 30, 60, 30):
        fit = descend.fit(model, X[:n], np.linspace(0, 2, n), start={"a": 1})
        assert fit.params["a"] == pytest.approx(2.0)
        assert f"made for {n} rows" in fit.warnings[0]
    fit = descend.fit(model, X, X, start={"a": 1})
    with pytest.raises(descend.UsageError, match="traced for 60: it cannot predict 3"):
        fit.predict(np.ones(3))


def test_a_perfect_fit_has_errors_of_rounding_only():
    fit = descend.fit(line, X, 3 * X + 1)
    assert fit.params == pytest.approx({"a": 3.0, "b": 1.0})
    assert fit.has_errors and max(fit.stderr.values()) < 1e-12


def test_errors_only_at_a_minimum():
    fit = line_fit(epochs=3)
    assert not fit.has_errors and fit.errors_note == "the descent had not arrived"
    assert "— no standard errors: the descent had not arrived." in fit.report()


def test_a_singular_covariance_is_named():
    fit = descend.fit(lambda x, a, b, c: (a + b) * x + c, X, Y, start={"a": 0, "b": 0, "c": 0})
    assert fit.errors_note == "the covariance is singular: the data do not determine a, b"


def test_predictions():
    fit = descend.fit(decay, X, Y)
    np.testing.assert_allclose(fit.predict(X), fit.fitted)
    assert fit.predict([0.5, 1.0, 1.5]).shape == (3,)
    assert float(fit.predict(0.5)) == pytest.approx(decay(0.5, **fit.params))
    np.testing.assert_allclose(fit.predict({"x": np.array([1.0])}), decay(1.0, **fit.params))


LOSSES = [("mse", {}), ("mse", {"sigma": SIGMA}), ("mae", {}), ("quantile(0.3)", {}), ("huber", {})]


@pytest.mark.parametrize(("loss", "more"), LOSSES, ids=lambda v: str(v)[:12])
def test_standardize_reports_in_the_original_units(loss, more, tmp_path):
    """A straight line in other units is the same line: everything that is reported agrees."""
    x, y = 1000 + 50 * X, 300 * Y - 7
    options = {"start": {"a": 0.0, "b": 0.0}, "loss": loss, "epochs": 4000, **more}
    fit = descend.fit(line, x, y, optimizer=descend.Adam(lr=0.01), standardize=True, **options)
    prediction = fit.predict(x)
    np.testing.assert_allclose(prediction, fit.fitted)
    scale = more.get("sigma", 1.0)
    if loss == "mse":
        best = np.polyval(np.polyfit(X, y, 1, w=np.broadcast_to(1 / scale, 60)), X)
        np.testing.assert_allclose(prediction, best, rtol=1e-5)
    by_hand = {
        "mse": lambda r: np.mean((r / scale) ** 2),
        "mae": lambda r: np.mean(abs(r)),
        "quantile(0.3)": lambda r: np.mean(np.where(r > 0, 0.3 * r, -0.7 * r)),
        "huber": lambda r: np.mean(np.where(abs(r) <= 1, r**2 / 2, abs(r) - 0.5)),
    }[loss](y - prediction)
    assert fit.loss == pytest.approx(by_hand, rel=1e-9)
    assert fit.history["loss"][-1] == pytest.approx(by_hand, rel=1e-3)
    np.testing.assert_allclose(fit.residuals, y - prediction)
    if loss == "mse":
        assert fit.chi2 == pytest.approx(np.sum(((y - prediction) / scale) ** 2))
    assert "the model sees rescaled columns (x by (1050," in fit.warnings[0]
    np.testing.assert_array_equal(fit.x["x"], x)
    fit.save(tmp_path / "s.descend")
    np.testing.assert_array_equal(descend.load(tmp_path / "s.descend").predict(x), prediction)


def test_standardize_scales_the_limits_of_the_loss():
    y = 300 * Y
    fit = descend.fit(
        line, X, y, start={"a": 0, "b": 0}, optimizer=descend.SGD(lr=0.1), standardize=True,
        stop_loss=9000.0, epochs=500,
    )  # fmt: skip
    assert fit.status == "stop_loss" and fit.history["loss"][-1] < 9000 <= fit.history["loss"][-2]
    assert "fell below stop_loss=9000" in fit.message


class Meter:
    each_epoch = False

    def __init__(self):
        self.told = []

    def start(self, total, unit="epoch"):
        self.told.append(("start", total, unit))

    def update(self, epoch, loss, rows):
        self.told.append(("update", epoch, rows))

    def close(self, message=""):
        self.told.append(("close", message))


def test_the_meter_is_started_told_and_closed():
    meter = Meter()
    fit = line_fit(progress=meter, epochs=20, batch_size=7)
    assert meter.told[0] == ("start", 20, "epoch")
    assert meter.told[-2] == ("update", 20, 20 * 60)
    assert meter.told[-1] == ("close", fit.message)
    meter = Meter()
    with pytest.raises(ZeroDivisionError):
        line_fit(progress=meter, callback=lambda m: 1 / 0)
    assert meter.told[-1] == ("close", "")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({"x": X, "y": Y, "other": X})
    by_formula = descend.fit("y = a*x + b", frame)
    by_name = descend.fit(line, frame, "y")
    series = descend.fit(line, frame["x"], frame["y"])
    for fit in (by_formula, by_name, series):
        np.testing.assert_allclose(fit.params["a"], np.polyfit(X, Y, 1)[0])
    np.testing.assert_allclose(by_formula.predict(frame), by_formula.fitted)
    np.testing.assert_allclose(by_name.predict(frame), by_name.fitted)


def test_a_surface_over_x_and_y():
    """The model's second argument is called y, as the target is."""
    u, v = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 6))
    z = 2 * u.ravel() - v.ravel() + 3
    fit = descend.fit(lambda x, y, a, b, c: a * x + b * y + c, (u.ravel(), v.ravel()), z)
    np.testing.assert_allclose(list(fit.params.values()), [2, -1, 3])
    bad = np.where(z > 4.5, np.nan, z)
    with pytest.raises(descend.DataError, match="the target is missing"):
        descend.fit(lambda x, y, a: a * x, (u.ravel(), v.ravel()), bad)
