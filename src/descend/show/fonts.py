"""The fonts that pictures are written in, and a word where none of them has a letter."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import Any

from descend.errors import warn
from descend.visible import visible

__all__ = ["FALLBACKS", "drawn_texts", "families", "warn_of_missing"]

FIRST = "DejaVu Sans"
"""What matplotlib brings."""
FALLBACKS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Source Han Sans", "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Heiti SC", "Heiti TC",
    "STHeiti", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip
"""Fonts for other scripts, Chinese above all: of Linux, macOS and Windows."""
CHINESE = ((0x2E80, 0x303F), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
SHOWN = 6  # letters in the warning
_TOLD: set[str] = set()
"""Scripts that a warning was given of."""


@functools.cache
def families() -> list[str]:
    """DejaVu, then whatever is installed for other scripts."""
    from matplotlib import font_manager

    logging.getLogger(font_manager.__name__).addFilter(_is_worth_saying)
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return [FIRST, *(name for name in FALLBACKS if name in known)]


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Whether a remark of matplotlib's is no such thing as a Chinese font having no bold face."""
    text = record.getMessage()
    return not ("font weight" in text and any(name in text for name in FALLBACKS))


@functools.cache
def _letters() -> frozenset[int]:
    """All letters that some of the fonts has."""
    from matplotlib import font_manager

    found: set[int] = set()
    for family in families():
        path = font_manager.findfont(family, fallback_to_default=False)
        found |= set(font_manager.get_font(path).get_charmap())
    return frozenset(found)


def warn_of_missing(texts: Iterable[str]) -> None:
    """Warn, once for Chinese and once for other scripts, of letters that are drawn as boxes."""
    beyond = {sign for text in texts for sign in text if ord(sign) > 0x2AF and sign.isprintable()}
    if not beyond:
        return
    missing = sorted(sign for sign in beyond if ord(sign) not in _letters())
    chinese = [sign for sign in missing if _is_chinese(sign)]
    others = [sign for sign in missing if sign not in chinese]
    _tell("Chinese", chinese, (
        "install one: on Debian and Ubuntu fonts-noto-cjk or fonts-wqy-microhei, elsewhere Noto "
        "Sans CJK SC"
    ))  # fmt: skip
    _tell("such", others, "install one, such as one of Noto Sans")


def _tell(script: str, missing: list[str], remedy: str) -> None:
    if not missing or script in _TOLD:
        return
    _TOLD.add(script)
    from matplotlib import get_cachedir

    listed = ", ".join(f"{sign} (U+{ord(sign):04X})" for sign in missing[:SHOWN])
    more = ", …" if len(missing) > SHOWN else ""
    warn(visible(
        f"no font for {script} letters is in matplotlib's list, so that {listed}{more} are boxes "
        f"in the picture\n  do: {remedy}; where one is, remove the old list in {get_cachedir()}"
    ))  # fmt: skip


def _is_chinese(sign: str) -> bool:
    return any(low <= ord(sign) <= high for low, high in CHINESE)


def drawn_texts(figure: Any) -> list[str]:
    """All that is written on a figure."""
    from matplotlib.text import Text

    return [entry.get_text() for entry in figure.findobj(Text) if entry.get_visible()]
