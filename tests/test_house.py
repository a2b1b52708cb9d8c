"""The house rules that a reader relies on, checked on the source itself."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "descend"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OTHERS = ("tests", "e2e", "examples", "bench")
CODE = SOURCES + sorted(path for folder in OTHERS for path in (ROOT / folder).rglob("*.py"))
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTION))


def test_files_and_functions_stay_short() -> None:
    """Over 500 lines, a second idea wants a file; over 60, a function."""
    texts = {path: path.read_text(encoding="utf-8") for path in CODE}
    long = [
        *(name(path) for path, text in texts.items() if len(text.splitlines()) > 500),
        *(
            f"{name(path)}: {f.name}: {f.end_lineno - f.lineno + 1} lines"
            for path, text in texts.items()
            for f in functions(ast.parse(text))
            if f.end_lineno is not None and f.end_lineno - f.lineno >= 60
        ),
    ]
    assert not long


def own_import(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").split(".")[0] == "descend"
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(n.split(".")[0] == "descend" for n in names)


LATE = {
    "cli.clusters", "cli.leftover", "cli.many", "cli.pictures", "cli.shared", "cli.spelling",
    "cluster.many", "cluster.passes", "cluster.pool", "compile.descent",
    "compile.function_text", "compile.legalise", "compile.many", "compile.packets",
    "compile.triangle_text", "data.queried",
    "data.remedy", "data.sealed", "data.sheets", "data.sources", "data.streams.opened",
    "methods.penalties",
    "methods.updates", "models.kind", "models.model", "models.parts", "models.table",
    "models.tree", "result.courses", "result.neurons", "show.animation", "show.boundary",
    "show.classes", "show.courses", "show.heat_map", "show.layout", "show.neurons", "show.output",
    "show.paths", "show.plots", "show.race", "show.rates", "show.report", "show.surface",
    "show.watched", "studio.recording", "studio.server",
    "trace.tables.families", "train.groups", "train.streams",
    "trust.curved", "judge.divergence", "judge.growth", "result.explaining", "train.load",
    "result.cubes", "result.datasets",
    "judge.not_finite",
    "task.networks", "networks.activations", "networks.layers", "networks.network",
    "task.ready", "result.saved", "task.scaling", "trust.bootstrap", "trust.contour",
    "trust.delta", "trust.diagnostics", "trust.intervals", "trust.layers", "trust.profile",
    "trust.refit", "judge.diagnoses",
}  # fmt: skip
"""What a plain fit that was compiled before does without: imported where it is used."""


def own_modules(node: ast.AST) -> list[str]:
    """The modules that an import inside a function names, as seen from the package."""
    if isinstance(node, ast.ImportFrom):
        module = (node.module or "").removeprefix("descend.")
        inside = PACKAGE / module.replace(".", "/")
        return [f"{module}.{n.name}" for n in node.names] if inside.is_dir() else [module]
    assert isinstance(node, ast.Import)
    return [alias.name.removeprefix("descend.") for alias in node.names]


def test_only_what_a_plain_fit_does_without_is_imported_late(
    trees: dict[Path, ast.Module],
) -> None:
    """Any other import of our own inside a function hides a circle."""
    late = {
        f"{name(path)}:{node.lineno}"
        for path, tree in trees.items()
        for function in functions(tree)
        for node in ast.walk(function)
        if own_import(node) and not {*own_modules(node)} <= LATE
    }
    assert not late


def named_modules(tree: ast.AST) -> Iterator[str]:
    """Our modules that a file imports, or names in a table of what is loaded when asked for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and own_import(node):
            yield from own_modules(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            place = re.fullmatch(r"(?:descend\.)?([a-z_]+(?:\.[a-z_]+)+)(?::\w+)?", node.value)
            yield from place.groups() if place else ()


def test_no_circle_of_files_hides_in_late_tables(trees: dict[Path, ast.Module]) -> None:
    """What is loaded when asked for counts; circles of plain imports are import-linter's to see."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    known = {edge for c in contracts for edge in c.get("ignore_imports", ())}
    places = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in SOURCES}
    files = {
        module: {
            other
            for other in named_modules(trees[path])
            if other in places and other != module
            and f"descend.{module} -> descend.{other}" not in known
        }
        for module, path in places.items()
    }  # fmt: skip
    graphlib.TopologicalSorter(files).prepare()


def test_a_plain_fit_does_without_what_is_imported_late(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,y\n0,1\n1,3\n2,5\n", encoding="utf-8")
    words = ["fit", str(tmp_path / "points.csv"), "y = a*x + b", "--start", "a=1,b=1", "--json"]
    words += ["--optimizer", "sgd", "--lr", "0.1", "--epochs", "3"]
    script = (
        "import sys; from descend.cli.app import main; code = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    environment = {**os.environ, "DESCEND_CACHE": "", "DESCEND_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):  # the first compiles
        done = subprocess.run(
            [sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
    assert not {f"descend.{module}" for module in LATE} & {*done.stderr.split()}


def bypasses(node: ast.AST) -> bool:
    """Whether it evaluates text, imports what pickles, or is a bare except."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    if isinstance(node, ast.Import):
        named = {alias.name.split(".")[0] for alias in node.names}
        return bool(named & {"pickle", "marshal", "shelve", "dill"})
    return isinstance(node, ast.ExceptHandler) and node.type is None


def test_nothing_bypasses_the_promises(trees: dict[Path, ast.Module]) -> None:
    """No pickle, no evaluation of text, no bare except, outside the words of a message."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if bypasses(node)
    ]
    assert not found


def test_what_bypasses_them_is_seen() -> None:
    for text in ("eval('1')", "import os, pickle", "try: f()\nexcept: pass"):
        assert any(map(bypasses, ast.walk(ast.parse(text))))
    for text in ("ev(eval)", "import os", "try: f()\nexcept OSError: pass"):
        assert not any(map(bypasses, ast.walk(ast.parse(text))))


def test_public_names_say_what_they_do() -> None:
    import descend

    faces = {public: getattr(descend, public) for public in getattr(descend, "__all__", [])}
    silent = [n for n, face in faces.items() if callable(face) and not (face.__doc__ or "").strip()]
    assert not silent, f"public names without a docstring: {silent}"


HEAVY = (
    "matplotlib", "sklearn", "pandas", "narwhals", "scipy", "duckdb", "rich", "cyclopts", "nicegui",
    "xarray",
    "distributed", "dask",
)  # fmt: skip


def test_import_leaves_heavy_libraries_alone() -> None:
    code = "import sys, descend; print(*[m for m in sys.argv[1:] if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_stage_has_its_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"
    )
    known = {layer.strip("()") for layer in layers}
    there = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert there - {"__init__"} <= known


@pytest.mark.parametrize("target", ["demo", "test", "check", "fuzz", "bench", "docs", "e2e"])
def test_makefile_target_prepares_its_environment(target: str) -> None:
    rule = re.search(rf"^{target}: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert rule is not None
    assert rule[1] in ("$(READY)", "$(BENCH_READY)", "$(E2E_READY)")


def environment_script(python: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / ".ci" / "environment.sh"), str(directory)],
        capture_output=True,
        text=True,
        env={"PYTHON": python, "PATH": str(directory.parent)},
    )


def test_too_old_a_python_is_refused_with_words(tmp_path: Path) -> None:
    """A stand-in for Python 3.9: it fails the version check and says its version."""
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 || exit 1\n')
    old.chmod(0o755)
    for tool in ("sh", "cat"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}")
    done = environment_script("python-old", tmp_path / "venv")
    assert done.returncode == 1
    assert "Python 3.9.2, which is too old" in done.stderr
    assert "make PYTHON=" in done.stderr


def test_an_environment_that_works_is_kept(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    keep = tmp_path / "venv" / "keep"
    keep.touch()
    (tmp_path / "sh").symlink_to("/bin/sh")
    done = environment_script("no-such-python", tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert keep.exists()


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
