"""Random Python functions over NumPy, as source text.

Every line is tried out with NumPy while the text grows: what NumPy refuses, or what gives nothing
numeric, is left out. So the text is valid by construction, and NumPy's own result is the truth.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

Pick = Callable[[int], int]
LARGEST, MOST_ELEMENTS = 1e6, 600
HEADER = "import math\nimport numpy as np\nfrom scipy import special\n\n"
HELPERS = '''
SCALE = 1.5
TABLE = np.array([0.5, -1.0, 2.0])

def squash(v, by=2.0):
    return np.tanh(v / by)

def pair(u, v=0.5):
    return u + v, u * v

'''

# {x}, {y}, {z}: any value; {i}: a small integer; {a}: an axis of x; {c}: a number.
SAME = (
    "np.sin({x})", "np.cos({x})", "np.tanh({x})", "np.exp(np.tanh({x}))", "np.abs({x})",
    "abs({x})", "-{x}", "+{x}", "np.sqrt(np.abs({x}))", "np.log(np.abs({x}) + 1)", "np.sign({x})",
    "np.floor({x})", "np.ceil({x})", "np.rint({x})", "np.trunc({x})", "np.square({x})",
    "np.log1p(np.abs({x}))", "np.expm1(np.tanh({x}))", "np.arctan({x})", "np.sinh(np.tanh({x}))",
    "np.cosh(np.tanh({x}))", "np.arcsinh({x})", "np.cbrt({x})", "np.reciprocal({x} + 20.5)",
    "np.deg2rad({x})", "np.sinc({x})", "np.exp2(np.tanh({x}))", "np.nan_to_num({x})",
    "np.positive({x})", "np.clip({x}, -1, {c})", "np.heaviside({x}, 0.5)", "special.expit({x})",
    "special.erf({x})", "np.log2(np.abs({x}) + 1)", "np.log10(np.abs({x}) + 1)", "np.fix({x})",
    "np.arcsin(np.tanh({x}))", "np.arccosh(np.abs({x}) + 1)", "np.isfinite({x})", "{x} ** 2",
    "{x} ** 3", "np.abs({x}) ** 0.5", "np.power({x}, 2)", "np.round({x} * 1.5, 1)",
    "np.logical_not({x})",
    "np.ones_like({x}) * {c}", "np.zeros_like({x})", "np.full_like({x}, {c})", "squash({x})",
    "squash({x}, by=3)", "{x}.copy()", "np.array({x})", "np.asarray({x})", "np.unwrap({x})",
    "np.where({x} > 0, {x}, 0)", "np.where({x} > 0, np.sqrt({x}), 0.0)", "{x}.astype(np.float32)",
    "{x}.astype(float)", "np.maximum({x}, 0)", "special.softmax({x})", "special.xlogy({x}, 2.0)",
    "special.log_softmax({x})", "np.gradient({x})", "{x}.clip(-0.5, 0.5)", "(1.5 * {x}).round()",
    "np.real({x})", "{x}.conj()", "np.float64(2) * {x}", "np.float32(2) * {x}", "np.int64(2) * {x}",
    "SCALE * {x}", "(lambda t: t * t + {c})({x})", "np.piecewise({x}, [{x} > 0], [1.0, -1.0])",
)  # fmt: skip
TWO = (
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / (np.abs({y}) + 1)", "{x} // (np.abs({y}) + 1)",
    "{x} % (np.abs({y}) + 1)", "{x} + {c}", "{c} * {x}", "{c} - {x}", "{x} / {c}",
    "{c} / (2 + {x}**2)",
    "np.maximum({x}, {y})", "np.minimum({x}, {y})", "np.hypot({x}, {y})", "np.arctan2({x}, {y})",
    "np.fmax({x}, {y})", "np.copysign({x}, {y})", "np.logaddexp({x}, {y})", "{x} < {y}",
    "{x} >= {y}", "{x} == {y}", "{x} != {y}", "np.where({x} < {y}, {x}, {y})", "np.add({x}, {y})",
    "np.where({x} > {c}, {y}, {z})", "np.select([{x} > 1, {x} > 0], [{y}, {z}], default={c})",
    "np.power(np.abs({x}) + 0.5, np.tanh({y}))", "np.fmod({x}, np.abs({y}) + 1)",
    "np.logical_and({x} > 0, {y} < 1)", "np.divmod({x}, 3.0)[1]", "np.multiply({x}, {y})",
    "({x} > 0) & ({y} > 0)", "({x} > 0) | ({y} > 0)", "pair({x})[0]", "pair({x}, {y})[1]",
    "sum(pair({x}, v={y}))", "np.true_divide({x}, 3)", "np.outer({x}, {y})", "np.dot({x}, {y})",
    "{x} @ {y}", "{x}.dot({y})", "np.inner({x}, {y})", "np.vdot({x}, {y})", "np.kron({x}, {y})",
    "np.matmul({x}, {y})", "np.tensordot({x}, {y}, axes=1)", "np.tensordot({x}, {y}, axes=0)",
    "np.einsum('i,i->', {x}, {y})", "np.einsum('ij,j->i', {x}, {y})", "np.cross({x}, {y})",
    "np.einsum('ij,kj->ik', {x}, {y})", "np.einsum('i,j->ji', {x}, {y})", "np.convolve({x}, {y})",
    "np.interp({x}, [-1.0, 0.0, 2.0], [0.0, 1.0, 0.5])", "np.polyval([{c}, 1, -2], {x})",
    "np.polyval({x}, {y})", "np.linspace({x}, {y}, 4)", "np.logaddexp({x}, 0)",
)  # fmt: skip
LESS = (
    "np.sum({x})", "{x}.sum()", "np.sum({x}, axis={a})", "{x}.sum({a})", "np.mean({x})",
    "{x}.mean(axis={a})", "np.sum({x}, axis={a}, keepdims=True)", "np.var({x})",
    "np.std({x}, axis={a})",
    "np.var({x}, ddof=1)", "np.max({x})", "{x}.max({a})", "np.min({x}, axis={a})", "np.amin({x})",
    "np.prod(np.tanh({x}) + 1.5)", "np.prod(np.tanh({x}), axis={a})", "np.ptp({x})",
    "np.any({x} > 0)",
    "np.all({x} > -1, axis={a})", "np.argmax({x})", "np.argmin({x}, axis={a})", "np.median({x})",
    "np.linalg.norm({x})", "np.linalg.norm({x}, axis={a})", "np.trapezoid({x})", "np.average({x})",
    "special.logsumexp({x})", "special.logsumexp({x}, axis={a})", "np.count_nonzero({x} > 0)",
    "np.nansum({x})", "np.nanmean({x})", "np.trace({x})", "sum(v for v in {x})", "len({x}) * 1.0",
    "{x}[0] * 2", "np.quantile({x}, 0.3)", "{x}.std()",
    "np.percentile({x}, 40, axis={a})", "np.sum({x}, where={x} > 0)", "{x}.size * {c}",
    "np.mean({x}, keepdims=True)", "np.linalg.norm({x}, ord=1)", "np.max(np.abs({x}))",
)  # fmt: skip
SHAPE = (
    "{x}.T", "np.transpose({x})", "{x}.reshape(-1)", "np.ravel({x})", "{x}.flatten()",
    "np.stack([{x}, {x} * 2])", "np.stack([{x}, {y}], axis=-1)", "np.concatenate([{x}, {y}])",
    "np.concatenate([{x}, {x}], axis={a})", "np.hstack([{x}, {y}])", "np.vstack([{x}, {y}])",
    "np.column_stack([{x}, {y}])", "np.tile({x}, 2)", "np.repeat({x}, 2)", "np.roll({x}, 1)",
    "np.repeat({x}, 2, axis={a})", "np.roll({x}, {i}, axis={a})", "np.flip({x})", "{x}[::-1]",
    "{x}[1:]", "{x}[:-1]", "{x}[..., None]", "{x}[None]", "{x}[{i}]", "{x}[-1]", "{x}[..., 0]",
    "{x}[::2]", "{x}[:, 1:]", "{x}[..., ::-1]", "np.expand_dims({x}, 0)", "np.squeeze({x})",
    "np.swapaxes({x}, 0, -1)", "np.moveaxis({x}, 0, -1)", "np.diff({x})", "np.diff({x}, axis={a})",
    "np.pad({x}, 1)", "np.triu({x})", "np.tril({x}, -1)", "np.diag({x})", "np.cumsum({x})",
    "np.cumsum({x}, axis={a})", "np.cumprod(np.tanh({x}))", "np.sort({x})",
    "np.sort({x}, axis={a})",
    "np.argsort({x}, axis={a})", "np.take({x}, [0, 0, 1])", "np.take({x}, [1, 0], axis={a})",
    "{x}[[0, 1, 0]]", "{x}[np.array([1, 0])]", "np.broadcast_to({x}, (2,) + {x}.shape)",
    "np.atleast_1d({x})", "np.atleast_2d({x})", "np.fliplr({x})", "np.rot90({x})",
    "np.array([np.sum(v) for v in ({x}, {y})])", "np.array([{c}, np.sum({x}), 1])",
    "np.array([v * k for k, v in enumerate({x})])", "np.split({x}, 2)[1]", "np.append({x}, {c})",
    "np.take_along_axis({x}, np.argsort({x}, axis=-1), axis=-1)", "np.ediff1d({x})",
    "np.meshgrid({x}, {y})[0]", "np.vander({x}, 3)", "np.arange(len({x})) * {x}",
    "np.insert({x}, 1, {c})", "np.delete({x}, 0)", "np.delete({x}, 0, axis={a})",
    "np.array([[{c}, np.mean({x})], [np.max({y}), 0]])", "np.block([{x}, {y}])",
    "np.searchsorted([-1.0, 0.0, 1.0], {x})", "np.eye(3) * np.sum({x})", "TABLE * np.mean({x})",
    "np.digitize({x}, [-1.0, 0.0, 1.0])",
)  # fmt: skip
EXPRESSIONS = (SAME, SAME, TWO, TWO, LESS, SHAPE)

STATEMENTS = (
    "{v} = {x} * 1.0\n{v}[{i}] = {c}", "{v} = {x} * 1.0\n{v}[1:] = {y}[1:] * 2",
    "{v} = {x} * 1.0\n{v}[1:] += {c}", "{v} = {x} * 1.0\n{v} *= 2\n{v} -= {c}",
    "{v} = np.zeros(3)\n{v}[0] = np.sum({x})\n{v}[1:] = np.mean({y})",
    "{v} = np.zeros({x}.shape)\n{v}[...] = {x}", "{v} = {x} + 0.0\nw = {v}[1:]\nw[:] = {c}",
    "{v} = {x}\nfor k in range(3):\n    {v} = {v} * 0.5 + np.tanh({y}) * k",
    "{v} = 0.0\nfor e in ({x}, {y}):\n    {v} = {v} + np.sum(np.tanh(e))",
    "{v} = 0\nfor k, e in enumerate({x}):\n    {v} = {v} * 0.5 + e * k",
    "{v} = {x} + 0\nif {v}.ndim > 1:\n    {v} = {v}[0]",
    "{v}, rest = pair({x})\n{v} = {v} - rest",
    "{v} = {x} * 1.0\n{v}[{v} > 0] = {c}", "{v} = {x} * 1.0\n{v}[[0, 1]] = {c}",
    "{v} = {x} * 1.0\n{v}[::2] *= {c}", "{v} = {x} * 1.0\n{v}.T[...] += 1",
    "{v} = np.empty(2)\n{v}[0], {v}[1] = np.sum({x}), np.max({y})",
    "def inner(t, k={c}):\n    return np.sin(t) * k + np.mean({y})\n{v} = inner({x})",
    "{v} = [f({x}) for f in (np.sin, np.cos, squash)][{i}]",
    "{v} = {{'a': {x}, 'b': {y}}}['b'] + {c}",
)  # fmt: skip
NUMBERS = ("2", "0.5", "-1", "3", "1.5", "np.pi", "0.25", "1e-3", "True")
START: dict[str, Any] = {
    "s": ((), "f8"), "v": ((4,), "f8"), "m": ((3, 4), "f8"), "t": ((2, 3, 4), "f8"),
    "f": ((4,), "f4"), "n": ((4,), "i8"), "b": ((4,), "?"), "q": ((3, 3), "f8"), "u": ((3,), "f8"),
    "h": ((3,), "i4"), "o": ((1,), "f8"),
}  # fmt: skip


@dataclass
class Source:
    """A function `model` as text, and arguments for it."""

    text: str
    arguments: dict[str, Any]
    names: list[str] = field(default_factory=list)

    def function(self) -> Callable[..., Any]:
        scope: dict[str, Any] = {}
        exec(compile(self.text, "<model>", "exec"), scope)
        return scope["model"]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"{self.text}\n# at {self.arguments}"


def _numeric(value: Any) -> bool:
    if not isinstance(value, np.ndarray | np.generic | int | float):
        return False
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size > MOST_ELEMENTS or array.size == 0:
        return False
    return bool(np.all(np.isfinite(array)) and np.all(np.abs(array.astype(float)) < LARGEST))


class Writer:
    """Grows the body of a function line by line, and runs it along."""

    def __init__(self, pick: Pick, arguments: dict[str, Any]) -> None:
        self.pick = pick
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {}
        exec(HEADER + HELPERS, self.scope)
        self.scope |= {name: np.array(value)[()] for name, value in arguments.items()}
        self.names = list(arguments)

    def of(self, options: Sequence[Any]) -> Any:
        return options[self.pick(len(options))]

    def try_line(self) -> None:
        """One more line, if NumPy accepts what was drawn."""
        newest = self.names[-4:]
        x, y, z = (self.of([*self.names, *newest]) for _ in range(3))
        name = f"r{len(self.lines)}"
        ndim = np.ndim(self.scope[x])
        axis = self.pick(max(ndim, 1)) - (ndim if self.pick(3) == 2 else 0) if ndim else 9
        words = {"x": x, "y": y, "z": z, "v": name, "c": self.of(NUMBERS), "i": self.pick(3),
                 "a": axis}  # fmt: skip
        if self.pick(5) == 4:
            text = self.of(STATEMENTS).format(**words)
        else:
            text = f"{name} = " + self.of(self.of(EXPRESSIONS)).format(**words)
        trial = dict(self.scope)
        try:
            with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
                warnings.simplefilter("error")
                exec(text, trial)
        except Exception:
            return
        if not _numeric(trial[name]):
            return
        self.scope[name] = trial[name]
        self.names.append(name)
        self.lines += text.split("\n")


def build_function(pick: Pick, steps: int = 10) -> Source:
    """One random function with its arguments."""
    rng = np.random.default_rng(pick(1000))
    names = list(START)
    chosen = [names[pick(len(names))] for _ in range(1 + pick(4))]
    arguments: dict[str, Any] = {}
    for name in dict.fromkeys(chosen):
        shape, dtype = START[name]
        value = rng.normal(size=shape) * 2
        arguments[name] = value > 0 if dtype == "?" else np.asarray(value, dtype)
    w = Writer(pick, arguments)
    for _ in range(1 + pick(steps)):
        w.try_line()
    made = [n for n in w.names if n not in arguments] or w.names
    results = list(dict.fromkeys([made[-1], *(made[pick(len(made))] for _ in range(pick(3)))]))
    body = "\n".join(f"    {line}" for line in w.lines)
    head = f"def model({', '.join(arguments)}):"
    end = f"    return {', '.join(results)}"
    text = HEADER + HELPERS + "\n".join([head, *([body] if body else []), end])
    return Source(text, arguments)


@st.composite
def functions(draw: Callable[..., Any]) -> Source:
    """Random Python functions as a hypothesis strategy."""
    return build_function(lambda n: draw(st.integers(0, n - 1)))
