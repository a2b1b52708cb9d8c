"""A report that plays: one HTML file with the recorded frames of a run, for phones and for mail.

It needs no network and no studio. Its policy lets nothing run but the module in it, by its hash.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.studio.frames import number_of, pack, unpack
from descend.words import LANGUAGES, TAGS, words_of

__all__ = ["LARGEST", "Tape", "report_html"]

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST = 2_000_000  # bytes of the file
MOST_FRAMES = 240
MOST_POINTS = 200  # of a curve in a frame
COURSES: Mapping[str, Sequence[str]] = {
    "epochs": ("losses", "held"), "within_epochs": ("within_losses",), "path_epochs": ("paths",),
}  # fmt: skip
"""Block with the places of a curve → blocks with a row of numbers for each of them."""
EXACT = ("params", "before", "told")
COARSE = np.uint64(0xFFFF_FFFF_E000_0000)  # keeps 23 bits of a number's 52, as float32 does
SUBJECTS = ("studio", "takeaway")  # of the words that a report needs

PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main class="ds-report" id="descend-report"><noscript>{noscript}</noscript></main>
<script type="application/json" id="descend-data">{data}</script>
<script type="module">{module}</script>
</body>
</html>
"""
STYLE = (
    "body{margin:0;background:#f3f5f8;color:#1c2430;font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){body{background:#11151b;color:#e8ecf2}}"
)
POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


class Tape:
    """The frames of one run, as many as a report shows: of a longer run every second, fourth, …

    A run that begins anew is recorded anew.
    """

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._most = most
        self._frames: list[bytes] = []
        self._every, self._passed = 1, 0
        self._last: bytes | None = None
        self._updates = -1.0

    def add(self, frame: bytes) -> None:
        """Keep a frame, unless others are enough."""
        updates = number_of(frame, "updates")
        if updates < self._updates:
            self.clear()
        if updates == self._updates and self._frames:
            self._last = frame
            return
        self._updates, self._last = updates, frame
        if self._passed % self._every == 0:
            self._frames.append(frame)
        self._passed += 1
        if len(self._frames) >= 2 * self._most:
            self._frames, self._every = self._frames[::2], 2 * self._every

    def clear(self) -> None:
        """Forget the run."""
        self._frames, self._every, self._passed, self._last = [], 1, 0, None
        self._updates = -1.0

    def __len__(self) -> int:
        return len(self.frames())

    def frames(self) -> list[bytes]:
        """The frames that were kept, the latest one among them."""
        if self._last is None:
            return []
        kept = [frame for frame in self._frames if number_of(frame, "updates") < self._updates]
        return [*kept, self._last]


def report_html(
    scene: Mapping[str, Any], frames: Sequence[bytes], title: str,
    origin: Mapping[str, str] | None = None, lang: str = "en", largest: int = LARGEST,
) -> str:  # fmt: skip
    """The report as a text of HTML.

    Args:
        scene: of the session, in plain values.
        frames: recorded ones, by time.
        title, origin: what was descended, and by language where its data come from: any text.
        lang: the language that it opens in.
        largest: bytes that it may have; it shows fewer moments where more would not fit.

    Raises:
        UsageError: there is no frame, or what is drawn does not fit even with two moments.
    """
    if not frames:
        raise UsageError("nothing has been recorded yet", remedy="make a step first")
    kept = [_lighter(frame) for frame in _spread(frames, MOST_FRAMES)]
    while True:
        page = _page(scene, kept, title, origin or {}, lang)
        size = len(page.encode())
        if size <= largest:
            return page
        if len(kept) <= 2:
            raise UsageError(
                f"the report would be larger than {largest:,} bytes: there is too much to draw",
                remedy="take fewer rows",
            )
        # What is no frame has its size too: the number of frames falls a little faster.
        kept = _spread(kept, max(2, min(len(kept) - 1, int(0.95 * len(kept) * largest / size))))


def _spread(frames: Sequence[bytes], most: int) -> list[bytes]:
    """At most so many of them, evenly, the first and the last included."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    return [frames[place] for place in places]


def _lighter(frame: bytes) -> bytes:
    """The frame with as many points and digits as a picture shows; its numbers stay exact."""
    head, blocks = unpack(frame)
    found = dict(blocks)
    for places, others in COURSES.items():
        at = found.get(places)
        if at is None or len(at) <= MOST_POINTS:
            continue
        kept = np.unique(np.linspace(0, len(at) - 1, MOST_POINTS).astype(int))
        for name in others:
            if name in found and len(found[name]):
                found[name] = found[name].reshape(len(at), -1)[kept].ravel()
        found[places] = at[kept]
    for name, block in found.items():
        if name not in EXACT:
            found[name] = (np.ascontiguousarray(block).view(np.uint64) & COARSE).view(np.float64)
    return pack({n: v for n, v in head.items() if n != "version"}, found)


def _page(
    scene: Mapping[str, Any], frames: Sequence[bytes], title: str, origin: Mapping[str, str],
    lang: str,
) -> str:  # fmt: skip
    numbers = [np.frombuffer(frame, "<f8") for frame in frames]
    lengths = [len(numbers), *map(len, numbers)]
    packed = gzip.compress(
        np.concatenate([np.array(lengths, "<f8"), *numbers]).tobytes(), 6, mtime=0
    )
    words = {
        lang: {k: v for subject in SUBJECTS for k, v in words_of(subject, lang).items()}
        for lang in LANGUAGES
    }
    data = {
        "scene": scene, "title": title,
        "origin": {lang: origin.get(lang, "") for lang in LANGUAGES}, "lang": lang, "tags": TAGS,
        "words": words, "frames": base64.b64encode(packed).decode(),
    }  # fmt: skip
    module = files("descend.studio").joinpath("draw.js").read_text("utf-8")
    if "</script" in module.lower():
        raise AssertionError("the module cannot stand in a page")
    digest = base64.b64encode(hashlib.sha256(module.encode()).digest()).decode()
    return PAGE.format(
        lang=TAGS[lang], policy=POLICY.format(hash=digest), title=html.escape(title), style=STYLE,
        noscript=html.escape(words[lang]["needs_script"]), data=_in_page(data), module=module,
    )  # fmt: skip


def _in_page(data: Any) -> str:
    """JSON that ends no element and begins none, whatever texts are in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
