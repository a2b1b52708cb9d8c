"""The pages say what the program prints, and lead nowhere that is not there."""

import importlib.util
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
GENERATOR = ROOT / "docs" / "generate.py"
PAGES = (
    "README.md", "CONTRIBUTING.md", "docs/how-it-works.md", "docs/errors.md",
    "docs/numpy-coverage.md",
    "docs/ready-models.md", "docs/coming-from-scipy.md", "docs/coming-from-lmfit.md",
    "docs/many-fits.md", "docs/uncertainty.md", "docs/tables.md", "docs/networks.md",
    "docs/random-and-state.md", "docs/scikit-learn.md", "docs/terminal.md", "docs/streams.md",
    "docs/clusters.md",
)  # fmt: skip
WRITTEN = sorted(
    str(path.relative_to(ROOT))
    for folder in ("", "docs", "examples")
    for path in (ROOT / folder).glob("*.md")
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.M | re.S)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_page_is_what_the_program_prints(
    page: str, generate: ModuleType, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DESCEND_CACHE_DIR", "")  # each page has its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pages show what is printed
        changed = generate.check({page: generate.page_makers()[page]})
    assert not changed, f"`make docs` would change {page}:\n{capsys.readouterr().out}"


def test_pages_are_checked_by_a_command_of_its_own() -> None:
    command = [sys.executable, str(GENERATOR), "--check", "CONTRIBUTING.md"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def anchors(page: Path) -> set[str]:
    """What headings can be linked to, spelt as on GitHub."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def broken(link: str, page: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = page if not path else (page.parent / path).resolve()
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


@pytest.mark.parametrize("name", WRITTEN)
def test_links_resolve(name: str) -> None:
    page = ROOT / name
    links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    inside = [link for link in links if not link.startswith(("http://", "https://"))]
    assert not [link for link in inside if broken(link, page)]


def test_a_broken_link_is_seen() -> None:
    assert broken("no-such-page.md", ROOT / "README.md")
    assert broken("#no-such-heading", ROOT / "README.md")
    assert broken("docs/errors.md#no-such-heading", ROOT / "README.md")
    assert not broken("docs/errors.md#exit-codes", ROOT / "README.md")


def test_pictures_are_there_and_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert " ".join(p.stem for p in pictures) == (
        "boundary gradients map neurons parabola paths race rates softmax studio surface "
        "thurber"
    )
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size <= 150_000
    seen = sorted((ROOT / "docs" / "images").glob("*.webp"))
    lessons = (ROOT / "docs" / "lessons").glob("[a-z]*.md")
    assert {p.stem for p in seen} == {"studio-network", *(f"lesson-{p.stem}" for p in lessons)}
    for picture in seen:
        assert picture.read_bytes()[8:12] == b"WEBP"
        assert picture.stat().st_size <= 80_000
    (film,) = (ROOT / "docs" / "images").glob("*.gif")
    assert film.name == "descent.gif" and film.read_bytes().startswith(b"GIF89a")
    assert film.stat().st_size <= 600_000
    (graph,) = (ROOT / "docs" / "images").glob("*.svg")
    assert graph.name == "graph.svg" and graph.stat().st_size <= 20_000


def test_blocks_are_run_in_one_session(generate: ModuleType) -> None:
    page = (
        "```python run\na = 6\n```\ntext\n```python run\nprint(7 * a)\n```\n\n"
        "```text output\nold\n```\n```console run\n$ word=seen; echo one\nold\n$ echo $word\n```\n"
    )
    made = generate.rendered("page.md", page)
    assert "```text output\n42\n```" in made
    assert "$ word=seen; echo one\none\n$ echo $word\nseen\n```" in made
    assert "old" not in made


def test_an_error_is_shown_with_the_page_and_its_line(generate: ModuleType) -> None:
    page = (
        "```python run\nimport descend\n\ndef f(x):\n    return x if x > 0 else 0\n```\n"
        "```python error\ndescend.grad(f)(1.0)\n```\n```text output\n```\n"
    )
    made = generate.rendered("page.md", page)
    assert "TraceError: the model branches on a value" in made
    assert "page.py:4: return x if x > 0 else 0" in made


def test_what_is_printed_must_be_shown(generate: ModuleType) -> None:
    with pytest.raises(SystemExit, match="nothing shows this output"):
        generate.rendered("page.md", "```python run\nprint(1)\n```\n")


def test_an_error_must_come(generate: ModuleType) -> None:
    with pytest.raises(SystemExit, match="this raises nothing"):
        generate.rendered("page.md", "```python error\n1 + 1\n```\n")


@pytest.mark.parametrize(
    "one, other",
    [
        ("time  826 µs, native (compiled in 84.8 ms)", "time  1.2 ms, native (compiled in 3 s)"),
        ("native code (compiled in 84.8 ms)", "native code (loaded from the cache)"),
        ("value  4.930380658e-30  5", "value  0.000e-16    5"),
        ("73.78652140168685", "73.78652140168697"),
        ("%v58 = load i64, ptr %r13", "%v61 = load i64, ptr %r14"),
    ],
)
def test_noise_changes_no_page(generate: ModuleType, one: str, other: str) -> None:
    assert generate.stable(one) == generate.stable(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("w1  4.334302857", "w1  4.334302858"),
        ("loss 6.415e-04", "loss 6.416e-04"),
        ("  at: page.py:4", "  at: page.py:5"),
        ("exit code 2", "exit code 3"),
        ("%v59 = fadd double %v58, %v57", "%v59 = fadd double %v58, %v58"),
    ],
)
def test_everything_else_does(generate: ModuleType, one: str, other: str) -> None:
    assert generate.stable(one) != generate.stable(other)


def test_digits_of_single_precision_count_on_no_page_of_networks(generate: ModuleType) -> None:
    one, other = "loss  0.05827  [[0.995 0.  ]", "loss  1.1e-05  [[0.99 0.01]"
    assert generate.stable(one) != generate.stable(other)
    assert generate.stable(one, "docs/networks.md") == generate.stable(other, "docs/networks.md")
    assert generate.stable("99 rows", "docs/networks.md") == "99 rows"
    one, other = "time  1.25 s, native code", "time  825 ms, native code"
    assert generate.stable(one, "docs/networks.md") == generate.stable(other, "docs/networks.md")


def test_the_benchmark_is_a_table_or_a_marker(generate: ModuleType) -> None:
    page = "before\n<!-- benchmark -->\nold\n<!-- /benchmark -->\nafter\n"
    made = generate.with_table(page)
    assert made.startswith("before\n<!-- benchmark -->\n")
    assert made.endswith("<!-- /benchmark -->\nafter\n")
    assert "old" not in made
    assert "make bench" in made or "| descend |" in made


def measured(ns: float) -> dict[str, object]:
    return {"ns": ns, "right": True}


def test_figures_of_the_benchmark_become_rows(generate: ModuleType, tmp_path: Path) -> None:
    from benchmark import UNMEASURED, benchmark_table

    path = tmp_path / "latest.json"
    assert benchmark_table(path) == UNMEASURED
    results = {"descend_fit": measured(4.0), "jax_scan": measured(10.0)}
    results["sklearn_sgd"] = {"refused": "only squares"}
    order = "parabola/1000000/1/in order", "parabola/1000000/1/shuffled"
    outcome = {
        "machine": {"processor": "a processor", "cores": 2, "python": "3.12", "versions": {}},
        "peers": ["descend_fit", "jax_scan", "sklearn_sgd", "torch_eager"],
        "missing": ["torch_eager"],
        "cases": [{"case": case, "results": results, "limit": 3.5} for case in order],
        "cold": [{"name": "descend", "seconds": 0.2}, {"name": "JAX", "error": "absent"}],
        "least_squares": [{"data": "a line", "name": "SciPy", "us": 250.0}],
    }
    many = {"microseconds": {"descend, one core": 1.5, "lmfit": 3000.0}}
    (tmp_path / "many_fits.json").write_text(json.dumps(many), encoding="utf-8")
    path.write_text(json.dumps(outcome), encoding="utf-8")
    table = benchmark_table(path)
    assert "| model | rows | batch | descend | JAX | scikit-learn | limit |" in table
    assert table.count("| parabola | 1 000 000 | 1 | 4 | 10 | – | 3.5 |") == 1
    assert "2.50× as fast as JAX" in table
    assert "| descend | 0.20 |" in table and "| JAX | failed |" in table
    assert "| one fit: a line | 250 | – | – |" in table
    assert "| 100 000 fits of 50 points, one core | – | 1.5 | 3 000 |" in table
