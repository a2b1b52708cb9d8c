"""Derivatives of plain NumPy functions, for use outside of models and inside.

The conventions are JAX's: a transformation takes a function and gives a function; `argnums` says
which arguments are differentiated, by position or by name; arguments may be trees (dicts, lists,
tuples, dataclasses of arrays). Transformations nest to any order, and also work in a model that is
being traced. Python integers count as floats; integer and complex arrays are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np

from descend.differentiate import loops, transforms
from descend.differentiate.arguments import Argnums, like, name_of
from descend.differentiate.check import GradientCheck, checked
from descend.differentiate.rules import CustomDerivative
from descend.errors import UsageError, ends_at_users_line
from descend.graph.node import Node
from descend.plans import Planner, planner_of, pulled_back, runner
from descend.quantities import refuse_units
from descend.trace.black_box import BlackBox
from descend.trace.context import current
from descend.trace.effects import keep
from descend.trace.tree import flatten

__all__ = [
    "GradientCheck",
    "black_box",
    "check_grad",
    "custom_derivative",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "running",
    "scan",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
P = ParamSpec("P")
T = TypeVar("T")


def _function(function: Function, what: str) -> Function:
    if not callable(function):
        raise UsageError(f"descend.{what} takes a function, not {function!r}")
    return function


def _named(wrapper: Callable[P, T], function: Function, what: str) -> Callable[P, T]:
    _function(function, what)
    wrapper.__name__ = f"{what}({name_of(function)})"
    wrapper.__doc__ = f"{what} of: {function.__doc__ or name_of(function)}"
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]
    return wrapper


@ends_at_users_line
def grad(
    function: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *,
    engine: str = "native",
) -> Callable[P, Any]:  # fmt: skip
    """The gradient of a function that returns one number, by backpropagation.

    The first call with arguments of some form traces the function and compiles its gradient; the
    next ones run what was compiled, as long as what the function takes from outside is the same.

    Where something overflows inside, and the value is finite all the same, the gradient is finite,
    too. Where there is no derivative it is infinite or NaN, and where it cannot be told from one
    (0 times infinity) NaN, without a warning: a fit says so in its findings, and
    `check_grad(function, …)` names the operation and its line. At a kink a slope between those of
    both sides is taken: 0 of `abs` and of a norm, ½ at a tie of `maximum`; the second derivative
    is there that of one side.

    Args:
        function: plain NumPy code that returns a float; with `has_aux`, a pair (float, others).
        argnums: the argument to differentiate, by position or name, or several of them.
        has_aux: whether to hand on the others: the result is then (gradient, others).
        engine: `native`, or `interpreted` to go node by node in NumPy.

    Returns:
        a function of the same arguments; its result has the form and shapes of the chosen
        argument (a tuple for several).

    Raises:
        UsageError: the result is not one number, or an argument cannot be differentiated.

    >>> import numpy as np
    >>> grad(lambda x: 3 * x[0]**2 + 4 * x[1]**2 + 5 * x[2]**2)(np.ones(3))
    array([ 6.,  8., 10.])
    >>> with np.errstate(over="ignore"):
    ...     grad(lambda x: 1 / (1 + np.exp(-x)))(-750.0)
    np.float64(0.0)
    """
    planner = Planner(transforms.gradient, argnums, has_aux, engine)

    def gradient_of(*args: P.args, **kwargs: P.kwargs) -> Any:
        return planner(function, args, kwargs)

    return _named(gradient_of, function, "grad")


@ends_at_users_line
def value_and_grad(
    function: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *,
    engine: str = "native",
) -> Callable[P, tuple[Any, Any]]:  # fmt: skip
    """The value and the gradient together; see `grad`.

    >>> value_and_grad(lambda x: 3 * x**2)(1.0)
    (np.float64(3.0), np.float64(6.0))
    """
    planner = Planner(transforms.value_and_gradient, argnums, has_aux, engine)

    def value_and_gradient_of(*args: P.args, **kwargs: P.kwargs) -> Any:
        return planner(function, args, kwargs)

    return _named(value_and_gradient_of, function, "value_and_grad")


@ends_at_users_line
def jacobian(
    function: Callable[P, Any], argnums: Argnums = 0, *, engine: str = "native"
) -> Callable[P, Any]:
    """All first derivatives: for a result of shape s and an argument of shape t, shape s + t.

    Forward or reverse mode, whichever takes fewer passes; all passes run as one with a new axis.

    >>> import numpy as np
    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    planner = Planner(transforms.jacobian, argnums, engine=engine)

    def jacobian_of(*args: P.args, **kwargs: P.kwargs) -> Any:
        return planner(function, args, kwargs)

    return _named(jacobian_of, function, "jacobian")


@ends_at_users_line
def hessian(
    function: Callable[P, Any], argnums: Argnums = 0, *, engine: str = "native"
) -> Callable[P, Any]:
    """All second derivatives of a function that returns one number: forward over reverse mode.

    For arguments of shapes s and t, the block of the two has shape s + t.

    >>> import numpy as np
    >>> hessian(lambda x: x[0]**2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    gradient = grad(_function(function, "hessian"), argnums)
    planner = Planner(partial(transforms.jacobian, mode="forward"), argnums, engine=engine)

    def hessian_of(*args: P.args, **kwargs: P.kwargs) -> Any:
        return planner(gradient, args, kwargs)

    return _named(hessian_of, function, "hessian")


@ends_at_users_line
def vjp(
    function: Function, *primals: Any, engine: str = "native"
) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value at the primals, and the function that sends a cotangent of it back.

    Returns:
        value, back; back(cotangent of the value's form) gives one cotangent per primal.

    >>> import numpy as np
    >>> value, back = vjp(np.sin, 0.0)
    >>> back(2.0)
    (np.float64(2.0),)
    """
    return pulled_back(_function(function, "vjp"), primals, engine)


@ends_at_users_line
def jvp(
    function: Function, primals: Sequence[Any], tangents: Sequence[Any], *, engine: str = "native"
) -> tuple[Any, Any]:
    """The value at the primals, and its derivative along the tangents (forward mode).

    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (np.float64(6.0), np.float64(3.0))
    """
    planner = planner_of(_function(function, "jvp"), transforms.pushforward, engine)
    made: tuple[Any, Any] = planner(function, primals, {}, _alike(primals, tangents))
    return made


def _alike(primals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
    """The tangents, with the entries of dicts in the order of the primals'."""
    for number, tangent in enumerate(tangents):
        refuse_units(tangent, f"tangent {number}", UsageError)
    if len(primals) != len(tangents):
        return tangents
    pairs = zip(primals, tangents, strict=True)
    return [t if isinstance(p, np.ndarray) else like(flatten(p)[1], t) for p, t in pairs]


@ends_at_users_line
def hvp(
    function: Function, primals: Sequence[Any], tangents: Sequence[Any], *, engine: str = "native"
) -> Any:
    """The Hessian at the primals times the tangents, without forming the Hessian.

    Forward mode over reverse mode (Pearlmutter 1994): the price of a few gradients. The result
    has the form of the tangents; for one primal, of that one.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), [np.array([1.0, 2.0])], [np.array([1.0, 1.0])])
    array([ 6., 12.])
    """
    planner = planner_of(_function(function, "hvp"), transforms.hessian_vector, engine)
    return planner(function, primals, {}, _alike(primals, tangents))


def stop_gradient(tree: Any) -> Any:
    """The same values, taken as constants by every derivative.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return transforms.stopped(tree)


@ends_at_users_line
def running(
    name: str, value: Any, momentum: float = 0.1, *, begin: Any = 0.0, kept: Any = None
) -> Any:
    """A value of a batch that the model keeps a running mean of, to predict with.

    In a fit by a method of first order this is the value itself, and with every update the running
    value becomes (1 - momentum) · running + momentum · value, as in PyTorch, where that is finite
    (the unbiased variance of one row is not); no derivative passes through it. In `predict`, in validation and in `fit.loss` the running value takes the place of
    the value. It is saved with the fit, and a resumed run goes on from it. Outside of a fit, this
    is the value.

    Batch normalisation is `(h - running("mean", h.mean(0))) / np.sqrt(running("var", h.var(0),
    begin=1.0) + 1e-5)`.

    Args:
        name: one for each running value of a model.
        value: an array without an axis of rows.
        momentum: the weight of a new value, above 0 and at most 1.
        begin: what it begins with, of the value's shape or for all of it.
        kept: what is kept, where that is another one, such as `h.var(0, ddof=1)`.

    Raises:
        TraceError: the name is used twice, the value has rows, or stands in a `scan` or `grad`.

    >>> import numpy as np
    >>> running("mean", np.array([1.0, 3.0]).mean())
    np.float64(2.0)
    """
    if not isinstance(name, str) or not name:
        raise UsageError(f"running takes a name first, not {name!r}")
    if not isinstance(momentum, int | float | np.floating) or not 0 < momentum <= 1:
        raise UsageError(f"momentum is a number above 0 and at most 1, not {momentum!r}")
    return keep(name, value, float(momentum), begin, kept)


def custom_derivative(function: Function) -> CustomDerivative:
    """A function whose derivative rule is given by hand, with JAX's conventions.

    Afterwards set the rule with `.defjvp(rule)`, where `rule(primals, tangents)` returns (value,
    tangent of the value), or with `.defvjp(fwd, bwd)`, where `fwd(*args)` returns (value, kept)
    and `bwd(kept, cotangent)` one cotangent per argument. One rule serves both modes; a rule is
    plain NumPy code itself, so it can be differentiated again.

    >>> @custom_derivative
    ... def f(x):
    ...     return x**2
    >>> f.defvjp(lambda x: (x**2, x), lambda x, g: (10 * g * x,))
    >>> grad(f)(1.0)
    np.float64(10.0)
    """
    return CustomDerivative(function)


@ends_at_users_line
def black_box(
    function: Function,
    *,
    shape: Any = None,
    step: float | None = None,
    elementwise: bool = False,
) -> BlackBox:
    """A function for use in models of which nothing is known but its values.

    It may be anything that takes numbers and arrays: a simulation, an integrator, a library's
    code. A model that uses one runs on the interpreter, and the report says so. Its derivatives
    are central differences: an element x is moved by h = s·|x| to both sides (by s where x is 0),
    with s = 6.1e-6 for the first derivative, good to about 10 digits for a smooth function, and
    1.2e-4 for the second, good to about 7. Each first derivative takes two calls per element of
    what is differentiated.

    Args:
        function: takes numbers and arrays by position, as NumPy's own; returns an array.
        shape: of the result: a tuple, or a function of the arguments' shapes; else it is their
            common shape, as that of an elementwise function.
        step: s for the first derivative, where values carry noise: about its cube root.
        elementwise: whether each element of the result depends only on the elements of the
            arguments at its place; then two calls serve all elements, the function receives
            arguments of the result's shape, and batches of rows are possible.

    Raises:
        UsageError: the result has another shape; or it is differentiated more than twice.

    >>> import math
    >>> damped = black_box(lambda t, rate: math.exp(-rate * t))
    >>> round(float(grad(lambda rate: damped(2.0, rate))(0.5)), 8)
    -0.73575888
    """
    return BlackBox(_function(function, "black_box"), shape, step, elementwise)


@ends_at_users_line
def scan(
    function: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A loop that stays a loop when it is compiled: `carry, y = function(carry, x)` for each x.

    Args:
        function: one iteration; it returns the new carry, of the form of the old, and an output.
        init: the first carry, a tree of arrays.
        xs: trees of arrays with the iterations on their first axis, or None.
        length: the number of iterations, where there are no xs.
        reverse: whether to run from the last x to the first.

    Returns:
        the last carry, and the outputs stacked along a new first axis.

    An index that is made in the iteration and lies outside of its array raises no error, unlike
    elsewhere: nothing is read out of bounds, but what is read has no meaning.

    >>> import numpy as np
    >>> scan(lambda total, x: (total + x, total), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 1., 3.]))
    """
    loop = loops.looped if current() is None else loops.traced_scan
    return loop(function, init, xs, length, reverse)


@ends_at_users_line
def check_grad(
    function: Function, *args: Any, argnums: Argnums = 0, tolerance: float = 1e-6, seed: int = 0
) -> GradientCheck:
    """Compare the gradient of a function with differences that know nothing of its rules.

    Complex steps where the function takes complex numbers, else extrapolated central differences.
    A result that is an array is weighted with random numbers and added up; of large arguments 50
    elements are drawn. Where the gradient is not finite, the operation without a finite derivative
    is named with its line.

    Args:
        function: plain NumPy code.
        args: where to check.
        argnums: which arguments, by position or name.
        tolerance: the largest relative error allowed.
        seed: of the weights and of the elements drawn.

    >>> import numpy as np
    >>> print(check_grad(lambda x: x[0] * np.exp(x[1]), np.array([2.0, 0.5])))
    the gradient agrees with complex step: largest relative error ...
    """

    def run(outputs: Sequence[Node], bindings: Mapping[Node, Any]) -> Sequence[Any]:
        return runner(outputs, list(bindings), "native")(list(bindings.values()))

    return checked(function, argnums, args, tolerance, seed, run)
