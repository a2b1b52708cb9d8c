"""PyTorch, compiled: forward, backward and update of one batch in one `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import LEARNING_RATE, START, Case, data

from peers.torch_eager import MODELS

LIMIT = 5_000
# Every batch shape is compiled for itself; past its usual limit PyTorch would give up compiling.
torch._dynamo.config.recompile_limit = 64


def refuses(case: Case) -> str | None:
    return None


def compiled(model):
    def loss(w, x, y):
        return torch.nn.functional.mse_loss(model(w, x), y)

    def update(w, x, y):
        gradient, value = torch.func.grad_and_value(loss)(w, x, y)
        return w - LEARNING_RATE * gradient, value

    return torch.compile(update, dynamic=False)


UPDATES = {name: compiled(model) for name, model in MODELS.items()}


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = (torch.from_numpy(c) for c in data(case))
    update = UPDATES[case.model]

    @torch.no_grad()
    def call() -> list[float]:
        w = torch.tensor(START[case.model], dtype=torch.float64)
        random = torch.Generator().manual_seed(0)
        for _ in range(case.epochs):
            xs, ys = x, y
            if case.shuffle:
                order = torch.randperm(case.rows, generator=random)
                xs, ys = x[order], y[order]
            total = torch.zeros((), dtype=torch.float64)
            for xb, yb in zip(xs.split(case.batch), ys.split(case.batch), strict=True):
                w, loss = update(w, xb, yb)
                total += loss * len(xb)
        return w.tolist()

    return call
