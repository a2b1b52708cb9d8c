"""Sliders keep every key that is pressed quickly, and orders wait for what is compiled."""

from typing import Any

import pytest

from browser import Page, wait
from parabola import by_hand, parameters, said

RIGHT, LEFT, SPACE = "\ue014", "\ue012", " "


def place(page: Page, slider: str) -> float:
    return float(page.js("return document.querySelector(arguments[0]).value", slider))


def test_thirty_quick_keys_are_thirty_steps_of_the_learning_rate(page: Page) -> None:
    page.js("document.querySelector('input.lr').focus()")
    page.press(RIGHT * 30)
    wait(lambda: page.text(".slider .value") == "1", "the rate of the last key")
    assert place(page, "input.lr") == 0  # a power of ten: from −3, by a tenth a key
    page.press(LEFT * 10)
    wait(lambda: page.text(".slider .value") == "0.1", "the rate of the last key")
    assert place(page, "input.lr") == -1
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    assert parameters(page) == said(by_hand(100, 0.1))  # the session has it too


def test_thirty_quick_keys_are_thirty_steps_of_where_a_parameter_begins(page: Page) -> None:
    page.open_panel("model")
    slider = page.field("start w3")
    begin, step = (float(page.js(f"return document.querySelector(arguments[0]).{name}", slider))
                   for name in ("value", "step"))  # fmt: skip
    page.js("document.querySelector(arguments[0]).focus()", slider)
    page.press(RIGHT * 30)
    wait(lambda: abs(float(page.parameter("w3")) - begin - 30 * step) < 1e-6, "the last key")
    assert place(page, slider) == pytest.approx(begin + 30 * step)


def test_another_setup_moves_the_slider_to_its_rate(page: Page) -> None:
    page.slide("lr", -1)
    wait(lambda: page.text(".slider .value") == "0.1", "the rate to be said")
    page.open_panel("data")
    page.choose("sample", "xor")
    wait(lambda: page.kind == "plane", "the plane")
    rate = float(page.text(".slider .value"))
    assert rate != 0.1 and abs(10 ** place(page, "input.lr") - rate) < 0.15 * rate


# --- while it is compiled

PRESSED = """
const sample = document.querySelector('.panels [data-field="sample"]');
sample.value = 'digits';
sample.dispatchEvent(new Event('change', {bubbles: true}));
const status = document.querySelector('.status');
const [keys, done] = arguments;
let pressed = false;
window.waited = [];
const look = () => {
  for (const what of [status.textContent, document.querySelector('.play .block').textContent])
    if (!window.waited.includes(what)) window.waited.push(what);
  if (status.offsetParent && !pressed) {
    pressed = true;
    for (const key of keys)
      document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    done(true);
  }
  if (window.waited.length < 50) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def pressed(page: Page, keys: str) -> None:
    """Have the digits compiled, and press keys as soon as the page says so."""
    page.open_panel("data")
    page.driver.set_script_timeout(20)
    page.driver.execute_async_script(PRESSED, keys)


def digits(page: Page) -> Any:
    wait(lambda: page.kind == "table", "the digits", 60)
    return wait(lambda: page.js("return window.waited"), "what was seen")


def test_play_that_is_pressed_while_it_compiles_plays_then(page: Page) -> None:
    pressed(page, SPACE)
    seen = digits(page)
    wait(lambda: page.step > 0, "the run to go on")
    assert page.label(".play") == "Pause"
    assert "Waits …" in seen and any("After that: Play." in said for said in seen)
    page.press(SPACE)


@pytest.mark.parametrize(("keys", "steps"), [("b", 1), (" b", 1), ("bn", None), ("  ", 0)])
def test_the_last_order_that_is_pressed_then_counts(
    page: Page, keys: str, steps: int | None
) -> None:
    pressed(page, keys)
    digits(page)
    if steps is None:
        wait(lambda: page.number("epoch_count") == "1", "an epoch")
    else:
        wait(lambda: page.step == steps, "so many steps")
    assert page.label(".play") == "Play"
