"""The studio in a notebook's cell: frames arrive, a slider works, a cell that is run again shows it."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Looks, look, wait
from notebooks import STARTS, Jupyter, Marimo, Notebook

FIND = """
const found = [];
(function walk(root) {
  found.push(...root.querySelectorAll(wanted));
  for (const one of root.querySelectorAll('*')) if (one.shadowRoot) walk(one.shadowRoot);
})(document);
"""
"""Finds elements by a selector, those in shadows too."""
FASTEST = 13


class Cell:
    """What a cell shows, in whatever shadow its notebook puts it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.execute_script(
            f"const wanted = arguments[0];{FIND} return found", selector
        ))  # fmt: skip

    def text(self, selector: str) -> str:
        found = self.all(selector)
        return str(self.driver.execute_script("return arguments[0].textContent", found[0])) if (
            found
        ) else ""  # fmt: skip

    def everything(self) -> str:
        """All texts of the page that are seen, those in shadows too."""
        hosts = self.driver.execute_script(
            f"const wanted = '*';{FIND}"
            "return found.filter((e) => e.shadowRoot).map((e) => e.shadowRoot.textContent)"
        )
        seen = self.driver.execute_script("return document.body.innerText")
        return "\n".join([seen, *hosts])

    def data(self, name: str) -> str:
        found = self.all(".ds-root") if name == "frames" else self.all(".ds-sentence")
        return str(found[0].get_attribute(f"data-{name}") or "") if found else ""

    @property
    def frames(self) -> int:
        return int(self.data("frames") or 0)

    def click(self, selector: str) -> None:
        self.driver.execute_script("arguments[0].click()", self.all(selector)[0])

    def slide(self, selector: str, value: float) -> None:
        self.driver.execute_script(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.all(selector)[0], value,
        )  # fmt: skip


def run_in_jupyter(driver: Any, number: int) -> None:
    """Ctrl-Enter in the cell, as soon as its kernel takes it: then its number is another one."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def prompt() -> str:
        cells = driver.find_elements("css selector", ".jp-CodeCell .jp-InputArea-prompt")
        return str(cells[number].text)

    def begun() -> bool:
        driver.find_elements("css selector", ".jp-CodeCell .cm-content")[number].click()
        keys = ActionChains(driver)
        keys.key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
        end = time.monotonic() + 3
        while time.monotonic() < end and prompt() == before:
            time.sleep(0.05)
        return prompt() != before

    before = prompt()
    wait(begun, "the cell to run", STARTS)


def run_in_marimo(driver: Any, number: int) -> None:
    driver.execute_script(
        "arguments[0].click()",
        driver.find_elements("css selector", '[data-testid="run-button"]')[number],
    )


RUNS: dict[type[Notebook], tuple[str, Callable[[Any, int], None]]] = {
    Jupyter: (".jp-CodeCell .cm-content", run_in_jupyter),
    Marimo: ('[data-testid="run-button"]', run_in_marimo),
}


@pytest.fixture(params=RUNS, ids=lambda kind: kind.kind)
def notebook(request: pytest.FixtureRequest, chromium: None, tmp_path: Path) -> Iterator[Notebook]:
    pytest.importorskip("anywidget", reason="the extra descend[e2e] is not installed")
    pytest.importorskip(request.param.kind.lower(), reason="the extra descend[e2e] is not installed")
    made = request.param(tmp_path)
    yield made
    made.stop()


def test_a_cell_shows_the_descent(notebook: Notebook, driver: Any) -> None:
    ready, run = RUNS[type(notebook)]
    look(driver, Looks())
    driver.get(notebook.address)
    cell = Cell(driver)
    wait(lambda: len(driver.find_elements("css selector", ready)) >= 2, "the notebook", STARTS)
    run(driver, 0)
    wait(lambda: cell.frames > 0, "the first frame", STARTS)
    assert cell.data("state") == "ready"

    # A hundred frames, and more.
    cell.click(".ds-do-play")
    wait(lambda: cell.frames >= 100, "100 frames", STARTS)
    wait(lambda: cell.data("state") in ("first", "converging"), "a descent")
    wait(lambda: cell.text(".ds-do-play") == "Pause", "the button to change its name")
    cell.click(".ds-do-play")
    wait(lambda: cell.text(".ds-do-play") == "Play", "the run to be at rest")

    # A slider: at this rate the parabola diverges.
    cell.click(".ds-do-reset")
    cell.slide(".ds-set-lr", 0)
    cell.slide(".ds-set-speed", FASTEST)
    cell.click(".ds-do-play")
    wait(lambda: cell.data("state") == "diverging", "the new rate to count")

    # The cell once more: one plot, of a run at its start; the old run has ended.
    run(driver, 0)
    wait(lambda: cell.data("state") == "ready", "the plot to be there again", STARTS)
    assert len(cell.all(".ds-root")) == 1
    cell.click(".ds-do-example")
    wait(lambda: cell.text('[data-number="step_count"]') == "1", "one example")
    run(driver, 1)
    counted = wait(lambda: re.search(r"runs: (\d+)", cell.everything()), "the count of runs", STARTS)
    assert counted[1] == "1"
    assert cell.frames > 0 and len(cell.all(".ds-root")) == 1
