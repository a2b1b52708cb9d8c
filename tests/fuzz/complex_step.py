"""The derivative of a graph along a direction, by one complex step through NumPy and SciPy.

Squire & Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review
40 (1998). Each node is evaluated twice: on the real parts as the interpreter does, which decides
branches and orders, and on complex numbers, whose imaginary part is the derivative. Nothing of
the derivative rules in the table is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from descend.graph.evaluate import bind_extents, concrete
from descend.graph.node import Dim, Node, postorder

Array = np.ndarray[Any, np.dtype[Any]]
STEP = 1e-20
NOISE = 2e-15
TINY = 1e-280  # steps from here would lose digits: not judged


def _expit(z: Array) -> Array:
    positive = z.real > 0
    e = np.exp(np.where(positive, -z, z))
    return np.where(positive, 1 / (1 + e), e / (1 + e))


def _cbrt(z: Array) -> Array:
    root = np.cbrt(z.real)
    return root + 1j * z.imag / (3 * root**2)


def _arctan2(y: Array, x: Array) -> Array:
    return np.where(np.abs(x.real) > np.abs(y.real), np.arctan(y / x), -np.arctan(x / y))


def _pow(x: Array, y: Array) -> Array:
    by_base = np.where(x.imag == 0, 0, y.real * x.real ** (y.real - 1) * x.imag)
    by_exponent = np.where(y.imag == 0, 0, x.real**y.real * np.log(x.real) * y.imag)
    return 1j * (by_base + by_exponent)


def _extreme(sign: float) -> Callable[..., Array]:
    return lambda x, y: np.where(sign * x.real >= sign * y.real, x, y)


def _reduced(largest: bool) -> Callable[..., Array]:
    def reduce(z: Array, *, axes: tuple[int, ...]) -> Array:
        kept = [i for i in range(z.ndim) if i not in axes]
        rows = np.transpose(z, [*kept, *axes]).reshape(*(z.shape[i] for i in kept), -1)
        at = (np.argmax if largest else np.argmin)(rows.real, axis=-1)
        return np.take_along_axis(rows, at[..., None], -1)[..., 0]

    return reduce


def _pieces(z: Array) -> Array:
    return z.real + 0j


# What differs from the primitive's own meaning on complex numbers.
ON_COMPLEX: dict[str, Callable[..., Array]] = {
    "abs": lambda z: z * np.sign(z.real),
    "exp2": lambda z: np.exp(z * np.log(2.0)),
    "expit": _expit,
    "cbrt": _cbrt,
    "hypot": lambda x, y: np.sqrt(x * x + y * y),
    "arctan2": _arctan2,
    "pow": _pow,
    "max": _extreme(1.0),
    "min": _extreme(-1.0),
    "mul0": lambda g, p: np.where(g == 0, 0, g * p),
    "mul_sat": lambda z, b, *, both: z * b,
    "erf": special.erf,
    "erfc": special.erfc,
    "gammaln": special.loggamma,
    "digamma": special.digamma,
    "polygamma": lambda z, *, order: 1j * z.imag * special.polygamma(order + 1, z.real),
    "reduce_max": _reduced(True),
    "reduce_min": _reduced(False),
    "put_add": lambda g, i, *, axis, extent: _scatter(g, i, axis, extent),
    "pad": lambda z, **attrs: _both("pad", z, **attrs),
    "set_slice": lambda z, v, **attrs: _both("set_slice", z, v, **attrs),
    "sum": lambda z, *, axes: np.asarray(np.sum(z, axis=axes)),
    "contract": lambda a, b, *, la, lb, lo: np.asarray(
        np.einsum(a, list(la), b, list(lb), list(lo))
    ),
    "cast": lambda z, *, dtype: z,
    "stop_gradient": _pieces,
    "mod": lambda x, y: x - y * np.floor_divide(x.real, y.real),
    "fmod": lambda x, y: x - y * np.trunc(x.real / y.real),
    "copysign": lambda x, y: x * np.sign(x.real) * np.copysign(1.0, y.real),
    "floordiv": lambda x, y: np.zeros(np.broadcast(x, y).shape, complex),
    **dict.fromkeys(("floor", "ceil", "rint", "trunc", "sign"), _pieces),
}


def _both(name: str, *args: Array, **attrs: Any) -> Array:
    from descend.graph.node import PRIMITIVES

    meaning = PRIMITIVES[name].meaning
    real = meaning(*(a.real for a in args), **attrs)
    return real + 1j * meaning(*(np.ascontiguousarray(a.imag) for a in args), **attrs)


def _scatter(g: Array, index: Array, axis: int, extent: int) -> Array:
    out = np.zeros((*g.shape[:axis], extent, *g.shape[axis + index.ndim :]), complex)
    np.add.at(out, (*(slice(None),) * axis, index), g)
    return out


def _scan(node: Node, arrays: Sequence[Array], length: int, sizes: Mapping[Dim, int],
          rng: np.random.Generator | None) -> list[Array]:  # fmt: skip
    body, carries, slices = (node.attrs[k] for k in ("body", "carries", "slices"))
    carry, rows = list(arrays[:carries]), []
    times = range(length)
    for t in reversed(times) if node.attrs["backward"] else times:
        parts = (a[t] for a in arrays[carries : carries + slices])
        values = (*carry, *parts, *arrays[carries + slices :])
        bound = {n: np.asarray(v) for n, v in zip(body.inputs, values, strict=True)}
        results = on_complex(body.outputs, bound, sizes, rng)
        carry = results[:carries]
        rows.append(results[carries:])
    if node.attrs["backward"]:
        rows.reverse()
    return [*carry, *(np.stack(column) for column in zip(*rows, strict=True))]


def _slope(node: Node, arrays: Sequence[Array], attrs: Mapping[str, Any],
           rng: np.random.Generator | None) -> Array:  # fmt: skip
    """The imaginary part: the sum over the arguments that move, each with an error if asked."""
    rule = ON_COMPLEX.get(node.op.name, node.op.meaning)
    total: Any = 0.0
    for i, array in enumerate(arrays):
        if array.dtype.kind == "c":
            alone = [a if j == i else np.real(a) + 0j * np.imag(a) if a.dtype.kind == "c" else a
                     for j, a in enumerate(arrays)]  # fmt: skip
            term = np.asarray(np.imag(rule(*alone, **attrs)))
            if rng is not None:
                term = term * (1 + NOISE * rng.uniform(-1, 1, term.shape))
            total = total + term
    return np.asarray(total)


def _tiny(x: Array) -> Array:
    return (x != 0) & (np.abs(x) < TINY)


def on_complex(
    outputs: Sequence[Node],
    bindings: Mapping[Node, Array],
    extents: Mapping[Dim, int],
    rng: np.random.Generator | None = None,
) -> list[Array]:
    """The outputs at complex inputs; what is not of a float dtype stays real."""
    values: dict[Node, Array] = dict(bindings)
    groups: dict[Any, list[Array]] = {}
    for node in postorder(outputs, stop=lambda n: n in bindings):
        if node in values:
            continue
        attrs = {k: concrete(v, extents) for k, v in node.attrs.items()}
        arrays = [values[a] for a in node.args]
        if node.op.name == "scan":
            key = (node.args, node.attrs["body"], node.attrs["backward"])
            if key not in groups:
                groups[key] = _scan(node, arrays, attrs["length"], extents, rng)
            values[node] = groups[key][attrs["index"]]
            continue
        real = np.asarray(node.op.meaning(*(np.real(a) for a in arrays), **attrs), node.dtype)
        if node.dtype.kind != "f":
            values[node] = real
            continue
        slope = np.where(np.isnan(real), np.nan, _slope(node, arrays, attrs, rng))
        made = np.empty(real.shape, complex)
        made.real, made.imag = real, np.where(_tiny(real) | _tiny(slope), np.nan, slope)
        values[node] = made
    return [values[o] for o in outputs]


def slopes(
    outputs: Sequence[Node],
    bindings: Mapping[Node, Array],
    directions: Mapping[Node, Array],
) -> list[tuple[Array, Array]]:
    """The derivative of each output along the directions of the inputs, and its own error."""
    bound = {
        n: v + 1j * STEP * directions[n] if n in directions else v for n, v in bindings.items()
    }
    sizes = bind_extents(bindings)

    def run(rng: np.random.Generator | None) -> list[Array]:
        with np.errstate(all="ignore"):
            return [np.imag(r) / STEP for r in on_complex(outputs, bound, sizes, rng)]

    center = run(None)
    errors = [np.zeros(c.shape) for c in center]
    for seed in range(6):
        for error, c, m in zip(errors, center, run(np.random.default_rng(seed)), strict=True):
            with np.errstate(invalid="ignore"):
                np.maximum(error, np.abs(c - m), out=error)
    return list(zip(center, errors, strict=True))
