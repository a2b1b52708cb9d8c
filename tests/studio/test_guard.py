"""The gate, as an ASGI application before one that answers everybody."""

import asyncio
import re
from typing import Any

import pytest

from descend.studio.guard import Guard

PORT = 8123
HOST, ORIGIN = f"127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT}"


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """What is guarded: it lets everybody in."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    elif scope["type"] == "http":
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"inside"})


def asked(
    guard: Guard, kind: str = "http", path: str = "/", method: str = "GET", query: str = "",
    extensions: Any = None, **headers: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """Everything that is sent in answer; a header that is None is left out, a list is repeated."""
    named = {"host": HOST, **headers}
    pairs = [
        (name.replace("_", "-").encode(), each.encode())
        for name, value in named.items() if value is not None
        for each in ([value] if isinstance(value, str) else value)
    ]  # fmt: skip
    scope = {"type": kind, "path": path, "headers": pairs, "query_string": query.encode()}
    scope |= {"method": method} if kind == "http" else {"extensions": extensions or {}}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return sent


def status(sent: list[dict[str, Any]]) -> int:
    return int(sent[0]["status"])


def words(sent: list[dict[str, Any]]) -> str:
    return str(sent[-1]["body"].decode())


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard(inner, PORT)


@pytest.fixture(scope="module")
def cookie(guard: Guard) -> str:
    """What a browser keeps of the first address."""
    headers = dict(asked(guard, query=f"secret={guard.secret}")[0]["headers"])
    return str(headers[b"set-cookie"].decode().split(";")[0])


def test_the_first_address_gives_a_cookie_and_leads_to_one_without_the_secret(
    guard: Guard,
) -> None:
    assert guard.address == f"{ORIGIN}/?secret={guard.secret}"
    sent = asked(guard, query=f"secret={guard.secret}")
    headers = dict(sent[0]["headers"])
    assert status(sent) == 303
    assert headers[b"location"] == b"/"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"referrer-policy"] == b"no-referrer"
    attributes = headers[b"set-cookie"].decode().split("; ")[1:]
    assert {*attributes} == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert guard.secret not in headers[b"set-cookie"].decode()


def test_secrets_are_long_and_drawn_anew() -> None:
    drawn = {Guard(inner, PORT).secret for _ in range(20)}
    assert len(drawn) == 20
    assert min(map(len, drawn)) >= 43  # 256 bits


def test_who_has_the_cookie_is_let_in(guard: Guard, cookie: str) -> None:
    sent = asked(guard, cookie=f"other=1; {cookie}")
    assert (status(sent), words(sent)) == (200, "inside")
    assert asked(guard, cookie=["a=b", cookie], method="POST", origin=ORIGIN)[0]["status"] == 200
    for path in ("/_nicegui_ws/socket.io/", "/frames/abc"):
        sent = asked(guard, "websocket", path, cookie=cookie, origin=ORIGIN)
        assert sent == [{"type": "websocket.accept"}]


def test_answers_forbid_what_comes_from_elsewhere(guard: Guard, cookie: str) -> None:
    headers = dict(asked(guard, cookie=cookie)[0]["headers"])
    assert headers[b"content-type"] == b"text/plain"  # that of the page stays
    assert headers[b"x-frame-options"] == b"DENY"
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert {*re.findall(r"\w+://[^\s;]+", policy)} == {f"ws://{HOST}"}


REFUSED = [
    (421, "own address only", {"host": "evil.example"}),
    (421, "own address only", {"host": f"evil.example:{PORT}"}),
    (421, "own address only", {"host": "127.0.0.1"}),
    (421, "own address only", {"host": f"127.0.0.1:{PORT + 1}"}),
    (421, "own address only", {"host": None}),
    (421, "own address only", {"host": [HOST, "evil.example"]}),
    (403, "not this Origin", {"origin": "http://evil.example"}),
    (403, "not this Origin", {"origin": f"https://{HOST}"}),
    (403, "not this Origin", {"origin": "null"}),
    (403, "not this Origin", {"origin": f"http://127.0.0.1:{PORT + 1}"}),
    (403, "not this Origin", {"origin": f"http://localhost:{PORT}"}),  # the host is 127.0.0.1
    (403, "not this Origin", {"origin": [ORIGIN, "http://evil.example"]}),
    (403, "secret is missing", {"cookie": None}),
    (403, "secret is missing", {"cookie": f"descend-studio-{PORT}=wrong"}),
    (403, "secret is missing", {"cookie": f"descend-studio-{PORT}="}),
    (403, "secret is missing", {"cookie": f"descend-studio-{PORT}=é"}),
    (403, "secret is missing", {"cookie": ";;=;"}),
]
PLACES = [
    ("http", "/", "GET"), ("http", "/draw.js", "GET"), ("http", "/_nicegui_ws/socket.io/", "GET"),
    ("http", "/_nicegui_ws/socket.io/", "POST"), ("websocket", "/_nicegui_ws/socket.io/", ""),
    ("websocket", "/frames/abc", ""), ("http", "/no/such/place", "DELETE"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "method"), PLACES)
@pytest.mark.parametrize(("code", "why", "changed"), REFUSED)
def test_others_are_refused_with_words_everywhere(
    guard: Guard, cookie: str, kind: str, path: str, method: str, code: int, why: str,
    changed: dict[str, Any],
) -> None:  # fmt: skip
    headers = {"cookie": cookie, "origin": ORIGIN, **changed}
    extensions = {"websocket.http.response": {}}
    sent = asked(guard, kind, path, method, extensions=extensions, **headers)
    assert status(sent) == code
    assert why in words(sent)
    prefix = "websocket.http" if kind == "websocket" else "http"
    assert [m["type"] for m in sent] == [f"{prefix}.response.start", f"{prefix}.response.body"]


def test_a_socket_of_an_older_server_is_closed_with_words(guard: Guard) -> None:
    (sent,) = asked(guard, "websocket", "/frames/abc", origin="http://evil.example")
    assert sent["type"] == "websocket.close"
    assert "not this Origin" in sent["reason"]


@pytest.mark.parametrize("kind", ["websocket", "http"])
def test_what_changes_something_must_say_where_it_comes_from(
    guard: Guard, cookie: str, kind: str
) -> None:
    extensions = {"websocket.http.response": {}}
    sent = asked(guard, kind, "/", "POST", cookie=cookie, extensions=extensions)
    assert status(sent) == 403
    assert "wants to know the Origin" in words(sent)


@pytest.mark.parametrize("query", ["secret=wrong", "secret=", "secret={0}&secret={0}", "x={0}"])
def test_a_wrong_secret_opens_nothing(guard: Guard, query: str) -> None:
    sent = asked(guard, query=query.format(guard.secret))
    assert status(sent) == 403 and "secret is missing" in words(sent)


def test_the_secret_counts_at_the_first_address_only(guard: Guard) -> None:
    query = f"secret={guard.secret}"
    assert status(asked(guard, path="/draw.js", query=query)) == 403
    extensions = {"websocket.http.response": {}}
    sent = asked(guard, "websocket", "/", query=query, origin=ORIGIN, extensions=extensions)
    assert status(sent) == 403
    assert status(asked(guard, query=query, origin="http://evil.example")) == 403
    assert status(asked(guard, query=query, host="evil.example")) == 421


def test_a_cookie_of_another_studio_opens_nothing(guard: Guard) -> None:
    other = Guard(inner, PORT)
    headers = dict(asked(other, query=f"secret={other.secret}")[0]["headers"])
    cookie = headers[b"set-cookie"].decode().split(";")[0]
    assert status(asked(other, cookie=cookie)) == 200
    assert status(asked(guard, cookie=cookie)) == 403
