"""What a user of SciPy or lmfit writes out of habit, and other wrong uses: the words he reads."""

import numpy as np
import pytest

import descend
from descend.task.foreign import EXPLAINED, RESULT_NAMES, foreign_names

X = np.linspace(0.0, 4.0, 30)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * np.sin(40 * X)
START = {"a": 2.0, "b": 1.0, "c": 0.5}


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


OPTIONS = [
    ({"min": 0}, 'no option "min"', 'write bounds={"a": (0, 10)}'),
    ({"expr": "2*b"}, 'no option "expr"', 'write ties={"b": "2*a"}'),
    ({"vary": False}, 'here it is called "fixed"', 'write fixed=["a"]'),
    ({"x_scale": "jac"}, 'no option "x_scale"', "leave it out"),
    ({"f_scale": 0.1}, 'here it is called "loss"', 'loss="soft_l1(0.1)"'),
    ({"scale_covar": False}, 'no option "scale_covar"', "write absolute_sigma=True"),
    ({"nan_policy": "omit"}, 'here it is called "missing"', 'write missing="drop"'),
    ({"maxiter": 9}, 'here it is called "epochs"', "write epochs=…"),
    ({"iter_cb": print}, 'here it is called "callback"', "write callback=…"),
    ({"yerr": X}, 'here it is called "sigma"', "write sigma=…"),
    ({"level": 0.9}, 'no option "level"', "fit.confidence(level=0.95)"),
    ({"epsfcn": 1e-8}, 'no option "epsfcn"', "derivatives are worked out"),
    ({"full_output": True}, 'no option "full_output"', "fit.covariance"),
    ({"brute_step": 1}, 'no option "brute_step"', "starts=20"),
    ({"optimizer": "trf"}, 'no optimizer "trf" (here "lm" does that)', "choose from sgd"),
    ({"optimizer": "leastsq"}, 'no optimizer "leastsq" (here "lm" does that)', "choose from sgd"),
    ({"optimizer": "L-BFGS-B"}, 'no optimizer "L-BFGS-B" (here "lbfgs"', "choose from sgd"),
    ({"optimizer": 3}, "no optimizer 3", "choose from sgd"),
    ({"loss": "linear"}, 'no loss "linear" (here "mse" does that)', "choose from mse"),
    ({"sigma": True}, "sigma holds True and False", "standard deviation of each value of y"),
    ({"sigma": "yerr"}, 'sigma is the text "yerr"', 'table["yerr"]'),
    ({"absolute_sigma": True}, "absolute_sigma says something of sigma", "write sigma=…"),
    ({"start": [1, 1, 1]}, "a dict of parameters by name, not list", "start=dict(a=1, b=2)"),
    ({"start": {"a": "1"}}, "starts as '1', which is no number", "give a finite number"),
    ({"start": {"a": np.nan}}, "starts as nan; it must be finite", "give a finite number"),
    ({"ties": {"a": decay}}, "the tie decay is no expression", 'ties={"b": "2*a"}'),
    ({"ties": {"a": 3}}, "the tie 3 is no expression", 'fixed={"b": 3.0}'),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message", "remedy"), OPTIONS, ids=[r[1] for r in OPTIONS])
def test_option_refused(options, message, remedy):
    with pytest.raises(descend.UsageError if "sigma" not in options else descend.DescendError) as e:
        descend.fit(decay, X, Y, **{"start": START, **options})
    assert message in e.value.message
    assert remedy in e.value.remedy


def test_foreign_names_are_none_of_ours():
    own = set(descend.fit.__wrapped__.__kwdefaults__ if hasattr(descend.fit, "__wrapped__")
              else descend.fit.__kwdefaults__)  # fmt: skip
    assert not own & (set(EXPLAINED) - {"params"})
    assert set(foreign_names("fit").values()) <= own


@pytest.fixture(scope="module")
def fit():
    return descend.fit(decay, X, Y, start=START)


@pytest.mark.parametrize("name", sorted(set(RESULT_NAMES) - {"x"}))
def test_results_of_others_have_our_name(fit, name):
    ours = RESULT_NAMES[name]
    assert hasattr(fit, ours.partition("(")[0])
    with pytest.raises(AttributeError) as caught:
        getattr(fit, name)
    assert str(caught.value) == f"Fit has no attribute '{name}' (here it is .{ours})"


def test_a_name_that_nobody_knows_gets_no_hint(fit):
    with pytest.raises(AttributeError, match=r"^Fit has no attribute 'sumary'$"):
        fit.sumary  # noqa: B018


def test_a_minimum_has_a_value():
    found = descend.minimize(lambda p: (p[0] - 1) ** 2, start=[0.0])
    with pytest.raises(AttributeError, match=r"no attribute 'fun' \(here it is \.value\)"):
        found.fun  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'x' \(here it is \.params\)"):
        found.x  # noqa: B018


def test_a_fit_is_no_pair(fit):
    with pytest.raises(TypeError, match=r"one result, neither a pair.*\n.*result\.params for"):
        _popt, _pcov = fit
    with pytest.raises(TypeError, match=r'result\.params\["a"\]'):
        fit["a"]


@pytest.mark.parametrize("options", [{"value": "a"}, {"value": 1.0, "min": "0"}, {"max": True}])
def test_parameter_takes_numbers(options):
    with pytest.raises(descend.UsageError, match="is no number") as caught:
        descend.Parameter(**options)
    assert "Parameter(1.0, min=0, max=5)" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "ours"),
    [("GaussianModel", "gaussian"), ("PowerLawModel", "power_law"), ("gausian", "gaussian")],
)
def test_ready_models_by_lmfits_names(name, ours):
    with pytest.raises(AttributeError, match=f"no ready model '{name}' .did you mean .?{ours}"):
        getattr(descend.models, name)


def test_minimum_without_a_start():
    with pytest.raises(descend.UsageError, match="p has no start and is taken as one number"):
        descend.minimize(lambda p: p[0] ** 2)
    with pytest.raises(descend.UsageError, match='start="zero" is no start') as caught:
        descend.minimize(lambda p: p[0] ** 2, start="zero")
    assert "start=[1.0, 2.0]" in caught.value.remedy


def test_bytes_in_another_order_are_the_same_numbers(fit):
    foreign = descend.fit(decay, X.astype(">f8"), Y.astype(">f8"), start=START)
    assert foreign.params == fit.params
    assert np.array_equal(fit.predict(X.astype(">f8")), fit.predict(X))


def test_a_number_too_large_for_a_float():
    with pytest.raises(descend.DataError, match=r"y holds int: 1000000.*in row 0"):
        descend.fit(decay, X, [10**400] * 30, start=START)


def test_weights_of_many_fits():
    with pytest.raises(descend.UsageError, match="weights= means two different things"):
        descend.fit_many(decay, X, [Y, Y], start=START, weights=X)
