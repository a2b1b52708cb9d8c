"""What the units of a network make of the plane of two columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.run.finished import Finished
from descend.show.boundary import held_line, plane_columns, whole_columns
from descend.show.columns import pair_of, room, single_columns
from descend.show.neurons import SIDE, Units
from descend.trust.layers import layer_outputs

__all__ = ["neurons_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def neurons_of(fit: Any, run: Finished, over: Sequence[str] | None) -> tuple[Any, ...]:
    """What the picture of a network's units is drawn from, in the order in which it takes it.

    Raises:
        UsageError: the model is no network of columns of numbers, or has no such columns.
    """
    network = run.job.problem.network
    if network is None or network.indices:
        raise UsageError(
            "the units that are drawn are those of a network of columns, and this model is none",
            remedy="fit descend.networks.mlp([8]), for example",
        )
    names = fit._evidence.predictor.matrix
    columns = single_columns(fit.x, len(fit.y))
    pair = pair_of(columns, names, over, "a map of units")
    plane = plane_columns(columns, pair, names)
    x, y = (np.linspace(*room(values), SIDE) for _, _, values in plane)
    across, up = np.meshgrid(x, y)
    (given,) = whole_columns(columns, pair, across.ravel(), up.ravel()).values()
    if run.job.scaling is not None:
        (scale,) = run.job.scaling.columns.values()
        given = scale.into(given)
    leaves = fit._evidence.leaves
    outputs = layer_outputs(run.job, run.built, leaves, given)
    titles = [layer.name for layer in network.layers]
    layers = _grouped(titles, outputs, leaves)
    first = given[:, list(pair)].T.reshape(2, SIDE, SIDE)
    title = "inputs" if run.job.scaling is None else "inputs, standardised"
    layers.insert(0, Units(title, first, None, (plane[0][0], plane[1][0])))
    if len(columns) > 2 and len(layers) > 1 and layers[1].weights is not None:
        layers[1] = layers[1]._replace(weights=layers[1].weights[:, list(pair)])
    classes, target = fit.classes, str(fit.target)
    count = len(layers[-1].maps)
    labels = tuple(map(str, classes)) if classes is not None and len(classes) == count else ()
    if count == 1:
        rescaled = run.job.scaling is not None and run.job.scaling.target is not None
        plain = f"{target}, standardised" if rescaled else target
        labels = (plain if classes is None else f"{target} = {classes[-1]}",)
    layers[-1] = layers[-1]._replace(names=labels)
    told = fit._classified()
    own = told.y if told is not None and told.hard else None
    held = held_line(columns, pair, names)
    return layers, (plane[0][0], plane[1][0]), x, y, (plane[0][2], plane[1][2], own), held


def _grouped(
    titles: Sequence[str], outputs: Sequence[Array], leaves: Mapping[str, Array]
) -> list[Units]:
    """Each linear layer with what follows it up to the next: what leaves the last of them."""
    found: list[Units] = []
    for number, (title, output) in enumerate(zip(titles, outputs, strict=True)):
        if output.ndim != 2:
            raise UsageError(
                f"layer {number}, {title}, has rows of the shape {output.shape[1:]}, and units are "
                "drawn of layers with one number a unit",
                remedy="write plot()",
            )
        maps = np.asarray(output, np.float64).T.reshape(-1, SIDE, SIDE)
        weights = leaves.get(f"{number}.weight")
        own = any(name.startswith(f"{number}.") for name in leaves)
        if weights is not None and np.ndim(weights) == 2:
            found.append(Units(title, maps, np.asarray(weights, np.float64)))
        elif (own and len(maps) != len(found[-1].maps if found else ())) or not found:
            found.append(Units(title, maps))
        else:
            found[-1] = found[-1]._replace(title=f"{found[-1].title}, {title}", maps=maps)
    return found
