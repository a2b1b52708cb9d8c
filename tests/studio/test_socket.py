"""The protocol of the frames' socket, with a stand-in for the browser's end."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from fastapi import WebSocketDisconnect

from descend.studio.bench import Bench
from descend.studio.frames import unpack
from descend.studio.page import UNKNOWN_RUN, Studio
from descend.studio.setup import PARABOLA
from descend.studio.shell import View


class Browser:
    """What the socket sends is kept; what it is to receive is said."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.said: asyncio.Queue[str | None] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.end: Any = None
        self.bench = Bench()

    async def accept(self) -> None: ...

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    async def send_text(self, text: str) -> None:
        message = json.loads(text)
        if "slope" not in message:  # which comes when it is whole
            await self.sent.put(message)

    async def send_bytes(self, frame: bytes) -> None:
        await self.sent.put(unpack(frame)[0])

    async def iter_text(self) -> Any:
        while (text := await self.said.get()) is not None:
            yield text

    def say(self, **message: Any) -> None:
        self.said.put_nowait(json.dumps(message))

    async def next(self) -> Any:
        return await asyncio.wait_for(self.sent.get(), 60)


def with_socket(talk: Any, key: str = "known") -> Browser:
    """Let somebody talk on the socket of a studio with one run, `known`."""
    studio, bench, browser = Studio(), Bench(), Browser()
    studio._tabs["known"] = View("known", "en", bench)
    browser.bench = bench

    async def meet() -> None:
        await bench.put(PARABOLA)
        browser.end = bench.session.close
        serving = asyncio.create_task(studio.frames(browser, key))  # type: ignore[arg-type]
        await talk(browser)
        browser.said.put_nowait(None)
        await asyncio.wait_for(serving, 60)

    try:
        asyncio.run(meet())
    finally:
        bench.close()
    return browser


def test_a_scene_then_frames_each_after_the_one_before_was_drawn() -> None:
    async def talk(browser: Browser) -> None:
        assert (await browser.next())["params"] == ["w1", "w2", "w3"]
        assert (await browser.next())["updates"] == 0
        for _ in range(3):
            browser.say(do="example", value=1)
        with pytest.raises(asyncio.TimeoutError):  # it was not drawn yet
            await asyncio.wait_for(browser.sent.get(), 0.2)
        browser.say(do="ack")
        assert (await browser.next())["updates"] == 3  # the latest one; those between are gone
        browser.say(do="ack")
        browser.say(do="epoch")
        assert (await browser.next())["updates"] == 103

    assert with_socket(talk).closed is None


def test_another_setup_begins_with_its_own_scene() -> None:
    async def talk(browser: Browser) -> None:
        await browser.next()
        await browser.next()
        await browser.bench.put(dataclasses.replace(PARABOLA, batch_size=10))
        browser.say(do="ack")
        assert (await browser.next())["batch_size"] == 10
        assert (await browser.next())["updates"] == 0
        browser.say(do="ack")
        browser.say(do="epoch")
        assert (await browser.next())["updates"] == 10

    assert with_socket(talk).closed is None


WRONG = [
    "no JSON", '{"do": "fly"}', '{"do": "lr", "value": "much"}', '{"do": "lr", "value": -1}',
    '{"do": "lr", "value": NaN}', "[]", "7", '{"do": "speed", "value": null}',
    '{"do": "lr", "value": {}}', '{"do": "begin", "value": 1}', '{"do": "lr", "value": 1e999}',
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_order_closes_the_socket_with_words(text: str) -> None:
    async def talk(browser: Browser) -> None:
        await browser.next()
        browser.said.put_nowait(text)

    closed = with_socket(talk).closed
    assert closed is not None and closed[0] == 1008 and closed[1]


def test_a_run_that_is_not_there_is_said() -> None:
    async def talk(browser: Browser) -> None: ...

    assert with_socket(talk, "unknown").closed == (UNKNOWN_RUN, "There is no such run any more.")


def test_a_run_that_has_ended_for_good_closes_the_socket() -> None:
    async def talk(browser: Browser) -> None:
        await browser.next()
        await browser.next()
        browser.end()
        browser.say(do="ack")
        while browser.closed is None:
            await asyncio.sleep(0.01)

    assert with_socket(talk).closed == (1011, "The run has ended.")


def test_a_browser_that_has_left_is_no_error() -> None:
    async def talk(browser: Browser) -> None:
        async def left(_: bytes) -> None:
            raise WebSocketDisconnect

        await browser.next()
        browser.send_bytes = left  # type: ignore[method-assign]
        browser.say(do="example")
        browser.say(do="ack")

    assert with_socket(talk).closed is None
