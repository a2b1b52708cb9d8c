"""What is taken away from the page, and what an address that is opened may do."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from browser import Looks, Page, Server, look, open_browser, wait
from descend.studio.samples import SAMPLES
from descend.studio.setup import PARABOLA
from descend.studio.takeaway import to_fragment
from parabola import by_hand, parameters, said


@pytest.fixture
def folder(driver: Any, tmp_path: Path) -> Path:
    """Where the browser saves what it is given."""
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    return tmp_path


def saved(page: Page, folder: Path, button: str, name: str) -> Path:
    page.click(page.field(button))
    wait(lambda: (folder / name).exists(), f"the file {name}")
    return folder / name


def test_code_and_data_make_the_same_numbers(
    page: Page, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    page.slide("lr", -2)
    wait(lambda: page.text(".controls .slider .value") == "0.01", "another rate")
    page.press("e")
    wait(lambda: page.step == 101, "an example")
    page.open_panel("takeaway")
    wait(lambda: "run.set(lr=0.01)" in page.text(".taken-code"), "the code")
    assert "途中" not in page.text(page.field("command-told"))
    assert "The learning rate was changed on the way" in page.text(page.field("command-told"))
    file = saved(page, folder, "save-data", "parabola.csv")
    rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
    assert [float(x) for x, _ in rows] == SAMPLES["parabola"].table({})["x"].tolist()
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(page.text(".taken-code"), names)
    assert said(list(names["run"].params.values())) == parameters(page)
    w1, w2, w3 = by_hand(100)
    slope = 2 * (w3 - 6)  # the first row again, x = 0
    assert parameters(page) == said([w1, w2, w3 - 0.01 * slope])


def test_the_command_follows_the_run(page: Page) -> None:
    page.open_panel("takeaway")
    wait(lambda: "none is complete" in page.text(page.field("command-told")), "why it is not there")
    page.press("n")
    wait(lambda: "--epochs 1 " in page.text(".taken-command"), "the command")
    page.click("[lang=zh-CN]:not(html)")
    wait(lambda: "第 1 轮结束时" in page.text(page.field("command-told")), "the other language")


def test_the_report_plays_on_a_phone(page: Page, folder: Path) -> None:
    for count in range(1, 6):
        page.press("n")
        wait(lambda count=count: page.step == 100 * count, "an epoch")
    page.open_panel("takeaway")
    report = saved(page, folder, "save-report", "parabola.html")
    assert 50_000 < report.stat().st_size <= 2_000_000
    phone = open_browser(Looks(width=360, height=780, language="zh-CN"))
    try:
        phone.get(report.as_uri())
        shown = Page(phone).ready()
        assert shown.text("h1") == PARABOLA.formula and shown.state == "ready"
        assert shown.js("return document.documentElement.scrollWidth") <= 360
        shown.click(".ds-do-play")
        wait(lambda: shown.step == 500, "the end")
        assert [shown.parameter(n) for n in ("w1", "w2", "w3")] == said(by_hand(500))
        wait(lambda: shown.text(".ds-do-play") == "Play", "the end of playing")
        shown.click("[data-lang=zh]")
        assert shown.text(".ds-do-play") == "播放" and "正在收敛" in shown.text(".ds-sentence")
        shown.js(
            "const s = document.querySelector('.ds-set-moment'); s.value = 0;"
            "s.dispatchEvent(new Event('input'))"
        )
        wait(lambda: shown.step == 0, "the first moment")
        loaded = shown.js("return performance.getEntriesByType('resource').map(r => r.name)")
        assert loaded == [] and shown.complaints() == []
    finally:
        phone.quit()


def test_a_state_is_shown_before_it_is_used(page: Page, server: Server) -> None:
    plain = {**json.loads(PARABOLA.to_json()), "lr": 0.05, "batch_size": 10}
    address = f"{server.root}#{to_fragment(PARABOLA.from_plain(plain))}"
    page.driver.get("about:blank")  # only from elsewhere the page is opened anew
    page.open(address)
    wait(lambda: page.shows(".offer"), "what it says")
    assert "Nothing has been read or run" in page.text(".offer")
    assert "0.05" in page.text(".offer") and page.step == 0
    assert page.text(".controls .slider .value") == "0.001"
    page.click(page.field("use-state"))
    wait(lambda: page.text(".controls .slider .value") == "0.05", "the state")
    assert page.js("return location.hash") == ""
    page.js("location.hash = arguments[0]", to_fragment(PARABOLA))
    wait(lambda: page.shows(".offer"), "another one")
    page.click(page.field("leave-state"))
    wait(lambda: not page.shows(".offer"), "it to be left")
    assert page.text(".controls .slider .value") == "0.05"


@pytest.mark.parametrize(
    "hash_",
    ["descend=1.AAAA", "descend=9.abc", "descend=1.<img src=x onerror=window.hit=1>", "descend="],
)
def test_a_hostile_address_is_refused_in_words(page: Page, hash_: str) -> None:
    page.js("location.hash = arguments[0]", hash_)
    wait(lambda: page.text(".trouble"), "why it is refused")
    assert "address" in page.text(".trouble") and not page.shows(".offer")
    assert page.step == 0 and page.js("return window.hit") is None


def test_data_of_ones_own_are_not_read_by_an_address(page: Page) -> None:
    plain = {**json.loads(PARABOLA.to_json()), "source": {"own": "<b>passwd", "digest": "0"}}
    page.js("location.hash = arguments[0]", to_fragment(PARABOLA.from_plain(plain)))
    wait(lambda: page.shows(".offer"), "what it says")
    assert 'data of your own, "<b>passwd"' in page.text(".offer")
    assert not page.shows(page.field("use-state"))


def test_the_buttons_for_copying_say_so(page: Page) -> None:
    look(page.driver, Looks())
    page.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
    })  # fmt: skip
    page.open_panel("takeaway")
    wait(lambda: page.text(".taken-code"), "the code")
    page.click(page.field("copy-code"))
    wait(lambda: "Copied." in page.text("body"), "that it was copied")
    copied = page.driver.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done(String(e)))"
    )
    assert copied == page.text(".taken-code")
