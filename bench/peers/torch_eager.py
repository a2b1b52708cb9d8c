"""PyTorch, eager: forward, backward, and the update by hand, which costs less than an optimiser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import LEARNING_RATE, START, Case, data

LIMIT = 2_000


def parabola(w, x):
    return w[0] * x**2 + w[1] * x + w[2]


def exponential(w, x):
    return w[0] * torch.exp(-w[1] * x) + w[2]


MODELS = {"parabola": parabola, "exponential": exponential}


def refuses(case: Case) -> str | None:
    return None


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = (torch.from_numpy(c) for c in data(case))
    model = MODELS[case.model]

    def call() -> list[float]:
        w = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START[case.model]]
        random = torch.Generator().manual_seed(0)
        for _ in range(case.epochs):
            xs, ys = x, y
            if case.shuffle:
                order = torch.randperm(case.rows, generator=random)
                xs, ys = x[order], y[order]
            total = torch.zeros((), dtype=torch.float64)
            for xb, yb in zip(xs.split(case.batch), ys.split(case.batch), strict=True):
                loss = torch.nn.functional.mse_loss(model(w, xb), yb)
                gradient = torch.autograd.grad(loss, w)
                with torch.no_grad():
                    for p, g in zip(w, gradient, strict=True):
                        p.sub_(g, alpha=LEARNING_RATE)
                total += loss.detach() * len(xb)
        return [float(p.detach()) for p in w]

    return call
