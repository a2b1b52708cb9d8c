"""`descend studio` as a process: its address, who is refused where, how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

PATIENCE = 60.0
SOCKETS = ["/frames/abc", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"]
POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"


class Running:
    """A studio that has told its address."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "descend", "studio", "--no-open", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        parts = urlsplit(self.line.split(": ", 1)[1].strip())
        self.netloc, self.first = parts.netloc, f"{parts.path}?{parts.query}"
        self.origin = f"http://{self.netloc}"
        self.cookie = self.get(self.first)[2]["set-cookie"].split(";")[0]

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of an answer."""
        link = http.client.HTTPConnection(self.netloc, timeout=PATIENCE)
        named = {name.title(): value for name, value in headers.items()}
        link.request(method, path, headers=named)
        answer = link.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        text = answer.read().decode()
        link.close()
        return answer.status, text, found

    def refused(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and words with which a WebSocket is refused."""
        host = headers.pop("host", self.netloc)
        origin = headers.pop("origin", self.origin)
        to = f"ws://{host}{path}"
        named = {name.title(): value for name, value in headers.items()}
        place = self.netloc.split(":")
        with (
            socket.create_connection((place[0], int(place[1])), PATIENCE) as link,
            pytest.raises(InvalidStatus) as caught,
            connect(to, sock=link, origin=origin, additional_headers=named),  # type: ignore[arg-type]
        ):
            pass
        response = caught.value.response
        return response.status_code, (response.body or b"").decode()

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    made = Running()
    yield made
    assert made.stop() == 130


def test_the_first_address_becomes_one_without_the_secret(running: Running) -> None:
    assert running.line.startswith("descend studio: http://127.0.0.1:")
    status, _, headers = running.get(running.first)
    assert (status, headers["location"]) == (303, "/")
    status, text, headers = running.get("/", cookie=running.cookie)
    assert status == 200 and "<title>descend studio</title>" in text
    assert "'self'" in headers["content-security-policy"]
    secret = running.first.split("=")[1]
    assert secret not in text


def test_it_listens_on_the_loopback_address_alone(running: Running) -> None:
    port = int(running.netloc.split(":")[1])
    listening = set()
    for table in ("tcp", "tcp6"):
        if os.path.exists(f"/proc/{running.process.pid}/net/{table}"):
            with open(f"/proc/{running.process.pid}/net/{table}", encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
            listening |= {row[1] for row in rows if row[3] == "0A"}
    own = {place for place in listening if int(place.split(":")[1], 16) == port}
    assert own <= {f"0100007F:{port:04X}"}


@pytest.mark.parametrize("path", ["/", "/draw.js", "/frames/abc", "/file/abc", POLLING, "/absent"])
def test_pages_files_and_polling_refuse_others(running: Running, path: str) -> None:
    cookie, origin = running.cookie, running.origin
    foreign = [
        (running.get(path, cookie=cookie, origin="http://evil.example"), 403, "not this Origin"),
        (running.get(path, cookie=cookie, host="evil.example"), 421, "own address only"),
        (running.get(path, origin=origin), 403, "secret is missing"),
        (running.get(path, "POST", cookie=cookie), 403, "wants to know the Origin"),
    ]
    for (status, text, _), code, words in foreign:
        assert status == code
        assert words in text


def test_polling_answers_its_own_page(running: Running) -> None:
    status, text, _ = running.get(POLLING, cookie=running.cookie, origin=running.origin)
    assert status == 200 and '"sid"' in text


@pytest.mark.parametrize("path", SOCKETS)
def test_sockets_refuse_others(running: Running, path: str) -> None:
    cookie = running.cookie
    status, words = running.refused(path, cookie=cookie, origin="http://evil.example")
    assert status == 403 and "not this Origin" in words
    status, words = running.refused(path)
    assert status == 403 and "secret is missing" in words
    port = running.netloc.split(":")[1]
    host = f"evil.example:{port}"
    status, words = running.refused(path, cookie=cookie, host=host, origin=f"http://{host}")
    assert status == 421 and "own address only" in words


def test_frames_travel_uncompressed(running: Running) -> None:
    with connect(
        f"ws://{running.netloc}/frames/abc", origin=running.origin,  # type: ignore[arg-type]
        additional_headers={"Cookie": running.cookie},
    ) as link:  # fmt: skip
        assert "permessage-deflate" not in link.response.headers.get("Sec-WebSocket-Extensions", "")
        with pytest.raises(ConnectionClosed) as caught:
            link.recv(PATIENCE)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4404
    assert caught.value.rcvd.reason == "There is no such run any more."


def test_a_taken_port_is_said(running: Running) -> None:
    port = running.netloc.split(":")[1]
    done = subprocess.run(
        [sys.executable, "-m", "descend", "studio", "--no-open", "--port", port],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"cannot listen on port {port}: Address already in use" in done.stderr
    assert "give another one with --port" in done.stderr


def test_a_port_is_taken_as_asked_and_sigterm_is_as_ctrl_c() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Running("--port", str(port))
    assert made.netloc == f"127.0.0.1:{port}"
    assert made.stop(signal.SIGTERM) == 130


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_is_said(port: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "descend", "studio", "--no-open", f"--port={port}"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2 and f"port {port}" in done.stderr


def test_without_its_extra_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['nicegui'] = None; from descend.cli.app import main; "
        "sys.exit(main(['studio', '--no-open']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "by NiceGUI, which is not installed" in done.stderr
    assert "pip install 'descend[studio]'" in done.stderr


def test_other_commands_do_without_it() -> None:
    script = (
        "import sys; from descend.cli.app import main; main(['--help']); "
        "print([m for m in sys.modules if m.split('.')[0] in ('nicegui', 'fastapi', 'uvicorn') "
        "or m.startswith('descend.studio')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]" and "studio" in done.stdout


def test_the_module_that_draws_is_one_text_that_asks_for_nothing() -> None:
    text = files("descend.studio").joinpath("draw.js").read_text("utf-8")
    assert "export{" in text
    for word in ("import ", "import(", "require(", "http://", "https://", "eval("):
        assert word not in text, word
