"""Small networks: microseconds a step of training, beside JAX, PyTorch and scikit-learn.

usage: python bench/networks.py [--rounds 5] [--only 32/100]

scikit-learn's digits, 64-H-10, ReLU, Adam(1e-3), single precision, shuffled batches; all begin with
the same weights, and the losses that they come to after ten epochs are printed. JAX runs a whole epoch as one jitted
scan, PyTorch is eager with fused Adam on one thread or two, whichever is faster. They take turns;
the best round of each counts. The floor is what the machine allows: the products at the peak of
its multiply-add units, measured by a loop that touches no memory.
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
from typing import Any

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value

import numpy as np  # noqa: E402

import descend  # noqa: E402
from descend import networks  # noqa: E402
from descend.compile.native import cpu_lanes, emit_object, load_object  # noqa: E402

HERE = Path(__file__).parent
CASES = {
    "1/32": (1, (32,)), "16/32": (16, (32,)), "32/100": (32, (100,)), "128/256": (128, (256,)),
    "256/1024": (256, (1024,)), "32/100x3": (32, (100, 100, 100)),
}  # fmt: skip
RATE, SECONDS, COMPARED = 1e-3, 0.4, 10
Train = Callable[[int], float]


def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y.astype(np.int64)


def begin(hidden: tuple[int, ...]) -> dict[str, Any]:
    found = networks.mlp(hidden).begin(np.random.default_rng(0), (64,), 10)
    return {name: array.astype(np.float32) for name, array in found.items()}


def with_descend(x: Any, y: Any, batch: int, hidden: tuple[int, ...]) -> Train:
    model, weights = networks.mlp(hidden), begin(hidden)

    def train(epochs: int) -> float:
        fit = descend.fit(
            model, x, y, start=weights, batch_size=batch, lr=RATE, epochs=epochs, threads=1,
            standardize=False,
        )
        return float(fit.loss)

    return train


def with_jax(x: Any, y: Any, batch: int, hidden: tuple[int, ...]) -> Train:
    import jax
    import jax.numpy as jnp

    steps, rest = divmod(len(x), batch)
    weights = [array.T for array in begin(hidden).values()]

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        for i in range(0, len(p) - 2, 2):
            x = jax.nn.relu(x @ p[i] + p[i + 1])
        logits = x @ p[-2] + p[-1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

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
        carry = jax.lax.scan(step, carry, order[: steps * batch].reshape(steps, batch))[0]
        return step(carry, order[steps * batch :])[0] if rest else carry

    def train(epochs: int) -> float:
        p = [jnp.asarray(w) for w in weights]
        zero = [jnp.zeros_like(w) for w in p]
        carry = p, zero, zero, jnp.float32(0)
        for key in jax.random.split(jax.random.key(0), epochs):
            carry = epoch(carry, key)
        return float(loss_of(carry[0], own_x, own_y))

    return train


def with_torch(threads: int) -> Callable[..., Train]:
    def made(x: Any, y: Any, batch: int, hidden: tuple[int, ...]) -> Train:
        import torch

        own_x, own_y, first = torch.from_numpy(x), torch.from_numpy(y), begin(hidden)

        def train(epochs: int) -> float:
            torch.set_num_threads(threads)
            layers: list[Any] = []
            for inputs, outputs in zip((64, *hidden), (*hidden, 10), strict=True):
                layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
            model = torch.nn.Sequential(*layers[:-1])
            model.load_state_dict({name: torch.from_numpy(a) for name, a in first.items()})
            method = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
            loss_of = torch.nn.CrossEntropyLoss()
            for _ in range(epochs):
                for rows in torch.randperm(len(own_x)).split(batch):
                    method.zero_grad()
                    loss_of(model(own_x[rows]), own_y[rows]).backward()
                    method.step()
            return float(loss_of(model(own_x), own_y))

        return train

    return made


def with_sklearn(x: Any, y: Any, batch: int, hidden: tuple[int, ...]) -> Train:
    from sklearn.neural_network import MLPClassifier

    def train(epochs: int) -> float:
        model = MLPClassifier(
            hidden, batch_size=batch, learning_rate_init=RATE, max_iter=epochs, alpha=0.0,
            tol=0.0, n_iter_no_change=epochs + 1,
        )
        return float(model.fit(x, y).loss_)

    return train


PEERS = {
    "descend": with_descend, "JAX": with_jax, "PyTorch, 1 thread": with_torch(1),
    "PyTorch, 2 threads": with_torch(2), "scikit-learn": with_sklearn,
}  # fmt: skip


def peak() -> float:
    """Single-precision multiply-adds of one core at their best, in operations a nanosecond."""
    lanes, chains, rounds = cpu_lanes() // 4, 12, 1 << 20
    kind = f"<{lanes} x float>"
    names = [f"%a{i}" for i in range(chains)]
    head = [f"{n} = phi {kind} [ zeroinitializer, %entry ], [ {n}n, %loop ]" for n in names]
    body = [f"{n}n = call {kind} @llvm.fma.v{lanes}f32({kind} {n}, {kind} %f, {kind} %f)" for n in names]
    total = [f"%s0 = fadd {kind} %a0n, %a1n"]
    total += [f"%s{i} = fadd {kind} %s{i - 1}, %a{i + 1}n" for i in range(1, chains - 1)]
    text = f"""
declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})
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
    code = load_object(emit_object(text))
    place = np.zeros(64 + lanes, np.float32)
    address = (place.ctypes.data + 63) // 64 * 64
    ctypes.memset(address, 0, 4 * lanes)
    best = min(_seconds(lambda: code.function(address, 0, 1)) for _ in range(20))
    return 2 * lanes * chains * rounds / best * 1e-9


def flops(batch: int, hidden: tuple[int, ...]) -> int:
    """Forward and backward; nothing is sent back to x."""
    pairs = [a * b for a, b in zip((64, *hidden), (*hidden, 10), strict=True)]
    return 2 * batch * (3 * sum(pairs) - pairs[0])


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(name: str, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Each contestant's microseconds a step, and its loss."""
    batch, hidden = CASES[name]
    x, y = digits()
    steps = math.ceil(len(x) / batch)
    trains: dict[str, Train] = {}
    losses: dict[str, float] = {}
    for peer, make in PEERS.items():
        try:
            trains[peer] = make(x, y, batch, hidden)
            losses[peer] = trains[peer](COMPARED)
        except ImportError:
            trains.pop(peer, None)
    epochs = {
        p: max(2, round(SECONDS / max(_seconds(functools.partial(t, 2)) / 2, 1e-4)))
        for p, t in trains.items()
    }
    best = dict.fromkeys(trains, math.inf)
    for _ in range(rounds):
        for peer, train in trains.items():
            start = time.perf_counter()
            train(epochs[peer])
            best[peer] = min(best[peer], (time.perf_counter() - start) / epochs[peer] / steps)
    for peer in trains:
        yield peer, best[peer] * 1e6, losses[peer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=list(CASES))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    top = peak()
    print(f"peak of one core: {top:.1f} GFLOP/s in single precision", flush=True)
    rows = []
    for name in [options.only] if options.only else CASES:
        floor = flops(*CASES[name]) / top * 1e-3
        for peer, took, loss in measured(name, options.rounds):
            rows.append({"case": name, "peer": peer, "us": took, "loss": loss, "floor": floor})
            print(f"{name:10} {peer:20} {took:9.1f} µs a step, loss {loss:.4f}; products at the "
                  f"peak {floor:.1f} µs", flush=True)  # fmt: skip
    if not options.only:
        result = {"machine": machine.describe(), "peak": top, "rows": rows}
        (HERE / "results" / "networks.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
