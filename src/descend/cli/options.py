"""The options that several commands share, and how their texts are read."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from descend.errors import FormulaError, UsageError, suggest
from descend.lean import dataclass
from descend.trace.formula import Formula

__all__ = [
    "DataOptions",
    "FileOptions",
    "FitFileOptions",
    "Flag",
    "MethodOptions",
    "OutputOptions",
    "RunOptions",
    "SlopeOptions",
    "StepOptions",
    "StopOptions",
    "Switch",
    "Text",
    "WeightOptions",
    "Whole",
    "check_names",
    "given",
    "names",
    "number",
    "numbers",
    "parts",
]

Text = Annotated[str, Parameter(allow_leading_hyphen=True)]


def _whole(_kind: Any, tokens: Any) -> int:
    """A whole number as it was written; `1e3` is one, `1.5` is not."""
    text = tokens[0].value
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        if (value := float(text)).is_integer():
            return int(value)
    raise ValueError(f'"{text}" is no whole number')


Whole = Annotated[int, Parameter(converter=_whole)]
Flag = Annotated[bool | None, Parameter(negative="")]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]

_RUN = Group("Run", sort_key=0)
_METHOD = Group("Method", sort_key=1)
_STOP = Group("Stopping", sort_key=2)
_DATA = Group("Data", sort_key=3)
_FILES = Group("Files", sort_key=4)
_OUTPUT = Group("Output", sort_key=5)


@Parameter(name="*", group=_OUTPUT)
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is told.

    Args:
        json: One JSON object on standard output and nothing else, errors included.
        verbose: The loss of each epoch; the traceback of an internal error.
        quiet: Nothing but warnings and errors.
    """

    json: Switch = False
    verbose: Switch = False
    quiet: Switch = False


@Parameter(name="*", group=_FILES)
@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What is written; places are tried before the run begins.

    Args:
        plot: Draw the result and the course of the descent into this file (.png, .svg, .pdf).
        history: Write what each epoch or iteration came to into this file (.csv, .tsv, .json).
    """

    plot: str | None = None
    history: str | None = None


@Parameter(name="*", group=_FILES)
@dataclass(frozen=True, kw_only=True)
class FitFileOptions(FileOptions):
    """What a fit writes and reads besides the table.

    Args:
        save: Keep the fit in this file (.descend), for predict, --start and --resume.
        checkpoint: Keep the state of the run in this file while it goes on.
        resume: Go on from this checkpoint or saved fit.
    """

    save: str | None = None
    checkpoint: str | None = None
    resume: str | None = None


@Parameter(name="*", group=_DATA)
@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the rows are.

    Args:
        sql: A query whose result is the table; the file is called data in it.
        missing: "raise" refuses rows with missing or infinite values, "drop" leaves them out.
    """

    sql: str | None = None
    missing: Literal["raise", "drop"] | None = None


@Parameter(name="*", group=_DATA)
@dataclass(frozen=True, kw_only=True)
class WeightOptions:
    """How much each row counts.

    Args:
        sigma: The column with the standard deviations of the target.
        absolute_sigma: Sigma is in the target's units, not only relative.
        sample_weight: The column by which each row's loss is multiplied.
    """

    sigma: str | None = None
    absolute_sigma: Flag = None
    sample_weight: str | None = None


@Parameter(name="*", group=_RUN)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a fit does with its rows.

    Args:
        loss: mse, mae, huber(1), soft_l1(1), cauchy(1), arctan(1), tukey(1), log_cosh,
            quantile(0.9), poisson, bce, ….
        penalty: l2(0.001) or l1(0.001), added to the loss.
        epochs: How often all rows are used, at most.
        batch_size: Rows used for one update; all where not given.
        shuffle: Batches in a new order each epoch; they are where smaller than the data.
        stop_loss: Stop when an epoch's running mean of the loss is below this.
        validation_split: Keep this share of the rows aside and show their loss.
        keep_best: Return the best parameters met instead of the last.
        starts: Fit from this many starts, and keep the best.
        seed: Decides shuffling and random starts; 0 where not given.
        threads: Among how many threads the fits of --by are shared; one fit uses one.
    """

    loss: str | None = None
    penalty: str | None = None
    epochs: Whole | None = None
    batch_size: Whole | None = None
    shuffle: bool | None = None
    stop_loss: float | None = None
    validation_split: float | None = None
    keep_best: Flag = None
    starts: Whole | None = None
    seed: Whole | None = None
    threads: Whole | None = None


@Parameter(name="*", group=_METHOD)
@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """The numbers of the optimizers, which have torch.optim's names and defaults.

    Args:
        lr: Learning rate.
        schedule: Course of the learning rate: step(10, 0.5), exponential(0.95), cosine(100),
            warmup(5), or warmup(5)+cosine(100).
        momentum: sgd, rmsprop.
        dampening: sgd.
        nesterov: sgd.
        weight_decay: sgd, adagrad, rmsprop, adam, adamw.
        betas: adam, adamw: two numbers, 0.9,0.999.
        eps: adagrad, rmsprop, adam, adamw.
        alpha: rmsprop.
        centered: rmsprop.
        amsgrad: adam, adamw.
        lr_decay: adagrad.
        initial_accumulator_value: adagrad.
        radius: lm, gauss_newton, newton: the first trusted length, as a share of the parameters'
            length.
        history_size: lbfgs: how many steps it remembers.
        edge: nelder_mead: the first edges, as a share of the parameters.
        restarts: nelder_mead: how often it begins anew where it has stopped, at most.
        clip_value: Each number of the gradient is kept within this.
        clip_norm: The gradient's length is kept within this.
    """

    lr: float | None = None
    schedule: str | None = None
    momentum: float | None = None
    dampening: float | None = None
    nesterov: Flag = None
    weight_decay: float | None = None
    betas: str | None = None
    eps: float | None = None
    alpha: float | None = None
    centered: Flag = None
    amsgrad: Flag = None
    lr_decay: float | None = None
    initial_accumulator_value: float | None = None
    radius: float | None = None
    history_size: Whole | None = None
    edge: float | None = None
    restarts: Whole | None = None
    clip_value: float | None = None
    clip_norm: float | None = None


@Parameter(name="*", group=_METHOD)
@dataclass(frozen=True, kw_only=True)
class MethodOptions(StepOptions):
    """How a fit steps.

    Args:
        optimizer: lm (Levenberg-Marquardt), gauss_newton, bfgs, lbfgs, cg (conjugate gradients),
            newton, nelder_mead; or sgd, adagrad, rmsprop, adam, adamw.
        acceleration: lm: how far a step may bend, as a share of its length; 0 leaves it out.
    """

    optimizer: str | None = None
    acceleration: float | None = None


@Parameter(name="*", group=_METHOD)
@dataclass(frozen=True, kw_only=True)
class SlopeOptions(StepOptions):
    """How the minimum of a plain function is found: there are no squares to make use of.

    Args:
        optimizer: bfgs, lbfgs, cg (conjugate gradients), newton, nelder_mead; or sgd, adagrad,
            rmsprop, adam, adamw.
    """

    optimizer: str | None = None


@Parameter(name="*", group=_STOP)
@dataclass(frozen=True, kw_only=True)
class StopOptions:
    """When to stop, whichever comes first.

    Args:
        xtol: The parameters move by less than this fraction.
        ftol: The loss can fall by less than this fraction.
        gtol: The gradient is smaller than this.
        patience: This many epochs without improvement.
        min_delta: What counts as an improvement.
        max_seconds: The time allowed.
    """

    xtol: float | None = None
    ftol: float | None = None
    gtol: float | None = None
    patience: Whole | None = None
    min_delta: float | None = None
    max_seconds: float | None = None


def given(group: Any) -> dict[str, Any]:
    """Return the options of a group that were written, so that the library's defaults hold."""
    named = ((field.name, getattr(group, field.name)) for field in fields(group))
    return {name: value for name, value in named if value is not None}


def names(text: str | None) -> list[str]:
    """Read names between commas.

    >>> names("a, b"), names(None)
    (['a', 'b'], [])
    """
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def numbers(text: str, option: str) -> dict[str, float]:
    """Read `a=1,b=2`; the numbers may be written as in a formula.

    Raises:
        UsageError: a part without `=`, a name given twice, or something that is no number.

    >>> numbers("w1=1, w2=-2e-3, phase=pi/2", "--start")
    {'w1': 1.0, 'w2': -0.002, 'phase': 1.5707963267948966}
    """
    found: dict[str, float] = {}
    for part in parts(text):
        name, equals, value = part.partition("=")
        name = name.strip().strip("`")
        if not (equals and name):
            raise UsageError(
                f'{option} "{text}": "{part.strip()}" is not of the form name=number',
                remedy=f"write {option} a=1,b=2.5",
            )
        if name in found:
            raise UsageError(f'{option} "{text}" gives {name} twice')
        found[name] = number(value, f"{option} {name}")
    if not found:
        raise UsageError(f"{option} is empty", remedy=f"write {option} a=1,b=2.5")
    return found


def parts(text: str) -> Iterator[str]:
    """Cut at commas outside of brackets, so that `a=max(1, 2)` stays whole."""
    depth, begin = 0, 0
    for at, ch in enumerate(text):
        depth += (ch == "(") - (ch == ")")
        if ch == "," and depth == 0:
            yield text[begin:at]
            begin = at + 1
    if text[begin:].strip():
        yield text[begin:]


def number(text: str, option: str) -> float:
    """Read a number, or a formula of numbers alone.

    >>> number("3/4", "--lr")
    0.75
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        formula = Formula.parse(text.strip())
        if not formula.names and formula.target is None:
            return float(formula.evaluate({}))
    except FormulaError:
        pass
    raise UsageError(f'{option} must be a number, not "{text.strip()}"')


def check_names(
    found: dict[str, Any], known: tuple[str, ...], option: str,
    may: Collection[str] = (), need_not: Collection[str] = (),
) -> None:  # fmt: skip
    """Refuse names that are not `known`, and known ones that are absent.

    Args:
        may, need_not: further names that may be given, and known ones that may be absent.
    """
    for name in found:
        if name not in known and name not in may:
            raise UsageError(
                f'{option} names "{name}", which does not occur in the formula'
                f"{suggest(name, known)}",
                remedy=f"its names are {', '.join(known)}" if known else None,
            )
    absent = [name for name in known if name not in found and name not in need_not]
    if absent:
        written = ",".join(f"{name}=…" for name in absent)
        raise UsageError(
            f"{option} gives no value for {', '.join(absent)}", remedy=f"add {option} {written}"
        )
