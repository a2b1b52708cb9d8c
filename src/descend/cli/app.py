"""The command `descend`: which command it is, what an error looks like, which code is returned."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from inspect import BoundArguments
from typing import Any

from cyclopts import App, CycloptsError

from descend.cli.commands import PLACES
from descend.cli.options import rows_of, with_options
from descend.cli.output import error_object, plain_warnings, print_json
from descend.cli.streams import complain, flush, prepare
from descend.errors import DescendError, UsageError, suggest
from descend.graph.bulk import without_collection
from descend.late import Late
from descend.run.drive import stopped_by_termination
from descend.task.foreign import WEIGHTS, foreign_names

__all__ = ["main"]

INTERRUPTED = 130

_COMMANDS: Mapping[str, Callable[..., int]] = Late(
    {**PLACES, "completion": "cli.completion:completion"}
)
_WEIGHTS = (
    "write --sample-weight COLUMN to multiply each row's loss by it, or --sigma COLUMN with the "
    "standard deviations of the target (one over such a weight)"
)
_HELP = """From a formula and data to a finished gradient descent.

descend fit points.csv "y = w1*x**2 + w2*x + w3" --plot fit.png
descend minimize "3*x1**2 + 4*x2**2" --start x1=1,x2=1
descend grad "3*x1**2 + 4*x2**2" --at x1=1,x2=1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done, whatever the rule that stopped it; 1: internal error; 2: usage or formula; 3: data;
    4: diverged or not converged; 130: interrupted.
    """
    words = _with_remarks(list(sys.argv[1:] if arguments is None else arguments))
    prepare()
    try:
        with stopped_by_termination():
            code = _run(words)
        flush()
        return code
    except BrokenPipeError:  # of the help: whoever read it has left
        return 0
    except KeyboardInterrupt as error:
        return _tell(error, words, INTERRUPTED, "interrupted")
    except DescendError as error:
        from descend.cli.spelling import spell

        spell(error)
        return _tell(error, words, error.exit_code, f"error: {error}")
    except Exception as error:
        if "--verbose" in words:
            import traceback

            traceback.print_exc()
        remedy = "this is a mistake of descend; --verbose shows where it happened"
        return _tell(
            error, words, 1, f"internal error: {type(error).__name__}: {error}\n  {remedy}"
        )


def _tell(error: BaseException, words: list[str], code: int, text: str) -> int:
    if "--json" in words:
        print_json(error_object(error, code))
    else:
        complain(text)
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h"):
        _app(_COMMANDS).help_print([])
        return 0
    with without_collection():
        command, bound = _read(words)
    with plain_warnings():
        result = command(*bound.args, **bound.kwargs)
    return result if isinstance(result, int) else 0


def _with_remarks(words: list[str]) -> list[str]:
    """The words, a query that begins with a remark (`-- why`) joined to its option."""
    joined: list[str] = []
    for word in words:
        if joined[-1:] == ["--sql"] and re.match(r"-\S*\s", word):
            joined[-1] = f"--sql={word}"
        else:
            joined.append(word)
    return joined


def _read(words: list[str]) -> tuple[Callable[..., Any], BoundArguments]:
    """The command and its arguments."""
    quiet: Any = {"exit_on_error": False, "print_error": False}
    if words[0] in _COMMANDS and not {"--help", "-h", "--version"} & {*words}:
        narrow = App(help_flags=[], version_flags=[])
        narrow.default(with_options(_COMMANDS[words[0]], words[0], words[1:]))
        with suppress(CycloptsError):
            command, bound, _ = narrow.parse_args(words[1:], **quiet)
            return command, bound
    try:
        app = _app([words[0]] if words[0] in _COMMANDS else _COMMANDS)
        command, bound, _ = app.parse_args(words, **quiet)
        return command, bound
    except CycloptsError as error:
        raise _usage(error, words) from None


def _app(commands: Iterable[str]) -> App:
    """The command line with some of its commands, as the parser and the help want it."""
    app = App(name="descend", help=_HELP, version=_version, help_format="plaintext")
    for name in commands:
        app.command(with_options(_COMMANDS[name], name), name=name)
    return app


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("descend")
    except PackageNotFoundError:
        return "unknown"


def _usage(error: Any, words: list[str]) -> UsageError:
    """The parser's complaint in our words, with the nearest option."""
    command = words[0] if words[0] in _COMMANDS else None
    manual = f"see descend {command + ' ' if command else ''}--help"
    kind = type(error).__name__
    commands = f"the commands are {', '.join(_COMMANDS)}"
    if command is None and words[0].startswith("-"):
        return UsageError(f"a command comes first, not {words[0]}", remedy=commands)
    if command is None or kind == "UnknownCommandError":
        if "=" in words[0] or os.path.isfile(words[0]):
            commands = "write descend fit before the table and the formula"
        hint = suggest(words[0], _COMMANDS)
        return UsageError(f'there is no command "{words[0]}"{hint}', remedy=commands)
    unknown = _unknown(words, command) if kind == "UnusedCliTokensError" else None
    if kind == "UnknownOptionError" or unknown is not None:
        written = unknown or str(error.token.keyword or error.token.value)
        if written == "--weights" and command in ("fit", "explain"):
            return UsageError("--weights" + WEIGHTS.removeprefix("weights="), remedy=_WEIGHTS)
        return UsageError(
            f"there is no option {written}{_nearest(written, command)}", remedy=manual
        )
    if kind == "UnusedCliTokensError":
        from descend.cli.leftover import left_over

        return left_over(command, words[1:], error.unused_tokens)
    text = " ".join(str(error).split()).rstrip(".")
    text = text.replace("into float", "into a number").replace("into int", "into a whole number")
    return UsageError(text[:1].lower() + text[1:], remedy=manual)


def _unknown(words: list[str], command: str) -> str | None:
    """The first option that the command does not have, taken for a table or a formula."""
    known = {*_options(command), "--help", "--version"}
    for word in words[1:]:
        option = word.partition("=")[0]
        if re.match("--[a-z]", word) and not {option, option.replace("--no-", "--")} & known:
            return option
    return None


def _options(command: str) -> list[str]:
    """The options of a command, as they are written."""
    return [row.written for row in rows_of(command).values()]


def _nearest(written: str, command: str) -> str:
    """Our name for another library's option, or the nearest of ours."""
    rows, known = rows_of(command), _options(command)
    foreign = foreign_names("minimize" if command == "minimize" else "fit")
    ours = foreign.get(written.lstrip("-").replace("-", "_"))
    if ours in rows:
        return f" (here it is called {rows[ours].written})"
    owners = [f"descend {c}" for c in _COMMANDS if c != command and written in _options(c)]
    if owners:
        return f" (it belongs to {' and '.join(owners)})"
    return suggest(written, known)
