"""Small networks and losses in plain NumPy."""

import numpy as np
from scipy import special

from descend import scan


def linear(w, x, y):
    return np.mean((x @ w["a"] + w["b"] - y) ** 2)


def ridge(w, x, y):
    return np.mean((x @ w - y) ** 2) + 0.1 * np.sum(w**2) + 0.01 * np.sum(np.abs(w))


def logistic(w, x, y):
    z = x @ w
    return np.mean(np.logaddexp(0.0, z) - (y > 0) * z)


def two_layers(p, x, y):
    hidden = np.tanh(x @ p["w1"] + p["b1"])
    return np.mean((hidden @ p["w2"] + p["b2"] - y) ** 2)


def relu_layers(p, x, y):
    for layer in p[:-1]:
        x = np.maximum(x @ layer["w"] + layer["b"], 0.0)
    return np.mean((x @ p[-1]["w"] + p[-1]["b"] - y[:, None]) ** 2)


def swish(p, x):
    z = x @ p
    return np.sum(z * special.expit(z)) + np.sum(np.where(z > 0, z, 0.2 * np.expm1(z)))


def gelu(p, x):
    z = x @ p
    return np.mean(0.5 * z * (1 + special.erf(z / np.sqrt(2.0))) ** 2)


def cross_entropy(w, x, labels):
    logits = x @ w
    chosen = np.take_along_axis(special.log_softmax(logits, axis=1), labels[:, None], axis=1)
    return -np.mean(chosen)


def stable_softmax(w, x):
    z = x @ w
    z = z - np.max(z, axis=1, keepdims=True)
    p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
    return -np.sum(p * np.log(p + 1e-3))


def focal(w, x, y):
    p = special.expit(x @ w)
    hit = np.where(y > 0, p, 1 - p)
    return -np.mean((1 - hit) ** 2.0 * np.log(hit))


def huber(w, x, y):
    r = np.abs(x @ w - y)
    return np.mean(np.where(r < 0.7, 0.5 * r**2, 0.7 * (r - 0.35)))


def log_cosh(w, x, y):
    r = x @ w - y
    return np.mean(np.logaddexp(r, -r) - np.log(2.0))


def quantile(w, x, y):
    r = y - x @ w
    return np.mean(np.maximum(0.3 * r, -0.7 * r))


def poisson(w, x, y):
    rate = np.exp(x @ w)
    return np.mean(rate - np.floor(np.abs(y)) * np.log(rate))


def gaussian_nll(p, x, y):
    mean, spread = x @ p[0], np.exp(x @ p[1])
    return np.mean(0.5 * np.log(spread) + 0.5 * (y - mean) ** 2 / spread)


def layer_norm(p, x):
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    return np.sum(np.sin(scaled * p[0] + p[1]))


def batch_norm(w, x):
    z = x @ w
    return np.sum(np.tanh((z - np.mean(z, axis=0)) / np.std(z, axis=0)) ** 2)


def attention(p, x):
    q, k, v = x @ p["q"], x @ p["k"], x @ p["v"]
    scores = q @ k.T / np.sqrt(q.shape[-1])
    return np.sum(special.softmax(scores, axis=-1) @ v * np.arange(1.0, 4.0))


def heads(p, x):
    q, k, v = (np.einsum("ti,ihd->htd", x, w) for w in p)
    scores = np.einsum("htd,hsd->hts", q, k)
    return np.sum(np.einsum("hts,hsd->td", special.softmax(scores, axis=-1), v) ** 2)


def convolution(kernel, x):
    windows = np.stack([x[i : len(x) - 3 + i + 1] for i in range(3)], axis=1)
    return np.sum(np.tanh(windows @ kernel) ** 2)


def embedding(table, words):
    return np.mean(np.sum(table[words], axis=1) ** 3)


def elman(p, x):
    state = np.zeros(3)
    for row in x:
        state = np.tanh(p["w"] @ state + p["u"] @ row + p["b"])
    return np.sum(state**2)


def elman_scanned(p, x):
    def step(state, row):
        state = np.tanh(p["w"] @ state + p["u"] @ row + p["b"])
        return state, np.sum(state)

    state, outputs = scan(step, np.zeros(3), x)
    return np.sum(state**2) + np.sum(outputs * np.arange(1.0, 1 + len(x)))


def gated(p, x):
    def step(h, row):
        both = np.concatenate([h, row])
        z, r = special.expit(p["z"] @ both), special.expit(p["r"] @ both)
        new = np.tanh(p["h"] @ np.concatenate([r * h, row]))
        return (1 - z) * h + z * new, None

    h, _ = scan(step, np.zeros(3), x)
    return np.sum(np.sin(h))


def mixture(p, x):
    weights = special.log_softmax(p[0])
    z = (x[:, None] - p[1]) / np.exp(p[2])
    return -np.mean(special.logsumexp(weights - p[2] - 0.5 * z**2, axis=1))


def triplet(w, x):
    e = x @ w
    e = e / np.sqrt(np.sum(e**2, axis=1, keepdims=True))
    near = np.sum((e[0::3] - e[1::3]) ** 2, axis=1)
    far = np.sum((e[0::3] - e[2::3]) ** 2, axis=1)
    return np.mean(np.maximum(near - far + 0.5, 0.0))


def weight_sharing(w, x):
    for _ in range(4):
        x = np.sin(x @ w)
    return np.mean(x**2)
