"""Sums and products of ready models: names, values, equality, and what cannot be meant."""

import copy
import pickle

import numpy as np
import pytest

import descend
import descend.models as m

X = np.linspace(0.5, 9.5, 7)


@pytest.mark.parametrize(
    "model, parameters, labels",
    [
        (m.gaussian(), "amplitude center sigma", "gaussian"),
        (m.gaussian(prefix="g1_"), "g1_amplitude g1_center g1_sigma", "g1"),
        (m.gaussian() + m.linear(), "amplitude center sigma slope intercept", "gaussian linear"),
        (
            m.gaussian() + m.linear() + m.gaussian(),
            "gaussian1_amplitude gaussian1_center gaussian1_sigma slope intercept "
            "gaussian2_amplitude gaussian2_center gaussian2_sigma",
            "gaussian1 linear gaussian2",
        ),
        (
            m.exponential() * m.sine(),
            "exponential_amplitude exponential_decay sine_amplitude sine_frequency sine_shift",
            "exponential sine",
        ),
        (m.polynomial(2) + m.constant(prefix="bg_"), "c0 c1 c2 bg_c", "polynomial2 bg"),
    ],
)
def test_names(model: m.Model, parameters: str, labels: str) -> None:
    assert model.parameters == tuple(parameters.split())
    assert model.labels == tuple(labels.split())


def test_values_are_sums_and_products_of_the_parts() -> None:
    g, h, c = m.gaussian(), m.lorentzian(prefix="h_"), m.linear()
    values = [3.0, 4.0, 0.8, 2.0, 6.0, 1.1, 0.3, -1.0]
    one, two, three = g(X, *values[:3]), h(X, *values[3:6]), c(X, *values[6:])
    assert (g + h + c)(X, *values) == pytest.approx(one + two + three, rel=1e-15)
    assert (g * h + c)(X, *values) == pytest.approx(one * two + three, rel=1e-15)
    assert (g * (h + c))(X, *values) == pytest.approx(one * (two + three), rel=1e-15)
    assert ((g + h) * c)(X, *values) == pytest.approx((one + two) * three, rel=1e-15)


def test_text() -> None:
    model = (m.gaussian(prefix="a_") + m.linear()) * m.sine()
    assert repr(model) == "(gaussian(prefix='a_') + linear()) * sine()"
    assert model.formula == "(gaussian(x) + linear(x)) * sine(x)"
    assert (m.gaussian2d() + m.constant()).formula == "gaussian2d(x, y) + constant(x)"


def test_equal_models_are_one_program() -> None:
    one, other = m.gaussian() + m.linear(), m.gaussian() + m.linear()
    assert one == other and hash(one) == hash(other) and one.function is other.function
    assert one != m.linear() + m.gaussian() and one != m.gaussian(prefix="g_") + m.linear()
    y = one(X, 3.0, 4.0, 0.8, 0.3, 1.0)
    descend.fit(one, X, y)
    assert descend.fit(other, X, y).compile_seconds == 0.0


def test_models_travel() -> None:
    model = m.gaussian() + m.step("atan", prefix="s_")
    assert copy.deepcopy(model) == model
    assert pickle.loads(pickle.dumps(model)) == model


def test_bounds() -> None:
    model = m.pseudo_voigt(prefix="p_") + m.logistic(5) + m.constant()
    infinity = float("inf")
    assert model.bounds == {
        "p_sigma": (0.0, infinity), "p_fraction": (0.0, 1.0), "asymmetry": (0.0, infinity),
    }  # fmt: skip


def test_bounds_hold_in_a_fit_and_give_way_to_others() -> None:
    y = m.gaussian()(X, 3.0, 4.0, 1.2)
    infinity = float("inf")
    assert descend.fit(m.gaussian(), X, y).bounds == {"sigma": (0.0, infinity)}
    assert descend.fit("y = gaussian(x)", {"x": X, "y": y}).bounds == {"sigma": (0.0, infinity)}
    narrow = descend.fit(m.gaussian(), X, y, bounds={"sigma": (0.5, 1.0)})
    assert narrow.bounds == {"sigma": (0.5, 1.0)} and narrow.params["sigma"] == 1.0


def test_ready_parameters_are_fixed_and_tied() -> None:
    model = m.gaussian(prefix="a_") + m.gaussian(prefix="b_")
    x = np.linspace(0, 10, 80)
    y = model(x, 3.0, 3.0, 0.5, 2.0, 7.0, 0.5)
    fit = descend.fit(model, x, y, fixed={"a_center": 3.0}, ties={"b_sigma": "a_sigma"})
    assert fit.params["a_center"] == 3.0
    assert fit.params["b_sigma"] == fit.params["a_sigma"] == pytest.approx(0.5)
    assert fit.params["b_center"] == pytest.approx(7.0)


def test_a_model_is_called_by_position_or_by_name() -> None:
    line = m.linear()
    assert line(2.0, 3.0, 1.0) == line(2.0, intercept=1.0, slope=3.0) == 7.0


def test_addends_keep_their_names() -> None:
    model = m.gaussian() + m.gaussian() * m.sine() + m.linear()
    parts = model.addends()
    assert list(parts) == ["gaussian1", "gaussian2 * sine", "linear"]
    assert [name for part in parts.values() for name in part.parameters] == list(model.parameters)
    values = dict(zip(model.parameters, np.arange(1.0, 12.0), strict=True))
    total = sum(part(X, **{n: values[n] for n in part.parameters}) for part in parts.values())
    assert total == pytest.approx(model(X, **values), rel=1e-14)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: m.gaussian() + 3, r"composed with others, not with int\n  do: .*constant\(\)"),
        (lambda: m.gaussian(prefix="a_") + m.sine(prefix="a_"), "have a parameter a_amplitude"),
        (lambda: m.gaussian(prefix="1_"), "prefix='1_' cannot begin a name"),
        (lambda: m.step("erff"), r"step has no form 'erff' \(did you mean \"erf\"\?\)"),
        (lambda: m.rectangle("tanh"), "the forms are erf, atan, logistic"),
        (lambda: m.weibull("pdf"), "the forms are density, cumulative"),
        (lambda: m.logistic(6), r"logistic\(6\): it has 3, 4 or 5 parameters"),
        (lambda: m.polynomial(-1), "a whole number from 0 to 50"),
        (lambda: m.polynomial(2.0), "a whole number from 0 to 50"),
        (lambda: m.linear()(X, slope=1.0), r"missing a required argument: 'intercept'"),
        (lambda: m.linear()(X, 1, 2, 3), "too many positional arguments\n  do: .*x, slope, int"),
    ],
)
def test_what_cannot_be_meant(make, words: str) -> None:
    with pytest.raises(descend.UsageError, match=words):
        make()


def test_a_start_that_is_given_is_kept_and_the_rest_is_guessed() -> None:
    y = m.gaussian()(X, 3.0, 4.0, 1.2)
    fit = descend.fit(m.gaussian(), X, y, start=dict(center=4.4))
    assert fit.start["center"] == 4.4
    assert fit.start_source == "center given; amplitude, sigma guessed from the data"
    assert fit.params["center"] == pytest.approx(4.0)


def test_random_starts_are_not_guessed() -> None:
    y = m.linear()(X, 2.0, 1.0)
    fit = descend.fit(m.linear(), X, y, start="random")
    assert "guessed" not in fit.start_source


def test_components() -> None:
    model = m.gaussian() + m.linear()
    y = model(X, 3.0, 4.0, 1.2, 0.3, 1.0)
    fit = descend.fit(model, X, y)
    parts = fit.components(X)
    assert parts["gaussian"] + parts["linear"] == pytest.approx(fit.predict(X), rel=1e-12)
    assert parts["linear"] == pytest.approx(0.3 * X + 1)
    plain = descend.fit(lambda x, a, b: a * x + b, X, y, start=dict(a=1, b=0))
    with pytest.raises(descend.UsageError, match="only sums of ready models have components"):
        plain.components(X)


def test_saved_fits_know_their_components(tmp_path) -> None:
    model = m.gaussian() + m.gaussian() + m.linear()
    x = np.linspace(0, 10, 60)
    fit = descend.fit(model, x, model(x, 3.0, 3.0, 0.5, 2.0, 7.0, 0.7, 0.3, 1.0))
    fit.save(tmp_path / "peaks.descend")
    loaded = descend.load(tmp_path / "peaks.descend")
    for name, values in fit.components(x).items():
        assert np.array_equal(loaded.components(x)[name], values)


def test_components_are_drawn_apart() -> None:
    model = m.gaussian() + m.linear()
    fit = descend.fit(model, X, model(X, 3.0, 4.0, 1.2, 0.3, 1.0))
    axes = fit.plot().axes[0]
    assert {"gaussian", "linear"} <= {line.get_label() for line in axes.get_lines()}
    one = descend.fit(m.linear(), X, 2 * X + 1)
    assert "linear" not in {line.get_label() for line in one.plot().axes[0].get_lines()}
