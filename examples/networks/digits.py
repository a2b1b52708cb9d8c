"""Handwritten digits, 8 × 8 pixels, by a network of one hidden layer; a quarter is held back."""

from pathlib import Path

import numpy as np

import descend
from descend import networks as nn

data = np.load(Path(__file__).parent / "digits.npz")
images, digits = data["images"].astype(float), data["digits"]
images = images[:, images.std(axis=0) > 0]  # pixels that are always white tell nothing
order = np.random.default_rng(0).permutation(len(digits))
train, test = order[450:], order[:450]

fit = descend.fit(
    nn.mlp([64]), images[train], digits[train], validation_data=(images[test], digits[test]),
    metrics=["accuracy"], epochs=60,
)  # fmt: skip
print(fit)
fit.plot("digits.png")

right = np.mean(fit.predict(images[test]) == digits[test])
print(f"of the digits held back {right:.1%} are read right")
assert right > 0.95
