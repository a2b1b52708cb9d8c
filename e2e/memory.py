"""Whether the studio's memory stays flat while it runs: `make e2e-memory`.

usage: python e2e/memory.py [--minutes 30] [--speed 12]

The lesson plays, a million examples a second or at another place of the slider, at a rate at which
it does not end, and is watched.
Of the studio's process the resident memory counts, of the page the heap of its scripts after a
collection. The first tenth is left out, in which both grow into their size.
"""

import argparse
import time

import numpy as np

from browser import MISSING, Looks, Page, Server, browser_is_there, open_browser

EVERY = 10.0  # seconds between two looks
MOST_GROWTH = 5.0  # megabytes, of either, from the first third to the last
HEAP = "window.gc && gc(); return performance.memory.usedJSHeapSize / 1e6"


def resident(server: Server) -> float:
    """Megabytes of the studio's process."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--speed", type=int, default=12)
    asked = parser.parse_args()
    minutes = asked.minutes
    if not browser_is_there():
        print(f"not measured: {MISSING}")
        return 0
    driver = open_browser(Looks(), "--js-flags=--expose-gc", "--enable-precise-memory-info")
    seen = []
    try:
        with Server() as server:
            page = Page(driver).open(server.address)
            page.slide("lr", -5)
            page.slide("speed", asked.speed)
            page.press(" ")
            begin = time.perf_counter()
            while (passed := time.perf_counter() - begin) < 60 * minutes:
                seen.append((resident(server), driver.execute_script(HEAP)))
                if len(seen) % 30 == 1:
                    told = f"{seen[-1][0]:7.1f} MB  {seen[-1][1]:6.1f} MB"
                    print(f"{passed / 60:5.1f} min  {told}", flush=True)
                time.sleep(min(EVERY, 60 * minutes / 30))
            frames, examples = page.frames(), page.step
    finally:
        driver.quit()
    kept = np.array(seen)[len(seen) // 10 :]
    third = len(kept) // 3
    growth = kept[-third:].mean(axis=0) - kept[:third].mean(axis=0)
    flat = bool((growth < MOST_GROWTH).all())
    for name, values, more in zip(("studio", "page"), kept.T, growth, strict=True):
        span = f"{values.min():.1f} to {values.max():.1f} MB"
        print(f"{name:7} {span}, {more:+.2f} MB from the first third to the last")
    told = "flat" if flat else "it grows"
    print(f"{frames:,} frames, {examples:,} examples in {minutes:g} minutes: {told}")
    return 0 if flat else 1


if __name__ == "__main__":
    raise SystemExit(main())
