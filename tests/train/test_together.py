"""Global fits: against lmfit, against one fit with an index, and what is refused."""

import pickle

import numpy as np
import pytest

import descend

T = np.linspace(0.0, 4.0, 50)
TIMES = [T, T[:30], T[::2]]


def decay(t, a, k, c):
    return a * np.exp(-k * t) + c


START = dict(a=1.0, k=1.0, c=0.0)
VALUES = [
    decay(t, a, 1.3, c) + 0.05 * np.sin(40 * t + i)
    for i, (t, a, c) in enumerate(zip(TIMES, (2, 5, -3), (0.0, 0.5, 1.0), strict=True))
]


def test_gaussians_with_a_common_width_against_lmfit():
    """Numbers of lmfit 1.3 (minimize, xtol = ftol = 1e-14) on the same data and start."""
    x = np.linspace(-1, 2, 151)
    peaks = [(6.0, 0.2), (9.5, 0.6), (7.3, 1.1), (12.0, 0.85), (5.5, 0.4)]
    parts = [x, x[:121], x[:91], x, x[40:101]]
    ys = [
        a * np.exp(-((t - c) ** 2) / (2 * 0.25**2))
        + 0.3 * np.sin(37.0 * t + i) * np.cos(11.0 * t * t + 2 * i)
        for i, (t, (a, c)) in enumerate(zip(parts, peaks, strict=True))
    ]
    fit = descend.fit_global(
        lambda x, a, c, s: a * np.exp(-((x - c) ** 2) / (2 * s**2)), parts, ys, shared="s",
        start=dict(a=5.0, c=[0.2, 0.5, 1.0, 0.8, 0.4], s=0.3),
    )  # fmt: skip
    a = [5.991193347263977, 9.486211154731656, 8.166774982005942, 11.981934342522685,
         5.49373940429321]  # fmt: skip
    c = [0.19999938704889667, 0.6000662075055273, 1.1187329413071108, 0.8502456591675839,
         0.40019554969956467]  # fmt: skip
    np.testing.assert_allclose(fit.params["a"], a, rtol=1e-6)
    np.testing.assert_allclose(fit.params["c"], c, rtol=1e-6)
    assert fit.params["s"] == pytest.approx(0.25073438740546716, rel=1e-6)
    errors = [0.03288452959258053, 0.0342621375450324, 0.9577876516407489, 0.03557446188436116,
              0.03273306406486069]  # fmt: skip
    np.testing.assert_allclose(fit.stderr["a"], errors, rtol=1e-3)
    assert fit.stderr["s"] == pytest.approx(0.000655814439152985, rel=1e-3)
    assert fit.chi2 == pytest.approx(12.783191351652977, rel=1e-9)
    assert (fit.aic, fit.bic) == pytest.approx((-2166.5873723843993, -2118.6893019356285))


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_it_is_one_fit_with_an_index(engine):
    found = descend.fit_global(decay, TIMES, VALUES, shared=["k"], engine=engine, start=START)
    index = np.repeat([0, 1, 2], [len(t) for t in TIMES])
    one = descend.fit(
        lambda g, t, a, k, c: a[g] * np.exp(-k * t) + c[g], (index, np.concatenate(TIMES)),
        np.concatenate(VALUES), start=dict(a=np.ones(3), k=1.0, c=np.zeros(3)),
    )  # fmt: skip
    for name in ("a", "k", "c"):
        np.testing.assert_allclose(found.params[name], one.params[name], rtol=1e-7)
        np.testing.assert_allclose(found.stderr[name], one.stderr[name], rtol=1e-6)
    assert sum(part.chi2 for part in found) == pytest.approx(found.chi2, rel=1e-12)


def test_each_dataset_is_reported_and_predicted():
    names = ["dark", "dim", "bright"]
    found = descend.fit_global(decay, TIMES, VALUES, local=["a", "c"], names=names)
    assert [part.name for part in found] == names and len(found) == 3
    part = found["dim"]
    assert part.params == {
        "a": found.params["a"][1], "k": found.params["k"], "c": found.params["c"][1]
    }  # fmt: skip
    np.testing.assert_allclose(part.predict(T[:30]), part.fitted, rtol=1e-12)
    np.testing.assert_allclose(part.residuals, VALUES[1] - part.fitted)
    text = found.report()
    assert "Fit of decay on 3 datasets" in text and "Datasets" in text
    assert "bright" in text and "asks for the number of rows" not in text
    assert found.to_json_dict()["datasets"][2]["n_rows"] == 25
    assert found.success and found.fit.n_rows == 105


def test_models_formulas_and_tables_of_different_kinds():
    """A line through the origin and a parabola that share a slope, as a linear system."""
    line = descend.Dataset("y = slope*u", {"u": T, "y": 2.1 * T + 0.1 * np.cos(9 * T)}, name="line")
    y = 0.5 * T**2 + 1.9 * T + 3 + 0.1 * np.sin(7 * T)
    curve = descend.Dataset(lambda x, q, slope, base: q * x**2 + slope * x + base, T, y)
    found = descend.fit_global([line, curve], shared="slope")
    zero = 0 * T
    design = np.block([[T[:, None], np.stack([zero, zero], 1)],
                       [T[:, None], np.stack([T**2, zero + 1], 1)]])  # fmt: skip
    best = np.linalg.lstsq(design, np.concatenate([line.x["y"], y]), rcond=None)[0]
    values = [found.params[name] for name in ("slope", "q", "base")]
    np.testing.assert_allclose(values, best, rtol=1e-8)
    np.testing.assert_allclose(found["line"].predict({"u": T}), best[0] * T, rtol=1e-8)
    assert found["1"].params.keys() == {"q", "slope", "base"}


def test_a_model_that_couples_rows_sees_only_its_own():
    def scaled(t, a, k):
        return a * np.exp(-k * t / t.max())

    ys = [scaled(t, a, 2.0) for t, a in zip(TIMES, (1.0, 2.0, 3.0), strict=True)]
    found = descend.fit_global(scaled, TIMES, ys, shared="k")
    np.testing.assert_allclose(found.params["a"], [1, 2, 3], rtol=1e-8)


def test_sigmas_weights_and_covariances():
    sigmas = [np.full(50, 0.1), 0.05, np.diag(np.full(25, 0.04))]
    found = descend.fit_global(
        decay, TIMES, VALUES, shared="k", sigma=sigmas, absolute_sigma=True, start=START
    )
    spread = np.concatenate([np.full(50, 0.1), np.full(30, 0.05), np.full(25, 0.2)])
    index = np.repeat([0, 1, 2], [50, 30, 25])
    one = descend.fit(
        lambda g, t, a, k, c: a[g] * np.exp(-k * t) + c[g], (index, np.concatenate(TIMES)),
        np.concatenate(VALUES), start=dict(a=np.ones(3), k=1.0, c=np.zeros(3)), sigma=spread,
        absolute_sigma=True,
    )  # fmt: skip
    assert found.params["k"] == pytest.approx(one.params["k"], rel=1e-7)
    assert found.stderr["k"] == pytest.approx(one.stderr["k"], rel=1e-6)
    assert sum(part.chi2 for part in found) == pytest.approx(one.chi2, rel=1e-8)
    robust = descend.fit_global(decay, TIMES, VALUES, shared="k", loss="soft_l1(0.1)", start=START)
    assert robust.params["k"] == pytest.approx(1.3, abs=0.1) and robust.has_errors


def test_a_picture_with_a_panel_each(tmp_path):
    found = descend.fit_global(decay, TIMES, VALUES, shared="k", start=START)
    figure = found.plot(tmp_path / "g.png")
    assert (tmp_path / "g.png").stat().st_size > 5000
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == ["0", "1", "2"]


def bad(**options):
    return lambda: descend.fit_global(decay, TIMES, VALUES, **options)


SET = descend.Dataset(decay, T, VALUES[0])
REFUSED = {
    "nothing said": (bad(), "nothing is said of which parameters the datasets share"),
    "unknown": (bad(shared="kk"), r'shared names "kk", which is no parameter \(did you mean "k"'),
    "both": (bad(shared="k", local=["k", "a", "c"]), "k is both shared and local"),
    "neither": (bad(shared="k", local="a"), "c is neither shared nor local"),
    "lengths": (lambda: descend.fit_global(decay, TIMES, VALUES[:2], shared="k"), "3 in x, 2 in y"),
    "a sigma": (bad(shared="k", sigma=[0.1, None, 0.1]), "dataset 1 has no sigma"),
    "start": (bad(shared="k", start=dict(a=[1, 2])), r"the start of a has the shape \(2,\)"),
    "start name": (bad(shared="k", start=dict(b=1)), 'start names "b", which is no parameter'),
    "batches": (bad(shared="k", batch_size=4), "fit_global has no batch_size"),
    "option": (bad(shared="k", p0=3), 'no option "p0"'),
    "names": (bad(shared="k", names=["a"]), "there are 3 datasets and 1 names"),
    "twice": (bad(shared="k", names=["a", "a", "b"]), 'two datasets are called "a"'),
    "no list": (lambda: descend.fit_global(SET), "takes a list of datasets"),
    "no dataset": (lambda: descend.fit_global([]), "there is no dataset"),
    "other": (lambda: descend.fit_global([SET, decay], shared="k"), "dataset 1 is function"),
    "model": (
        lambda: descend.fit_global([SET, descend.Dataset(decay, T)], shared="k"),
        "dataset 1: there is no target y",
    ),
    "clash": (
        lambda: descend.fit_global([SET, descend.Dataset(lambda k, q: q * k, T, T)], shared="k"),
        "k is data in one dataset and a parameter in another",
    ),
    "predict": (lambda: bad(shared="k")().predict(T), 'write found."0"..predict'),
    "save": (lambda: bad(shared="k")().save("x.png"), "cannot be written as"),
    "which": (lambda: bad(shared="k")()["4"], 'there is no dataset "4"'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises((descend.UsageError, descend.DataError), match=words):
        call()


def test_fixed_bounded_and_tied_parameters():
    fixed = descend.fit_global(decay, TIMES, VALUES, shared="k", fixed={"k": 1.2})
    assert fixed.params["k"] == 1.2
    for k, part in enumerate(fixed):
        alone = descend.fit(decay, TIMES[k], VALUES[k], start=dict(a=1, c=0), fixed={"k": 1.2})
        assert part.params["a"] == pytest.approx(alone.params["a"], rel=1e-7)
    bounds = {"c": (0.0, 0.2)}
    low = descend.fit_global(decay, TIMES, VALUES, shared="k", bounds=bounds)
    assert low.params["c"].max() == 0.2 and low.params["c"].min() >= 0.0
    tied = descend.fit_global(decay, TIMES, VALUES, shared="k", ties={"c": "a/5"})
    np.testing.assert_allclose(tied.params["c"], tied.params["a"] / 5, rtol=1e-12)
    declared = dict(a=descend.Parameter(1.0, min=0.0), k=1.0, c=0.0)
    positive = descend.fit_global(decay, TIMES, VALUES, shared="k", start=declared)
    assert positive.params["a"].min() == 0.0


def test_ready_models_guess_their_own_starts():
    x = np.linspace(0, 5, 60)
    ys = [3 * np.exp(-((x - c) ** 2) / 0.5) for c in (1.5, 3.0)]
    found = descend.fit_global(descend.models.gaussian(), [x, x], ys, shared=["sigma", "amplitude"])
    np.testing.assert_allclose(found.params["center"], [1.5, 3.0], rtol=1e-9)
    assert found.params["sigma"] == pytest.approx(0.5, rel=1e-9)


def test_columns_may_be_called_what_no_argument_can():
    x = np.linspace(0.0, 1.0, 20)
    sets = [
        descend.Dataset("y = a*`time (s)` + b", {"time (s)": x, "y": k * x + 1.0})
        for k in (1.0, 2.0)
    ]
    found = descend.fit_global(sets, shared=["b"], start={"a": 0.5, "b": 0.0})
    assert np.allclose(found.params["a"], [1.0, 2.0]) and np.isclose(found.params["b"], 1.0)
    assert np.allclose(found[1].predict({"time (s)": x}), 2.0 * x + 1.0)


def test_an_array_may_be_shared(tmp_path):
    """One linear model of all rows: columns of x, and a constant for each dataset."""
    rng = np.random.default_rng(3)
    xs = [rng.normal(size=(n, 2)) for n in (30, 20)]
    ys = [
        x @ [1.0, -2.0] + c + 0.1 * rng.normal(size=len(x))
        for x, c in zip(xs, (0.5, 3.0), strict=True)
    ]
    together = descend.fit_global(
        lambda x, w, c: x @ w + c, xs, ys, local="c", start={"w": np.zeros(2), "c": 0.0}
    )
    matrix = np.hstack([np.vstack(xs), np.repeat(np.eye(2), [30, 20], axis=0)])
    exact, rest, *_ = np.linalg.lstsq(matrix, np.concatenate(ys), rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)) * rest[0] / (50 - 4))
    both = [(together.params, exact), (together.stderr, errors)]
    for found, right in both:
        np.testing.assert_allclose([*found["w"], *found["c"]], right, rtol=1e-7)
    np.testing.assert_array_equal(together[1].params["w"], together.params["w"])
    assert together[1].params["c"] == together.params["c"][1]
    assert "w of shape (2,)" in repr(together[1]) and "w[0]" in together.report()
    together.save(tmp_path / "both.descend")
    for copied in (descend.load(tmp_path / "both.descend"), pickle.loads(pickle.dumps(together))):
        np.testing.assert_array_equal(copied[1].predict(xs[0]), together[1].predict(xs[0]))
        np.testing.assert_array_equal(copied[0].stderr["w"], together.stderr["w"])
