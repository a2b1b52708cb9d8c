"""What takes a file: in pieces, within its limits, for a tab that is there."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from descend.studio import page
from descend.studio.opened import Opened
from descend.studio.page import Studio


class Tab:
    """A stand-in for the page of a tab: keeps what it is told."""

    def __init__(self) -> None:
        self.taken: list[Opened] = []
        self.refused: list[str] = []

    async def take(self, opened: Opened) -> None:
        self.taken.append(opened)

    async def refuse(self, words: str) -> None:
        self.refused.append(words)


def upload(name: str, *pieces: bytes, key: str = "known") -> tuple[int, Tab]:
    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    studio, tab = Studio(), Tab()
    studio._tabs["known"] = tab  # type: ignore[assignment]
    request: Any = SimpleNamespace(query_params={"name": name}, stream=stream)
    return asyncio.run(studio.upload(key, request)).status_code, tab


def test_a_table_in_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, tab = upload("../points.csv", b"x,y\n0,", b"1\n1,3\n")
    assert status == 204 and tab.refused == []
    (opened,) = tab.taken
    assert opened.source.own == "../points.csv" and opened.table["y"].tolist() == [1, 3]
    assert [*tmp_path.iterdir()] == []  # nothing stays


def test_what_is_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(page, "MOST_BYTES", 2_000_000)
    status, tab = upload("a.csv", b"x" * 1_500_000, b"x" * 1_500_000, b"never read")
    assert (status, tab.refused) == (413, ["the file is larger than 2 MB"])
    assert [*tmp_path.iterdir()] == []


def test_what_is_no_table_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, tab = upload("a.csv", b"<html></html>")
    assert status == 422 and tab.refused[0].startswith('"a.csv" is a page of HTML')
    assert str(tmp_path) not in tab.refused[0] and [*tmp_path.iterdir()] == []


def test_a_tab_that_is_not_there() -> None:
    assert upload("a.csv", b"x", key="unknown")[0] == 404
