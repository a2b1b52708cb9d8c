"""The layout that both sides read."""

import json
import struct
from importlib.resources import files

import numpy as np
import pytest

from descend.studio.frames import BLOCKS, HEAD, STATES, VERSION, pack, unpack


def test_a_frame_is_little_endian_doubles_in_the_order_of_the_table() -> None:
    head = {name: float(i) for i, name in enumerate(HEAD)}
    blocks = {name: np.arange(i, dtype=float) for i, name in enumerate(BLOCKS)}
    numbers = struct.unpack(f"<{len(pack(head, blocks)) // 8}d", pack(head, blocks))
    assert numbers[0] == VERSION
    assert numbers[1 : len(HEAD)] == tuple(range(1, len(HEAD)))
    lengths = numbers[len(HEAD) : len(HEAD) + len(BLOCKS)]
    assert lengths == tuple(range(len(BLOCKS)))
    rest = [x for i in range(len(BLOCKS)) for x in range(i)]
    assert numbers[len(HEAD) + len(BLOCKS) :] == tuple(rest)


def test_what_was_packed_is_read_again() -> None:
    head = dict.fromkeys(HEAD, 0.5) | {"version": float(VERSION), "loss": float("inf")}
    blocks = {name: np.linspace(0, 1, 3 + i) for i, name in enumerate(BLOCKS)}
    read, parts = unpack(pack(head, blocks))
    assert read == head
    for name in BLOCKS:
        np.testing.assert_array_equal(parts[name], blocks[name])


def test_other_versions_and_cut_frames_are_refused() -> None:
    frame = pack(dict.fromkeys(HEAD, 0.0), {name: [1.0, 2.0] for name in BLOCKS})
    with pytest.raises(ValueError, match="another version"):
        unpack(struct.pack("<d", VERSION + 1) + frame[8:])
    with pytest.raises(ValueError, match="cut"):
        unpack(frame[:-8])
    with pytest.raises(ValueError, match="another version"):
        unpack(b"")


def test_the_table_names_everything_once() -> None:
    layout = json.loads(files("descend.studio").joinpath("layout.json").read_text("utf-8"))
    assert len({*layout["head"], *layout["blocks"]}) == len(HEAD) + len(BLOCKS)
    assert [*STATES] == [*layout["states"]]
