"""Pictures of the studio in every language, width and theme: `make e2e-screenshots`."""

import sys
import time
from pathlib import Path

from browser import MISSING, Looks, Page, Server, browser_is_there, open_browser, wait

LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
SIZES = {"wide": (1280, 800), "narrow": (360, 780)}


def main() -> None:
    if not browser_is_there():
        print(f"no pictures: {MISSING}")
        return
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output/studio")
    out.mkdir(parents=True, exist_ok=True)
    with Server() as server:
        for tag, language in LANGUAGES.items():
            for size, (width, height) in SIZES.items():
                for theme in ("light", "dark"):
                    looks = Looks(width, height, language, theme == "dark", 2.0)
                    take(server, looks, out / f"{tag}-{size}-{theme}")


def take(server: Server, looks: Looks, name: Path) -> None:
    """The page at its start, after one example, in the middle of the descent, and diverging."""
    driver = open_browser(looks)
    try:
        page = Page(driver).open(server.address)
        shot(page, name, "start")
        page.press("e")
        wait(lambda: page.step == 1, "the first step")
        shot(page, name, "example")
        page.press(" ")
        wait(lambda: page.step > 4000, "some epochs")
        page.press(" ")
        shot(page, name, "paused")
        page.press("r")
        page.slide("lr", 0.0)
        page.slide("speed", 4)
        page.press(" ")
        wait(lambda: page.step > 60, "a divergence")
        page.press(" ")
        shot(page, name, "diverging")
    finally:
        driver.quit()


def shot(page: Page, name: Path, moment: str) -> None:
    """The whole page, also what lies below the window."""
    time.sleep(0.5)
    height = page.js("return document.documentElement.scrollHeight")
    width = page.js("return innerWidth")
    import base64

    found = page.driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True,
        "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
    })  # fmt: skip
    path = name.with_name(f"{name.name}-{moment}.png")
    path.write_bytes(base64.b64decode(found["data"]))
    print(path)


if __name__ == "__main__":
    main()
