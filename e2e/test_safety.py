"""Who is let in, what belongs to whom, and the end."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from browser import Looks, Page, Server, look, open_browser, wait


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

    other = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
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
