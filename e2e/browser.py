"""The studio as a process, and Chromium on it: what the end-to-end tests and measurements share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MISSING = (
    "there is no Chromium with its driver; on Debian: "
    "apt-get install chromium chromium-driver fonts-wqy-microhei"
)
PATIENCE = 20.0
FASTEST = 13  # of the places of the slider of speeds


def browser_is_there() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class Server:
    """`descend studio` as its user starts it.

    Attributes:
        address: the one that it printed.
        seconds: from the command to that line.
    """

    def __init__(self, *words: str) -> None:
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "descend", "studio", "--no-open", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if "http://" not in line:
            self.process.kill()
            raise RuntimeError(f"the studio did not start: {line}{self.process.communicate()[1]}")
        self.address = line.split(": ", 1)[1].strip()
        self.seconds = time.perf_counter() - begin

    @property
    def root(self) -> str:
        """The address without the secret."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}/"

    @property
    def netloc(self) -> str:
        return urlsplit(self.address).netloc

    def cpu_seconds(self) -> float:
        """What the process has used of all cores."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self) -> int:
        """How many the process has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self) -> tuple[int, float]:
        """Ctrl-C: its exit code, and how long that took."""
        begin = time.perf_counter()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()
        return code, time.perf_counter() - begin

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Looks:
    """How a page is looked at."""

    width: int = 1280
    height: int = 800
    language: str = "en-US"
    dark: bool = False
    ratio: float = 1.0


def open_browser(looks: Looks, *more: str) -> Any:
    """A headless Chromium of that size, language and theme; with more options of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        *more,
    ):
        options.add_argument(word)
    options.add_argument(f"--lang={looks.language}")
    options.add_experimental_option("prefs", {"intl.accept_languages": looks.language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    look(driver, looks)
    return driver


def look(driver: Any, looks: Looks) -> None:
    """Give the page its size and theme; a window of a browser has a least width, this has not."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": looks.width, "height": looks.height, "deviceScaleFactor": looks.ratio,
        "mobile": looks.width < 600,
    })  # fmt: skip
    scheme = "dark" if looks.dark else "light"
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def wait(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


class Page:
    """The page as its reader sees it: by words, numbers and keys."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> Page:
        self.driver.get(address)
        return self.ready()

    def ready(self) -> Page:
        wait(lambda: self.frames() > 0, "the first frame")
        return self

    def js(self, code: str, *args: Any) -> Any:
        return self.driver.execute_script(code, *args)

    def text(self, selector: str) -> str:
        return str(
            self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
        )

    def label(self, selector: str) -> str:
        """What a button says, without its picture."""
        return self.text(f"{selector} .block")

    def frames(self) -> int:
        return int(
            self.js("return Number(document.querySelector('.ds-root')?.dataset.frames ?? 0)")
        )

    def number(self, name: str) -> str:
        return self.text(f'[data-number="{name}"]')

    def parameter(self, name: str) -> str:
        return self.text(f'[data-parameter="{name}"]')

    @property
    def step(self) -> int:
        return int(self.number("step_count") or -1)

    @property
    def state(self) -> str:
        return str(self.js("return document.querySelector('.ds-sentence')?.dataset.state ?? ''"))

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def press(self, keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(keys).perform()

    def slide(self, name: str, value: float) -> None:
        """Move a slider there, as the mouse does."""
        self.js(
            "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('input', {bubbles: true}))",
            f"input.{name}", value,
        )  # fmt: skip

    def play_until(self, condition: Callable[[], Any], what: str, keys: str = " ") -> None:
        """Play at full speed until something holds, and let it rest; `keys` have it play."""
        self.slide("speed", FASTEST)
        self.press(keys)
        wait(condition, what)
        if self.label(".play") == "Pause":
            self.press(" ")
        wait(lambda: self.label(".play") == "Play", "the run to rest")

    def open_panel(self, name: str) -> None:
        """Open a panel that is closed."""
        self.click(f".open-{name}")
        wait(lambda: self.shows(f".panel.{name}"), f"the panel {name}")

    def shows(self, selector: str) -> bool:
        """Whether something is there, and is seen."""
        code = "return Boolean(document.querySelector(arguments[0])?.offsetParent)"
        return bool(self.js(code, selector))

    def field(self, name: str) -> str:
        """What finds a field of a panel."""
        return f'.panels [data-field="{name}"]'

    def choose(self, name: str, value: str) -> None:
        """Choose a value of a field, or write it there, as somebody who then leaves it."""
        self.js(
            "const f = document.querySelector(arguments[0]); f.value = arguments[1];"
            "f.dispatchEvent(new Event('input', {bubbles: true}));"
            "f.dispatchEvent(new Event('change', {bubbles: true}))",
            self.field(name), value,
        )  # fmt: skip

    @property
    def kind(self) -> str:
        """Which picture is shown."""
        return str(self.js("return document.querySelector('.ds-root')?.dataset.kind ?? ''"))

    def complaints(self) -> list[str]:
        """What the browser's console has complained of."""
        return [
            entry["message"] for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]  # fmt: skip
