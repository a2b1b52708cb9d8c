"""What cannot be meant is refused in words that say what to do."""

import numpy as np
import pytest

import descend

X = np.linspace(0.0, 2.0, 20)
Y = 2 * X + 1
SGD = descend.SGD(lr=0.05)


class Centred(descend.Loss):
    """The variance of the residuals, by a residual of its own."""

    def residual(self, prediction, target):
        return prediction - target - (prediction - target).mean()

    def per_row(self, prediction, target):
        return self.residual(prediction, target) ** 2


def line(x, a, b):
    return a * x + b


def coupled(x, a):
    return a * x / x.max()


CALLS = {
    "epochs huge": (lambda: descend.fit(line, X, Y, epochs=10**20), r"epochs .* below 2\*\*63"),
    "shuffle": (lambda: descend.fit(line, X, Y, shuffle="no"), "shuffle must be True or False"),
    "keep_best text": (lambda: descend.fit(line, X, Y, keep_best="no"), "keep_best must be True"),
    "split text": (
        lambda: descend.fit(line, X, Y, validation_split="x"), "validation_split must be a number"
    ),
    "callback": (lambda: descend.fit(line, X, Y, callback=5), "callback must be a function, not 5"),
    "clip": (lambda: descend.fit(line, X, Y, optimizer=SGD, clip=5), "(?s)clip must.*clip_norm"),
    "constants": (lambda: descend.fit(line, X, Y, constants=5), "constants=5 names nothing"),
    "ties": (lambda: descend.fit(line, X, Y, ties=5), "(?s)ties=5 ties nothing.*write ties="),
    "start None": (
        lambda: descend.fit(line, X, Y, start={"a": None}), '"a" starts as None, .* no number'
    ),
    "start empty": (
        lambda: descend.minimize(lambda v: v[0], start=[]), r'"v" starts as \[\], .* no number'
    ),
    "shared": (
        lambda: descend.fit_global(line, [X, X], [Y, Y], shared=5), "shared=5 names nothing"
    ),
    "one array": (
        lambda: descend.fit_global(line, X, Y, shared="a"), "(?s)x is one array.*x1, x2"
    ),
    "plot": (lambda: descend.fit(line, X, Y).plot(5), "the plot has a path, .* not 5"),
    "load": (lambda: descend.load(5), "the saved fit has a path, .* not 5"),
    "predict": (lambda: descend.fit(line, X, Y).predict(None), "there is no data"),
    "p0": (lambda: descend.fit(line, X, Y, p0=[1, 2]), 'no option "p0" .here it is called "start"'),
    "maxfev": (lambda: descend.fit(line, X, Y, maxfev=10), 'called "epochs"'),
    "learning_rate": (lambda: descend.fit(line, X, Y, learning_rate=1), 'called "lr"'),
    "random_state": (lambda: descend.fit(line, X, Y, random_state=1), 'called "seed"'),
    "n_iter": (lambda: descend.fit(line, X, Y, n_iter_no_change=1), 'called "patience"'),
    "fraction": (lambda: descend.fit(line, X, Y, validation_fraction=1), '"validation_split"'),
    "nan_policy": (lambda: descend.fit(line, X, Y, nan_policy="omit"), 'called "missing"'),
    "method": (lambda: descend.fit(line, X, Y, method="lm"), 'called "optimizer"'),
    "weights": (
        lambda: descend.fit(line, X, Y, weights=Y),
        "(?s)two different things.*sample_weight=w to multiply each row's loss.*sigma=1/w",
    ),
    "misspelt": (lambda: descend.fit(line, X, Y, bath_size=3), 'did you mean "batch_size"'),
    "start list": (lambda: descend.fit(line, X, Y, start=[1, 2]), r"start=dict\(a=1, b=2\)"),
    "start name": (
        lambda: descend.fit(line, X, Y, start={"aa": 1}),
        '(?s)"aa", which is no parameter.*the parameters are a, b',
    ),
    "start data": (lambda: descend.fit(line, X, Y, start={"x": 1}), '"x", which is data'),
    "start nan": (lambda: descend.fit(line, X, Y, start={"a": np.nan}), "must be finite"),
    "start word": (lambda: descend.fit(line, X, Y, start="rendom"), 'did you mean "random"'),
    "integers": (
        lambda: descend.fit(lambda x, w: w[0] * x, X, Y, start={"w": np.array([1, 2])}),
        r'(?s)"w" is an integer array, which has no derivatives.*w.astype\(float\)',
    ),
    "complex": (lambda: descend.fit(line, X, Y, start={"a": 1j, "b": 0}), '"a" is complex'),
    "text": (lambda: descend.fit(line, X, Y, start={"a": "1", "b": 0}), "is no number"),
    "no data": (lambda: descend.fit(line), "there is no data"),
    "no target": (lambda: descend.fit(line, X), "there is no target y"),
    "no parameters": (lambda: descend.fit(lambda x: x, X, Y), "has no parameters"),
    "star": (lambda: descend.fit(lambda x, *p: x, X, Y), r"takes \*p, so its parameters have no"),
    "not callable": (lambda: descend.fit(3, X, Y), "a function, a formula or a network, not int"),
    "constant": (
        lambda: descend.fit(line, X, Y, constants=["c"]), 'names "c", and line has no such'
    ),
    "constant value": (lambda: descend.fit(line, X, Y, constants=["b"]), '"b" has no value'),
    "shape": (
        lambda: descend.fit(lambda x, a: (a * x)[:, None], X, Y, start={"a": 1}),
        r"(?s)returns the shape \(20, 1\), and y has the shape \(20,\).*prediction\[:, 0\]",
    ),
    "branch": (lambda: descend.fit(lambda x, a: x if a > 0 else -x, X, Y), r"np.where\(condition"),
    "random": (lambda: descend.fit(lambda x, a: a * np.random.rand(), X, Y), "drawn once"),
    "lr alone": (lambda: descend.fit(line, X, Y, lr=0.1), r"optimizer=descend.SGD\(lr=0.1\)"),
    "optimizer": (lambda: descend.fit(line, X, Y, optimizer="adm"), 'did you mean "adam"'),
    "loss": (lambda: descend.fit(line, X, Y, loss="msee"), 'did you mean "mse"'),
    "loss mean": (
        lambda: descend.fit(line, X, Y, loss=lambda p, t: np.mean((p - t) ** 2)),
        "(?s)must give one number for each row.*leave out np.mean",
    ),
    "lm batches": (
        lambda: descend.fit(line, X, Y, optimizer="lm", batch_size=5),
        'LevenbergMarquardt needs all rows at once, not batches of 5',
    ),
    "lm mae": (
        lambda: descend.fit(line, X, Y, optimizer="lm", loss="mae"),
        "needs two derivatives of each row.s loss, and the loss is mae",
    ),
    "lm penalty": (
        lambda: descend.fit(line, X, Y, optimizer="lm", penalty="l2"), "knows no penalty"
    ),
    "sigma poisson": (
        lambda: descend.fit(line, X, Y, sigma=Y, loss="poisson"), "sigma belongs to losses of"
    ),
    "absolute": (lambda: descend.fit(line, X, Y, absolute_sigma=True), "there is none"),
    "vary": (lambda: descend.fit(line, X, Y, vary=False), 'here it is called "fixed"'),
    "f_scale": (lambda: descend.fit(line, X, Y, f_scale=0.1), 'here it is called "loss"'),
    "keep_best": (
        lambda: descend.fit(line, X, Y, optimizer=SGD, batch_size=5, keep_best=True),
        "(?s)the running mean over batches does not.*validation_split=0.2",
    ),
    "coupled": (
        lambda: descend.fit(coupled, X, Y, optimizer=SGD, batch_size=5),
        r"couples the rows with one another \(test_refusals.py:\d+: x.max\(\)\)",
    ),
    "coupled by a mean": (
        lambda: descend.fit(lambda x, a: a * (x - x.mean()), X, Y, optimizer=SGD, batch_size=5),
        r"the model couples .* \(test_refusals.py:\d+: x.mean\(\)\), so a batch of 5",
    ),
    "coupled loss": (
        lambda: descend.fit(line, X, Y, optimizer=SGD, batch_size=5,
                            loss=lambda p, y: (p - y - np.mean(p - y)) ** 2),
        r"(?s)the loss couples .* \(test_refusals.py:\d+: np.mean\(p - y\)\), so a batch of 5 "
        "rows has another loss than all of them.*leave out batch_size, or give the loss of each",
    ),
    "counted loss": (
        lambda: descend.fit(line, X, Y, optimizer=SGD, batch_size=5,
                            loss=lambda p, y: (p - y) ** 2 * len(p)),
        r"the loss couples .*\* len\(p\)\)",
    ),
    "coupled residual": (
        lambda: descend.fit(line, X, Y, optimizer=SGD, batch_size=5, loss=Centred()),
        "the loss couples",
    ),
    "cumsum": (
        lambda: descend.fit(lambda x, a: a * np.cumsum(x), X, Y, optimizer=SGD, batch_size=5),
        r"np.cumsum\(x\)",
    ),
    "counted": (
        lambda: descend.fit(lambda x, a: a * x / len(x), X, Y, optimizer=SGD, batch_size=5),
        "couples the rows",
    ),
    "split": (lambda: descend.fit(line, X, Y, validation_split=0.01), "holds back 0 of 20 rows"),
    "epochs": (lambda: descend.fit(line, X, Y, epochs=0), "epochs must be a whole number"),
    "epochs half": (lambda: descend.fit(line, X, Y, epochs=2.5), "epochs must be a whole number"),
    "batch": (lambda: descend.fit(line, X, Y, batch_size=0), "batch_size must be a whole"),
    "seed": (lambda: descend.fit(line, X, Y, seed=-1), "seed must be a whole number"),
    "tolerance": (lambda: descend.fit(line, X, Y, xtol=-1), "xtol must be a number of at least 0"),
    "min_delta": (lambda: descend.fit(line, X, Y, min_delta=1), "min_delta belongs to patience"),
    "seconds": (lambda: descend.fit(line, X, Y, max_seconds=0), "must be a number above 0"),
    "engine": (lambda: descend.fit(line, X, Y, engine="nativ"), 'did you mean "native"'),
    "record": (lambda: descend.fit(line, X, Y, record="parms"), 'did you mean "params"'),
    "formula data": (lambda: descend.fit("y = a*x", X, Y), "knows its data by name"),
    "formula none": (lambda: descend.fit("y = x", {"x": X, "y": Y}), "has no parameters"),
    "checkpoint": (
        lambda: descend.fit(line, X, Y, checkpoint="/no/such/folder/c.descend"),
        "the checkpoint cannot be written",
    ),
    "resume": (lambda: descend.fit(line, X, Y, resume={"a": 1}), "start|resume is a fit"),
    "minimize epochs": (
        lambda: descend.minimize(lambda x: x**2, 1.0, epochs=3), 'called "max_iter"'
    ),
    "minimize jac": (
        lambda: descend.minimize(lambda x: x**2, 1.0, jac=None), "derivatives are worked out"
    ),
    "minimize lm": (
        lambda: descend.minimize(lambda x: x**2, 1.0, optimizer="lm"), "sums of squares over data"
    ),
    "minimize two": (
        lambda: descend.minimize(lambda x, y: x**2 + y**2, [1.0, 2.0]),
        r"(?s)has 2 arguments \(x, y\), and start names none.*start=dict\(x=…, y=…\)",
    ),
    "minimize vector": (
        lambda: descend.minimize(lambda x: x**2, np.ones(2)),
        "(?s)returns the shape .2,.; a minimum needs one number.*np.sum",
    ),
    "maximize": (lambda: descend.maximize(lambda x: x, 1.0, max_itr=1), 'did you mean "max_iter"'),
    "explain": (lambda: descend.explain(lambda x: x**2, np.ones(2)), "returns no single number"),
    "explain missing": (lambda: descend.explain("a*b", {"a": 1}), "needs a value for b"),
    "explain row": (lambda: descend.explain(line, X, Y, row=20), "there is no row 20"),
}


@pytest.mark.parametrize("name", CALLS)
def test_refusals(name):
    call, words = CALLS[name]
    with pytest.raises(descend.UsageError, match=words):
        call()


DATA = {
    "nan": (lambda: descend.fit(line, np.where(X > 1.8, np.nan, X), Y), "x is missing .NaN. in"),
    "inf": (lambda: descend.fit(line, X, np.where(X > 1.95, np.inf, Y)), "y is infinite in row 19"),
    "one row": (lambda: descend.fit(line, X[:1], Y[:1]), "only one row"),
    "empty": (lambda: descend.fit(line, X[:0], Y[:0]), "the table is empty"),
    "lengths": (lambda: descend.fit(line, X[:5], Y), "x has 5 rows, y has 20"),
    "rows last": (
        lambda: descend.fit(lambda X, w: X @ w, np.ones((3, 20)), Y, start={"w": np.ones(3)}),
        r"(?s)its last axis matches the 20 rows.*tuple\(X\)",
    ),
    "complex": (lambda: descend.fit(line, X * 1j, Y), "complex numbers"),
    "sigma": (lambda: descend.fit(line, X, Y, sigma=-Y), "sigma must be positive"),
    "weight": (lambda: descend.fit(line, X, Y, sample_weight=-Y), "sample_weight must not be neg"),
    "weight shape": (lambda: descend.fit(line, X, Y, sigma=np.ones((20, 2))), "one number a row"),
    "poisson": (lambda: descend.fit(line, X, -Y, loss="poisson"), "needs targets in"),
    "column": (lambda: descend.fit(line, {"x": X}, "z"), 'no column "z"'),
    "file": (lambda: descend.load("/no/such/file.descend"), "cannot be read"),
}


@pytest.mark.parametrize("name", DATA)
def test_data_refusals(name):
    call, words = DATA[name]
    with pytest.raises(descend.DataError, match=words):
        call()


def test_missing_rows_are_dropped_and_counted():
    y = Y.copy()
    y[[2, 7]] = np.nan
    fit = descend.fit(line, X, y, missing="drop")
    assert fit.n_dropped == 2 and fit.n_rows == 18
    assert "18 rows, 2 rows dropped" in fit.report()


def test_divergence_is_told_not_raised():
    with pytest.warns(descend.DivergedWarning) as caught:
        fit = descend.fit(
            line, X * 100, Y, start={"a": 1, "b": 1}, optimizer=descend.SGD(lr=5.0), epochs=500
        )
    assert not fit.success and fit.status == "diverged" and fit.exit_code == 4
    assert np.isfinite(list(fit.params.values())).all()
    text = str(caught[0].message)
    assert f"diverged in epoch {fit.epochs + 1}" in text
    assert "the column with the largest values is x (up to 200" in text
    rate = float(text.split("Try lr=")[1].rstrip("."))
    again = descend.fit(
        line, X * 100, Y, start={"a": 1, "b": 1}, optimizer=descend.SGD(lr=rate), epochs=500
    )
    assert again.status == "epochs_spent" and again.loss < np.mean((100 * X + 1 - Y) ** 2)


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_the_parameter_that_leaves_first_is_named(engine):
    """The loss is finite and so is the next a, but the step of k is beyond all numbers."""

    def model(x, a, k):
        return a + 1e200 * k * x

    with pytest.warns(descend.DivergedWarning, match="epoch 1: k was the first to leave"):
        fit = descend.fit(
            model, X, Y, start={"a": 1.0, "k": 1e-200}, engine=engine,
            optimizer=descend.SGD(lr=1e120), epochs=3,
        )  # fmt: skip
    assert fit.params == {"a": 1.0, "k": 1e-200}


def test_a_start_that_is_not_finite_is_told():
    with pytest.warns(descend.DivergedWarning, match="not finite at the start"):
        fit = descend.fit(lambda x, a: np.log(a - x), X, Y, start={"a": 1.0})
    assert fit.params == {"a": 1.0}
