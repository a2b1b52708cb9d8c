"""A report: what is recorded, how large it is, and that nothing in it runs but its own module."""

import base64
import dataclasses
import gzip
import hashlib
import html.parser
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descend.cli.app import main
from descend.errors import UsageError
from descend.studio.frames import BLOCKS, HEAD, pack, unpack
from descend.studio.recording import recorded_report
from descend.studio.report import LARGEST, Tape, report_html
from descend.studio.setup import PARABOLA
from descend.words import LANGUAGES

pytestmark = pytest.mark.filterwarnings("ignore::descend.DescendWarning")


def frame(updates: float, **blocks: Sequence[float]) -> bytes:
    head = {**dict.fromkeys(HEAD, 0.0), "updates": updates}
    return pack(head, {**dict.fromkeys(BLOCKS, ()), **blocks})


def updates(frames: Sequence[bytes]) -> list[float]:
    return [unpack(one)[0]["updates"] for one in frames]


class Elements(html.parser.HTMLParser):
    """The elements of a page, and what stands in its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def frames_in(page: str) -> list[bytes]:
    """The frames as the player takes them apart, by arithmetic of its own."""
    data = json.loads(Elements(page).scripts[0])
    numbers = np.frombuffer(gzip.decompress(base64.b64decode(data["frames"])), "<f8")
    count = int(numbers[0])
    ends = 1 + count + np.cumsum(numbers[1 : 1 + count]).astype(int)
    begins = [1 + count, *ends[:-1]]
    assert ends[-1] == len(numbers)
    return [numbers[a:b].tobytes() for a, b in zip(begins, ends, strict=True)]


# --- recording


def test_a_tape_keeps_few_of_many_and_always_the_last() -> None:
    tape = Tape(most=8)
    for count in range(1, 1001):
        tape.add(frame(count))
        kept = updates(tape.frames())
        assert kept[0] == 1 and kept[-1] == count and len(kept) <= 17
        assert kept == sorted({*kept})
    gaps = np.diff(updates(tape.frames()))
    assert len({*gaps[:-1]}) == 1 and len(gaps) >= 7


def test_a_run_that_begins_anew_is_recorded_anew() -> None:
    tape = Tape()
    for count in (0, 5, 9, 0, 2, 2):
        tape.add(frame(count))
    assert updates(tape.frames()) == [0, 2]
    tape.clear()
    assert tape.frames() == []


def test_nothing_recorded_is_said() -> None:
    with pytest.raises(UsageError, match="nothing has been recorded") as caught:
        report_html({}, [], "y = x")
    assert caught.value.remedy == "make a step first"


# --- the page


def test_a_report_holds_the_run_from_its_start_to_its_end() -> None:
    page = recorded_report(dataclasses.replace(PARABOLA, epochs=50))
    found = [unpack(one) for one in frames_in(page)]
    assert found[0][0]["updates"] == 0 and found[-1][0]["updates"] == 5000
    assert found[-1][0]["ended"] == 1.0
    w = np.array([1.0, 0.0, 1.0])
    for i in range(5000):
        x = i % 100 / 100
        w -= 0.001 * 2 * (w @ [x * x, x, 1] - (4 * x * x + 5 * x + 6)) * np.array([x * x, x, 1])
    np.testing.assert_allclose(found[-1][1]["params"], w, rtol=1e-12)
    curve = w @ np.array([np.linspace(0, 0.99, 129) ** k for k in (2, 1, 0)])
    np.testing.assert_allclose(found[-1][1]["surface"], curve, rtol=1e-6)


def test_a_report_fits_whatever_is_in_it() -> None:
    rng = np.random.default_rng(0)
    many = [
        frame(i, epochs=np.arange(1000.0), losses=rng.random(1000), surface=rng.random(2000))
        for i in range(300)
    ]
    page = report_html({"x": rng.random(2000).tolist()}, many, "y = x")
    assert 0.5 * LARGEST < len(page.encode()) <= LARGEST
    kept = frames_in(page)
    assert updates(kept)[0] == 0 and updates(kept)[-1] == 299 and len(kept) > 20
    assert all(len(unpack(one)[1]["losses"]) == 200 for one in kept)
    with pytest.raises(UsageError, match="would be larger than 90,000 bytes"):
        report_html({}, many, "y = x", largest=90_000)


def test_paths_stay_with_their_epochs() -> None:
    at = np.arange(600.0)
    paths = np.stack([at, -at], axis=1).ravel()
    (one,) = frames_in(report_html({}, [frame(1, path_epochs=at, paths=paths)], "y"))
    blocks = unpack(one)[1]
    np.testing.assert_array_equal(blocks["paths"].reshape(-1, 2)[:, 0], blocks["path_epochs"])
    np.testing.assert_array_equal(blocks["paths"].reshape(-1, 2)[:, 1], -blocks["path_epochs"])


HOSTILE = (
    "</script><script>alert(1)</script>", "<!--<script>", "]]><img src=x onerror=alert(1)>",
    "\" onload=\"alert(1)", "{{7*7}}", "\u2028\u2029", "&lt;b&gt;", "{policy}", "${1}",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_texts(name: str) -> None:
    scene = {"params": [name], "inputs": [name], "target": name, "classes": [name]}
    page = report_html(scene, [frame(1)], name, dict.fromkeys(LANGUAGES, name))
    found = Elements(page)
    assert [tag for tag, _ in found.tags] == [
        "html", "head", "meta", "meta", "meta", "meta", "meta", "title", "style", "body", "main",
        "noscript", "script", "script",
    ]  # fmt: skip
    data = json.loads(found.scripts[0])
    assert data["title"] == name and data["scene"] == scene and data["origin"]["zh"] == name
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on") or a == "src"]


def test_nothing_runs_but_the_module_and_nothing_is_loaded() -> None:
    page = report_html({}, [frame(1)], "y")
    found = Elements(page)
    policies = [a["content"] for tag, a in found.tags if a.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(found.scripts[1].encode()).digest()).decode()
    assert policies == [
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    ]
    outside = re.findall(r"https?://[^\s\"'<>)]+", page)
    assert {re.sub(r"(//[^/]+/).*", r"\1", link) for link in outside} <= {"https://github.com/"}


# --- the command


def test_the_command_writes_a_report(tmp_path: Path, capsys: Any) -> None:
    place = tmp_path / "run.html"
    assert main(["studio", "--report", str(place), "--lesson", "batch-size"]) == 0
    page = place.read_text(encoding="utf-8")
    assert len(page.encode()) <= LARGEST and len(frames_in(page)) > 50
    assert "the report is in" in "".join(capsys.readouterr())


def test_the_command_refuses_in_words(tmp_path: Path, capsys: Any) -> None:
    wrong = {
        ("--report", str(tmp_path / "run.pdf")): "a report is a page of HTML",
        ("--report", str(tmp_path / "none" / "run.html")): "cannot be written",
        ("--lesson", "batchsize"): 'no lesson "batchsize" (did you mean "batch-size"?)',
        (str(tmp_path / "none.md"),): "cannot be read: No such file",
        (str(tmp_path / "none.csv"), "--report", str(tmp_path / "a.html")): "none.csv",
    }
    for words, said in wrong.items():
        assert main(["studio", "--no-open", *words]) in (2, 3)
        assert said in capsys.readouterr().err
