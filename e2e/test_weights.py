"""Weights of a hidden unit: chosen, read, set and set back, by mouse and by keyboard."""

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from browser import Looks, Page, look, wait

AXE = Path(__file__).parent.parent / "studio-web" / "node_modules" / "axe-core" / "axe.min.js"
TAB, ESCAPE, PAGE_UP, ENTER = "\ue004", "\ue00c", "\ue00e", "\ue007"
CONTROL, BACKSPACE = "\ue009", "\ue003"
LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"
MAP = (
    "const c = document.querySelector('.ds-maps canvas');"
    "const r = devicePixelRatio, b = document.querySelectorAll('.ds-choose button')[arguments[0]];"
    "const at = [b.offsetLeft, b.offsetTop, b.offsetWidth, b.offsetHeight].map(v => v * r);"
    "const copy = new OffscreenCanvas(c.width, c.height);"
    "const pen = copy.getContext('2d', {willReadFrequently: true}); pen.drawImage(c, 0, 0);"
    "return pen.getImageData(...at).data.join()"
)


@pytest.fixture
def network(page: Page) -> Page:
    """A network on the spiral, after an epoch."""
    page.open_panel("data")
    page.choose("sample", "spiral")
    wait(lambda: page.shows(".ds-units"), "the maps")
    page.press("n")
    wait(lambda: page.number("epoch_count") == "1", "an epoch")
    return page


def unit(page: Page, number: int) -> Any:
    return page.driver.find_elements("css selector", ".ds-choose button")[number]


def choose(page: Page, number: int) -> None:
    unit(page, number).click()
    wait(lambda: page.shows(".ds-unit"), "its weights")


def fields(page: Page) -> list[str]:
    return [str(v) for v in page.js(
        "return [...document.querySelectorAll('.ds-weights input')].map(f => f.value)"
    )]  # fmt: skip


def names(page: Page) -> list[str]:
    return [str(v) for v in page.js(
        "return [...document.querySelectorAll('.ds-weights span')].map(f => f.textContent)"
    )]  # fmt: skip


def write(page: Page, place: int, text: str) -> None:
    page.click(f"[data-weight='{place}']")
    keys = ActionChains(page.driver).key_down(CONTROL).send_keys("a").key_up(CONTROL)
    keys.send_keys(text or BACKSPACE, ENTER).perform()


def test_a_unit_shows_its_weights_and_its_bias_by_name(network: Page) -> None:
    choose(network, 3)
    assert network.text(".ds-unit h3") == "Layer 1, unit 4"
    assert names(network) == ["x1", "x2", "bias"]
    assert "standardised" in network.text(".ds-unit-told")
    assert all(float(value) != 0 for value in fields(network))
    assert unit(network, 3).get_attribute("aria-pressed") == "true"
    choose(network, 12)  # of the second layer
    wait(lambda: network.text(".ds-unit h3") == "Layer 2, unit 3", "the other unit")
    assert len(names(network)) == 17 and names(network)[15:] == ["unit 16", "bias"]
    unit(network, 12).click()
    wait(lambda: not network.shows(".ds-unit"), "no unit")


def test_what_is_set_is_followed_by_maps_loss_and_plane_and_set_back(network: Page) -> None:
    choose(network, 0)
    before, seen, loss = fields(network), network.js(MAP, 0), network.number("loss_now")
    other = network.js(MAP, 1)
    assert not network.find(".ds-undo").is_enabled()
    write(network, 0, "3.5")
    wait(lambda: network.number("loss_now") != loss, "another loss")
    assert network.js(MAP, 0) != seen and network.js(MAP, 1) == other
    assert network.step == 24 and fields(network) == ["3.5", *before[1:]]
    network.click(".ds-undo")
    wait(lambda: network.number("loss_now") == loss, "the loss of before")
    assert network.js(MAP, 0) == seen and fields(network) == before
    assert not network.find(".ds-undo").is_enabled()


def test_the_run_goes_on_from_what_was_set(network: Page) -> None:
    choose(network, 0)
    write(network, 2, "2")
    wait(lambda: network.find(".ds-undo").is_enabled(), "it to be set")
    network.click(".batch")
    wait(lambda: network.step == 25, "a batch")
    assert fields(network)[2] != "2" and abs(float(fields(network)[2]) - 2) < 0.1
    network.click(".reset")
    wait(lambda: network.step == 0, "the start")
    wait(lambda: not network.find(".ds-undo").is_enabled(), "nothing to go back to")


def test_a_playing_run_goes_on_from_it_too(network: Page) -> None:
    choose(network, 0)
    network.press(" ")
    wait(lambda: network.step > 30, "the run to go on")
    for last in (False, False, True):
        write(network, 1, "-40")
        try:
            wait(lambda: float(fields(network)[1]) < -30, "it to be set", 20 if last else 5)
            break
        except AssertionError:  # a browser on a busy machine may lose what its driver types
            if last:
                raise
    at = network.step
    wait(lambda: network.step > at + 20, "the run to go on")
    assert float(fields(network)[1]) < -30


def test_by_keyboard_alone(network: Page) -> None:
    """One stop of Tab for all units; arrows go among them, and in a field they step."""
    network.js("document.querySelector('.ds-choose button').focus()")
    for key, label in (
        (RIGHT, "Layer 1, unit 2"), (DOWN, "Layer 2, unit 2"), (LEFT, "Layer 2, unit 1"),
        (UP, "Layer 1, unit 1"), (UP, "Layer 1, unit 1"), (RIGHT, "Layer 1, unit 2"),
    ):  # fmt: skip
        network.press(key)
        assert network.js("return document.activeElement.ariaLabel") == label
    network.press(" ")
    wait(lambda: network.shows(".ds-unit"), "its weights")
    assert network.label(".play") == "Play"  # the space bar pressed the unit
    before = float(fields(network)[0])
    for _ in range(5):
        network.press(TAB)
        if network.js("return document.activeElement.dataset.weight") == "0":
            break
    network.press(UP * 30)
    network.press(DOWN * 2)
    network.press(PAGE_UP)
    wait(lambda: network.find(".ds-undo").is_enabled(), "it to be set")
    wait(lambda: abs(float(fields(network)[0]) - before - 3.8) < 1e-4, "every step")
    network.press("7" + ESCAPE)
    assert abs(float(fields(network)[0]) - before - 3.8) < 1e-4
    assert network.step == 24  # no key of it was an order
    network.click(".ds-undo")
    wait(lambda: abs(float(fields(network)[0]) - before) < 1e-5, "what it was before the keys")


def test_what_is_no_weight_is_not_taken(network: Page) -> None:
    choose(network, 0)
    before = fields(network)
    for text in ("", "1e7", "-1e300"):
        write(network, 0, text)
        assert fields(network) == before
    assert not network.find(".ds-undo").is_enabled()


def test_the_code_that_is_taken_away_says_it(network: Page) -> None:
    choose(network, 12)
    write(network, 15, "0.125")
    wait(lambda: network.find(".ds-undo").is_enabled(), "it to be set")
    network.open_panel("takeaway")
    wait(lambda: "run.params = params" in network.text(".taken-code"), "the code")
    assert "params['2.weight'][2, 15] = 0.125" in network.text(".taken-code")
    network.click(".open-runs")
    wait(lambda: network.shows(".panel.runs"), "the runs")
    network.click(network.field("keep"))
    wait(lambda: "set by hand" in network.text(".panel.runs tbody"), "how it was changed")


def test_many_weights_are_told_in_part(network: Page) -> None:
    network.open_panel("model")
    network.choose("units 0", "100")
    wait(lambda: "100 tanh" in network.text(".formula"), "a wide layer")
    choose(network, 10)
    wait(lambda: len(fields(network)) == 65, "the first weights and the bias")
    assert network.text(".ds-unit-told:last-child").startswith("The first 64 of 100 weights")


AUDITED = """
const done = arguments[arguments.length - 1];
axe.run('.ds-units').then(found => done(found.violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '))));
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_and_nothing_is_cut(network: Page, width: int, dark: bool) -> None:
    if not AXE.is_file():
        pytest.skip("there is no axe-core: make studio-web-check brings it")
    look(network.driver, Looks(width=width, dark=dark))
    choose(network, 11)
    network.js(AXE.read_text("utf-8"))
    for language in ("en", "zh-CN"):
        network.click(f"[lang={language}]:not(html)")
        wait(lambda told=language: ("单元" in network.text(".ds-unit h3")) == (told != "en"), "it")
        assert network.driver.execute_async_script(AUDITED) == []
        assert network.js("return document.documentElement.scrollWidth <= innerWidth")
