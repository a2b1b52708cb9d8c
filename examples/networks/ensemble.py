"""An ensemble: networks of different seeds agree where there are data, and part elsewhere."""

import numpy as np

import descend
from descend import networks as nn

rng = np.random.default_rng(0)
x = np.r_[rng.uniform(-4, -1, 60), rng.uniform(1, 4, 60)][:, None]
y = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=120)
net = nn.mlp([32, 32], activation="tanh")

fits = [descend.fit(net, x, y, seed=seed, lr=0.01, epochs=400) for seed in range(8)]
figure, wide = fits[0].plot(), np.linspace(-7, 7, 300)[:, None]
for fit in fits[1:]:
    figure.axes[0].plot(wide, fit.predict(wide), color="#d95f1e", linewidth=0.8, alpha=0.6)
figure.savefig("ensemble.png")

near, far = np.array([[-2.5], [2.5]]), np.array([[-7.0], [0.0], [7.0]])
spread = [np.std([fit.predict(at) for fit in fits], axis=0) for at in (near, far)]
mean = np.mean([fit.predict(x) for fit in fits], axis=0)
print("they differ by", *(s.round(2) for s in spread), "within the data and beyond")
print(f"rms error of the mean {np.sqrt(np.mean((mean - y) ** 2)):.3f}")
assert spread[0].max() < spread[1].min()
