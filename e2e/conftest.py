"""One studio and one browser for all tests; each opens the page anew, and so has its own run."""

from collections.abc import Iterator
from typing import Any

import pytest

from browser import MISSING, Looks, Page, Server, browser_is_there, look, open_browser


@pytest.fixture(scope="session", autouse=True)
def chromium() -> None:
    pytest.importorskip("selenium", reason="the extra descend[e2e] is not installed")
    if not browser_is_there():
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def server(chromium: None) -> Iterator[Server]:
    with Server() as made:
        yield made
        assert made.stop()[0] == 130


@pytest.fixture(scope="session")
def driver(chromium: None) -> Iterator[Any]:
    made = open_browser(Looks())
    yield made
    made.quit()


@pytest.fixture
def page(server: Server, driver: Any) -> Iterator[Page]:
    """The studio's page in English, 1280 px wide, light; nothing may complain in its console."""
    driver.delete_all_cookies()
    look(driver, Looks())
    driver.get("about:blank")
    driver.get_log("browser")  # what another page had to say
    made = Page(driver).open(server.address)
    yield made
    assert made.complaints() == []
