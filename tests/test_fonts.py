"""Pictures do not depend on the font list that some process left in the user's home."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from fonts import FOLDER, use_own_fonts

DRAW = """
import io
from descend.show.canvas import new_figure
new_figure("a title", ["a line"]).savefig(io.BytesIO())
"""


@pytest.fixture
def broken_home(tmp_path: Path) -> Path:
    """A home whose font list names no font of any use, as one made while fonts were removed."""
    (kept,) = Path(matplotlib.get_cachedir()).glob("fontlist-*.json")
    fonts = json.loads(kept.read_text(encoding="utf-8"))
    fonts["ttflist"] = []
    place = tmp_path / ".cache" / "matplotlib"
    place.mkdir(parents=True)
    (place / kept.name).write_text(json.dumps(fonts), encoding="utf-8")
    return tmp_path


def drawn(home: Path, **places: str) -> str:
    """What a process says that draws a picture, in that home."""
    own = "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {"HOME": str(home), **places}
    command = [sys.executable, "-c", DRAW]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.stderr


def families(text: str) -> list[str]:
    return sorted(font["name"] for font in json.loads(text)["ttflist"])


@pytest.mark.skipif(sys.platform != "linux", reason="the list is elsewhere")
def test_a_broken_list_at_home_is_not_read(broken_home: Path) -> None:
    assert "findfont" in drawn(broken_home)
    assert drawn(broken_home, MPLCONFIGDIR=os.environ["MPLCONFIGDIR"]) == ""


def test_a_list_is_built_kept_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", "elsewhere")
    place = use_own_fonts(tmp_path / "new")
    (path,) = place.iterdir()
    built = path.read_text(encoding="utf-8")
    assert os.environ["MPLCONFIGDIR"] == str(place)
    assert [*place.parent.iterdir()] == [place]
    path.write_text(f"{built} ", encoding="utf-8")
    use_own_fonts(tmp_path / "new")
    assert path.read_text(encoding="utf-8") == f"{built} "
    for broken in (built[:100], '{"ttflist": []}'):
        path.write_text(broken, encoding="utf-8")
        use_own_fonts(tmp_path / "new")
        assert families(path.read_text(encoding="utf-8")) == families(built)


def test_pages_are_made_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import generate

    monkeypatch.delenv("MPLCONFIGDIR")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check", "docs/numpy-coverage.md"])
    assert generate.main() == 0
    assert Path(os.environ["MPLCONFIGDIR"]).parent == FOLDER
