"""The lesson, played through in Chromium: every number beside those of plain Python."""

import pytest

from browser import FASTEST, Page, wait
from parabola import by_hand, parameters, said


def test_it_opens_on_the_parabola_at_its_start(page: Page) -> None:
    assert page.state == "ready"
    assert page.text(".formula") == "y = w1·x² + w2·x + w3"
    assert "100 points of y = 4x² + 5x + 6" in page.text(".lesson")
    assert parameters(page) == ["1.000000", "0.000000", "1.000000"]
    assert page.number("epoch_count") == page.number("step_count") == "0"
    assert page.text(".ds-sentence").startswith("Ready. The loss is 76.92.")


def test_one_click_plays_and_pauses(page: Page) -> None:
    assert page.label(".play") == "Play"
    page.click(".play")
    wait(lambda: page.step > 300, "the run to go on")
    wait(lambda: page.label(".play") == "Pause", "the button to change its name")
    assert page.state in ("first", "converging")
    page.click(".play")
    wait(lambda: page.label(".play") == "Play", "the button to change its name")
    at = page.step
    assert parameters(page) == said(by_hand(at))


def test_the_space_bar_plays_and_pauses(page: Page) -> None:
    page.press(" ")
    wait(lambda: page.step > 300, "the run to go on")
    page.press(" ")
    wait(lambda: page.label(".play") == "Play", "the button to change its name")
    assert parameters(page) == said(by_hand(page.step))


@pytest.mark.parametrize("way", ["button", "key"])
def test_one_example_is_exactly_one_step(page: Page, way: str) -> None:
    for count in range(1, 6):
        page.click(".example") if way == "button" else page.press("e")
        wait(lambda count=count: page.step == count, "one step")
        assert parameters(page) == said(by_hand(count))
    x = 4 / 100
    w1, w2, w3 = by_hand(4)
    told = page.text(".ds-example")
    assert told.startswith(f"Example 5: x = 0.04000, y = {4 * x * x + 5 * x + 6:.4g}")
    assert f"the model said {w1 * x * x + w2 * x + w3:.4g}" in told
    assert page.text('[data-parameter="w3"] + .ds-change') == f"+{by_hand(5)[2] - w3:.6f}"


def test_a_batch_an_epoch_and_a_reset(page: Page) -> None:
    page.click(".batch")
    wait(lambda: page.step == 1, "a batch")
    page.click(".epoch")
    wait(lambda: page.step == 101, "an epoch")
    assert parameters(page) == said(by_hand(101))
    for key, step in (("b", 102), ("n", 202), ("r", 0)):
        page.press(key)
        wait(lambda step=step: page.step == step, f"step {step}")
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    page.click(".reset")
    wait(lambda: page.step == 0 and page.state == "ready", "the start")
    assert parameters(page) == said(by_hand(0))


def test_the_learning_rate_changes_on_the_way(page: Page) -> None:
    page.slide("lr", -1)
    wait(lambda: page.text(".slider .value") == "0.1", "the rate to be said")
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    assert parameters(page) == said(by_hand(100, 0.1))


def test_at_full_speed_it_arrives_where_the_lesson_does(page: Page) -> None:
    page.slide("speed", FASTEST)
    wait(lambda: page.js("return document.querySelectorAll('.slider .value')[1].textContent")
         == "as fast as it goes", "the speed to be said")  # fmt: skip
    page.press(" ")
    wait(lambda: page.state == "goal", "the goal")
    assert page.number("epoch_count") == "4830"
    assert parameters(page) == ["4.041696", "4.956745", "6.007720"]
    assert page.text(".ds-sentence").startswith("Arrived at the goal: after 4830 epochs")
    wait(lambda: page.label(".play") == "Play", "the run to be at rest")
    page.press(" ")  # and again from the start
    wait(lambda: page.state == "goal" and page.number("step_count") == "483000", "the goal again")


def test_a_divergence_is_called_one(page: Page) -> None:
    page.slide("lr", 0)
    wait(lambda: page.text(".slider .value") == "1", "the rate to be said")
    page.slide("speed", FASTEST)
    page.press(" ")
    wait(lambda: page.state == "diverging", "the divergence")
    assert "lower the learning rate" in page.text(".ds-sentence")
    assert page.text(".ds-example") == "The model is outside of the picture."
    wait(lambda: page.label(".play") == "Play", "the run to have ended")
    page.slide("lr", -1)
    page.press("r")
    page.press(" ")
    wait(lambda: page.state == "goal", "the goal")


# --- the pictures

COUNTED = """
const canvas = document.querySelector('.ds-canvas canvas');
const copy = new OffscreenCanvas(canvas.width, canvas.height);
const pen = copy.getContext('2d', {willReadFrequently: true});
pen.drawImage(canvas, 0, 0);
const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
const wanted = arguments[0];
let count = 0, down = 0;
for (let i = 0; i < pixels.length; i += 4) {
  if (wanted.every((c, k) => Math.abs(pixels[i + k] - c) < 12) && pixels[i + 3] > 200) {
    count += 1;
    down += Math.floor(i / 4 / canvas.width);
  }
}
return [count, down / count / canvas.height];
"""
CURVE, POINT = [0xD1, 0x46, 0x0F], [0x2F, 0x6F, 0xB0]


def test_the_curve_rises_to_the_points(page: Page) -> None:
    count, low = page.js(COUNTED, CURVE)
    points, high = page.js(COUNTED, POINT)
    assert count > 300 and points > 300
    assert low > high + 0.2  # down the page: the curve begins below the data
    page.slide("lr", -1)
    page.slide("speed", FASTEST)
    page.press(" ")
    wait(lambda: page.state == "goal", "the goal")
    count, arrived = page.js(COUNTED, CURVE)
    assert count > 300 and abs(arrived - high) < 0.05


def test_the_loss_is_drawn(page: Page) -> None:
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    assert page.text(".ds-sentence").startswith("Converging: over the last 1 epoch the loss fell")
    page.press("n")
    wait(lambda: page.step == 200, "an epoch")
    inked = page.js(
        "const c = document.querySelector('.ds-plot canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 0; i < d.length; i += 4) n += "
        "Math.abs(d[i] - 0x2f) < 12 && Math.abs(d[i + 2] - 0xb0) < 12 && d[i + 3] > 200; return n"
    )
    assert inked > 100
