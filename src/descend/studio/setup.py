"""One value that says what is descended: data, model, loss, method. Everything else follows.

A `Setup` is plain: it goes to JSON and back, and holds no data but the name of a sample, or what a
table of one's own is called and its hash. Where it is made, it is checked in full, whoever wrote
it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from descend.errors import DataError, UsageError, suggest
from descend.lean import dataclass
from descend.methods.table import OPTIMIZERS, SCHEDULES, as_loss, as_penalty
from descend.studio.samples import SAMPLES, Table
from descend.trace.formula_functions import CONSTANTS, RESERVED

if TYPE_CHECKING:
    from descend.networks.network import Network

__all__ = [
    "PARABOLA", "VERSION", "Call", "Layer", "Schedule", "Setup", "Source", "hash_of", "quoted",
    "ready_formula",
]  # fmt: skip

VERSION = 1
LONGEST = 200  # signs of a name
FORMULA = 10_000  # signs of a formula
MOST_INPUTS, MOST_LAYERS, MOST_UNITS, MOST_NUMBERS = 1000, 8, 512, 200
BATCH, EPOCHS, SEED = (1, 10**7), (1, 1 << 40), (0, 2**63 - 1)
RATES = (1e-12, 1e6)


@dataclass(frozen=True)
class Source:
    """Which table: one of the samples, or one of the user's own.

    Attributes:
        sample: its name in `SAMPLES`; empty where the table is the user's.
        options: the numbers that the sample is made with.
        own: what the user's table is called, such as its file's name without folders.
        digest: of its content, see `hash_of`.
    """

    sample: str = ""
    options: Mapping[str, float] = dataclasses.field(default_factory=dict)
    own: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if self.sample:
            _check_one_of("sample", self.sample, SAMPLES)
            limits = SAMPLES[self.sample].numbers
            for name, value in self.options.items():
                _check_one_of("number of this sample", name, limits)
                _check_number(name, value, limits[name].low, limits[name].high)
        else:
            _check_text("a table's name", self.own)
            _check_text("a table's hash", self.digest, 64)

    def table(self) -> Table:
        """The table of a sample."""
        return SAMPLES[self.sample].table(self.options)


class Layer(NamedTuple):
    """A hidden layer: so many units, and the activation behind them by its name."""

    units: int
    activation: str


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes by epochs: a name of `SCHEDULES`, with its numbers."""

    name: str
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {n: n for n in SCHEDULES if n not in ("warmup", "constant")}
        _check_one_of("schedule", self.name, known)
        _check_numbers(f"schedule {self.name}", self.numbers, SCHEDULES[self.name])


@dataclass(frozen=True)
class Setup:
    """What is descended, and how.

    Attributes:
        source: of the table.
        target, inputs: its columns. A formula says itself which it uses.
        held: the share of the rows that is held back.
        formula: the model, as `descend.fit` takes it, ready models included; empty of a network.
        layers: the hidden layers of a network.
        start: parameters of a formula → where they begin; those that are not named begin where
            `fit` has them begin, those of a network are drawn by the seed.
        loss: by name, with its number; empty for what suits.
        optimizer: a name of `OPTIMIZERS`. numbers: its others, such as `momentum`.
        lr: the learning rate, without meaning for methods that choose their own steps.
        batch_size: rows a step; None for all at once.
        penalty: such as `"l2(0.001)"`; empty for none.
        epochs, stop_loss: where it ends; None for nowhere.

    Raises:
        UsageError: anything that is unknown, or out of its range.

    >>> Setup.from_json(PARABOLA.to_json()) == PARABOLA
    True
    >>> dataclasses.replace(PARABOLA, optimizer="adma")
    Traceback (most recent call last):
    descend.errors.UsageError: there is no optimizer "adma" (did you mean "adam"?)
    """

    source: Source
    target: str
    inputs: tuple[str, ...]
    held: float = 0.0
    formula: str = ""
    layers: tuple[Layer, ...] = ()
    start: Mapping[str, float] = dataclasses.field(default_factory=dict)
    loss: str = ""
    optimizer: str = "sgd"
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    lr: float = 0.01
    schedule: Schedule | None = None
    batch_size: int | None = None
    penalty: str = ""
    seed: int = 0
    shuffle: bool = True
    epochs: int | None = None
    stop_loss: float | None = None

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            check(getattr(self, name))
        _check_numbers(f"optimizer {self.optimizer}", self.numbers, OPTIMIZERS[self.optimizer])
        if self.formula and self.layers:
            raise UsageError("a model is a formula or has layers, not both")
        if not self.inputs and not self.formula:
            raise UsageError("a network needs columns that go in", remedy="choose its inputs")

    # --- JSON

    def plain(self) -> dict[str, Any]:
        """The same in values of JSON, with the version of this form."""
        found = {"version": VERSION, **dataclasses.asdict(self)}
        found["source"] = {name: v for name, v in found["source"].items() if v}
        return found

    def to_json(self) -> str:
        """The same as a text of JSON, in one line."""
        return json.dumps(self.plain(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` has written, or anybody else in its form.

        Raises:
            UsageError: it is of another form or version, or names what there is not.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError("the state is no JSON") from None
        return cls.from_plain(found)

    @classmethod
    def from_plain(cls, found: Any) -> Self:
        """What `plain` has made.

        Raises:
            UsageError: as of `from_json`.
        """
        own = dict(_fields_of("the state", found, {"version", *_names(cls)}))
        if own.pop("version", None) != VERSION:
            raise UsageError(
                f"the state is of another version than {VERSION}",
                remedy="open it with the descend that wrote it",
            )
        made: dict[str, Any] = dict(own)
        for name, read in READERS.items():
            if name in own:
                made[name] = read(own[name])
        for name in ("source", "target", "inputs"):
            if name not in made:
                raise UsageError(f"the state has no {name}")
        return cls(**made)

    # --- what `descend.start` takes

    @property
    def is_network(self) -> bool:
        """Whether the model is a network; one without hidden layers is linear."""
        return not self.formula

    @property
    def has_rate(self) -> bool:
        """Whether the method takes a learning rate, batches, and a schedule."""
        return "lr" in signature(OPTIMIZERS[self.optimizer]).parameters

    def network(self) -> Network:
        """The network: its layers, and behind them as many units as the target needs."""
        from descend.networks.layers import Linear
        from descend.networks.network import Sequential

        parts = [part for layer in self.layers for part in (Linear(layer.units), layer.activation)]
        return Sequential(*parts, Linear())

    def call(self, table: Table) -> Call:
        """The arguments of `descend.start`, or of `descend.fit`, for a table.

        Rows with missing values are left out.

        Raises:
            DataError: the table has not the columns that are named.
            UsageError: the target is one of the inputs.
        """
        for name in (self.target, *self.inputs):
            if name not in table:
                raise DataError(
                    f'the table has no column "{name}"{suggest(name, table)}',
                    remedy="choose one of its columns",
                )
        if self.target in self.inputs:
            raise UsageError(
                f'"{self.target}" is the target and an input', remedy="choose other inputs"
            )
        n_rows = len(next(iter(table.values()), ()))
        options: dict[str, Any] = {"seed": self.seed, **self._method(n_rows)}
        if self.loss:
            options["loss"] = self.loss
        if self.held:
            options["validation_split"] = self.held
        if self.penalty:
            options["penalty"] = self.penalty
        if any(c.dtype.kind == "f" and np.isnan(c).any() for c in table.values()):
            options["missing"] = "drop"
        for name in ("epochs", "stop_loss"):
            if getattr(self, name) is not None:
                options[name] = getattr(self, name)
        if self.is_network:
            columns = {name: table[name] for name in (*self.inputs, self.target)}
            return Call(self.network(), columns, self.target, options)
        if self.start:
            options["start"] = dict(self.start)
        return Call(self.formula, dict(table), None, options)

    def _method(self, n_rows: int) -> dict[str, Any]:
        """The optimizer and how it takes its rows."""
        if not self.has_rate:
            maker = OPTIMIZERS[self.optimizer]
            return {"optimizer": maker(**_given(self.numbers, maker))}
        rate: Any = self.lr
        if self.schedule is not None:
            rate = SCHEDULES[self.schedule.name](self.lr, **self.schedule.numbers)
        found: dict[str, Any] = {"optimizer": self.optimizer, "lr": rate}
        if self.numbers:
            maker = OPTIMIZERS[self.optimizer]
            found = {"optimizer": maker(lr=rate, **_given(self.numbers, maker))}
        return {**found, "batch_size": self.batch_size or n_rows, "shuffle": self.shuffle}

    def differs(self, other: Setup) -> dict[str, Any]:
        """Field → value here, of those that are another one there."""
        mine, theirs = self.plain(), other.plain()
        return {name: mine[name] for name in mine if mine[name] != theirs[name]}


class Call(NamedTuple):
    """The arguments of `descend.start`: a formula or a network, the table, the target's name."""

    model: Any
    x: Table
    y: str | None
    options: Mapping[str, Any]


def hash_of(table: Table) -> str:
    """The hash of a table's content: names and cells, in their order."""
    digest = hashlib.sha256()
    for name, column in table.items():
        digest.update(f"{name}\0{column.dtype.str}\0{len(column)}\0".encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def quoted(column: str) -> str:
    """A column's name as a formula writes it."""
    plain = column.isidentifier() and column not in RESERVED and column not in CONSTANTS
    return column if plain else f"`{column}`"


def ready_formula(name: str, target: str, inputs: tuple[str, ...]) -> str:
    """The formula of a ready model by its name, such as `y = gaussian(x)`.

    >>> ready_formula("gaussian", "y", ("time in s",))
    'y = gaussian(`time in s`)'
    """
    return f"{quoted(target)} = {name}({', '.join(map(quoted, inputs))})"


# --- checks


def _fields_of(what: str, found: Any, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise UsageError(f"{what} is a table of names and values")
    for name in found:
        if name not in known:
            raise UsageError(f'{what} has no "{name[:40]}"{suggest(name[:40], known)}')
    return found


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _check_one_of(what: str, value: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(value, str) or value not in known:
        shown = value[:40] if isinstance(value, str) else type(value).__name__
        raise UsageError(f'there is no {what} "{shown}"{suggest(shown, known)}')


def _check_text(what: str, value: Any, most: int = LONGEST) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise UsageError(f"{what} is a text of 1 to {most} signs")


def _check_number(what: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise UsageError(f"{what} is a number from {low:g} to {high:g}, not {str(value)[:40]}")


def _check_whole(what: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise UsageError(f"{what} is a whole number from {low} to {high}, not {str(value)[:40]}")


def _check_map(what: str, value: Any, most: int = MOST_NUMBERS) -> None:
    if not isinstance(value, Mapping) or len(value) > most:
        raise UsageError(f"{what} are names and numbers, at most {most}")
    for name, number in value.items():
        _check_text(f"a name among {what}", name)
        _check_number(name[:40], number, -1e300, 1e300)


def _check_numbers(what: str, values: Mapping[str, float], maker: Callable[..., Any]) -> None:
    """Refuse numbers that the maker does not take; their ranges are its own to check."""
    _check_map(what, values)
    known = {n for n, p in signature(maker).parameters.items() if n != "lr"}
    known |= {"betas.0", "betas.1"} if "betas" in known else set()
    for name in values:
        if name not in known or name == "betas":
            raise UsageError(f'{what} has no number "{name}"{suggest(name, known)}')


def _given(numbers: Mapping[str, float], maker: Callable[..., Any]) -> dict[str, Any]:
    """Numbers as a method takes them: the two betas are one argument, and switches are no numbers.

    >>> _given({"momentum": 0.9, "nesterov": 1}, OPTIMIZERS["sgd"])
    {'momentum': 0.9, 'nesterov': True}
    """
    usual = {name: p.default for name, p in signature(maker).parameters.items()}
    found: dict[str, Any] = {
        name: bool(value) if isinstance(usual[name], bool) else value
        for name, value in numbers.items()
        if not name.startswith("betas.")
    }
    if len(found) < len(numbers):
        betas = [numbers.get(f"betas.{i}", beta) for i, beta in enumerate(usual["betas"])]
        found["betas"] = tuple(betas)
    return found


def _check_layers(layers: Any) -> None:
    if len(layers) > MOST_LAYERS:
        raise UsageError(f"a network has at most {MOST_LAYERS} hidden layers, not {len(layers)}")
    if not layers:
        return
    from descend.networks.activations import ACTIVATIONS

    for layer in layers:
        _check_whole("the units of a layer", layer.units, 1, MOST_UNITS)
        _check_one_of("activation", layer.activation, ACTIVATIONS)


def _check_inputs(inputs: Any) -> None:
    if not isinstance(inputs, tuple) or len(inputs) > MOST_INPUTS:
        raise UsageError(f"the inputs are at most {MOST_INPUTS} columns")
    for name in inputs:
        _check_text("a column's name", name)
    if len({*inputs}) < len(inputs):
        raise UsageError("a column is an input once, not twice")


def _check_kind(kind: type[Any]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, kind):
            raise UsageError(f"{str(value)[:40]!r} is no {kind.__name__}")

    return check


def _unless(nothing: Any, check: Callable[..., Any], *given: Any) -> Callable[[Any], None]:
    """A check of what may also be nothing."""

    def checking(value: Any) -> None:
        if value is not nothing and value != nothing:
            check(*given[:1], value, *given[1:])

    return checking


def _check_formula(formula: Any) -> None:
    if not isinstance(formula, str) or len(formula) > FORMULA:
        raise UsageError(f"a formula is a text of at most {FORMULA} signs")


def _check_named(find: Callable[[str], Any]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        _check_text("a loss or penalty", value, 60)
        find(value)

    return check


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "source": _check_kind(Source),
    "target": lambda v: _check_text("the target", v),
    "inputs": _check_inputs,
    "held": lambda v: _check_number("the share of rows held back", v, 0.0, 0.9),
    "formula": _check_formula,
    "layers": _check_layers,
    "start": lambda v: _check_map("start values", v),
    "loss": _unless("", _check_named(as_loss)),
    "optimizer": lambda v: _check_one_of("optimizer", v, OPTIMIZERS),
    "numbers": lambda v: _check_map("numbers of the optimizer", v),
    "lr": lambda v: _check_number("the learning rate", v, *RATES),
    "schedule": _unless(None, _check_kind(Schedule)),
    "batch_size": _unless(None, _check_whole, "the batch size", *BATCH),
    "penalty": _unless("", _check_named(as_penalty)),
    "seed": lambda v: _check_whole("the seed", v, *SEED),
    "shuffle": _check_kind(bool),
    "epochs": _unless(None, _check_whole, "the number of epochs", *EPOCHS),
    "stop_loss": _unless(None, _check_number, "the loss to stop at", 0.0, 1e300),
}
"""Field → what refuses values that cannot be meant."""


def _source(found: Any) -> Source:
    own = _fields_of("the source of the data", found, {*_names(Source)})
    _check_map("numbers of the sample", own.get("options", {}))
    for name in ("sample", "own", "digest"):
        if not isinstance(own.get(name, ""), str):
            raise UsageError(f"the {name} of the data is a text")
    return Source(**own)


def _schedule(found: Any) -> Schedule | None:
    if found is None:
        return None
    own = _fields_of("the schedule", found, {*_names(Schedule)})
    return Schedule(own.get("name", ""), own.get("numbers", {}))


def _layers(found: Any) -> tuple[Layer, ...]:
    pairs = isinstance(found, list) and all(isinstance(p, list) and len(p) == 2 for p in found)
    if not pairs:
        raise UsageError('layers are pairs of a number and a name, such as [8, "tanh"]')
    return tuple(Layer(*pair) for pair in found)


def _inputs(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise UsageError("the inputs are a list of columns")
    return tuple(found)


READERS: Mapping[str, Callable[[Any], Any]] = {
    "source": _source, "schedule": _schedule, "layers": _layers, "inputs": _inputs,
}  # fmt: skip
"""Field → what makes of plain values what the field holds."""


PARABOLA = Setup(
    Source("parabola"), "y", ("x",), formula="y = w1*x**2 + w2*x + w3",
    start={"w1": 1.0, "w2": 0.0, "w3": 1.0}, loss="mse", optimizer="sgd",
    lr=0.001, batch_size=1, shuffle=False, stop_loss=1e-5,
)  # fmt: skip
"""The lesson's training job: 100 points, one row a step, in order."""
