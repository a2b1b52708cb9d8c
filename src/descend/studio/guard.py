"""Who may speak to the studio: a gate before everything that it serves.

It listens on the loopback address, which every page that a browser shows can reach. So each
request (pages, files, both WebSockets, long polling) must name our own address as its host, come
from our own page where it says where it comes from, and carry the secret. The secret stands in
the first address only: it is exchanged for a cookie that scripts cannot read and other sites do
not send, and a redirect takes it out of the address bar.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

__all__ = ["Guard", "Refusal"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SAFE_METHODS = ("GET", "HEAD")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' ws://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Nothing from elsewhere; NiceGUI's pages carry their script in themselves, and compile it."""


class Refusal(NamedTuple):
    """A status of HTTP, and why."""

    status: int
    words: str


class Guard:
    """An ASGI application before another one.

    Args:
        app: what is guarded.
        port: where it is served, on the loopback address.
        secret: of the first address; drawn where none is given.

    Attributes:
        address: the first address, with the secret.
    """

    def __init__(self, app: App, port: int, secret: str | None = None) -> None:
        self.app = app
        self.secret = secrets.token_urlsafe(32) if secret is None else secret
        self._token = secrets.token_urlsafe(32)
        self._cookie = f"descend-studio-{port}"
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.address = f"http://{self._hosts[0]}/?secret={self.secret}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what may pass, and refuse the rest with words."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refusal = self._place_refused(scope)
        if refusal is None and self._enters(scope):
            await self._welcome(scope, send)
            return
        refusal = refusal or self._secret_refused(scope)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
        elif scope["type"] == "http":
            await self.app(scope, receive, _with_headers(send, self._headers(scope)))
        else:
            await self.app(scope, receive, send)

    def _place_refused(self, scope: Message) -> Refusal | None:
        """Whether it is meant for another host, or comes from another page."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return Refusal(421, "The studio answers to its own address only, and not to this Host.")
        if origins and origins != [f"http://{hosts[0]}"]:
            return Refusal(403, "The studio answers its own page only, and not this Origin.")
        silent = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if not origins and not silent:
            return Refusal(403, "The studio wants to know the Origin of this request; it has none.")
        return None

    def _enters(self, scope: Message) -> bool:
        """Whether it is the first address."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] not in SAFE_METHODS:
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("secret", [])
        return len(given) == 1 and _same(given[0], self.secret)

    async def _welcome(self, scope: Message, send: Send) -> None:
        cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [
            (b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0"),
            (b"cache-control", b"no-store"), *self._headers(scope),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _secret_refused(self, scope: Message) -> Refusal | None:
        for line in _values(scope, b"cookie"):
            for cookie in line.split(";"):
                name, _, value = cookie.strip().partition("=")
                if name == self._cookie and _same(value, self._token):
                    return None
        return Refusal(
            403, "The studio's secret is missing. Open the address that descend studio has printed."
        )

    def _headers(self, scope: Message) -> list[tuple[bytes, bytes]]:
        policy = POLICY.format(host=_values(scope, b"host")[0])
        return [
            (b"content-security-policy", policy.encode()), (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"),
        ]  # fmt: skip


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _values(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sending


async def _refuse(refusal: Refusal, scope: Message, receive: Receive, send: Send) -> None:
    """Answer with a status and words; a WebSocket likewise, before it is opened."""
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # that it wants to connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.words})
            return
        kind = "websocket.http"
    body = refusal.words.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]  # fmt: skip
    await send({"type": f"{kind}.response.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
