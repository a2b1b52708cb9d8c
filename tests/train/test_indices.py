"""Integer columns as indices, indices out of bounds, and arrays without a start."""

import numpy as np
import pytest

import descend

GROUP = np.arange(60) % 4
X = np.linspace(0.0, 1.0, 60)
Y = np.array([1.0, -2.0, 3.0, 0.5])[GROUP] + 0.5 * X + 0.01 * np.cos(9 * X)
TABLE = {"w": np.zeros(4)}


def grouped(g, x, w, b):
    return w[g] + b * x


def by_least_squares():
    """The same parameters from a linear system: one column a group, and x."""
    columns = np.column_stack([*(np.eye(4)[GROUP].T), X])
    return np.linalg.lstsq(columns, Y, rcond=None)[0]


@pytest.mark.parametrize("g", [GROUP, GROUP.astype(float), GROUP.astype(np.uint8), GROUP.tolist()])
def test_a_column_of_whole_numbers_indexes(g):
    fit = descend.fit(grouped, (g, X), Y, start=TABLE)
    expected = by_least_squares()
    np.testing.assert_allclose([*fit.params["w"], fit.params["b"]], expected, rtol=1e-8)
    new = fit.predict((np.array([3, 0]), np.zeros(2)))
    np.testing.assert_allclose(new, expected[[3, 0]], rtol=1e-8)


def test_in_batches_by_np_take_and_saved(tmp_path):
    def taken(g, x, w, b):
        return np.take(w, g) + b * x

    options = dict(start={**TABLE, "b": 0.0}, optimizer="adam", lr=0.1, batch_size=10, epochs=3)
    fits = [descend.fit(model, (GROUP, X), Y, **options) for model in (grouped, taken)]
    np.testing.assert_array_equal(fits[0].params["w"], fits[1].params["w"])
    fits[0].save(tmp_path / "grouped.descend")
    loaded = descend.load(tmp_path / "grouped.descend")
    np.testing.assert_array_equal(loaded.predict((GROUP, X)), fits[0].predict((GROUP, X)))


@pytest.mark.parametrize("bad", [4, -5, 1e30, 0.5, np.nan])
def test_a_prediction_refuses_an_index_as_a_fit_does(tmp_path, bad):
    start = {**TABLE, "b": 0.0}
    fit = descend.fit(grouped, (GROUP, X), Y, start=start)
    fit.save(tmp_path / "grouped.descend")
    both = descend.fit_global(grouped, [(GROUP, X)] * 2, [Y, Y], shared=["w", "b"], start=start)
    new = np.array([0, bad]), np.zeros(2)
    if np.floor(bad) != bad:
        kind, words = descend.DataError, f"the model uses g as an index, and it holds {bad}"
    else:
        kind, words = IndexError, "index -?[0-9]+ is out of bounds for an axis of 4 elements"
    for each in (fit, descend.load(tmp_path / "grouped.descend"), both[0]):
        with pytest.raises(kind, match=words) as caught:
            each.predict(new)
        assert isinstance(caught.value, descend.DescendError) and caught.value.__context__ is None
    if kind is IndexError:
        with pytest.raises(kind, match=r"at: test_indices.py:\d+: w\[g\]"):
            fit.predict(new)


def test_a_column_may_index_one_table_and_count_in_another_place():
    fit = descend.fit(lambda g, w, c: w[g] + c * g * 0, GROUP, Y - 0.5 * X, start={**TABLE, "c": 1})
    np.testing.assert_allclose(fit.params["w"], [1.0, -2.0, 3.0, 0.5], atol=0.01)


REFUSED = {
    "halves": (lambda: descend.fit(grouped, (GROUP + 0.5, X), Y, start=TABLE), "it holds 0.5"),
    "rescaled": (
        lambda: descend.fit(grouped, (GROUP, X), Y, start=TABLE, standardize=True),
        "standardize=True rescales g",
    ),
    "a parameter": (
        lambda: descend.fit(lambda x, w, k: w[k] * x, X, Y, start=TABLE),
        r"of integer \(or boolean\) type(.|\n)*do: write .astype\(int\)",
    ),
    "no start": (
        lambda: descend.fit(lambda Z, w: Z @ w, np.ones((60, 3)), Y),
        r"w has no start and is taken as one number(.|\n)*give start=dict\(w=np.zeros\(3\)\)",
    ),
    "no start, two": (
        lambda: descend.fit(lambda Z, w, b: np.dot(Z, w) + b[0], np.ones((60, 3)), Y),
        r"b has no start and is taken as one number",
    ),
    "no start, unknown size": (
        lambda: descend.fit(lambda x, w: w[0] + w[1] * x, X, Y),
        r"w has no start(.|\n)*give start=dict\(w=np.zeros\(…\)\)",
    ),
    "another mistake": (
        lambda: descend.fit(lambda x, w: w if w > 0 else x, X, Y), "branches on a value"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises((descend.UsageError, descend.DataError), match=words):
        call()


@pytest.mark.parametrize(
    "options", [{}, {"engine": "interpreted"}, {"optimizer": "adam", "lr": 0.1, "batch_size": 10}]
)
@pytest.mark.parametrize("start", [TABLE, {**TABLE, "b": 0.0}])
def test_an_index_out_of_bounds_is_told_before_the_run(options, start):
    with pytest.raises(IndexError, match=r"index 4 is out of bounds(.|\n)*at: .*w\[g\]"):
        descend.fit(grouped, (GROUP + 1, X), Y, start=start, **options)


def test_an_index_made_of_parameters_is_judged_at_the_end():
    def stepping(x, w, k):
        return w[np.floor(k).astype(int)] + k * x

    with pytest.warns(descend.DescendWarning, match="at the parameters found, index 5 is out of"):
        descend.fit(stepping, X, 5.5 * X, start={**TABLE, "k": 1.0})


def test_indices_made_of_parameters_are_judged_at_the_end_of_many_fits():
    def stepping(x, w, k):
        return w[np.floor(k).astype(int)] + k * x

    y = np.array([[2.5], [5.5], [7.5]]) * X
    start = {**TABLE, "k": 1.0}
    words = r"at the parameters found in fit 1 and 1 other, index 5 is out of(.|\n)*at: .*w\[np"
    with pytest.warns(descend.DescendWarning, match=words):
        many = descend.fit_many(stepping, X, y, start=start)
    np.testing.assert_allclose(many.params["k"], [2.5, 5.5, 7.5])
    descend.fit_many(stepping, X, y[:1], start=start)  # nothing is outside, and nothing is said


def test_an_array_as_default_argument_is_a_start():
    def model(x, c=np.array([1.0, 1.0])):  # noqa: B008
        return c[0] + c[1] * x

    fit = descend.fit(model, X, 2 - 3 * X)
    np.testing.assert_allclose(fit.params["c"], [2.0, -3.0], rtol=1e-10)
    assert "c from its default" in fit.report()


@pytest.mark.parametrize("g", [GROUP, GROUP.astype(float)])
def test_a_column_indexes_in_many_fits_and_in_global_ones(g):
    start = dict(w=np.zeros(4), b=0.0)
    twice = [np.tile(a, (2, 1)) for a in (g, X, Y)]
    many = descend.fit_many(grouped, tuple(twice[:2]), twice[2], start=start)
    both = descend.fit_global(grouped, [(g, X)] * 2, [Y, Y], shared=["w", "b"], start=start)
    expected = by_least_squares()
    for w, b in zip(many.params["w"], many.params["b"], strict=True):
        np.testing.assert_allclose([*w, b], expected, rtol=1e-7)
    np.testing.assert_allclose([*both.params["w"], both.params["b"]], expected, rtol=1e-8)


@pytest.mark.parametrize("bad", [4.0, -5.0])
def test_an_index_outside_is_refused_in_many_fits(bad):
    g = np.tile(GROUP.astype(float), (3, 1))
    g[1, 5] = bad
    rows = (g, np.tile(X, (3, 1)))
    start = dict(w=np.zeros(4), b=0.0)
    with pytest.raises(IndexError, match=f"index {bad:g} is out of bounds for an axis of 4"):
        descend.fit_many(grouped, rows, np.tile(Y, (3, 1)), start=start)
    g[1, 5] = 1.5
    with pytest.raises(descend.DataError, match=r"uses g as an index, and it holds 1\.5"):
        descend.fit_many(grouped, rows, np.tile(Y, (3, 1)), start=start)
