"""Bytes of a text file to characters: which encoding, without guessing by statistics."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO, NamedTuple

from descend.errors import DataError

__all__ = ["FURTHER", "Encoding", "blocks", "decoded", "encoding_of", "find_encoding"]

BLOCK = 1 << 20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
GUESSED = ("gb18030", "cp1252", "latin-1")
FURTHER = (
    "shift_jis", "euc_jp", "big5", "euc_kr", "cp1250", "cp1251", "koi8-r", "cp1253", "cp1254",
    "iso8859-15", "mac-roman", "cp437", "cp850",
)  # fmt: skip
"""Taken only where the names that a formula uses stand in the file so."""


class Encoding(NamedTuple):
    """An encoding, and others that would do as well where no byte decides."""

    name: str
    others: tuple[str, ...] = ()


def encoding_of(head: bytes) -> str | None:
    """The encoding that a mark at the beginning or the zero bytes tell, None if neither does.

    >>> encoding_of("x,y".encode("utf-16-le")), encoding_of(b"x,y")
    ('utf-16-le', None)
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return None
    for name, higher in (("utf-32-le", (3, 2)), ("utf-32-be", (0, 1))):
        enough = len(head) >= 8  # one sign may be any four bytes
        if enough and not any(head[higher[0] :: 4]) and not any(head[higher[1] :: 4]):
            text = head[: len(head) & ~3].decode(name, "replace")
            if "".join(text.split()).isprintable() and "\ufffd" not in text:
                return name
    # Digits, separators and line ends have a zero byte each, on the side of the higher half.
    even, odd = head[: len(head) & ~1][::2].count(0), head[1::2].count(0)
    pairs = max(1, len(head) // 2)
    if odd > 0.3 * pairs and odd > 10 * even:
        return "utf-16-le"
    if even > 0.3 * pairs and even > 10 * odd:
        return "utf-16-be"
    return None


def find_encoding(stream: IO[bytes]) -> Encoding:
    """The encoding of a whole file: by its mark, UTF-8 if that is valid, else what it can be."""
    head = stream.read(BLOCK)
    told = encoding_of(head)
    if told is not None:
        return Encoding(told)
    chinese = False
    possible = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", *GUESSED)}
    block = head
    while possible:
        more = stream.read(BLOCK)
        for name, decoder in [*possible.items()]:
            if block.isascii() and not decoder.getstate()[0]:
                continue
            try:
                text = decoder.decode(block, final=not more)
            except UnicodeDecodeError:
                del possible[name]
            else:
                chinese = chinese or (name == "gb18030" and _is_chinese(text))
        if not more:
            break
        block = more
    names = [name for name in possible if name != "gb18030" or chinese or len(possible) == 1]
    names += [name for name in possible if name not in names]
    return Encoding("utf-8") if "utf-8" in names else Encoding(names[0], tuple(names[1:]))


def _is_chinese(text: str) -> bool:
    """Whether a text in GB18030 has a sign that is no accident of letters with accents.

    The everyday signs begin with a byte below 0xE0 and end with one beyond 0xA0. Of two bytes such
    as those of `°C` the second is ASCII, and of `öß` the first is a small letter: a
    capital does not stand behind one.
    """
    for sign in {*text}:
        pair = sign.encode("gb18030") if sign > "\x7f" else b""
        if len(pair) == 2 and pair[1] > 0xA0 and (pair[0] < 0xDF or 0xC0 <= pair[1] < 0xDF):
            return True
    return False


def blocks(stream: IO[bytes], encoding: str, path: str) -> Iterator[str]:
    """Decode a stream block by block.

    Raises:
        DataError: bytes that have no meaning in the encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    while True:
        block = stream.read(BLOCK)
        try:
            yield decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise DataError(f'"{path}" is not written in {encoding}') from error
        if not block:
            return


def decoded(data: bytes, encoding: str, path: str) -> str:
    """Decode a whole file; see `blocks`."""
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise DataError(f'"{path}" is not written in {encoding}') from error
