"""The lesson's job in JAX as a script: read, compile, fit, print the weights."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def loss(w, x, y):
    return (w[0] * x**2 + w[1] * x + w[2] - y) ** 2


def update(w, row):
    value, gradient = jax.value_and_grad(loss)(w, *row)
    return tuple(p - 0.001 * g for p, g in zip(w, gradient, strict=True)), value


@partial(jax.jit, static_argnums=3, donate_argnums=0)
def run(w, x, y, epochs):
    """Stops like the lesson's: a loop that looks at each epoch's mean loss."""

    def keep_on(state):
        epoch, _, mean, _ = state
        return (epoch < epochs) & (mean >= 1e-5)

    def one_epoch(state):
        epoch, w, _, history = state
        w, values = jax.lax.scan(update, w, (x, y))
        mean = jnp.mean(values)
        return epoch + 1, w, mean, history.at[epoch].set(mean)

    return jax.lax.while_loop(keep_on, one_epoch, (0, w, jnp.inf, jnp.zeros(epochs)))


x, y = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1).T
start = tuple(jnp.asarray(v) for v in (1.0, 0.0, 1.0))
_, weights, _, _ = run(start, x, y, 1000)
print([float(w) for w in weights])
