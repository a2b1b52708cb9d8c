"""How fast the studio is, in a headless Chromium: `make e2e-measure`.

The parabola at batch 1, as the page opens, and at full speed. The bars are those that the studio
was made for: 50 frames a second, 8 % of a core in Python beside the run, 3 s from the command to
the page when files are warm, 50 ms from a key to the picture of it.
"""

import statistics
import time
from typing import Any

from browser import MISSING, Looks, Page, Server, browser_is_there, open_browser, wait
from descend.studio.descent import Descent
from descend.studio.setup import PARABOLA

SECONDS = 10.0
EXAMPLES, FRAMES = 3000, 60  # a second, as the page opens
KEYS = 60
LATENCY = """
const done = arguments[arguments.length - 1];
const shown = document.querySelector('[data-number=step_count]');
const begin = performance.now();
const before = shown.textContent;
document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'e', bubbles: true}));
requestAnimationFrame(function look() {
  if (shown.textContent !== before) done(performance.now() - begin);
  else requestAnimationFrame(look);
});
"""
BLANK = """
const done = arguments[arguments.length - 1];
let count = 0;
const begin = performance.now();
requestAnimationFrame(function next() {
  count += 1;
  const passed = performance.now() - begin;
  if (passed < 3000) requestAnimationFrame(next); else done(count / passed * 1000);
});
"""


def of_the_run() -> float:
    """What share of a core the steps themselves take, of the same run as often as it is drawn."""
    descent = Descent(PARABOLA, PARABOLA.source.table())
    run, count = descent.first.copy(), EXAMPLES // FRAMES
    taken, begin = 0.0, time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        entered = time.thread_time()
        run.step(batches=count)
        taken += time.thread_time() - entered
        time.sleep(1 / FRAMES)
    return taken / SECONDS


def main() -> None:
    if not browser_is_there():
        print(f"not measured: {MISSING}")
        return
    driver = open_browser(Looks())
    try:
        driver.get("about:blank")
        print(f"an empty page            {driver.execute_async_script(BLANK):6.1f} frames/s")
        start(driver)
        with Server() as server:
            page = Page(driver).open(server.address)
            run(page, server, "3 000 examples/s")
            print(f"of which the steps are   {of_the_run():6.1%}")
            page.press("r")
            latency(page)
            page.press("r")
            page.slide("lr", -5)  # far from its goal for as long as is measured
            page.slide("speed", 12)
            run(page, server, "1 000 000 examples/s")
    finally:
        driver.quit()


def start(driver: Any) -> None:
    """From the command to the first frame, the second time."""
    for _ in range(2):
        begin = time.perf_counter()
        with Server() as server:
            Page(driver).open(server.address)
            seconds = time.perf_counter() - begin
            told = server.seconds
    print(f"command to first frame   {seconds:6.2f} s (the address after {told:.2f} s)")


def run(page: Page, server: Server, name: str) -> None:
    """Frames a second, and what the studio's process takes."""
    page.press(" ")
    wait(lambda: page.step > 100, "some frames")
    time.sleep(1.0)
    frames, cpu, begin, step = page.frames(), server.cpu_seconds(), time.perf_counter(), page.step
    time.sleep(SECONDS)
    passed = time.perf_counter() - begin
    rate = (page.frames() - frames) / passed
    share = (server.cpu_seconds() - cpu) / passed
    print(f"{name:24} {rate:6.1f} frames/s, {share:6.1%} of a core in all, "
          f"{(page.step - step) / passed:,.0f} examples/s")  # fmt: skip
    page.press(" ")


def latency(page: Page) -> None:
    """From a key to the animation frame that shows its number."""
    found = sorted(page.driver.execute_async_script(LATENCY) for _ in range(KEYS))
    print(f"key to picture           {statistics.median(found):6.1f} ms, "
          f"95 % within {found[int(0.95 * KEYS)]:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
