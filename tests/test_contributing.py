"""What CONTRIBUTING.md names is there, and CITATION.cff cites this version.

That its examples run and its links resolve is seen with the other pages, in `test_docs`.
"""

import re
import tomllib
from pathlib import Path

import pytest

import descend

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PLACES = re.findall(r"^\| \[[^\]]+\]\(([^)]+)\) \| (.*) \|$", PAGE, re.M)
"""The rows of its tables: a file, and what is to be done there."""
TOLD = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S))
"""What it names as code, between the blocks of code."""
COMMANDS = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S))
CITATION = (ROOT / "CITATION.cff").read_text("utf-8")


def is_path(told: str) -> bool:
    return "/" in told or told.endswith((".py", ".md"))


def there(path: str) -> list[Path]:
    """The files that a path of the page may mean, seen from the root, the package, or anywhere."""
    near = [folder / path for folder in (ROOT, ROOT / "src" / "descend")]
    found = [p for p in near if p.exists()]
    return found or [p for p in (ROOT / "src").rglob(path) if p.exists()]


@pytest.mark.parametrize("path", sorted({t for t in TOLD if is_path(t)}))
def test_files_that_are_named_are_there(path: str) -> None:
    assert there(path)


@pytest.mark.parametrize(("path", "what"), PLACES, ids=[path for path, _ in PLACES])
def test_names_stand_in_the_file_that_is_told(path: str, what: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    names = [n for n in re.findall(r"`([^`]+)`", what) if n.isidentifier()]
    assert not [name for name in names if not re.search(rf"\b{name}\b", text)]


def test_its_make_targets_and_tests_are_there() -> None:
    rules = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    asked = set(re.findall(r"make ([a-z0-9-]+)", " ".join(t for t in TOLD) + COMMANDS))
    assert {"test", "check", "e2e"} <= asked <= rules
    for path in re.findall(r"\btests/[\w/.]+", COMMANDS):
        assert (ROOT / path).exists(), path


def test_something_is_looked_at() -> None:
    assert len(PLACES) > 15
    assert not there("no/such/file.py") and not there("no_such_file.py")


def cited(key: str) -> str:
    found = re.search(rf"^{key}: *(.+)$", CITATION, re.M)
    assert found is not None, f"CITATION.cff has no {key}"
    return found[1].strip("\"'")


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert cited("version") == descend.__version__ == project["version"]
    assert cited("title") == project["name"]
    assert cited("license") == project["license"]
    assert cited("cff-version") == "1.2.0"
    for author in project["authors"]:
        assert f"- name: {author['name']}\n" in CITATION
