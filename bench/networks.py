"""Small networks: microseconds a step of training, beside JAX, PyTorch, Keras and scikit-learn.

usage: python bench/networks.py [--rounds 5] [--only 32/100 …] [--peers JAX …]

Adam(1e-3), single precision, shuffled batches; all begin with the same weights, and the losses that
they come to after some epochs are printed. JAX runs a whole epoch as one jitted scan, PyTorch is
eager with fused Adam on one thread or two and compiled, Keras runs on JAX. They take turns; the
best round of each counts. The floor is what the machine allows: the products at the peak of its
multiply-add units, measured by a loop that touches no memory, and Adam's update of all weights as
fast as a loop over a few thousand of them does it.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value
os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np  # noqa: E402

import descend  # noqa: E402
from descend import networks  # noqa: E402
from descend.compile.native import cpu_lanes, emit_object, load_object  # noqa: E402

HERE = Path(__file__).parent
RATE, SECONDS, COMPARED = 1e-3, 1.0, 10
Train = Callable[[int], float]


class Case(NamedTuple):
    """A task: rows of a batch, sizes of hidden layers, and where rows come from."""

    batch: int
    hidden: tuple[int, ...]
    data: str = "digits"
    activation: str = "relu"
    threads: tuple[int, ...] = (1,)

    @property
    def sizes(self) -> tuple[int, ...]:
        x, _, outputs = rows_of(self.data)
        return x.shape[1], *self.hidden, outputs


CASES = {
    "1/32": Case(1, (32,)), "16/32": Case(16, (32,)), "32/100": Case(32, (100,)),
    "128/256": Case(128, (256,), threads=(1, 2)), "256/1024": Case(256, (1024,), threads=(1, 2)),
    "32/100x3": Case(32, (100, 100, 100), threads=(1, 2)),
    "128/256x2": Case(128, (256, 256), threads=(1, 2)),
    "table 64-64": Case(256, (64, 64), "table", threads=(1, 2)),
    "logistic": Case(256, (), "table"),
    "chain": Case(10_000, (32, 16), "chain", "tanh", threads=(1, 2)),
}  # fmt: skip


@functools.cache
def rows_of(name: str) -> tuple[Any, Any, int]:
    """Rows, targets (class numbers, or numbers in columns), and how many outputs there are."""
    rng = np.random.default_rng(0)
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return (x / 16).astype(np.float32), y.astype(np.int64), 10
    if name == "table":
        x = rng.standard_normal((200_000, 9)).astype(np.float32)
        odds = 2 * x[:, 0] + x[:, 1] * x[:, 2] - np.sin(3 * x[:, 3])
        return x, (odds + rng.logistic(size=len(x)) > 0).astype(np.int64), 2
    x = rng.standard_normal((10_000, 4)).astype(np.float32)
    return x, np.tanh(x @ rng.standard_normal((4, 4))).astype(np.float32), 4


def begin(case: Case) -> dict[str, Any]:
    net = networks.mlp(case.hidden, activation=case.activation)
    found = net.begin(np.random.default_rng(0), (case.sizes[0],), case.sizes[-1])
    return {name: array.astype(np.float32) for name, array in found.items()}


def with_descend(case: Case, threads: int = 1) -> Train:
    x, y, _ = rows_of(case.data)
    model, weights = networks.mlp(case.hidden, activation=case.activation), begin(case)
    loss = "cross_entropy" if y.ndim == 1 else "mse"

    def train(epochs: int) -> float:
        fit = descend.fit(
            model, x, y, start=weights, batch_size=case.batch, lr=RATE, epochs=epochs,
            threads=threads, standardize=False, loss=loss,
        )
        return float(fit.loss)

    return train


def with_jax(case: Case) -> Train:
    import jax
    import jax.numpy as jnp

    x, y, _ = rows_of(case.data)
    steps, rest = divmod(len(x), case.batch)
    weights = [array.T for array in begin(case).values()]
    function = {"relu": jax.nn.relu, "tanh": jnp.tanh}[case.activation]

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        for i in range(0, len(p) - 2, 2):
            x = function(x @ p[i] + p[i + 1])
        found = x @ p[-2] + p[-1]
        if y.ndim > 1:
            return jnp.mean((found - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(found), y[:, None], 1))

    def step(carry: Any, rows: Any) -> Any:
        p, m, v, t = carry
        g = jax.grad(loss_of)(p, own_x[rows], own_y[rows])
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        c, d = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        p = [a - RATE * c * b / (jnp.sqrt(d * e) + 1e-8) for a, b, e in zip(p, m, v, strict=True)]
        return (p, m, v, t), None

    own_x, own_y = jnp.asarray(x), jnp.asarray(y)

    @jax.jit
    def epoch(carry: Any, key: Any) -> Any:
        order = jax.random.permutation(key, len(x))
        full = order[: steps * case.batch].reshape(steps, case.batch)
        carry = jax.lax.scan(step, carry, full)[0]
        return step(carry, order[steps * case.batch :])[0] if rest else carry

    def train(epochs: int) -> float:
        p = [jnp.asarray(w) for w in weights]
        zero = [jnp.zeros_like(w) for w in p]
        carry = p, zero, zero, jnp.float32(0)
        for key in jax.random.split(jax.random.key(0), epochs):
            carry = epoch(carry, key)
        return float(loss_of(carry[0], own_x, own_y))

    return train


def with_torch(case: Case, threads: int = 1, compiled: bool = False) -> Train:
    import torch

    x, y, _ = rows_of(case.data)
    own_x, own_y, first = torch.from_numpy(x), torch.from_numpy(y), begin(case)
    loss_of = torch.nn.CrossEntropyLoss() if y.ndim == 1 else torch.nn.MSELoss()
    kind = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[case.activation]

    def train(epochs: int) -> float:
        torch.set_num_threads(threads)
        layers: list[Any] = []
        for inputs, outputs in zip(case.sizes, case.sizes[1:], strict=False):
            layers += [torch.nn.Linear(inputs, outputs), kind()]
        model = torch.nn.Sequential(*layers[:-1])
        model.load_state_dict({name: torch.from_numpy(a) for name, a in first.items()})
        method = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)

        def value(rows: Any) -> Any:
            return loss_of(model(own_x[rows]), own_y[rows])

        called = torch.compile(value) if compiled else value
        for _ in range(epochs):
            for rows in torch.randperm(len(own_x)).split(case.batch):
                method.zero_grad()
                called(rows).backward()
                method.step()
        return float(loss_of(model(own_x), own_y))

    return train


def with_keras(case: Case) -> Train:
    import keras

    x, y, outputs = rows_of(case.data)
    first = list(begin(case).values())

    def train(epochs: int) -> float:
        layers = [keras.layers.Dense(n, activation=case.activation) for n in case.hidden]
        model = keras.Sequential([keras.Input((x.shape[1],)), *layers, keras.layers.Dense(outputs)])
        model.set_weights([array.T for array in first])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        method = keras.optimizers.Adam(RATE, epsilon=1e-8)
        model.compile(method, loss if y.ndim == 1 else "mse")
        model.fit(x, y, batch_size=case.batch, epochs=epochs, verbose=0)
        return float(model.evaluate(x, y, batch_size=2048, verbose=0))

    return train


def with_sklearn(case: Case) -> Train:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, y, _ = rows_of(case.data)
    kind = MLPClassifier if y.ndim == 1 else MLPRegressor

    def train(epochs: int) -> float:
        model = kind(
            hidden_layer_sizes=case.hidden, activation=case.activation, batch_size=case.batch,
            alpha=0.0, tol=0.0, learning_rate_init=RATE, max_iter=epochs,
            n_iter_no_change=epochs + 1,
        )
        return float(model.fit(x, y).loss_) * (1 if y.ndim == 1 else 2)

    return train


PEERS: dict[str, Callable[[Case], Train]] = {
    "descend": with_descend,
    "descend, 2 threads": functools.partial(with_descend, threads=2),
    "JAX": with_jax,
    "PyTorch, 1 thread": with_torch,
    "PyTorch, 2 threads": functools.partial(with_torch, threads=2),
    "PyTorch, compiled": functools.partial(with_torch, compiled=True),
    "Keras on JAX": with_keras,
    "scikit-learn": with_sklearn,
}


def native_loop(text: str, numbers: int) -> Callable[[], None]:
    """A function of the table's only pointer, to zeros of single precision."""
    code = load_object(emit_object(text))
    place = np.zeros(numbers + 32, np.float32)
    address = (place.ctypes.data + 63) // 64 * 64
    ctypes.memset(address, 0, 4 * numbers)

    def call(kept: Any = place) -> None:
        code.function(address, 0, 1)

    return call


def peak() -> float:
    """Single-precision multiply-adds of one core at their best, in operations a nanosecond."""
    lanes, chains, rounds = cpu_lanes() // 4, 12, 1 << 20
    kind = f"<{lanes} x float>"
    fma = f"@llvm.fma.v{lanes}f32"
    names = [f"%a{i}" for i in range(chains)]
    head = [f"{n} = phi {kind} [ zeroinitializer, %entry ], [ {n}n, %loop ]" for n in names]
    body = [f"{n}n = call {kind} {fma}({kind} {n}, {kind} %f, {kind} %f)" for n in names]
    total = [f"%s0 = fadd {kind} %a0n, %a1n"]
    total += [f"%s{i} = fadd {kind} %s{i - 1}, %a{i + 1}n" for i in range(1, chains - 1)]
    text = f"""
declare {kind} {fma}({kind}, {kind}, {kind})
define i64 @run(ptr %table, i64 %thread, i64 %threads) {{
entry:
  %f = load {kind}, ptr %table, align 64
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  {chr(10).join(head)}
  {chr(10).join(body)}
  %j = add i64 %i, 1
  %more = icmp ult i64 %j, {rounds}
  br i1 %more, label %loop, label %end
end:
  {chr(10).join(total)}
  store {kind} %s{chains - 2}, ptr %table, align 64
  ret i64 0
}}"""
    call = native_loop(text, lanes)
    return 2 * lanes * chains * rounds / min(_seconds(call) for _ in range(20)) * 1e-9


def adam_cost() -> float:
    """Nanoseconds that Adam's update of one number takes, of 4096 that lie in a cache."""
    lanes, numbers, rounds = cpu_lanes() // 4, 4096, 100
    kind, size = f"<{lanes} x float>", 4 * numbers

    def fixed(value: float) -> str:
        word = np.float32(value).astype(np.float64).view(np.uint64)
        return f"<{', '.join([f'float 0x{int(word):016X}'] * lanes)}>"

    loads = "\n  ".join(
        f"%{n}o = add i64 %i, {k * size}\n  %{n}p = getelementptr i8, ptr %table, i64 %{n}o\n"
        f"  %{n} = load {kind}, ptr %{n}p, align {4 * lanes}"
        for k, n in enumerate("pmvg")
    )
    text = f"""
declare {kind} @llvm.sqrt.v{lanes}f32({kind})
define i64 @run(ptr %table, i64 %thread, i64 %threads) {{
entry:
  br label %again
again:
  %r = phi i64 [ 0, %entry ], [ %s, %after ]
  br label %loop
loop:
  %i = phi i64 [ 0, %again ], [ %j, %loop ]
  {loads}
  %m1 = fmul {kind} %m, {fixed(0.9)}
  %m2 = fmul {kind} %g, {fixed(0.1)}
  %m3 = fadd contract {kind} %m1, %m2
  %v1 = fmul {kind} %v, {fixed(0.999)}
  %g2 = fmul {kind} %g, %g
  %v2 = fmul {kind} %g2, {fixed(0.001)}
  %v3 = fadd contract {kind} %v1, %v2
  %v4 = fmul {kind} %v3, {fixed(1.01)}
  %q = call {kind} @llvm.sqrt.v{lanes}f32({kind} %v4)
  %q1 = fadd {kind} %q, {fixed(1e-8)}
  %m4 = fmul {kind} %m3, {fixed(1e-3)}
  %u = fdiv {kind} %m4, %q1
  %p1 = fsub {kind} %p, %u
  store {kind} %p1, ptr %pp, align {4 * lanes}
  store {kind} %m3, ptr %mp, align {4 * lanes}
  store {kind} %v3, ptr %vp, align {4 * lanes}
  %j = add i64 %i, {4 * lanes}
  %more = icmp ult i64 %j, {size}
  br i1 %more, label %loop, label %after
after:
  %s = add i64 %r, 1
  %round = icmp ult i64 %s, {rounds}
  br i1 %round, label %again, label %end
end:
  ret i64 0
}}"""
    call = native_loop(text, 4 * numbers)
    return min(_seconds(call) for _ in range(20)) / rounds / numbers * 1e9


def flops(case: Case) -> int:
    """Forward and backward; nothing is sent back to x."""
    pairs = [a * b for a, b in zip(case.sizes, case.sizes[1:], strict=False)]
    return 2 * case.batch * (3 * sum(pairs) - pairs[0])


def weights(case: Case) -> int:
    return sum((a + 1) * b for a, b in zip(case.sizes, case.sizes[1:], strict=False))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _epochs(train: Train) -> int:
    """As many as take about a second, of what more epochs take: a call has its own price."""
    count, took = 1, 0.0
    one = _seconds(functools.partial(train, 1))
    while took - one < 0.1 and count < 1 << 12:
        count *= 4
        took = _seconds(functools.partial(train, 1 + count))
    return max(1, round(SECONDS * count / max(took - one, 1e-4)))


def measured(
    case: Case, rounds: int, peers: list[str]
) -> Iterator[tuple[str, float, float, float]]:
    """Each contestant's microseconds a step, its loss, and the seconds of its first call."""
    steps = math.ceil(len(rows_of(case.data)[0]) / case.batch)
    compared = COMPARED if steps < 1000 else 1
    trains: dict[str, Train] = {}
    losses: dict[str, float] = {}
    first: dict[str, float] = {}
    for peer in peers:
        if peer == "descend, 2 threads" and 2 not in case.threads:
            continue
        try:
            trains[peer] = PEERS[peer](case)
            first[peer] = _seconds(functools.partial(trains[peer], 1))
            losses[peer] = trains[peer](compared)
        except ImportError:
            trains.pop(peer, None)
        except Exception as error:  # a peer that does not run here is left out, and said
            print(f"{peer}: {str(error).splitlines()[0][:80]}", flush=True)
            trains.pop(peer, None)
    epochs = {peer: _epochs(train) for peer, train in trains.items()}
    best = dict.fromkeys(trains, math.inf)
    for _ in range(rounds):
        for peer, train in trains.items():
            took = _seconds(functools.partial(train, epochs[peer]))
            best[peer] = min(best[peer], took / epochs[peer] / steps)
    for peer in trains:
        yield peer, best[peer] * 1e6, losses[peer], first[peer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(CASES))
    parser.add_argument("--peers", nargs="+", choices=list(PEERS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    top, adam = peak(), adam_cost()
    print(f"peak of one core: {top:.1f} GFLOP/s in single precision; Adam: {adam:.3f} ns a number")
    rows = []
    for name in options.only or CASES:
        case = CASES[name]
        floor = flops(case) / top * 1e-3 + weights(case) * adam * 1e-3
        peers = options.peers or list(PEERS)
        for peer, took, loss, first in measured(case, options.rounds, peers):
            rows.append(
                {"case": name, "peer": peer, "us": took, "loss": loss, "floor": floor,
                 "first call": first}
            )  # fmt: skip
            print(
                f"{name:12} {peer:20} {took:9.1f} µs a step, loss {loss:.4f}, first call "
                f"{first:5.2f} s; floor {floor:.1f} µs ({floor / took:.0%})", flush=True,
            )  # fmt: skip
    if not options.only and not options.peers:
        result = {"machine": machine.describe(), "peak": top, "adam": adam, "rows": rows}
        (HERE / "results" / "networks.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
