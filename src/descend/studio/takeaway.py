"""What is taken away from the studio: the Python code and the command line of a state, its table as
CSV, and the state as an address's fragment.

Code and command give the parameters of the state to the last bit, from the table that is saved
beside them. The fragment holds a `Setup` and no data; who opens it is shown what it says, and
nothing is read or run.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import re
import shlex
import zlib
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from descend.errors import UsageError
from descend.methods.base import Optimizer
from descend.methods.schedules import Schedule
from descend.methods.table import OPTIMIZERS, SCHEDULES
from descend.studio.samples import Table
from descend.studio.setup import Setup
from descend.studio.way import Edit, Leg

__all__ = [
    "FRAGMENT", "LONGEST_FRAGMENT", "command", "file_name", "from_fragment", "python_code",
    "table_csv", "to_fragment",
]  # fmt: skip

FRAGMENT = "descend=1."
"""What a fragment begins with: whose it is, and of which version."""
LONGEST_FRAGMENT = 8192
UNPACKED = 65536  # bytes of JSON, at most


# --- the table


def table_csv(table: Table) -> str:
    """A table as CSV, numbers with all their digits.

    >>> import numpy as np
    >>> table_csv({"x": np.array([0.1, 2.0]), "a,b": np.array(["u", "v"])})
    'x,"a,b"\\n0.1,u\\n2.0,v\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    columns = [[repr(v) if isinstance(v, float) else v for v in c.tolist()] for c in table.values()]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def file_name(setup: Setup) -> str:
    """What the table's file is called: nothing but letters, digits and dashes before `.csv`.

    >>> from descend.studio.setup import PARABOLA
    >>> file_name(PARABOLA)
    'parabola.csv'
    """
    stem = setup.source.sample or re.sub(r"\.\w+$", "", setup.source.own)
    return f"{re.sub(r'[^0-9A-Za-z_-]+', '-', stem).strip('-')[:60] or 'table'}.csv"


# --- code


def python_code(setup: Setup, table: Table, way: Sequence[Leg] = ()) -> str:
    """A program that goes the same way.

    Args:
        way: what was done, after the learning rate of the setup.

    >>> from descend.studio.setup import PARABOLA
    >>> from descend.studio.way import Leg
    >>> print(python_code(PARABOLA, PARABOLA.source.table(), [Leg(200), Leg(5, 0.01)]))
    import descend
    <BLANKLINE>
    data = descend.read('parabola.csv')
    run = descend.start(
        'y = w1*x**2 + w2*x + w3',
        data,
        seed=0,
        optimizer='sgd',
        lr=0.001,
        batch_size=1,
        shuffle=False,
        loss='mse',
        stop_loss=1e-05,
        start={'w1': 1.0, 'w2': 0.0, 'w3': 1.0},
    )
    run.step(batches=200)
    run.set(lr=0.01)
    run.step(batches=5)
    print(run.params, run.loss)
    <BLANKLINE>
    """
    call = setup.call(table)
    lines = ["import descend"]
    if setup.is_network:
        lines.append("from descend import networks as nn")
    lines += ["", f"data = descend.read({file_name(setup)!r})", "run = descend.start("]
    lines.append(f"    {_network(setup) if setup.is_network else repr(setup.formula)},")
    if call.y is None:
        lines.append("    data,")
    else:
        lines += [
            f"    {{name: data[name] for name in {[*setup.inputs, setup.target]!r}}},",
            f"    {call.y!r},",
        ]
    lines += [f"    {name}={_literal(value)}," for name, value in call.options.items()]
    lines.append(")")
    for leg in way:
        if leg.lr is not None:
            lines.append(f"run.set(lr={float(leg.lr)!r})")
        lines += _edited(leg.edits)
        if leg.batches:
            lines.append(f"run.step(batches={int(leg.batches)})")
    return "\n".join([*lines, "print(run.params, run.loss)", ""])


def _edited(edits: Sequence[Edit]) -> list[str]:
    """Numbers that were set by hand, all at once."""
    if not edits:
        return []
    lines = ["params = run.params"]
    for name, place, value in edits:
        lines.append(f"params[{name!r}][{', '.join(map(str, place))}] = {float(value)!r}")
    return [*lines, "run.params = params"]


def _network(setup: Setup) -> str:
    parts = [f"nn.Linear({layer.units}), {layer.activation!r}, " for layer in setup.layers]
    return f"nn.Sequential({''.join(parts)}nn.Linear())"


def _literal(value: Any) -> str:
    """A value as code writes it."""
    if isinstance(value, Optimizer):
        return f"descend.{type(value).__name__}({_arguments(value)})"
    if isinstance(value, Schedule):
        return f"descend.{type(value).__name__.lower()}({_arguments(value)})"
    return repr(dict(value) if isinstance(value, Mapping) else value)


def _arguments(made: Any) -> str:
    """What something was made with, where it is not what it would be by itself."""
    found = []
    for name, parameter in signature(type(made)).parameters.items():
        value = getattr(made, name)
        if parameter.default is Parameter.empty or value != parameter.default or name == "lr":
            found.append(f"{name}={_literal(value)}")
    return ", ".join(found)


# --- the command


def command(setup: Setup, table: Table, epochs: int | None = None) -> str:
    """The command line that makes the same fit, where there is one: for a formula.

    Args:
        epochs: how many it makes, instead of the setup's.

    Raises:
        UsageError: the model is a network.

    >>> from descend.studio.setup import PARABOLA
    >>> command(PARABOLA, PARABOLA.source.table(), 3)[:62]
    "descend fit parabola.csv 'y = w1*x**2 + w2*x + w3' --start w1="
    """
    if setup.is_network:
        raise UsageError(
            "descend fit takes a formula, and this model is a network", remedy="take the code"
        )
    words = ["descend", "fit", file_name(setup), setup.formula]
    if setup.start:
        words += ["--start", ",".join(f"{n}={float(v)!r}" for n, v in setup.start.items())]
    if setup.loss:
        words += ["--loss", setup.loss]
    words += ["--optimizer", setup.optimizer, *_method(setup, table)]
    if setup.penalty:
        words += ["--penalty", setup.penalty]
    if setup.held:
        words += ["--validation-split", repr(float(setup.held))]
    if setup.stop_loss is not None:
        words += ["--stop-loss", repr(float(setup.stop_loss))]
    last = setup.epochs if epochs is None else epochs
    if last is not None:
        words += ["--epochs", str(last)]
    return shlex.join([*words, "--seed", str(setup.seed)])


def _method(setup: Setup, table: Table) -> list[str]:
    """How the optimizer goes: its rate with its course, its batches, its other numbers."""
    words: list[str] = []
    if setup.has_rate:
        rows = len(next(iter(table.values()), ()))
        words += ["--lr", repr(float(setup.lr)), "--batch-size", str(setup.batch_size or rows)]
        words.append("--shuffle" if setup.shuffle else "--no-shuffle")
    if setup.has_rate and setup.schedule is not None:
        words += ["--schedule", _schedule(setup)]
    betas, known = {}, signature(OPTIMIZERS[setup.optimizer]).parameters
    for name, value in setup.numbers.items():
        option = f"--{name.replace('_', '-')}"
        if name.startswith("betas."):
            betas[name] = value
        elif isinstance(known[name].default, bool):
            words += [option] if value else []
        else:
            words += [option, repr(value)]
    if betas:
        usual = {"betas.0": 0.9, "betas.1": 0.999} | betas
        words += ["--betas", f"{usual['betas.0']!r},{usual['betas.1']!r}"]
    return words


def _schedule(setup: Setup) -> str:
    """A schedule as the command writes it: its numbers by place, up to the last that is said."""
    assert setup.schedule is not None
    made = SCHEDULES[setup.schedule.name](setup.lr, **setup.schedule.numbers)
    names = [name for name in signature(type(made)).parameters if name != "lr"]
    while names and names[-1] not in setup.schedule.numbers:
        names.pop()
    return f"{setup.schedule.name}({', '.join(repr(getattr(made, n)) for n in names)})"


# --- the fragment


def to_fragment(setup: Setup) -> str:
    """The state as an address's fragment, without the `#`.

    Raises:
        UsageError: it is too long for one.
    """
    packed = zlib.compress(setup.to_json().encode(), 9)
    text = FRAGMENT + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(text) > LONGEST_FRAGMENT:
        raise UsageError(
            f"the state is too long for an address: {len(text)} signs of {LONGEST_FRAGMENT}",
            remedy="save it as a file",
        )
    return text


def from_fragment(text: str) -> Setup:
    """The state that a fragment describes; nothing is read or run for it.

    Args:
        text: the fragment, with or without its `#`.

    Raises:
        UsageError: it is none, or describes what there is not.

    >>> from descend.studio.setup import PARABOLA
    >>> from_fragment("#" + to_fragment(PARABOLA)) == PARABOLA
    True
    """
    given = text.removeprefix("#")
    if not given.startswith(FRAGMENT):
        raise UsageError(
            "the address holds no state that this descend can read",
            remedy="open it with the descend that made the address",
        )
    if len(given) > LONGEST_FRAGMENT:
        raise UsageError(f"the address's state is longer than {LONGEST_FRAGMENT} signs")
    coded = given.removeprefix(FRAGMENT)
    try:
        packed = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        opened = zlib.decompressobj()
        raw = opened.decompress(packed, UNPACKED)
        plain = raw.decode() if opened.eof and not opened.unused_data else None
    except (binascii.Error, zlib.error, ValueError):
        plain = None
    if plain is None:
        raise UsageError("the address's state is damaged", remedy="copy the whole address again")
    setup = Setup.from_json(plain)
    if re.search(r"[/\\\x00-\x1f]", setup.source.own):
        raise UsageError("the address's state names a path, which no state does")
    return setup
