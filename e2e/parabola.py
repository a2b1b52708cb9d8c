"""The lesson's numbers, in plain Python, and as the page says them."""

from browser import Page


def by_hand(count: int, lr: float = 0.001) -> list[float]:
    """The lesson's parameters after so many steps of one row."""
    w1, w2, w3 = 1.0, 0.0, 1.0
    for i in range(count):
        x = i % 100 / 100
        slope = 2 * (w1 * x * x + w2 * x + w3 - (4 * x * x + 5 * x + 6))
        w1, w2, w3 = w1 - lr * slope * x * x, w2 - lr * slope * x, w3 - lr * slope
    return [w1, w2, w3]


def parameters(page: Page) -> list[str]:
    return [page.parameter(name) for name in ("w1", "w2", "w3")]


def said(values: list[float]) -> list[str]:
    return [f"{value:.6f}".replace("-", "−") for value in values]
