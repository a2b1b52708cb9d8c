"""What type checkers are told: what is refused at run time is refused by them, and no more."""

import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import descend
from descend.task.option_table import ENTRIES, names_of
from descend.train.fit_global import FitOptions

ROOT = Path(__file__).parent.parent
PACKAGE = Path(descend.__file__).parent
SCRIPT = ROOT / "tests" / "typed" / "users_script.py"
LINES = SCRIPT.read_text(encoding="utf-8").splitlines()
REFUSED = {n: line.strip() for n, line in enumerate(LINES, 1) if line.endswith("# refused")}
RESULTS = ("Fit", "ManyFits", "GlobalFit", "SetFit", "MinimumFound")


def by_mypy(path: Path, cache: Path) -> str:
    """What mypy prints, told as strictly as it can."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--hide-error-context"]
    command += ["--cache-dir", str(cache), str(path)]
    environment = {**os.environ, "MYPYPATH": str(PACKAGE.parent)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def error_lines(output: str, path: Path) -> set[int]:
    return {int(n) for n in re.findall(rf"{path.name}:(\d+)(?::\d+)?: error:", output)}


@pytest.mark.slow
def test_mypy_refuses_in_a_users_script_what_is_wrong_and_nothing_else(cache: Path) -> None:
    output = by_mypy(SCRIPT, cache)
    assert error_lines(output, SCRIPT) == {*REFUSED}, output


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_pyright_refuses_in_a_users_script_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    settings = {
        "include": [str(SCRIPT.relative_to(ROOT))], "extraPaths": [str(PACKAGE.parent)],
        "reportUnusedExpression": "none", "reportMissingModuleSource": "none",
    }  # fmt: skip
    copied = tmp_path / SCRIPT.relative_to(ROOT)
    copied.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, copied)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = ["pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    told = json.loads(done.stdout)["generalDiagnostics"]
    lines = {d["range"]["start"]["line"] + 1 for d in told if d["severity"] == "error"}
    assert lines == {*REFUSED}, told


def users_names() -> dict[str, object]:
    spec = importlib.util.spec_from_file_location("users_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def test_the_script_runs() -> None:
    users_names()["right"]()  # type: ignore[operator]


@pytest.mark.parametrize("line", REFUSED.values())
def test_what_type_checkers_refuse_is_refused_at_run_time(line: str) -> None:
    with pytest.raises((descend.DescendError, TypeError, AttributeError)):
        exec(line, users_names())


@pytest.mark.slow
def test_every_public_name_has_a_type(cache: Path, tmp_path: Path) -> None:
    names = [f"descend.{name}" for name in (*descend.__all__, "models", "__version__")]
    for result in RESULTS:
        kind = getattr(descend, result, None) or descend.result.minimum.MinimumFound
        own = [name for name in dir(kind) if not name.startswith("_")]
        names += [f"{result.lower()}.{name}" for name in own]
    parameters = ", ".join(
        f"{result.lower()}: {'descend.' if hasattr(descend, result) else ''}{result}"
        for result in RESULTS
    )
    script = tmp_path / "names.py"
    script.write_text(
        "import descend\nfrom descend.result.minimum import MinimumFound\n"
        f"def look({parameters}) -> None:\n"
        + "".join(f"    reveal_type({name})\n" for name in names),
        encoding="utf-8",
    )
    output = by_mypy(script, cache)
    assert not error_lines(output, script), output
    revealed = dict(re.findall(r"names.py:(\d+): note: Revealed type is \"(.*)\"", output))
    untyped = [names[int(n) - 4] for n, kind in revealed.items() if kind in ("Any", "object")]
    assert len(revealed) == len(names)
    # A minimum's are a number, an array or a tree, as the start was given.
    of_any_form = {f"minimumfound.{name}" for name in ("params", "gradient", "stderr", "start")}
    assert {*untyped} == of_any_form


def test_options_that_fit_global_hands_on_are_those_of_the_table() -> None:
    own = {*inspect.signature(descend.fit_global).parameters}
    assert {*FitOptions.__annotations__} == {*names_of("fit_global")} - own
    of_fit = inspect.signature(descend.fit).parameters
    for name, kind in FitOptions.__annotations__.items():
        own_kind = of_fit[name].annotation
        if ENTRIES["fit"][name].varies:  # None stands for what suits the model
            own_kind = own_kind.removesuffix(" | None")
        assert kind.__forward_arg__ == own_kind, name


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
