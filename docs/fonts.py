"""A font list of this checkout's own, for pictures that tests and pages draw.

matplotlib keeps the list in the user's home, where any process may have left one that names no
font, or fonts that are gone: every picture then prints warnings, and pages differ.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".pytest_cache"
FONT = "DejaVu Sans"
"""What every picture is written in; matplotlib brings it."""
BUILD = f"""
from matplotlib.font_manager import findfont
findfont({FONT!r}, fallback_to_default=False)
"""


def use_own_fonts(folder: Path = FOLDER) -> Path:
    """Have matplotlib, here and in every process started from here, read its list below `folder`.

    The list is made where none is, or one without the font: elsewhere first, then moved into its
    place, so that processes which start together never see half of it.
    """
    place = folder / f"matplotlib-{importlib.metadata.version('matplotlib')}"
    if not _is_whole(place):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            made = Path(name) / "made"
            environment = {**os.environ, "MPLCONFIGDIR": str(made)}
            subprocess.run([sys.executable, "-c", BUILD], env=environment, check=True)
            with contextlib.suppress(FileNotFoundError):
                place.rename(Path(name) / "broken")
            with contextlib.suppress(OSError):  # another process was faster
                made.rename(place)
    os.environ["MPLCONFIGDIR"] = str(place)
    return place


def _is_whole(place: Path) -> bool:
    """Whether a list is there that names the font."""
    try:
        (path,) = place.glob("fontlist-*.json")
        fonts = json.loads(path.read_text(encoding="utf-8"))["ttflist"]
        return any(font["name"] == FONT for font in fonts)
    except (OSError, ValueError, KeyError):
        return False
