"""The studio in a notebook's cell: frames arrive, a slider works, a cell may be run again."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import FASTEST, Looks, look, wait
from notebooks import STARTS, Jupyter, Marimo, Notebook

FIND = """
const found = [];
(function walk(root) {
  found.push(...root.querySelectorAll(wanted));
  for (const one of root.querySelectorAll('*')) if (one.shadowRoot) walk(one.shadowRoot);
})(document);
"""
"""Finds elements by a selector, those in shadows too."""


class Cell:
    """What a cell shows, in whatever shadow its notebook puts it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def of(self, selector: str, read: str, *given: Any) -> Any:
        """What a function of JavaScript makes of the elements: one call, so that none goes away."""
        code = f"const wanted = arguments[0], given = arguments[1];{FIND} return ({read})(found)"
        return self.driver.execute_script(code, selector, given)

    def text(self, selector: str) -> str:
        return str(self.of(selector, "(f) => f[0]?.textContent ?? ''"))

    def everything(self) -> str:
        """All texts of the page that are seen, those in shadows too."""
        seen = self.driver.execute_script("return document.body.innerText")
        return f"{seen}\n" + str(self.of(
            "*", "(f) => f.filter((e) => e.shadowRoot).map((e) => e.shadowRoot.textContent).join()"
        ))  # fmt: skip

    @property
    def state(self) -> str:
        return str(self.of(".ds-sentence", "(f) => f[0]?.dataset.state ?? ''"))

    @property
    def frames(self) -> int:
        return int(self.of(".ds-root", "(f) => Number(f[0]?.dataset.frames ?? 0)"))

    @property
    def count(self) -> int:
        """How many descents are shown."""
        return int(self.of(".ds-root", "(f) => f.length"))

    def click(self, selector: str) -> None:
        self.of(selector, "(f) => f[0].click()")

    def slide(self, selector: str, value: float) -> None:
        self.of(
            selector,
            "([s]) => { s.value = given[0]; s.dispatchEvent(new Event('input', {bubbles: true})) }",
            value,
        )


def editors(driver: Any) -> list[Any]:
    """The editors of the two cells."""
    return list(driver.execute_script(
        "return [...document.querySelectorAll('.cm-content')].filter(e => e.offsetParent)"
    ))[:2]  # fmt: skip


def press_run(driver: Any, number: int) -> None:
    """Ctrl-Enter in a cell."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    # JupyterLab may ask for a kernel first, or tell of itself.
    driver.execute_script("document.querySelector('.jp-Dialog .jp-mod-accept')?.click()")
    driver.execute_script("arguments[0].focus()", editors(driver)[number])
    keys = ActionChains(driver)
    keys.key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()


def run_in_jupyter(driver: Any, number: int) -> None:
    """Run a cell, as soon as there is a kernel that takes it: then its number is another one."""

    def prompt() -> str:
        cells = driver.find_elements("css selector", ".jp-CodeCell .jp-InputArea-prompt")
        return str(cells[number].text)

    def begun() -> bool:
        press_run(driver, number)
        end = time.monotonic() + 3
        while time.monotonic() < end and prompt() == before:
            time.sleep(0.05)
        return prompt() != before

    before = prompt()
    wait(begun, "the cell to run", STARTS)


RUNS: dict[type[Notebook], Callable[[Any, int], None]] = {
    Jupyter: run_in_jupyter, Marimo: press_run,
}  # fmt: skip


def runs(driver: Any, cell: Cell, run: Callable[[Any, int], None]) -> int:
    """How many runs there are, as the second cell says after a moment."""
    run(driver, 1)
    time.sleep(1)
    said = re.findall(r"runs: (\d+)", cell.everything())
    return int(said[-1]) if said else -1


@pytest.fixture(params=RUNS, ids=lambda kind: kind.kind)
def notebook(request: pytest.FixtureRequest, chromium: None, tmp_path: Path) -> Iterator[Notebook]:
    pytest.importorskip("anywidget", reason="the extra descend[e2e] is not installed")
    pytest.importorskip(
        request.param.kind.lower(), reason="the extra descend[e2e] is not installed"
    )
    made = request.param(tmp_path)
    yield made
    made.stop()


def test_a_cell_shows_the_descent(notebook: Notebook, driver: Any) -> None:
    run = RUNS[type(notebook)]
    look(driver, Looks())
    driver.get(notebook.address)
    cell = Cell(driver)
    wait(lambda: len(editors(driver)) == 2, "the notebook", STARTS)
    run(driver, 0)
    wait(lambda: cell.frames > 0, "the first frame", STARTS)
    assert cell.state == "ready"

    # A hundred frames, and more.
    cell.click(".ds-do-play")
    wait(lambda: cell.frames >= 100, "100 frames", STARTS)
    wait(lambda: cell.state in ("first", "converging"), "a descent")
    wait(lambda: cell.text(".ds-do-play") == "Pause", "the button to change its name")
    cell.click(".ds-do-play")
    wait(lambda: cell.text(".ds-do-play") == "Play", "the run to be at rest")

    # A slider: at this rate the parabola diverges.
    cell.click(".ds-do-reset")
    cell.slide(".ds-set-lr", 0)
    cell.slide(".ds-set-speed", FASTEST)
    cell.click(".ds-do-play")
    wait(lambda: cell.state == "diverging", "the new rate to count")

    # The cell once more: one plot, of a run at its start; the old run has ended.
    run(driver, 0)
    wait(lambda: cell.state == "ready", "the plot to be there again", STARTS)
    assert cell.count == 1
    cell.click(".ds-do-example")
    wait(lambda: cell.text('[data-number="step_count"]') == "1", "one example")
    wait(lambda: runs(driver, cell, run) == 1, "the old run to end", STARTS)
    assert cell.frames > 0 and cell.count == 1
