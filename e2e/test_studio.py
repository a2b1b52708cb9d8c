"""The first landing of the studio, played through in Chromium."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from browser import Looks, Page, Server, look, open_browser, wait

ROOT = Path(__file__).parent.parent
AXE = ROOT / "studio-web" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"wide": 1280, "narrow": 360}
FASTEST = 13


def by_hand(count: int, lr: float = 0.001) -> list[float]:
    """The lesson's parameters after so many steps of one row."""
    w1, w2, w3 = 1.0, 0.0, 1.0
    for i in range(count):
        x = i % 100 / 100
        slope = 2 * (w1 * x * x + w2 * x + w3 - (4 * x * x + 5 * x + 6))
        w1, w2, w3 = w1 - lr * slope * x * x, w2 - lr * slope * x, w3 - lr * slope
    return [w1, w2, w3]


def parameters(page: Page) -> list[str]:
    return [page.parameter(name) for name in ("w1", "w2", "w3")]


def said(values: list[float]) -> list[str]:
    return [f"{value:.6f}".replace("-", "−") for value in values]


def label(page: Page, selector: str) -> str:
    return page.text(f"{selector} .block")


# --- the lesson


def test_it_opens_on_the_parabola_at_its_start(page: Page) -> None:
    assert page.state == "ready"
    assert page.text(".formula") == "y = w1·x² + w2·x + w3"
    assert "100 points of y = 4x² + 5x + 6" in page.text(".lesson")
    assert parameters(page) == ["1.000000", "0.000000", "1.000000"]
    assert page.number("epoch_count") == page.number("step_count") == "0"
    assert page.text(".ds-sentence").startswith("Ready. The loss is 76.92.")


def test_one_click_plays_and_pauses(page: Page) -> None:
    assert label(page, ".play") == "Play"
    page.click(".play")
    wait(lambda: page.step > 300, "the run to go on")
    wait(lambda: label(page, ".play") == "Pause", "the button to change its name")
    assert page.state in ("first", "converging")
    page.click(".play")
    wait(lambda: label(page, ".play") == "Play", "the button to change its name")
    at = page.step
    assert parameters(page) == said(by_hand(at))


def test_the_space_bar_plays_and_pauses(page: Page) -> None:
    page.press(" ")
    wait(lambda: page.step > 300, "the run to go on")
    page.press(" ")
    wait(lambda: label(page, ".play") == "Play", "the button to change its name")
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
    wait(lambda: label(page, ".play") == "Play", "the run to be at rest")
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
    wait(lambda: label(page, ".play") == "Play", "the run to have ended")
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
    page.press("n")
    wait(lambda: page.step == 200, "an epoch")
    inked = page.js(
        "const c = document.querySelector('.ds-plot canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 0; i < d.length; i += 4) n += "
        "Math.abs(d[i] - 0x2f) < 12 && Math.abs(d[i + 2] - 0xb0) < 12 && d[i + 3] > 200; return n"
    )
    assert inked > 100


# --- languages and themes


def test_the_language_changes_in_place(page: Page) -> None:
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    page.click("[lang=zh-CN]")
    wait(lambda: label(page, ".example") == "一个样本", "Chinese")
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
    wait(lambda: label(page, ".play") == "播放", "Chinese to be kept")
    page.click("[lang=en]:not(html)")
    wait(lambda: label(page, ".play") == "Play", "English")


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
    for _ in range(10):
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
    wait(lambda: label(page, ".play") == "Play", "the run to pause")
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


# --- safety, tabs, the end


def test_the_address_keeps_no_secret_and_nothing_comes_from_elsewhere(
    page: Page, server: Server
) -> None:
    assert page.driver.current_url == server.root
    secret = server.address.split("secret=")[1]
    assert secret not in page.driver.page_source
    assert page.js("return document.cookie").find("descend-studio") == -1
    loaded = page.js("return performance.getEntriesByType('resource').map(r => r.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith((server.root, "data:", "blob:"))] == []


def test_without_the_secret_there_is_no_page(page: Page, server: Server) -> None:
    page.driver.delete_all_cookies()
    page.driver.get(server.root)
    assert "The studio's secret is missing." in page.text("body")
    page.driver.get("about:blank")
    page.driver.get_log("browser")  # that it was refused


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another page on this computer, which somebody's browser shows as well."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>elsewhere</title>")

        def log_message(self, *_: Any) -> None: ...

    other = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{other.server_port}/"
    other.shutdown()
    other.server_close()


ATTEMPT = """
const [netloc, done] = arguments;
const sockets = ['/frames/abc', '/_nicegui_ws/socket.io/?EIO=4&transport=websocket'].map(path =>
  new Promise(end => {
    const s = new WebSocket('ws://' + netloc + path);
    s.onopen = () => end('open'); s.onerror = () => end('refused');
  }));
const reads = ['/', '/_nicegui_ws/socket.io/?EIO=4&transport=polling'].map(path =>
  fetch('http://' + netloc + path, {credentials: 'include'}).then(r => r.text(), () => 'refused'));
Promise.all([...sockets, ...reads]).then(done);
"""


def test_a_page_from_elsewhere_reaches_nothing(page: Page, server: Server, elsewhere: str) -> None:
    """Another port is the same site to a browser: it sends the cookie along, and the Origin."""
    page.driver.get(elsewhere)
    assert page.driver.execute_async_script(ATTEMPT, server.netloc) == ["refused"] * 4
    page.driver.get_log("browser")  # that it was refused


def test_a_name_that_was_made_to_mean_this_computer_reaches_nothing(server: Server) -> None:
    """Rebinding: the browser takes the page for one of evil.example, and its Origin fits."""
    rebound = open_browser(Looks(), "--host-resolver-rules=MAP evil.example 127.0.0.1")
    try:
        port = server.netloc.split(":")[1]
        rebound.get(server.address.replace("127.0.0.1", "evil.example"))
        page = Page(rebound)
        assert "own address only, and not to this Host" in page.text("body")
        assert rebound.current_url.startswith(f"http://evil.example:{port}/")
        found = rebound.execute_async_script(ATTEMPT, f"evil.example:{port}")
        assert found[:2] == ["refused", "refused"]
        assert all("not to this Host" in text for text in found[2:])
    finally:
        rebound.quit()


def test_a_page_of_the_studio_itself_reaches_both_sockets(page: Page, server: Server) -> None:
    found = page.driver.execute_async_script(ATTEMPT, server.netloc)
    assert found[:2] == ["open", "open"]
    assert "<title>descend studio</title>" in found[2] and '"sid"' in found[3]
    page.driver.get_log("browser")  # that there is no run abc


def test_two_tabs_have_a_run_each(page: Page, server: Server) -> None:
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    look(page.driver, Looks())
    page.open(server.root)
    assert page.step == 0
    page.press("e")
    wait(lambda: page.step == 1, "one example")
    page.driver.close()
    page.driver.switch_to.window(first)
    assert page.step == 100
    page.press("e")
    wait(lambda: page.step == 101, "one example")


def test_the_runs_of_closed_tabs_end(driver: Any) -> None:
    """Every run has a thread of its own."""
    driver.delete_all_cookies()
    with Server() as own:
        page = Page(driver).open(own.address)
        first = driver.current_window_handle
        for _ in range(3):
            driver.switch_to.new_window("tab")
            page.open(own.root).press(" ")
            wait(lambda: page.step > 100, "the run to go on")
        most = own.threads()
        for window in driver.window_handles:
            if window != first:
                driver.switch_to.window(window)
                driver.close()
        driver.switch_to.window(first)
        wait(lambda: own.threads() <= most - 3, "three threads to end")
        page.press("e")
        wait(lambda: page.step == 1, "one example")
    driver.get("about:blank")
    driver.get_log("browser")


def test_when_the_server_is_gone_the_page_says_so(driver: Any) -> None:
    driver.delete_all_cookies()
    with Server() as own:
        page = Page(driver).open(own.address)
        page.press(" ")
        wait(lambda: page.step > 100, "the run to go on")
        code, seconds = own.stop()
        assert code == 130
        assert seconds < 5  # a second or so, on a busy machine
    wait(lambda: "The studio has stopped." in page.text("[role=alert]"), "the words")
    assert "descend studio" in page.text("[role=alert]")
    driver.get("about:blank")
    driver.get_log("browser")
