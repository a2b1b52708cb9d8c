"""`descend completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

from inspect import Parameter as Argument
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from descend.cli.commands import COMMANDS
from descend.cli.options import rows_of, with_options
from descend.cli.output import WRITTEN
from descend.cli.streams import say

__all__ = ["completion"]

Shell = Literal["bash", "zsh", "fish", "powershell"]
FILES = frozenset({*WRITTEN, "resume", "start", "to", "table", "saved", "first"})
"""What may be a file."""
SWITCHES = frozenset({"switch", "either"})  # nothing follows them


def completion(shell: Shell, /, **_given: Any) -> None:
    """Print the completion script of a shell.

    bash: descend completion bash > ~/.local/share/bash-completion/completions/descend

    zsh: descend completion zsh > ~/.zfunc/_descend

    fish: descend completion fish > ~/.config/fish/completions/descend.fish

    Args:
        shell: bash, zsh, fish or powershell.
    """
    app = App(name="descend")
    for name, run in (*COMMANDS.items(), ("completion", completion)):
        command = with_options(run, name)
        rows, own = rows_of(name), signature(command)
        arguments = [_told(argument, rows) for argument in own.parameters.values()]
        command.__signature__ = own.replace(parameters=arguments)  # type: ignore[attr-defined]
        app.command(command, name=name)
    text = app.generate_completion(shell=shell).rstrip()
    # Files wherever nothing of ours fits.
    say(text.replace("complete -F _descend", "complete -o default -F _descend"))


def _told(argument: Argument, rows: Any) -> Argument:
    """The argument, with the type that says how it is completed."""
    row = rows.get(argument.name)
    if row is None:
        return argument.replace(annotation=Path) if argument.name in FILES else argument
    kind: Any = bool if row.kind in SWITCHES else Path if row.name in FILES else None
    if kind is None:
        return argument
    said = Parameter(
        name=row.written, help=row.help, negative="" if row.kind == "switch" else None
    )
    return argument.replace(annotation=Annotated[kind, said])
