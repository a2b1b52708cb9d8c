"""What the commands print, and the files that they write."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from descend.cli.streams import complain, say, say_json
from descend.errors import DescendError, DescendWarning, DivergedWarning
from descend.show.progress import for_stream

__all__ = [
    "WRITTEN", "Told", "Writers", "check_places", "error_object", "plain_warnings",
    "print_json", "print_json_rows", "tell", "write_whole",
]  # fmt: skip

ADVICE = "Try lr="


class Told:
    """Standard output: reports and lines for a person, or one JSON object and nothing else."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.json, self.verbose, self.quiet = (
            bool(given.get(name)) for name in ("json", "verbose", "quiet")
        )

    def line(self, text: str) -> None:
        """Print a line, unless only JSON or nothing is wanted."""
        if not (self.json or self.quiet):
            say(text)

    def result(self, text: Callable[[], str], data: Callable[[], Mapping[str, Any]]) -> None:
        """Print the result in the form that was asked for."""
        if self.json:
            print_json(data())
        elif not self.quiet:
            say(text())

    def meter(self) -> Any:
        """Return the progress meter for standard error."""
        silent = self.quiet or (self.json and not self.verbose)
        return for_stream(sys.stderr, quiet=silent, verbose=self.verbose, says_ending=False)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object of plain values (those of `jsonable`)."""
    say_json(json.dumps(value, allow_nan=False, ensure_ascii=False))


def print_json_rows(head: Mapping[str, Any], name: str, parts: Iterable[Sequence[Any]]) -> None:
    """Print one JSON object whose last entry is a list that comes in parts."""
    begun = json.dumps({**head, name: []}, allow_nan=False, ensure_ascii=False)
    say_json(begun.removesuffix("]}"), end="")
    for number, part in enumerate(parts):
        listed = json.dumps(part, allow_nan=False, ensure_ascii=False)[1:-1]
        say_json(f", {listed}" if number else listed, end="")
    say_json("]}")


def error_object(error: BaseException, code: int) -> dict[str, Any]:
    """Return the JSON form of an error."""
    told: dict[str, Any] = {
        "type": type(error).__name__,
        "message": str(error) or "interrupted",
        "exit_code": code,
    }
    if isinstance(error, DescendError):
        told |= {"message": error.message, "where": error.where, "remedy": error.remedy}
    return {"error": told}


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as a line on standard error, without the library's own source lines.

    Of a diverging run only when it did, and what to try: the report tells the story.
    """

    def show(message: Warning | str, *_place: Any, **_more: Any) -> None:
        text = str(message)
        if isinstance(message, DivergedWarning):
            advice = text.partition(ADVICE)[2]
            advice = advice and f"Try --lr {advice}"
            text = ". ".join(part for part in (text.partition(":")[0], advice) if part)
        complain(f"warning: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", DescendWarning)
        warnings.showwarning = show
        yield


WRITTEN = {
    "plot": "plot", "plot_surface": "plot", "plot_paths": "plot", "plot_gradients": "plot",
    "plot_boundary": "plot", "plot_race": "plot", "plot_rates": "plot", "plot_batch_sizes": "plot",
    "plot_map": "plot",
    "animate": "animation", "save": "saved fit", "history": "history", "checkpoint": "checkpoint",
    "svg": "graph", "html": "page",
}  # fmt: skip
Writers = Sequence[tuple[str, Callable[[Any], object]]]
"""Options, and what writes the file of each."""


def check_places(given: Mapping[str, Any]) -> None:
    """Try every place that will be written to, before the run begins."""
    written = [(given[name], kind) for name, kind in WRITTEN.items() if given.get(name) is not None]
    if written:
        from descend.show.output import check_output_path

        for path, kind in written:
            check_output_path(path, kind)
    if "animate" in given:
        from descend.show.animation import check_animation

        check_animation(given["animate"])


def tell(
    result: Any, given: Mapping[str, Any], told: Told, data: Callable[[], Any],
    pictures: Writers = (),
) -> int:  # fmt: skip
    """Write picture, history and saved fit, then print the result, and where they are.

    Files come first: a result that cannot be printed is not lost. If one cannot be written, the
    others still are, and all is printed; the error stands on standard error, beside the result.

    Returns:
        the exit code.
    """
    written: list[str] = []
    failures: list[DescendError] = []
    for option, write in (
        ("save", result.save if "save" in given else None),
        ("history", lambda path: _write_history(result, path)),
        ("plot", result.plot),
        *pictures,
    ):
        path = given.get(option)
        if path is None or write is None:
            continue
        try:
            write(path)
            written.append(path)
        except DescendError as error:
            failures.append(error)
    told.result(result.report, data)
    for path in written:
        told.line(f"written: {path}")
    for failure in failures:
        complain(f"error: {failure}")
    return int(failures[0].exit_code if failures else result.exit_code)


def write_whole(path: str, kind: str, text: str) -> None:
    """Write a text into a file of its own, or leave none."""
    from descend.show.output import check_output_path, written_whole

    with written_whole(check_output_path(path, kind)) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def _write_history(result: Any, path: str) -> None:
    from descend.show.output import write_history

    write_history(result.history, path)
