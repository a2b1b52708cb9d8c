"""Networks and layers are carried by pickles and copied, and stay what they were."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.errors import UsageError
from descend.networks.network import MAKERS, as_plain, of_plain

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 4))
Y = np.sin(X[:, 0])
NETWORKS = {
    "mlp": nn.mlp([5], activation="gelu", dropout=0.2, batch_norm=True),
    "residual": nn.Sequential(
        nn.Linear(6, bias=False, init="orthogonal"),
        nn.Residual(nn.Linear(6, init=0.1), "tanh", nn.LayerNorm(scale=False, eps=0.1)),
        nn.RMSNorm(), np.sin, nn.BatchNorm(scale=False, momentum=0.5), nn.mlp([3]),
    ),
    "embedding": nn.Sequential(nn.Embedding(4, 3, init=0.5), nn.Flatten(), nn.Linear()),
}  # fmt: skip
WAYS = {
    "pickle": lambda network: pickle.loads(pickle.dumps(network)),
    "oldest pickle": lambda network: pickle.loads(pickle.dumps(network, protocol=0)),
    "deepcopy": copy.deepcopy,
    "plain": lambda network: of_plain(as_plain(network)),
}


def rows_of(network: Any) -> Any:
    return np.arange(12).reshape(6, 2) % 4 if network.indices else X


def begun(network: Any) -> Any:
    return network.begin(np.random.default_rng(1), rows_of(network).shape[1:], 1)


def test_every_kind_of_layer_is_among_them() -> None:
    used = set()

    def look(plain: Any) -> None:
        if isinstance(plain, dict):
            used.add(plain["maker"])
            look(plain["given"])
        for part in plain if isinstance(plain, tuple) else ():
            look(part)

    for network in NETWORKS.values():
        look(as_plain(network))
    assert used == set(MAKERS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_begins_and_evaluates_the_same(name: str, way: str) -> None:
    network = NETWORKS[name]
    other = WAYS[way](network)
    assert repr(other) == repr(network)
    assert other.params == network.params and other.weights == network.weights
    own, theirs = begun(network), begun(other)
    for key, array in own.items():
        np.testing.assert_array_equal(theirs[key], array)
    x = rows_of(network)
    np.testing.assert_array_equal(other(x, theirs), network(x, own))


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_every_activation_is_carried(name: str) -> None:
    layer = nn.activation(name)
    other = pickle.loads(pickle.dumps(layer))
    assert other == layer
    np.testing.assert_array_equal(other(X), layer(X))


def test_training_in_another_process_has_the_same_bits(tmp_path: Path) -> None:
    network = NETWORKS["residual"]
    fit = descend.fit(network, X, Y, epochs=3, seed=2)
    np.savez(tmp_path / "rows.npz", x=X, y=Y)
    (tmp_path / "network.pkl").write_bytes(pickle.dumps(network))
    script = (
        "import pickle, sys; import numpy as np, descend; from pathlib import Path\n"
        "here = Path(sys.argv[1]); rows = np.load(here / 'rows.npz')\n"
        "network = pickle.loads((here / 'network.pkl').read_bytes())\n"
        "fit = descend.fit(network, rows['x'], rows['y'], epochs=3, seed=2)\n"
        "np.save(here / 'found.npy', fit.predict(rows['x']))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), fit.predict(X))


def test_a_layer_that_is_changed_does_not_come_back_as_it_was_made() -> None:
    layer = dataclasses.replace(nn.activation("tanh"), gain=3.0)
    assert layer.made is None
    assert pickle.loads(pickle.dumps(layer)).gain == 3.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.gain = 1.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        nn.mlp([3]).layers = ()  # type: ignore[misc]


def test_plain_text_names_layers_alone() -> None:
    with pytest.raises(UsageError, match="there is no layer 'eval'"):
        of_plain({"maker": "eval", "given": ("1",), "options": {}})
