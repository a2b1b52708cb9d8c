"""PyTorch, eager: the usual loop of forward, backward, step."""

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
        w = torch.nn.ParameterList(
            torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in START[case.model]
        )
        w = list(w)
        optimizer = torch.optim.SGD(w, lr=LEARNING_RATE)
        random = torch.Generator().manual_seed(0)
        for _ in range(case.epochs):
            xs, ys = x, y
            if case.shuffle:
                order = torch.randperm(case.rows, generator=random)
                xs, ys = x[order], y[order]
            total = torch.zeros((), dtype=torch.float64)
            for xb, yb in zip(xs.split(case.batch), ys.split(case.batch), strict=True):
                optimizer.zero_grad()
                loss = torch.nn.functional.mse_loss(model(w, xb), yb)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(xb)
        return [float(p.detach()) for p in w]

    return call
