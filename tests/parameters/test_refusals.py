"""What cannot be meant is refused, in words that name it and say what to do."""

import numpy as np
import pytest

import descend
from descend import Parameter, UsageError

X = np.linspace(0.0, 4.0, 20)
Y = 2.0 * np.exp(-X) + 0.5


def model(x, a, k, c):
    return a * np.exp(-k * x) + c


REFUSED = [
    (dict(start=dict(a=5.0), bounds={"a": (0, 3)}),
     "a starts at 5, outside its bounds 0 to 3", "start it between them, or widen"),
    (dict(start=dict(a=-1.0), bounds={"a": (0, None)}), "a starts at -1, below its bound 0", ""),
    (dict(start=dict(a=(9, (None, 3)))), "a starts at 9, above its bound 3", ""),
    (dict(fixed={"a": 5.0}, bounds={"a": (0, 3)}),
     "a is fixed at 5, outside its bounds 0 to 3", ""),
    (dict(bounds={"a": (3, 0)}),
     "the bounds of a are 3 and 0: nothing lies between", "give the lower one first"),
    (dict(bounds={"a": (3, 3)}), "nothing lies between", 'write fixed={"a": 3}'),
    (dict(bounds={"a": (np.nan, 3)}), "the lower bound of a is NaN", "None for no bound"),
    (dict(bounds={"a": 3}), "the bounds of a are 3, and must be a pair", '{"a": (0, 10)}'),
    (dict(bounds={"a": ("low", 3)}), "the lower bound of a is 'low', which is no number", ""),
    (dict(bounds={"kk": (0, 1)}), 'bounds names "kk", which is no parameter',
     "the parameters are a, k, c"),
    (dict(bounds={"x": (0, 1)}), 'bounds names "x", which is data', "only parameters"),
    (dict(bounds={"a": ([0, 0], 1)}),
     "the lower bound of a has the shape (2,), and the parameter ()", ""),
    (dict(bounds=([0, 0], [1, 1])),
     "bounds gives 2 lower bounds, and there are 3 numbers (a, k, c)", "by name"),
    (dict(bounds=[(0, 1)] * 3), "cannot be read", "bounds=([0, -1], [np.inf, 1])"),
    (dict(start=dict(a=(1, (0, 3))), bounds={"a": (0, 2)}),
     "a has two bounds: 0 to 3 where it starts, and 0 to 2 in bounds=", "in one place"),
    (dict(start=dict(a=(1, None, 3))), "a starts at (1, None, 3), and None is no number",
     "a=(value, (lower, upper))"),
    (dict(fixed=["alpha"]), 'fixed names "alpha", which is no parameter', "the parameters are"),
    (dict(fixed=["x"]), 'fixed names "x", which is data', ""),
    (dict(fixed=["a"]), "a is fixed and has no value", 'write fixed={"a": 1.0}'),
    (dict(fixed={"a": True}), "fixed={'a': True} gives no value", 'write fixed=["a"]'),
    (dict(fixed=3), "fixed=3 names no parameters", 'write fixed=["a"]'),
    (dict(ties={"a": "2*k", "k": "a/2"}),
     "the ties go round in a circle: a = 2*k, k = a/2", "leave one of these parameters free"),
    (dict(ties={"a": "a + 1"}), "the ties go round in a circle: a = a + 1", ""),
    (dict(ties={"a": "2*kk"}), 'the tie "a = 2*kk" uses kk, which is no parameter',
     "a new one of your own needs a start value: start=dict(kk=…)"),
    (dict(ties={"a": "2*x"}), 'the tie "a = 2*x" uses x, which is data', "a tie joins parameters"),
    (dict(ties={"q": "2*a"}), 'ties names "q", which is no parameter', ""),
    (dict(ties={"a": "2*k"}, fixed={"a": 1}), "a is both fixed and tied to 2*k", "choose one"),
    (dict(ties={"a": "2*k"}, bounds={"a": (0, 1)}),
     "a is tied to 2*k, so bounds of its own cannot be kept", "bound the parameters of the"),
    (dict(ties={"a": "2*k"}, start=dict(k=1, c=1, a=5)),
     "a starts at 5, and its tie a = 2*k gives 2", "leave out the start of a"),
    (dict(ties={"a": "log(k)"}, start=dict(k=-1, c=1)), "gives nan at the start", "finite"),
    (dict(ties={"a": 2}), "the tie 2 is no expression", 'ties={"b": "2*a"}'),
    (dict(ties={"a": "c = 2*k"}), 'the tie of a, "c = 2*k", is one of c', ""),
    (dict(ties="2*k"), 'the tie "2*k" does not say which parameter it is for', ""),
    (dict(ties="a > c"), '"a > c" is no tie', 'tie "a = c + gap", start gap'),
    (dict(start=dict(a=Parameter(-1, scale="log"))),
     "a starts at -1, and a log scale holds positive numbers", "start it above 0"),
    (dict(start=dict(a=Parameter(0.5, max=-1, scale="log"))),
     "an upper bound of -1", 'leave out scale="log"'),
    (dict(start=dict(a=Parameter(0.5, min=0, scale="logit"))),
     "a has a logit scale, which needs a lower and an upper bound", "min=0, max=1"),
    (dict(start=dict(a=Parameter(0, min=0, max=1, scale="logit"))),
     "a starts at 0, on its bound, which a logit scale cannot reach", "between the bounds"),
    (dict(bound={"a": (0, 1)}), 'fit has no option "bound" (did you mean "bounds"?)', ""),
    (dict(vary=["a"]), 'fit has no option "vary" (here it is called "fixed")', 'write fixed=["a"]'),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message", "remedy"), REFUSED, ids=[r[1] for r in REFUSED])
def test_refused(options, message, remedy):
    with pytest.raises(descend.DescendError) as caught:
        descend.fit(model, X, Y, **options)
    assert message in caught.value.message
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameter(1, vary=False), 'no option "vary" (here it is called "fixed")'),
        (lambda: Parameter(1, mim=0), 'Parameter has no option "mim" (did you mean "min"?)'),
        (lambda: Parameter(1, scale="lgo"), "scale='lgo' is not known"),
        (lambda: Parameter(1, tie=3), "tie=3 is no expression"),
        (lambda: Parameter(1, fixed=3.0), "fixed=3.0 must be True or False"),
    ],
)
def test_a_declared_parameter_checks_itself(make, message):
    with pytest.raises(UsageError) as caught:
        make()
    assert message in caught.value.message


def test_minimize_takes_pairs():
    square = lambda x: np.sum(x**2)  # noqa: E731
    with pytest.raises(UsageError, match="is no sequence of pairs"):
        descend.minimize(square, start=[1.0, 1.0, 1.0], bounds=[0, 1, 2])
    with pytest.raises(UsageError, match="bounds gives 1 lower bounds, and there are 2 numbers"):
        descend.minimize(square, start=[1.0, 1.0], bounds=[(0, 1)])
    found = descend.minimize(square, start=[1.0, 1.0], bounds=(0.5, None))
    np.testing.assert_array_equal(found.params, [0.5, 0.5])


def test_no_start_array_is_read_as_bounds():
    """Tuples of numbers alone are arrays, as everywhere."""
    found = descend.minimize(
        lambda w, b: np.sum(w**2) + b**2, start=dict(w=(1.0, 0.0, 10.0), b=1.0)
    )
    assert found.params["w"].shape == (3,) and found.bounds == {}
