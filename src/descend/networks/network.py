"""A network: layers one after the other, as a model that knows where to begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.networks.activations import ACTIVATIONS
from descend.networks.layers import LAYERS, BatchNorm, Dropout, Layer, Linear, activation

__all__ = ["Network", "Residual", "Sequential", "as_plain", "mlp", "of_plain"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class Network:
    """Layers one after the other: a function of x and of the parameters of all layers.

    `descend.fit(network, x, y)` trains it; `network(x, params)` evaluates it. Parameters are named
    as PyTorch names them: the number of the layer, a dot, the name in the layer. A network never
    changes, and its parameters are no part of it: a copy is the network itself.

    >>> network = Sequential(Linear(8), "tanh", Linear())
    >>> network, network.params
    (Sequential(Linear(8), Tanh(), Linear()), ('0.weight', '0.bias', '2.weight', '2.bias'))
    >>> params = network.begin(np.random.default_rng(0), (2,), outputs=1)
    >>> network(np.zeros((5, 2)), params).shape
    (5, 1)
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """One after the other."""
        return self._layers

    def __reduce__(self) -> Any:
        return Sequential, self.layers

    def __deepcopy__(self, memo: object) -> Network:
        return self  # another one would be traced and compiled anew

    def __repr__(self) -> str:
        return f"Sequential({', '.join(layer.name for layer in self.layers)})"

    @property
    def params(self) -> tuple[str, ...]:
        """The names of all parameters, in the order of the layers."""
        return tuple(self._named(lambda layer: layer.params))

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the parameters that penalties are meant for: biases are none."""
        return tuple(self._named(lambda layer: layer.weights))

    @property
    def indices(self) -> int:
        """How many different whole numbers x may hold; 0 where it holds other numbers."""
        return self.layers[0].indices if self.layers else 0

    def _named(self, of: Callable[[Layer], Sequence[str]]) -> Iterator[str]:
        for number, layer in enumerate(self.layers):
            yield from (f"{number}.{name}" for name in of(layer))

    def __call__(
        self, x: Any, params: Mapping[str, Any] | None = None, place: str = ""
    ) -> Any:
        """Return what the last layer gives for the rows x (rows, …).

        Args:
            place: where the network stands in another one, such as `"1."`.

        Raises:
            UsageError: it has parameters, and none are given.
        """
        if params is None and self.params:
            raise UsageError(
                f"{self!r} has parameters, which a fit finds",
                remedy="give them as well, as fit.params, or call fit.predict(x)",
            )
        params = params or {}
        for number in range(len(self.layers)):
            x = self._through(number, x, params, place)
        return x

    def outputs(self, x: Any, params: Mapping[str, Any], place: str = "") -> Iterator[Any]:
        """What each layer gives, one after the other."""
        for number in range(len(self.layers)):
            x = self._through(number, x, params, place)
            yield x

    def _through(self, number: int, x: Any, params: Mapping[str, Any], place: str) -> Any:
        return self.layers[number](x, _of(number, params), f"{place}{number}.")

    def begin(
        self, rng: np.random.Generator, shape: Shape, outputs: int, gain: float = 1.0
    ) -> dict[str, Array]:
        """Return the parameters at the start, by name; see `laid_out`."""
        return self.laid_out(rng, shape, outputs, gain)[0]

    def laid_out(
        self, rng: np.random.Generator, shape: Shape, outputs: int, gain: float = 1.0
    ) -> tuple[dict[str, Array], Shape]:
        """Return the parameters at the start, by name, and the shape of a row behind all layers.

        Args:
            shape: of a row of x. outputs: how many numbers a row of the target has.
            gain: of what follows.

        Raises:
            UsageError: a layer cannot work on rows as those before it leave them.
        """
        found: dict[str, Array] = {}
        behind = [layer.gain for layer in self.layers[1:]]
        for number, (layer, own) in enumerate(zip(self.layers, [*behind, gain], strict=True)):
            begun = {} if layer.begin is None else dict(layer.begin(rng, shape, outputs, own))
            found |= {f"{number}.{name}": array for name, array in begun.items()}
            shape = _shape_behind(layer, shape, begun, number)
        return found, shape

    def as_layer(self) -> Layer:
        """The whole network as one layer of another."""
        first = self.layers[0].gain if self.layers else 1.0
        placed = any(layer.placed for layer in self.layers)
        return Layer(
            repr(self), self, self.params, self.begin, first, self.weights, self.indices, placed
        )


def _of(number: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one layer, by their names in it."""
    begin = f"{number}."
    return {name[len(begin):]: params[name] for name in params if name.startswith(begin)}


def _shape_behind(layer: Layer, shape: Shape, params: Mapping[str, Array], number: int) -> Shape:
    """The shape of a row behind a layer, of two rows of zeros."""
    rows = np.zeros((2, *shape))
    try:
        with np.errstate(all="ignore"):
            found = layer(rows, params, f"{number}.")
    except (ValueError, IndexError, TypeError) as error:
        raise UsageError(
            f"layer {number}, {layer.name}, cannot work on rows of the shape {shape}: {error}",
            remedy="check the sizes of the layers before it",
        ) from error
    found = np.asarray(found)
    if found.shape[:1] != (2,):
        raise UsageError(
            f"layer {number}, {layer.name}, makes an array of the shape {found.shape} of 2 rows",
            remedy="keep the rows first: a layer gives as many rows as it takes",
        )
    return found.shape[1:]


def Sequential(*layers: Any) -> Network:
    """Return a network of layers, other networks, names of activations, and plain functions of x.

    Args:
        layers: one after the other, or in one list.

    Raises:
        UsageError: something that is none of these.

    >>> Sequential(Linear(4), np.sin, Linear())
    Sequential(Linear(4), sin, Linear())
    """
    if len(layers) == 1 and isinstance(layers[0], list | tuple):
        layers = tuple(layers[0])
    return Network([layer_of(each) for each in layers])


def layer_of(given: Any) -> Layer:
    """Return the layer that something in a network is.

    Raises:
        UsageError: it is none.
    """
    if isinstance(given, Layer):
        return given
    if isinstance(given, Network):
        return given.as_layer().by(layer_of, given)
    if isinstance(given, str):
        return activation(given)
    name = getattr(given, "__name__", type(given).__name__)
    known = ACTIVATIONS.get(name)
    if known is not None and known.function is given:
        return activation(name)
    if not callable(given):
        raise UsageError(
            f"a layer is one of descend.networks, the name of an activation or a function, not "
            f"{name}",
            remedy='write Sequential(Linear(64), "relu", Linear())',
        )
    if getattr(given, "__module__", "").startswith("descend.networks"):
        raise UsageError(
            f"{name} is what makes a layer, and not called", remedy=f"write {name}()"
        )
    return Layer(name, given).by(layer_of, given)


def Residual(*layers: Layer | Network | str | Callable[[Any], Any]) -> Layer:
    """Return a layer x + f(x), f being these layers one after the other.

    He et al., "Deep residual learning for image recognition" (2016). The layers have to end with
    rows of the shape that they begin with: `Linear()` as the last of them takes that of the
    target, so give the size.

    >>> Residual(np.cos)(np.zeros(2))
    array([1., 1.])
    """
    inner = Sequential(*layers)

    def function(x: Any, params: Mapping[str, Any] | None = None, place: str = "") -> Any:
        return x + inner(x, params or {}, place)

    name = f"Residual({', '.join(layer.name for layer in inner.layers)})"
    made = dataclasses.replace(inner.as_layer(), name=name, function=function)
    return made.by(Residual, *inner.layers)


def mlp(
    hidden: int | Sequence[int] = (), *, activation: str = "relu", dropout: float = 0.0,
    batch_norm: bool = False,
) -> Network:  # fmt: skip
    """Return a network of linear layers with an activation between them.

    Args:
        hidden: the size of each hidden layer; none makes a linear model.
        activation: its name.
        dropout: the probability with which a number behind each activation is left out.
        batch_norm: whether each hidden layer is normalised before its activation.

    Raises:
        UsageError: a size below 1, or no such activation.

    >>> mlp([100, 50])
    Sequential(Linear(100), ReLU(), Linear(50), ReLU(), Linear())
    """
    sizes = [hidden] if isinstance(hidden, int | np.integer) else list(hidden)
    layers: list[Layer | str] = []
    for size in sizes:
        normal = [BatchNorm()] if batch_norm else []
        layers += [Linear(size), *normal, activation, *([Dropout(dropout)] if dropout else [])]
    return Sequential(*layers, Linear())


MAKERS: Mapping[str, Callable[..., Any]] = {
    **LAYERS, "Residual": Residual, "Sequential": Sequential, "layer_of": layer_of,
}  # fmt: skip
"""What makes layers and networks, by name."""


def as_plain(given: Any) -> Any:
    """Return networks and layers, also in lists and tuples, as text and numbers; others as given.

    A layer that was made elsewhere, and functions in a network, stay as they are.

    >>> as_plain([Dropout(0.2), "tanh"])
    [{'maker': 'Dropout', 'given': (0.2,), 'options': {}}, 'tanh']
    """
    if isinstance(given, Network):
        return {"maker": "Sequential", "given": as_plain(given.layers), "options": {}}
    if isinstance(given, Layer) and given.made is not None:
        maker, own, options = given.made
        plain = {name: as_plain(value) for name, value in options}
        return {"maker": maker.__name__, "given": as_plain(own), "options": plain}
    if type(given) in (list, tuple):
        return type(given)(as_plain(part) for part in given)
    return given.item() if isinstance(given, np.generic) else given


def of_plain(plain: Any) -> Any:
    """Return what `as_plain` was given.

    Raises:
        UsageError: it names what makes no layer.

    >>> of_plain(as_plain(mlp([4], dropout=0.1)))
    Sequential(Linear(4), ReLU(), Dropout(0.1), Linear())
    """
    if isinstance(plain, dict):
        maker = MAKERS.get(str(plain.get("maker")))
        if maker is None:
            raise UsageError(
                f"there is no layer {plain.get('maker')!r}",
                remedy=f"choose from {', '.join(MAKERS)}",
            )
        return maker(*of_plain(plain["given"]), **plain["options"])
    if type(plain) in (list, tuple):
        return type(plain)(of_plain(part) for part in plain)
    return plain
