"""The command line, run in this process."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from descend.cli.app import main

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """What the words come to in the test's own directory."""

    def run(*words: str) -> CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        code = main(list(words))
        return CompletedProcess(words, code, *capsys.readouterr())

    return run
