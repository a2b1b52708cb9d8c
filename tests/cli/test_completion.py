"""Completion: bash itself is asked what it would complete."""

import shutil
import subprocess

import pytest

from descend.cli.app import main

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def script() -> str:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["completion", "bash"]) == 0
    return out.getvalue()


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("fi", {"fit"}),
        ("fit t.csv formula --opt", {"--optimizer"}),
        ("fit --quiet t", {"table.csv"}),
        ("fit t.csv formula --resume t", {"table.csv"}),
        ("explain --lang z", {"zh"}),
        ("runs --fo", {"--forget"}),
    ],
)
def test_bash_completes(script: str, words: str, wanted: set[str], tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "table.csv").write_text("x\n1\n")
    line = ["descend", *words.split(" ")]
    quoted = " ".join(f"'{word}'" for word in line)
    asked = f"COMP_WORDS=({quoted}); COMP_CWORD={len(line) - 1}; _descend; "
    asked += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        [BASH or "bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, cwd=tmp_path
    )
    assert {*done.stdout.split()} == wanted
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_one(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert "optimizer" in told
    assert "descend" in told.splitlines()[0].lower()


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
