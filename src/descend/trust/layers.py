"""A network at the end of its fit, layer by layer: activations, and the gradient of the loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import Prepared, bind_extents
from descend.graph.node import postorder
from descend.graph.source import const
from descend.records.layers import MOST_LOOKED_AT, LayerRecord
from descend.simplify.driver import simplify
from descend.trace.effects import Effects, noting
from descend.trace.trace import trace_function

if TYPE_CHECKING:
    from descend.graph.node import Node
    from descend.networks.layers import Layer
    from descend.networks.network import Network
    from descend.run.build import Built
    from descend.run.job import Job
    from descend.trace.model import Model

__all__ = [
    "SeenLayer", "gradients_of", "layer_outputs", "layers_of", "seen_layers", "weights_in",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


def weights_in(layer: Layer) -> tuple[str, ...]:
    """The names of a layer's weights: biases are none."""
    return layer.weights or tuple(name for name in layer.params if name != "bias")


class SeenLayer(NamedTuple):
    """A layer with what it does to some rows.

    Attributes:
        number: its place in the network, by which its parameters are named.
        params: its parameters by their names in it.
        output: what it makes of the rows (rows, …).
        gradients: of the loss by those of its parameters that are varied.
    """

    number: int
    layer: Layer
    params: Mapping[str, Array]
    output: Array
    gradients: Mapping[str, Array]


def gradients_of(job: Job, built: Built, leaves: Mapping[str, Array]) -> dict[str, Array]:
    """The gradient of the loss by each varied leaf, on at most `MOST_LOOKED_AT` rows."""
    return dict(zip(leaves, _looked_at(job, built, leaves, "gradient", {}), strict=True))


def seen_layers(
    job: Job, built: Built, leaves: Mapping[str, Array], gradients: Mapping[str, Array] | None
) -> list[SeenLayer]:
    """The layers of a network one after the other, at at most `MOST_LOOKED_AT` rows.

    They are seen as the network serves: a draw is its mean, and a running value what was kept.

    Args:
        leaves: all parameters. gradients: of the varied ones; None, where these are all, has them
            worked out on the way.
    """
    network = job.problem.network
    assert network is not None
    if "layers" not in built.extras:
        built.extras["layers"] = _traced(network, built.model)
    captured = built.extras["layers"][1]
    if gradients is None:
        values = _looked_at(job, built, leaves, "layers and gradient", captured)
        gradients = dict(zip(leaves, values[len(network.layers):], strict=True))
    else:
        values = _looked_at(job, built, leaves, "layers", captured)
    found = []
    for number, (layer, output) in enumerate(zip(network.layers, values, strict=False)):
        names = {name: f"{number}.{name}" for name in layer.params}
        params = {name: leaves[whole] for name, whole in names.items()}
        slopes = {name: gradients[whole] for name, whole in names.items() if whole in gradients}
        found.append(SeenLayer(number, layer, params, np.asarray(output), slopes))
    return found


def layer_outputs(
    job: Job, built: Built, leaves: Mapping[str, Array], x: Array
) -> list[Array]:  # fmt: skip
    """What each layer makes of other rows x (rows, …), in the units that the program sees."""
    network = job.problem.network
    assert network is not None
    if "layers" not in built.extras:
        built.extras["layers"] = _traced(network, built.model)
    nodes, captured = built.extras["layers"]
    (data,) = built.model.data.values()
    bound = job.inputs_at(built, leaves, 1)[0] | captured
    bound[data] = np.asarray(x, data.dtype)
    used = {*postorder(nodes)}
    bound = {node: a for node, a in bound.items() if node in used}
    return Prepared(nodes, bound)([*bound.values()], bind_extents(bound))


def _looked_at(
    job: Job, built: Built, leaves: Mapping[str, Array], what: str, captured: Mapping[Node, Array]
) -> list[Array]:
    """What of the layers and of the gradient is asked for; the graph is made once."""
    bound, extents = job.inputs_at(built, leaves, MOST_LOOKED_AT)
    bound |= captured
    if f"prepared {what}" not in built.extras:
        nodes = list(built.extras["layers"][0]) if "layers" in what else []
        if "gradient" in what:
            own, objective = built.model.leaves, built.descent.objective
            nodes += reverse([objective], [const(1, objective.dtype)], [own[n] for n in leaves])
        built.extras[f"prepared {what}"] = Prepared(simplify(nodes, final=True), bound)
    prepared: Prepared = built.extras[f"prepared {what}"]
    return prepared([bound[n] for n in prepared.inputs], extents | bind_extents(bound))


def _traced(network: Network, model: Model) -> tuple[list[Node], dict[Node, Array]]:
    """What each layer gives as the network serves, over the inputs of its model."""

    def all_layers(x: Any, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(network.outputs(x, params))

    (x,) = model.data.values()
    whole = frozenset([x]) if model.whole else frozenset()
    training = model.training
    effects = Effects(model.rows, x.dtype) if training is None else training.effects
    with noting(effects.serving()):
        traced = trace_function(all_layers, (x, dict(model.leaves)), whole=whole)
    captured = {node: np.asarray(array) for node, array in traced.trace.captured}
    return list(traced.outputs), captured


def layers_of(seen: Iterable[SeenLayer]) -> tuple[LayerRecord, ...]:
    """What the report says of each layer."""
    return tuple(
        LayerRecord(
            layer.name, output.shape[1:], sum(a.size for a in params.values()),
            _norm(params[name] for name in weights_in(layer)),
            math.sqrt(float(np.mean(np.square(output, dtype=np.float64)))),
            _norm(gradients.values()),
        )
        for _, layer, params, output, gradients in seen
    )  # fmt: skip


def _norm(arrays: Iterable[Array]) -> float:
    squares = [float(np.sum(np.square(a, dtype=np.float64))) for a in arrays]
    return math.sqrt(sum(squares)) if squares else math.nan
