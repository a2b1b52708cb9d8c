"""Both languages, light and dark, by keyboard, by screen reader, on a wide screen and a phone's."""

from pathlib import Path

import pytest

from browser import Looks, Page, look, wait

ROOT = Path(__file__).parent.parent
AXE = ROOT / "studio-web" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"wide": 1280, "narrow": 360}


# --- languages and themes


def test_the_language_changes_in_place(page: Page) -> None:
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    page.click("[lang=zh-CN]")
    wait(lambda: page.label(".example") == "一个样本", "Chinese")
    assert page.step == 100  # the run has stayed
    assert page.js("return document.documentElement.lang") == "zh-CN"
    assert page.text(".ds-sentence").startswith("正在收敛")
    assert page.find("input.lr").get_attribute("aria-label") == "学习率"
    assert "参数" in page.text(".ds-parameters caption")
    english = page.js(
        "return [...document.querySelectorAll('.body button, h2, dt, caption, .keys, .said')]"
        ".map(e => e.querySelector('.block')?.textContent ?? e.textContent)"
        ".filter(t => !/[\\u4e00-\\u9fff]/.test(t))"
    )
    assert english == []
    page.driver.refresh()
    page.ready()
    wait(lambda: page.label(".play") == "播放", "Chinese to be kept")
    page.click("[lang=en]:not(html)")
    wait(lambda: page.label(".play") == "Play", "English")


def test_chinese_signs_have_pictures_of_their_own(page: Page) -> None:
    """Where a font is missing, all signs are the same box."""
    drawn = page.js(
        "const font = getComputedStyle(document.querySelector('.ds-root')).fontFamily;"
        "return [...'学习'].map(sign => { const c = document.createElement('canvas');"
        "const pen = c.getContext('2d'); pen.font = `64px ${font}`; pen.fillText(sign, 10, 80);"
        "return c.toDataURL(); })"
    )
    assert drawn[0] != drawn[1]


def ground(page: Page) -> str:
    colour = "return getComputedStyle(document.querySelector('.ds-panel')).backgroundColor"
    return str(page.js(colour))


def test_light_and_dark(page: Page) -> None:
    light, dark = "rgb(255, 255, 255)", "rgb(26, 32, 41)"
    assert ground(page) == light
    look(page.driver, Looks(dark=True))
    wait(lambda: ground(page) == dark, "what the system prefers")
    theme = ".choices .q-btn:last-child"
    page.click(theme)
    wait(lambda: ground(page) == light, "light")
    page.click(theme)
    wait(lambda: ground(page) == dark, "dark")
    look(page.driver, Looks(dark=False))
    assert ground(page) == dark
    page.click(theme)
    wait(lambda: ground(page) == light, "what the system prefers")


# --- the keyboard, screen readers, small screens


def test_by_keyboard_alone(page: Page) -> None:
    """Tab goes through the controls; the space bar presses what has the focus, and that alone."""
    reached = []
    for _ in range(20):
        page.press("\ue004")
        reached.append(page.js("return document.activeElement.className"))
        if "play" in reached[-1].split():
            break
    assert "play" in reached[-1].split()
    shadow = page.js("return getComputedStyle(document.activeElement).boxShadow")
    assert "0px 0px 0px 5px" in shadow  # it is seen where the focus is
    page.press(" ")
    wait(lambda: page.step > 100, "the run to go on")
    page.press(" ")
    wait(lambda: page.label(".play") == "Play", "the run to pause")
    at = page.step
    page.press("\ue004")
    page.press(" ")  # on ONE EXAMPLE
    wait(lambda: page.step == at + 1, "one example")
    for _ in range(3):
        page.press("\ue004")
    page.press("\ue004")
    assert "lr" in page.js("return document.activeElement.className").split()
    page.press("\ue014")  # to the right
    wait(lambda: page.text(".slider .value") == "0.0013", "a higher rate")
    page.press(" ")  # a slider wants no space bar: it plays
    wait(lambda: page.step > at + 100, "the run to go on")
    page.press(" ")


def test_a_clicked_button_leaves_the_space_bar_alone(page: Page) -> None:
    page.click(".example")
    wait(lambda: page.step == 1, "one example")
    page.press(" ")
    wait(lambda: page.step > 100, "the run to go on")
    page.press(" ")


def test_everything_has_a_name_for_screen_readers(page: Page) -> None:
    page.press("e")
    wait(lambda: page.step == 1, "one example")
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    found: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            role = node["role"]["value"]
            found.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("button", "slider", "image", "table", "heading", "main", "navigation"):
        assert found.get(role), role
    for role in ("button", "slider", "image"):
        assert all(found[role]), (role, found[role])
    assert {"Learning rate", "Speed"} <= {*found["slider"]}
    assert any("w3 = 1.010000" in name for name in found["image"])
    assert any(name.startswith("Picture: the loss by epoch") for name in found["image"])
    spoken = page.text("[role=status]")
    assert "The first epoch: 1 of 100 examples seen" in spoken and "Example 1" in spoken


AUDITED = """
const done = arguments[arguments.length - 1];
axe.run().then(found => done(found.violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '))));
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("size", WIDTHS)
def test_axe_finds_nothing_serious(page: Page, size: str, language: str, dark: bool) -> None:
    if not AXE.is_file():
        pytest.skip(f"there is no {AXE.relative_to(ROOT)}: make studio-web-check brings it")
    look(page.driver, Looks(width=WIDTHS[size], height=780, dark=dark))
    page.click(f"[lang={language}]:not(html)")
    page.press("e")
    wait(lambda: page.text(".ds-example"), "the example's numbers")
    page.js(AXE.read_text("utf-8"))
    assert page.driver.execute_async_script(AUDITED) == []


def test_whoever_listens_is_not_flooded(page: Page) -> None:
    page.js(
        "window.said = 0; new MutationObserver(() => window.said++)"
        ".observe(document.querySelector('[role=status]'), {childList: true, subtree: true})"
    )
    page.press(" ")
    wait(lambda: page.step > 6000, "two seconds")
    assert page.frames() > 20
    assert 1 <= page.js("return window.said") <= 8
    page.press(" ")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("size", WIDTHS)
def test_nothing_is_cut_or_covered(page: Page, language: str, size: str) -> None:
    look(page.driver, Looks(width=WIDTHS[size], height=780))
    page.click(f"[lang={language}]:not(html)")
    page.press("e")
    wait(lambda: page.text(".ds-example"), "the example's numbers")
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    cut = page.js(
        "return [...document.querySelectorAll('button, input, p, h1, h2, dt, dd, td, th, .value')]"
        ".filter(e => !e.closest('.ds-unseen') && e.offsetParent)"
        ".filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline'"
        " || e.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map(e => e.outerHTML)"
    )
    assert cut == []
    heights = page.js(
        "return [...document.querySelectorAll('.buttons button')].map(e => e.offsetHeight)"
    )
    assert len({*heights}) == 1  # no word is broken into two lines
    assert page.js("return document.querySelector('.ds-canvas canvas').clientWidth") > 250
