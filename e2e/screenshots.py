"""Pictures of the studio in every language, width and theme: `make e2e-screenshots`.

Those that the pages show, in docs/images, are drawn first; with `ARGS=--docs` those alone.
"""

import argparse
import base64
import time
from collections.abc import Callable
from pathlib import Path

from browser import MISSING, Looks, Page, Server, browser_is_there, open_browser, wait

LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
DOCS = Path("docs/images")
EPOCHS, COLOURS = 30, 64
LESSON = (1240, 720)  # of a window with a lesson
BOTTOM = """
const ends = [...document.querySelectorAll('.panels, .ds-fit')].map(e => e.getBoundingClientRect());
return Math.max(...ends.map(box => box.bottom)) + 12;
"""
SIZES = {"wide": (1280, 800), "narrow": (360, 780)}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", nargs="?", default="demo-output/studio", type=Path)
    asked.add_argument("--docs", action="store_true", help="only those of docs/images")
    given = asked.parse_args()
    if not browser_is_there():
        print(f"no pictures: {MISSING}")
        return
    out = given.folder
    out.mkdir(parents=True, exist_ok=True)
    with Server() as server:
        for_the_docs(server)
        for tag, language in LANGUAGES.items():
            lessons_for_the_docs(server, tag, language)
        for tag, language in () if given.docs else LANGUAGES.items():
            for size, (width, height) in SIZES.items():
                for theme in ("light", "dark"):
                    looks = Looks(width, height, language, theme == "dark", 2.0)
                    take(server, looks, out / f"{tag}-{size}-{theme}")


def take(server: Server, looks: Looks, name: Path) -> None:
    """The page at its start, after one example, in the middle of the descent, and diverging."""

    def moment(word: str) -> Path:
        return name.with_name(f"{name.name}-{word}.png")

    driver = open_browser(looks)
    try:
        page = Page(driver).open(server.address)
        shot(page, moment("start"))
        page.press("e")
        wait(lambda: page.step == 1, "the first step")
        shot(page, moment("example"))
        descended(page)
        shot(page, moment("later"))
        page.press("r")
        page.slide("lr", 0.0)
        page.slide("speed", 4)
        page.press(" ")
        wait(lambda: page.step > 60, "a divergence")
        page.press(" ")
        shot(page, moment("diverging"))
        own(page, moment)
    finally:
        driver.quit()


def own(page: Page, moment: Callable[[str], Path]) -> None:
    """Data, networks, formulas with an error, runs that are compared."""
    page.open_panel("data")
    page.choose("sample", "spiral")
    wait(lambda: page.kind == "plane", "the plane")
    page.slide("speed", 13)
    page.press(" ")
    wait(lambda: int(page.number("epoch_count")) > 150, "it to learn")
    page.press(" ")
    shot(page, moment("spiral"))
    page.click(".ds-choose button:nth-child(12)")
    wait(lambda: page.shows(".ds-unit"), "its weights")
    page.press("\ue014")
    shot(page, moment("weights"))
    page.click(".ds-close")
    page.open_panel("model")
    shot(page, moment("network"))
    page.open_panel("descent")
    shot(page, moment("descent"))
    page.open_panel("data")
    page.choose("sample", "iris")
    wait(lambda: "petal" in page.text(".formula"), "iris")
    for column in ("sepal_length", "sepal_width"):
        wait(lambda column=column: page.shows(page.field(f"input {column}")), "its columns")
        page.click(page.field(f"input {column}"))
        wait(lambda column=column: column in page.text(".formula"), column)
    wait(lambda: page.kind == "table", "four inputs")
    descended(page)
    shot(page, moment("classes"))
    page.choose("sample", "eckerle4")
    wait(lambda: "b3" in page.text(".formula"), "the formula")
    page.open_panel("model")
    for _ in range(3):
        page.press("b")
    page.choose("formula", "y = b1/b2*exp(-0.5*((x - b3)/b2)**2")
    wait(lambda: page.text(".wrong"), "an error")
    shot(page, moment("formula"))
    page.open_panel("runs")
    for method in ("adam", "sgd"):
        page.click(page.field("keep"))
        page.open_panel("descent")
        page.choose("optimizer", method)
        wait(lambda: page.step == 0, "another method")
        page.press("n")
        wait(lambda: page.step > 0, "an epoch")
        page.open_panel("runs")
    page.click(page.field("keep"))
    shot(page, moment("runs"))
    taught(page, moment)


def taught(page: Page, moment: Callable[[str], Path]) -> None:
    """A lesson with a question that is answered, and what is taken away."""
    page.click(".open-runs")
    page.open_panel("lesson")
    shot(page, moment("lessons"))
    page.click(page.field("lesson learning-rate"))
    wait(lambda: page.shows(page.field("show")), "the lesson")
    page.click(page.field("show"))
    wait(lambda: page.shows('[data-answered="true"]'), "the answer")
    shot(page, moment("lesson"))
    page.click(".open-lesson")
    page.open_panel("takeaway")
    wait(lambda: page.text(".taken-code"), "the code")
    shot(page, moment("takeaway"))
    page.open_panel("steps")
    for _ in range(3):
        before = page.text(".walk .sentence")
        page.click(page.field("steps_next"))
        wait(lambda before=before: page.text(".walk .sentence") != before, "the next step")
    shot(page, moment("steps"))
    page.open_panel("map")
    page.click(page.field("map_draw"))
    wait(lambda: page.shows(".map canvas"), "the map")
    shot(page, moment("map"))


def descended(page: Page) -> None:
    """So many epochs that the curve has come close, and not arrived."""
    for _ in range(EPOCHS):
        at = page.step
        page.press("n")
        wait(lambda at=at: page.step != at, "an epoch")


def for_the_docs(server: Server) -> None:
    driver = open_browser(Looks(1280, 800))
    try:
        page = Page(driver).open(server.address)
        descended(page)
        shot(page, DOCS / "studio.png")
        make_small(DOCS / "studio.png")
        page.open_panel("data")
        page.choose("sample", "spiral")
        wait(lambda: page.kind == "plane", "the plane")
        page.slide("speed", 10)
        page.press(" ")
        wait(lambda: int(page.number("epoch_count")) > 250, "it to learn")
        page.press(" ")
        page.click(".open-data")
        page.click(".ds-choose button:nth-child(3)")
        wait(lambda: page.shows(".ds-unit"), "its weights")
        page.js("document.activeElement.blur()")
        shot(page, DOCS / "studio-network.webp")
        make_small(DOCS / "studio-network.webp")
    finally:
        driver.quit()


def lessons_for_the_docs(server: Server, tag: str, language: str) -> None:
    """The first question of every lesson that the studio answers by itself, answered."""
    from descend.studio.lessons import LESSONS

    driver = open_browser(Looks(*LESSON, language))
    try:
        for name in LESSONS:
            page = Page(driver).open(server.address)
            page.slide("speed", 13)
            page.open_panel("lesson")
            page.click(page.field(f"lesson {name}"))
            wait(lambda page=page: page.shows(page.field("next")), "the lesson")
            while not page.shows(page.field("show")):
                at = page.text(".lesson-place")
                page.click(page.field("next"))
                wait(lambda page=page, at=at: page.text(".lesson-place") != at, "the next step")
            page.click(page.field("show"))
            wait(lambda page=page: page.shows('[data-answered="true"]'), "the answer", 60)
            if page.js("return document.querySelector('.play .q-icon').textContent") == "pause":
                page.press(" ")
            path = DOCS / f"lesson-{name}{'' if tag == 'en' else f'.{tag}'}.webp"
            shot(page, path, int(page.js(BOTTOM)))
            make_small(path)
    finally:
        driver.quit()


def make_small(path: Path) -> None:
    """Few colours are enough for pages of text; those that are seen most are what they were."""
    from PIL import Image

    with Image.open(path) as found:
        plain = found.convert("RGB")
    few = plain.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.NONE)
    if path.suffix == ".webp":
        few.convert("RGB").save(path, lossless=True, quality=100, method=6)
    else:
        few.save(path, optimize=True)


def shot(page: Page, path: Path, height: int = 0) -> None:
    """The whole page, also what lies below the window; or its first lines of pixels."""
    time.sleep(0.5)
    height = height or page.js("return document.documentElement.scrollHeight")
    width = page.js("return innerWidth")
    found = page.driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True,
        "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
    })  # fmt: skip
    path.write_bytes(base64.b64decode(found["data"]))
    print(path)


if __name__ == "__main__":
    main()
