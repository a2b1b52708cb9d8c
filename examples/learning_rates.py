"""What the loss comes to over the learning rate, with the edge of divergence; over batch sizes."""

import numpy as np

import descend


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def main() -> None:
    x = np.linspace(-1.0, 1.0, 100)
    y = 4 * x**2 + 5 * x + 6 + np.random.default_rng(0).normal(size=100)
    task = dict(start=dict(w1=0.0, w2=0.0, w3=0.0), epochs=30)
    columns = np.stack([x**2, x, np.ones(100)], axis=1)
    limit = 2 / np.linalg.eigvalsh(2 * columns.T @ columns / 100)[-1]
    print(f"2/λmax = {limit:.4f}")
    figure = descend.plot_rates(parabola, x, y, path="rates.png", **task)
    assert any(f"{limit:.4g}" in text.get_text() for text in figure.texts)
    descend.plot_batch_sizes(parabola, x, y, lr=0.02, path="batch_sizes.png", **task)


if __name__ == "__main__":
    main()
