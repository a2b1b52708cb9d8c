"""Rewrite every output that the documentation shows, by running what stands above it.

usage: python docs/generate.py            (`make docs`)
       python docs/generate.py --check    (print what would change; 1 if anything)

A page holds its own sources. Code blocks whose first line ends in one of these words are run, in
order, in one Python session and one empty directory with a copy of `examples/` for each page:

    ```python run       run; what it prints must be shown below
    ```python error     run; it must raise, and the message is shown below
    ```text output      replaced by what the block above printed
    ```console run      lines after `$ ` are given to a shell; the others are replaced by its output

The table between the marks `<!-- benchmark -->` and `<!-- /benchmark -->` is made from
`bench/results/latest.json`. A block whose output differs in nothing but timings and rounding
noise is left as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import linecache
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "docs")]

PAGES = (
    "README.md", "CONTRIBUTING.md", "docs/how-it-works.md", "docs/errors.md",
    "docs/coming-from-scipy.md",
    "docs/coming-from-lmfit.md", "docs/many-fits.md", "docs/uncertainty.md", "docs/tables.md",
    "docs/networks.md", "docs/random-and-state.md", "docs/scikit-learn.md", "docs/terminal.md",
    "docs/streams.md", "docs/clusters.md",
)  # fmt: skip
SINGLE = ("docs/networks.md",)
"""Pages of trainings in single precision, whose digits differ among processors: words count."""
COVERAGE = "docs/numpy-coverage.md"
READY = "docs/ready-models.md"
CHINESE = "README.zh-CN.md"
IMAGES = ROOT / "docs" / "images"
PICTURES = {
    "demo.py": ("demo-output/parabola.png", "demo-output/thurber.png"),
    "networks/softmax.py": ("softmax.png",),
    "loss_surface.py": ("surface.png",),
    "paths.py": ("paths.png",),
    "vanishing_gradients.py": ("gradients.png",),
    "race.py": ("race.png",),
    "learning_rates.py": ("rates.png",),
    "neurons.py": ("neurons.png", "boundary.png"),
    "map.py": ("map.png",),
    "film.py": ("descent.gif",),
    "graph.py": ("graph.svg",),
}
"""Example → the pictures that it draws."""
COLOURS, LETTERS = 256, 0.002
MARK = "\x1e"

KINDS = "python run|python error|text output|console run"
BLOCK = re.compile(rf"^```({KINDS})\n(.*?)^```$", re.M | re.S)
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
WHOLE_TABLE = re.compile(r"<!-- benchmark -->.*?<!-- /benchmark -->", re.S)
TABLE = re.compile(r"(<!-- benchmark -->\n).*?(<!-- /benchmark -->)", re.S)
Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
TIMINGS: Rules = (
    (r"[\d.]+ [kM]? ?fits/s on \d+ threads?, \d+ fits", "fits"),
    (r"(?<![\w.])\d[\d.,]* ?(ns|µs|ms|s)\b", "0 s"),
)
DIGITS: Rules = ((r" *-?\d+\.\d*(e[-+]?\d+)? *", " 0.0 "),)
VOLATILE: Rules = (
    (r"\(compiled in 0 s\)", "(loaded from the cache)"),
    (r"\b[0-9a-f]{40}\b", "digest"),
    (r"-?\b\d(\.\d+)?e-(1[2-9]|[2-9]\d)\b", "nearly 0"),
    (r"\b\d+\.\d{11,}", lambda match: f"{float(match[0]):.10g}"),
    (r"\biterations?  *\d+[^)\n]*(?=\n|\))", "iterations"),
    (r"(?<=\S)  +", "  "),
)
REGISTER = re.compile(r"%[a-z]\d+\b")


def stable(text: str, page: str = "") -> str:
    """The text without timings and rounding noise, with registers counted as they appear."""
    for pattern, plain in (*TIMINGS, *(DIGITS if page in SINGLE else ()), *VOLATILE):
        text = re.sub(pattern, plain, text)
    registers: dict[str, str] = {}
    return REGISTER.sub(lambda m: registers.setdefault(m[0], f"%r{len(registers)}"), text)


# --- running --------------------------------------------------------------------------------------


class Session:
    """What one page runs in: a directory, a shell's environment, a Python namespace."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.file = f"{Path(page).stem}.py"
        self.source: list[str] = []
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""

    def run(self, kind: str, body: str) -> str:
        """The block as it should stand."""
        if kind == "text output":
            shown, self.printed = self.printed, ""
            return shown
        if self.printed:
            raise SystemExit(f"{self.page}: nothing shows this output:\n{self.printed}")
        if kind == "console run":
            return self.console(body)
        self.printed = self.python(body, fails=kind == "python error")
        return body

    def python(self, code: str, fails: bool) -> str:
        """What the code prints, or the message of the error that it must raise."""
        first = len(self.source)
        self.source += code.splitlines(keepends=True)
        linecache.cache[self.file] = (len(code), None, self.source, self.file)
        compiled = compile("\n" * first + code, self.file, "exec", dont_inherit=True)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.chdir(self.folder):
                exec(compiled, self.names)
        except Exception as error:
            if not fails:
                raise
            return "".join(traceback.format_exception_only(error)).removeprefix("descend.errors.")
        if fails:
            raise SystemExit(f"{self.page}: this raises nothing:\n{code}")
        return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()) + "\n" * bool(
            printed.getvalue()
        )

    def console(self, body: str) -> str:
        """Every command of the block, all in one shell, with what it prints."""
        asked = commands(body)
        script = "\n".join(f"printf '{MARK}'\n{command}" for command in asked)
        done = subprocess.run(
            ["sh", "-c", script], cwd=self.folder, text=True, env=environment(self.folder),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        lines: list[str] = []
        for command, printed in zip(asked, done.stdout.split(MARK)[1:], strict=True):
            lines += [f"$ {command}", *(line.rstrip() for line in printed.splitlines())]
        return "\n".join(lines) + "\n"


def commands(body: str) -> list[str]:
    """The commands of a block; a line that ends in a backslash goes on in the next."""
    found: list[str] = []
    goes_on = False
    for line in body.splitlines():
        if goes_on:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            continue
        goes_on = line.endswith("\\")
    return found


def environment(folder: Path) -> dict[str, str]:
    """A terminal 80 columns wide, this environment's commands, a cache of its own."""
    return {
        **os.environ,
        "DESCEND_RUNS": "off",
        "PATH": f"{folder / '.bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "DESCEND_CACHE_DIR": str(folder / ".cache"),
    }


@contextlib.contextmanager
def workshop() -> Any:
    """An empty directory with the examples, and with the commands that pages use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "examples", folder / "examples")
        (folder / ".bin").mkdir()
        for command, words in (("descend", " -m descend"), ("python", "")):
            script = folder / ".bin" / command
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
            script.chmod(0o755)
        os.environ["DESCEND_CACHE_DIR"] = str(folder / ".cache")
        yield folder


# --- pages ----------------------------------------------------------------------------------------


def rendered(page: str, text: str) -> str:
    """The page with every output new, unless nothing but timings changed."""
    with workshop() as folder:
        session = Session(page, folder)

        def block(match: re.Match[str]) -> str:
            kind, old = match.groups()
            new = session.run(kind, old)
            return f"```{kind}\n{old if stable(new, page) == stable(old, page) else new}```"

        text = BLOCK.sub(block, text)
        if session.printed:
            raise SystemExit(f"{page}: nothing shows this output:\n{session.printed}")
    return text


def with_table(text: str) -> str:
    """The page with the benchmark's table as it was last measured."""
    from benchmark import benchmark_table

    return TABLE.sub(lambda match: match[1] + benchmark_table() + match[2], text)


def coverage_page(_: str) -> str:
    from descend.trace.coverage import coverage_page

    return coverage_page()


def ready_page(text: str) -> str:
    from ready_models import with_models

    return with_models(rendered(READY, text))


def with_blocks(text: str, source: str = "README.md") -> str:
    """A translation with the code, the outputs and the table of the page that it translates."""
    original = ROOT.joinpath(source).read_text(encoding="utf-8")
    blocks = FENCE.findall(original)
    if len(blocks) != len(FENCE.findall(text)):
        raise SystemExit(f"{CHINESE} has other blocks of code than {source}: add or remove some")
    following = iter(blocks)
    text = FENCE.sub(lambda _: next(following), text)
    (table,) = WHOLE_TABLE.findall(original)
    return WHOLE_TABLE.sub(lambda _: table, text)


def learning_makers() -> dict[str, Callable[[str], str]]:
    from learning import learning_makers

    return learning_makers()


def page_makers() -> dict[str, Callable[[str], str]]:
    """Every generated page with what makes it from its present text."""
    makers: dict[str, Callable[[str], str]] = {
        page: lambda text, page=page: rendered(page, text) for page in PAGES
    }
    return {
        **makers, COVERAGE: coverage_page, READY: ready_page, CHINESE: with_blocks,
        **learning_makers(),
    }  # fmt: skip


def draw() -> list[str]:
    """The pictures of the examples, in fewer colours; the names of those that changed."""
    from PIL import Image

    drawn = []
    with workshop() as folder:
        IMAGES.mkdir(exist_ok=True)
        for script, pictures in PICTURES.items():
            subprocess.run(
                [sys.executable, str(ROOT / "examples" / script)], cwd=folder, check=True,
                stdout=subprocess.DEVNULL, env=environment(folder),
            )  # fmt: skip
            for place in map(Path, pictures):
                if place.suffix != ".png":  # it says no times, and is small as it is
                    made, old = (folder / place).read_bytes(), IMAGES / place.name
                    if not old.exists() or old.read_bytes() != made:
                        old.write_bytes(made)
                        drawn.append(place.name)
                    continue
                picture = Image.open(folder / place).convert("RGB").quantize(COLOURS)
                if not same_picture(picture, IMAGES / place.name):
                    picture.save(IMAGES / place.name, optimize=True)
                    drawn.append(place.name)
    return drawn


def same_picture(picture: Any, path: Path) -> bool:
    """Whether the file shows the same, apart from the few letters that tell the time taken."""
    import numpy as np
    from PIL import Image

    if not path.exists():
        return False
    old, new = (np.asarray(p.convert("L"), np.int16) for p in (Image.open(path), picture))
    return old.shape == new.shape and bool(np.mean(abs(new - old) > 32) < LETTERS)


def check(pages: dict[str, Callable[[str], str]]) -> int:
    """Print the differences that are no timings; 1 if there are any."""
    changed = 0
    for page, make in pages.items():
        old = (ROOT / page).read_text(encoding="utf-8")
        pair = (stable(text, page).splitlines() for text in (old, make(old)))
        lines = list(difflib.unified_diff(*pair, page, f"{page}, generated", lineterm=""))
        print(*lines, sep="\n", end="\n" if lines else "")
        changed |= bool(lines)
    return changed


def main() -> int:
    from fonts import use_own_fonts

    use_own_fonts()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, print differences")
    parser.add_argument("pages", nargs="*", help=f"of {', '.join([*PAGES, COVERAGE, READY])}")
    options = parser.parse_args()
    makers = page_makers()
    pages = {page: makers[page] for page in options.pages or makers}
    if options.check:
        return check(pages)
    for page, make in pages.items():
        path = ROOT / page
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        path.parent.mkdir(exist_ok=True)
        path.write_text(with_table(make(old)), encoding="utf-8")
        print(f"{page}: written")
    if not options.pages:
        for name in draw():
            print(f"docs/images/{name}: drawn")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
