"""Entries of the cache changed at random: each is a miss, and is written anew."""

import random
from pathlib import Path

import numpy as np
import pytest

from descend.compile import cache, function
from descend.compile.function import compile_graph
from descend.graph.elementwise import call
from descend.graph.source import input_node
from whole import WHOLE

MANY = 300 if WHOLE else 30
POWERS = range(2, 6)


def flipped(content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 40])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    return content[: draw.randrange(len(content))]


def longer(content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + draw.randbytes(draw.choice([1, 8, 5000])) + content[at:]


def shorter(content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    at = draw.randrange(len(content) - 1)
    return content[:at] + content[at + draw.choice([1, 8, 500]) :]


def with_another_field(content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    """Of the description in JSON, one number or word is another."""
    begin = content.index(b"{")
    digits = [i for i in range(begin, begin + 200) if chr(content[i]).isalnum()]
    at = draw.choice(digits)
    return content[:at] + draw.choice([b"9", b"0", b"null", b"-1", b"[]"]) + content[at + 1 :]


def of_another_key(_content: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    return draw.choice(others)


def spliced(content: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + draw.choice(others)[at:]


def of_another_kind(_content: bytes, draw: random.Random, _others: list[bytes]) -> bytes:
    return draw.choice([b"", cache.MAGIC, cache.MAGIC[:-2] + b"1\n", b"\x7fELF", bytes(4096)])


CHANGES = [
    flipped, cut, longer, shorter, with_another_field, of_another_key, spliced, of_another_kind,
]  # fmt: skip


def values() -> list[float]:
    found = []
    for power in POWERS:
        x = node = input_node("x")
        for _ in range(power - 1):
            node = call("mul", node, x)
        (result,) = compile_graph([node], [x])([np.array(3.0)])
        found.append(float(result))
    return found


@pytest.mark.fuzz
def test_an_entry_that_was_changed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESCEND_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("DESCEND_CACHE", raising=False)
    monkeypatch.setattr(cache, "_loaded", type(cache._loaded)())
    made: list[str] = []
    emit = function.emit_object

    def counted(text: str) -> bytes:
        made.append(text)
        return emit(text)

    monkeypatch.setattr(function, "emit_object", counted)
    expected = [3.0**power for power in POWERS]
    assert values() == expected and len(made) == len(POWERS)
    entries = sorted((tmp_path / "cache").iterdir())
    whole = {path: path.read_bytes() for path in entries}
    draw = random.Random(4)
    for number in range(MANY):
        path = draw.choice(entries)
        others = [content for other, content in whole.items() if other != path]
        changed = CHANGES[number % len(CHANGES)](whole[path], draw, others)
        path.write_bytes(changed)
        path.chmod(0o600)
        cache._loaded.clear()
        made.clear()
        assert values() == expected
        assert len(made) == (changed != whole[path])
        assert path.read_bytes() == whole[path]
