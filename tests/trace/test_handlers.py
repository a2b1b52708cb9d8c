"""Handlers in a model: a refusal is never swallowed, and none waits for an error of a value.

What is right is the plain function's own value; a refusal names the line and what to write.
"""

import contextlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.linalg import LinAlgError

import descend

INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
SINGULAR = np.ones((2, 2))


def bare(x: Any) -> Any:
    try:
        return -x if x < 0 else x**2
    except:  # noqa: E722
        return 0.0 * x


def by_class(x: Any) -> Any:
    try:
        return float(x) ** 2
    except (TypeError, ValueError):
        return 0.0 * x


def by_return(x: Any) -> Any:
    try:
        return float(x) ** 2
    finally:
        return 0.0 * x  # noqa: B012, SIM107


def suppressed(x: Any) -> Any:
    with contextlib.suppress(Exception):
        return float(x) ** 2
    return 0.0 * x


class Swallowing:
    def __enter__(self) -> "Swallowing":
        return self

    def __exit__(self, *error: object) -> bool:
        return True


def by_manager(x: Any) -> Any:
    with Swallowing():
        return float(x) ** 2
    return 0.0 * x


def number_of(x: Any) -> Any:
    try:
        return float(x)
    except TypeError:
        return 7.0


def by_helper(x: Any) -> Any:
    return number_of(x) * x


def made_another(x: Any) -> Any:
    try:
        return float(x) ** 2
    except TypeError as error:
        raise RuntimeError("a number is needed") from error


def in_a_loop(x: Any) -> Any:
    total = 0.0 * x
    for _ in range(2):
        try:
            total = total + math.sqrt(float(x))
        except Exception:
            continue
    return total


def for_ever(x: Any) -> Any:
    while True:
        try:
            return -x if x < 0 else x**2
        except:  # noqa: E722
            pass


def for_ever_by_class(x: Any) -> Any:
    while True:
        try:
            with np.errstate(all="ignore"):
                return float(x) * x
        except BaseException:
            done = 1
        finally:
            done = 2
        del done


def for_ever_inside(x: Any) -> Any:
    while True:
        try:
            while True:
                try:
                    return float(x) ** 2
                except TypeError:
                    pass
        except:  # noqa: E722
            continue


def for_ever_in_a_helper(x: Any) -> Any:
    return for_ever(x) + for_ever(2 * x)


@pytest.mark.parametrize(
    "model",
    [
        for_ever,
        for_ever_by_class,
        for_ever_inside,
        for_ever_in_a_helper,
        bare,
        by_class,
        by_return,
        suppressed,
        by_manager,
        by_helper,
        made_another,
        in_a_loop,
    ],
)
def test_a_refusal_that_the_model_swallows_is_raised_at_its_end(model: Any) -> None:
    with pytest.raises(descend.TraceError, match="not known before the data is") as caught:
        descend.value_and_grad(model)(2.0)
    assert "test_handlers.py" in str(caught.value)


def test_a_swallowed_refusal_says_so() -> None:
    with pytest.raises(descend.TraceError) as caught:
        descend.grad(bare)(2.0)
    assert "a handler in the model caught this error" in "".join(caught.value.__notes__)


def test_a_fit_refuses_a_model_that_swallows() -> None:
    def model(x: Any, a: Any, b: Any) -> Any:
        try:
            return a * np.exp(-max(0.0, float(b)) * x)
        except Exception:
            return np.full_like(x, 1e3)

    x = np.linspace(0, 1, 20)
    with pytest.raises(descend.TraceError, match=r"float\(\) of a value"):
        descend.fit(model, x, 2 * np.exp(-1.5 * x), start=dict(a=1.0, b=1.0))


# --- errors that plain NumPy raises too -----------------------------------------------------------


def length(x: Any) -> Any:
    try:
        n = len(x)
    except TypeError:
        n = 1
    return n * np.sum(x)


def listed(x: Any) -> Any:
    try:
        return sum(2 * v for v in iter(x))
    except TypeError:
        return 3 * x


def last(x: Any) -> Any:
    try:
        return np.atleast_1d(x)[1] * 5
    except IndexError:
        return np.sum(x)


def common(x: Any) -> Any:
    try:
        return np.sum(x + np.ones(3))
    except ValueError:
        return 4 * np.sum(x)


def values(x: Any) -> Any:
    try:
        return np.sum(x.values)
    except AttributeError:
        return np.sum(x) * 6


@pytest.mark.parametrize("at", [2.0, np.array([1.0, 2.0])], ids=["number", "array"])
@pytest.mark.parametrize("model", [length, listed, last, common, values])
def test_what_plain_numpy_raises_as_well_may_be_handled(model: Any, at: Any) -> None:
    assert descend.value_and_grad(model)(at)[0] == model(at)


# --- handlers that wait for a value ---------------------------------------------------------------


def cholesky(k: Any) -> Any:
    return np.linalg.cholesky(k)


def definite(k: Any) -> Any:
    try:
        return np.sum(cholesky(k))
    except np.linalg.LinAlgError:
        return -np.sum(k)


def inverse(k: Any) -> Any:
    try:
        return np.sum(np.linalg.inv(k))
    except LinAlgError:
        return np.sum(k)


def solved(k: Any) -> Any:
    try:
        return np.sum(np.linalg.solve(k, np.ones(2)))
    except (KeyError, ValueError):
        return np.sum(k)


def nested(k: Any) -> Any:
    try:
        try:
            return np.sum(np.linalg.inv(k))
        except KeyError:
            return np.sum(k)
    except Exception:
        return -np.sum(k)


def by_suppress(k: Any) -> Any:
    with contextlib.suppress(LinAlgError):
        return np.sum(np.linalg.cholesky(k))
    return -np.sum(k)


@contextlib.contextmanager
def forgiving() -> Any:
    try:  # noqa: SIM105
        yield
    except LinAlgError:
        pass


def by_generator(k: Any) -> Any:
    with forgiving():
        return np.sum(np.linalg.cholesky(k))
    return -np.sum(k)


def by_exit(k: Any) -> Any:
    with Swallowing():
        return np.sum(np.linalg.cholesky(k))
    return -np.sum(k)


def finally_returns(k: Any) -> Any:
    result = -np.sum(k)
    try:
        result = np.sum(np.linalg.cholesky(k))
    finally:
        return result  # noqa: B012


def logarithm(x: Any) -> Any:
    try:
        return math.log(x)
    except ValueError:
        return -100.0 + 0 * x


def root(x: Any) -> Any:
    try:
        y = math.sqrt(x)
    except Exception:
        y = 0 * x
    return y


def grown(x: Any) -> Any:
    try:
        return math.exp(x)
    except OverflowError:
        return 1e300 + x


def in_groups(x: Any) -> Any:
    y = 0 * x
    try:
        y = math.log(x)
    except* ValueError:
        pass
    return y


def divided(x: Any) -> Any:
    try:
        return 1 / x
    except ZeroDivisionError:
        return 0 * x


def raised(x: Any) -> Any:
    with np.errstate(all="raise"):
        try:
            return np.log(x)
        except FloatingPointError:
            return -100.0 + 0 * x


def warned(x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.log(x)
        except RuntimeWarning:
            return -100.0 + 0 * x


def picked(x: Any) -> Any:
    table = np.array([1.0, 2.0])
    try:
        return table[(x + 5).astype(int)] * x
    except IndexError:
        return 0 * x


@pytest.mark.parametrize(
    ("model", "at", "words"),
    [
        (definite, INDEFINITE, ["`except LinAlgError`", "np.linalg.cholesky", "np.isfinite"]),
        (inverse, SINGULAR, ["`except LinAlgError`", "np.linalg.inv"]),
        (solved, SINGULAR, ["`except KeyError, ValueError`", "np.linalg.solve"]),
        (nested, SINGULAR, ["`except Exception`", "np.linalg.inv"]),
        (by_suppress, INDEFINITE, ["suppresses LinAlgError", "np.linalg.cholesky"]),
        (by_generator, INDEFINITE, ["suppresses", "np.linalg.cholesky"]),
        (by_exit, INDEFINITE, ["suppresses", "np.linalg.cholesky"]),
        (finally_returns, INDEFINITE, ["`try`", "np.linalg.cholesky"]),
        (logarithm, -1.0, ["`except ValueError`", "math.log", "np.where(x > 0"]),
        (root, -1.0, ["`except Exception`", "math.sqrt"]),
        (grown, 1000.0, ["`except OverflowError`", "math.exp"]),
        (in_groups, -1.0, ["math.log"]),
        (divided, 0.0, ["`except ZeroDivisionError`", "around /", "np.where(b != 0"]),
        (raised, -1.0, ["`except FloatingPointError`", "np.log"]),
        (warned, -1.0, ["`except RuntimeWarning`", "np.log"]),
        (picked, np.float64(1.0), ["`except IndexError`", "indexing", "np.clip"]),
    ],
)
def test_a_handler_that_waits_for_a_value_is_refused(model: Any, at: Any, words: list[str]) -> None:
    model(at)  # in plain Python the handler is reached
    with pytest.raises(descend.TraceError) as caught:
        descend.value_and_grad(model)(at)
    said = str(caught.value)
    assert "never raises" in said and "test_handlers.py:" in said
    assert [word for word in words if word not in said] == []


def option(x: Any) -> Any:
    try:
        rate = {"a": 2.0}["b"] * np.log(x)
    except KeyError:
        rate = 3.0
    return rate * np.sum(np.linalg.inv(np.eye(2) * x))


def optional(x: Any) -> Any:
    try:  # noqa: SIM105
        import no_such_module_anywhere  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        pass
    return math.log(x)


def outside(x: Any) -> Any:
    try:
        n = int("three")
    except ValueError:
        n = 3
    return n * math.sqrt(x)


def cleaned(x: Any) -> Any:
    try:
        return math.sqrt(x)
    finally:
        option({"x": 1}["x"])


def quiet(x: Any) -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        return math.log(x) / x


def arrays(x: Any) -> Any:
    try:
        return np.sum(np.log(np.ones(3) * x) / (np.ones(3) * x))
    except ZeroDivisionError:
        return 0 * x


@contextlib.contextmanager
def closing() -> Any:
    try:
        yield
    finally:
        pass


def managed(x: Any) -> Any:
    with closing():
        return math.log(x)


def known(x: Any) -> Any:
    try:
        factor = np.linalg.cholesky(INDEFINITE)
    except np.linalg.LinAlgError:
        factor = np.eye(2)
    return np.sum(factor) * x


@pytest.mark.parametrize(
    "model",
    [option, optional, outside, cleaned, quiet, arrays, managed, known],
)
def test_handlers_that_cannot_meet_an_error_of_a_value_are_let_be(model: Any) -> None:
    value, slope = descend.value_and_grad(model)(2.0)
    assert value == pytest.approx(model(2.0), rel=1e-14)
    assert slope == pytest.approx((model(2.0 + 1e-6) - model(2.0 - 1e-6)) / 2e-6, rel=1e-7)


def test_a_handler_around_the_call_is_no_business_of_the_model() -> None:
    try:
        found = descend.grad(lambda x: math.log(x))(2.0)
    except ValueError:
        found = None
    assert found == 0.5


# --- the remedies, as they are printed ------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "at", "value", "slope"),
    [
        (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -100.0), -1.0, -100.0, 0.0),
        (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -100.0), 2.0, np.log(2), 0.5),
        (lambda b: np.where(b != 0, 3.0 / np.where(b != 0, b, 1.0), 5.0), 0.0, 5.0, 0.0),
        (lambda x: np.where(np.abs(x) < 1e150, x**2, 7.0), 1e200, 7.0, 0.0),
    ],
)
def test_remedies_for_numbers(
    model: Callable[[Any], Any], at: float, value: float, slope: float
) -> None:
    assert descend.value_and_grad(model)(at) == (value, slope)


def test_the_remedy_for_factors() -> None:
    def model(k: Any) -> Any:
        result = np.sum(np.linalg.cholesky(k))
        return np.where(np.isfinite(result), result, -np.sum(k))

    assert descend.value_and_grad(model)(INDEFINITE)[0] == -6.0
    definite_one = np.array([[2.0, 0.5], [0.5, 1.0]])
    found = descend.value_and_grad(model)(definite_one)[0]
    assert found == pytest.approx(np.sum(np.linalg.cholesky(definite_one)), rel=1e-14)


def test_the_remedy_for_indices() -> None:
    table = np.array([1.0, 2.0])

    def model(x: Any) -> Any:
        return np.take(table, np.clip((x + 5).astype(int), 0, 1)) * x

    assert descend.value_and_grad(model)(np.float64(1.0)) == (2.0, 2.0)
