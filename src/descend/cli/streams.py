"""Standard output and error as they are: of any encoding, perhaps full, closed, or left alone.

What cannot be printed must lose nothing else: files are written, the run ends with its own code.
"""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from typing import Any

from descend.visible import visible

__all__ = ["complain", "flush", "prepare", "say", "say_json"]

HANDLER = "descend.spelled"
SPELLED = {
    "·": "*", "×": "x", "±": "+/-", "−": "-", "–": "-", "—": "-", "…": "...", "∂": "d", "≈": "~",
    "≤": "<=", "≥": ">=", "√": "sqrt", "µ": "u", "μ": "u", "²": "^2", "³": "^3", "⁻": "^-",
    "¹": "^1", "χ": "chi", "λ": "lambda", "Δ": "delta", "δ": "delta", "σ": "sigma", "∞": "inf",
    "ᵀ": "'", "→": "->", "←": "<-", "°": "deg", "é": "e", "ö": "o", "ü": "u", "ä": "a", "█": "#",
    "▏": "|", "▎": "|", "▍": "|", "▌": "|", "▋": "|", "▊": "|", "▉": "|", "░": ".", "─": "-",
    "│": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "“": '"', "”": '"', "’": "'",
}  # fmt: skip
"""How signs are written where the encoding has none of them; others by their number."""


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    spelled = [
        SPELLED.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in missing
    ]
    return "".join(spelled), error.end


def prepare() -> None:
    """Let both streams take any text, whatever their encoding."""
    codecs.register_error(HANDLER, _spell)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # a closed one, or one of a test
            stream.reconfigure(errors=HANDLER)  # type: ignore[union-attr]


def say(text: str) -> None:
    """Print text to standard output, as far as that takes it."""
    _print(visible(text))


def say_json(text: str, end: str = "\n") -> None:
    """Print one line of JSON, or a part of one that ends otherwise: its signs are escaped where
    the encoding may not have them."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name != "utf-8":
        text = "".join(c if ord(c) < 128 else _escaped(c) for c in text)
    _print(text, end)


def complain(text: str) -> None:
    """Print text to standard error, if there is one."""
    with suppress(OSError, ValueError):
        print(visible(text), file=sys.stderr, flush=True)


def flush() -> None:
    """Bring what was printed out, before the process ends."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            _give_up(error)
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()


def _print(text: str, end: str = "\n") -> None:
    try:
        print(text, end=end, flush=True)
    except (OSError, ValueError) as error:
        _give_up(error)


def _give_up(error: Exception) -> None:
    """Print no more; whoever has left is not told, others are."""
    if not isinstance(error, BrokenPipeError):
        why = getattr(error, "strerror", None) or error
        complain(f"warning: standard output takes no more ({why})")
    # The buffer holds what could not be written, and would be flushed at the end.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _escaped(sign: str) -> str:
    """As JSON writes it, beyond 16 bits as two halves."""
    units: Any = memoryview(sign.encode("utf-16-le", "surrogatepass")).cast("H")
    return "".join(f"\\u{unit:04x}" for unit in units)
