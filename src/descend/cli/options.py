"""The options of the commands, as the table has them, and how their texts are read."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from inspect import Parameter as Argument
from inspect import Signature, signature
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from descend.data.quoting import in_shell
from descend.errors import FormulaError, UsageError, suggest
from descend.methods.table import OPTIMIZERS
from descend.task.option_table import REQUIRED, TABLE, Option, command_rows
from descend.trace.formula import Formula

__all__ = [
    "Text", "check_names", "names", "number", "numbers", "of_method", "parts", "passed_on",
    "rows_of", "with_options",
]  # fmt: skip

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
TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("count", "seed", "whole"), Whole),
    **dict.fromkeys(("number", "positive", "real"), float),
    "switch": Annotated[bool, Parameter(negative="")],
    "either": bool,
    "words": Text,
    "texts": Annotated[list[Text], Parameter(negative="")],
}
"""What the values of a kind of option are on the command line; texts where nothing is said."""
FIELDS: Mapping[Any, str] = {"float": "real", "int": "whole", "bool": "switch"}  # annotation → kind
HEADINGS = ("Run", "Method", "Stopping", "Data", "Files", "Output")
CALLED = {"lm": "lm (Levenberg-Marquardt)", "cg": "cg (conjugate gradients)"}


def with_options(
    run: Callable[..., int | None], command: str, words: Sequence[str] | None = None
) -> Callable[..., int | None]:
    """Return a command with the options that the table gives it.

    Args:
        run: takes its arguments by position, and the options that were written by name.
        words: with these, only the options that occur among them: the parser looks at every
            option, with all that its help says, and most of a short run's reading would be for
            those that nobody wrote. Whatever it does not understand then is to be read again by
            the whole command, whose complaint counts.

    >>> def grad(formula: str, /, **given: Any) -> int: ...
    >>> list(signature(with_options(grad, "grad", ["--at=x=1", "x"])).parameters)
    ['formula', 'at']
    """
    written = {word.partition("=")[0].replace("--no-", "--") for word in words or ()}
    rows = rows_of(command, None if words is None else written)
    asked = [
        row for row in rows.values()
        if words is None or row.written in written or row.default is REQUIRED
    ]  # fmt: skip
    own = signature(run, eval_str=True)
    kept = [p for p in own.parameters.values() if p.kind is p.POSITIONAL_ONLY]
    kept += [_argument(row, words is None) for row in asked]
    defaults = {row.name: _default(row) for row in rows.values()}
    defaults = {name: value for name, value in defaults.items() if value not in (None, REQUIRED)}

    def command_with_options(*args: Any, **given: Any) -> int | None:
        return run(*args, **(defaults | given))

    command_with_options.__doc__ = run.__doc__
    command_with_options.__signature__ = Signature(  # type: ignore[attr-defined]
        kept, return_annotation=own.return_annotation
    )
    return command_with_options


def rows_of(command: str, written: Collection[str] | None = None) -> dict[str, Option]:
    """The options of a command by their names in Python, and what only its methods know.

    Args:
        written: with these, the methods are asked only if the table lacks one.
    """
    rows = command_rows(command)
    known, names = {row.written for row in rows.values()}, {row.name for row in TABLE}
    if "optimizer" in rows and (written is None or {w for w in written if w[:2] == "--"} - known):
        for make in OPTIMIZERS.values():
            if command == "minimize" and make.needs == "gauss_newton":  # type: ignore[attr-defined]
                continue
            for field in fields(make):  # type: ignore[arg-type]
                kind = FIELDS.get(field.type)
                if kind is not None and field.name not in names:
                    own = Option(field.name, kind, "", None, command, "Method", "{owners}.")
                    rows[field.name] = own
    return rows


def _default(row: Option) -> Any:
    """What a command has where nothing is written: what goes on to a function has none."""
    return None if row.entries else row.default


def _argument(row: Option, whole: bool) -> Argument:
    """An option as an argument of a command; with its place in the help if that is asked for."""
    kind = TYPES.get(row.kind, str)
    if "|" in row.kind:
        kind = Literal[tuple(row.kind.split("|"))]
    default = Argument.empty if row.default is REQUIRED else _default(row)
    said: dict[str, Any] = {"name": (row.written, row.also) if row.also else row.written}
    if whole:
        said["help"] = _help(row)
        if row.heading:
            place = HEADINGS.index(row.heading) if row.heading in HEADINGS else 0
            said["group"] = Group(row.heading, sort_key=place)
    optional: Any = kind if default is Argument.empty else kind | None
    annotation = Annotated[optional, Parameter(**said)]
    return Argument(row.name, Argument.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(row: Option) -> str:
    """The line of help, with the methods that have such an option or may be chosen."""
    if "{" not in row.help:
        return row.help
    methods: dict[Any, str] = {}
    for name, make in OPTIMIZERS.items():
        methods.setdefault(make, name)
    every = [*methods]  # without the second names
    whole = [make for make in every if make.scope == "vector"]
    lists = {
        "owners": [make for make in every if any(f.name == row.name for f in fields(make))],
        "fitters": whole,
        "minimizers": [make for make in whole if make.needs != "gauss_newton"],
        "steppers": [make for make in every if make not in whole],
    }
    called = {} if "{owners}" in row.help else CALLED
    words = {
        key: ", ".join(called.get(methods[make], methods[make]) for make in group)
        for key, group in lists.items()
    }
    return row.help.format(**words)


def of_method(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the method that were written."""
    rows = command_rows(command)
    return {n: v for n, v in given.items() if n not in rows or rows[n].heading == "Method"}


def passed_on(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a function of the library takes under the same name, but for its method."""
    rows = command_rows(command)
    return {
        name: names(value) if name in ("params", "record") else value
        for name, value in given.items()
        if name in rows and rows[name].entries and rows[name].heading != "Method"
    }


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
    other = _with_commas(text)
    if other is not None:
        raise UsageError(
            f'{option} "{text}" is not of the form name=number,name=number',
            remedy=f"write {in_shell(option[2:], other)}",
        )
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


SPELLED = re.compile(r"\s*['\"`]?([^\W\d]\w*)['\"`]?\s*[:=]\s*([-+]?[\w.]+(?:[eE][-+]?\d+)?)\s*")


def _with_commas(text: str) -> str | None:
    """Names and numbers that stand between other signs, as they are written; None if none do.

    >>> _with_commas("a=1; b=2"), _with_commas("{'a': 1, 'b': 2}"), _with_commas("a=1,b=2")
    ('a=1,b=2', 'a=1,b=2', None)
    """
    pieces = re.split(r"[,;\s]+(?=['\"`]?[^\W\d]\w*['\"`]?\s*[:=])", text.strip("{}() ,;"))
    found = [SPELLED.fullmatch(piece) for piece in pieces]
    told = ",".join(f"{each[1]}={each[2]}" for each in found if each)
    return told if all(found) and told != re.sub(r"[\s`]", "", text.rstrip(", ")) else None


def parts(text: str) -> Iterator[str]:
    """Cut at commas outside of brackets, so that `a=max(1, 2)` and `w[0, 1]` stay whole."""
    depth, begin = 0, 0
    for at, ch in enumerate(text):
        depth += (ch in "([") - (ch in ")]")
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
