"""The disk cache: hits, damage, foreign directories, several processes at once."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from descend.compile import cache, function
from descend.compile.function import compile_graph
from descend.graph.elementwise import call
from descend.graph.node import Node
from descend.graph.source import input_node


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory, and nothing loaded."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("DESCEND_CACHE_DIR", str(directory))
    monkeypatch.delenv("DESCEND_CACHE", raising=False)
    monkeypatch.setattr(cache, "_loaded", type(cache._loaded)())
    return directory


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were really compiled."""
    texts: list[str] = []
    emit = function.emit_object

    def counted(text: str) -> bytes:
        texts.append(text)
        return emit(text)

    monkeypatch.setattr(function, "emit_object", counted)
    return texts


def cube(name: str = "x") -> tuple[Node, Node]:
    x = input_node(name)
    return x, call("mul", x, call("mul", x, x))


def value_of_cube() -> float:
    x, y = cube()
    (result,) = compile_graph([y], [x])([np.array(3.0)])
    return float(result)


def forget_loaded() -> None:
    cache._loaded.clear()


def test_the_second_process_finds_the_object(fresh: Path, compiled: list[str]) -> None:
    assert value_of_cube() == 27.0
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 1
    assert [p.suffix for p in fresh.iterdir()] == [".o"]


def test_what_is_compiled_to_be_loaded_elsewhere_is_kept_as_well(
    fresh: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = cube()
    first, again = (function.image_of_graph([y], [x]) for _ in "12")
    assert first == again and len(compiled) == 1
    assert value_of_cube() == 27.0 and len(compiled) == 1
    monkeypatch.setenv("DESCEND_CACHE", "off")
    assert function.image_of_graph([y], [x]) == first and len(compiled) == 2


def test_names_of_inputs_do_not_matter(fresh: Path, compiled: list[str]) -> None:
    for name in ("x", "price"):
        x, y = cube(name)
        compile_graph([y], [x])
    assert len(compiled) == 1


def test_constants_do_matter(fresh: Path, compiled: list[str]) -> None:
    for factor in (2.0, 2.0 + 2**-51, -0.0, 0.0):
        x = input_node("x")
        (result,) = compile_graph([call("mul", x, factor)], [x])([np.array(1.0)])
        assert result.tobytes() == np.float64(factor).tobytes()
    assert len(compiled) == 4


@pytest.mark.parametrize("keep", [0, 10, 60, -1])
def test_a_damaged_entry_is_made_anew(fresh: Path, compiled: list[str], keep: int) -> None:
    value_of_cube()
    (entry,) = fresh.iterdir()
    entry.write_bytes(entry.read_bytes()[:keep])
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 2
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 2


def test_a_flipped_bit_is_noticed(fresh: Path, compiled: list[str]) -> None:
    value_of_cube()
    (entry,) = fresh.iterdir()
    content = bytearray(entry.read_bytes())
    content[-50] ^= 1
    entry.write_bytes(bytes(content))
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 2


def test_a_directory_that_cannot_be_made_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("DESCEND_CACHE_DIR", str(blocked / "cache"))
    forget_loaded()
    assert value_of_cube() == 27.0
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_no_obstacle(fresh: Path, compiled: list[str]) -> None:
    fresh.mkdir(mode=0o500)
    assert value_of_cube() == 27.0
    assert list(fresh.iterdir()) == []


def test_a_write_that_fails_leaves_nothing(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    def full(*_paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    assert value_of_cube() == 27.0
    assert list(fresh.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of a POSIX system")
def test_a_directory_that_others_may_write_is_not_trusted(
    fresh: Path, compiled: list[str]
) -> None:
    fresh.mkdir()
    fresh.chmod(0o777)
    assert value_of_cube() == 27.0
    assert list(fresh.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of a POSIX system")
@pytest.mark.parametrize("mode, trusted", [(0o777, False), (0o1777, True)])
def test_a_place_where_others_may_swap_the_directory_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str], mode: int, trusted: bool
) -> None:
    shared, own = tmp_path / "shared", tmp_path / "shared" / "mine" / "cache"
    own.mkdir(parents=True, mode=0o700)
    shared.chmod(mode)
    monkeypatch.setenv("DESCEND_CACHE_DIR", str(own))
    forget_loaded()
    assert value_of_cube() == 27.0
    assert bool(list(own.iterdir())) == trusted


def replaced_by_nothing_readable(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()


def replaced_by_a_pipe(entry: Path) -> None:
    entry.unlink()
    os.mkfifo(entry)


def replaced_by_a_link(entry: Path) -> None:
    entry.symlink_to(entry.rename(entry.parent.parent / "elsewhere.o"))


def opened_to_others(entry: Path) -> None:
    entry.chmod(0o620)


def without_sense(entry: Path) -> None:
    body = entry.stem.encode() + (5).to_bytes(8, "little") + b"{nono" + b"code"
    entry.write_bytes(cache.MAGIC + hashlib.blake2b(body, digest_size=20).digest() + body)


@pytest.mark.skipif(os.name != "posix", reason="permissions of a POSIX system")
@pytest.mark.parametrize(
    "change",
    [
        replaced_by_nothing_readable, replaced_by_a_pipe, replaced_by_a_link, opened_to_others,
        without_sense,
    ],
)  # fmt: skip
def test_what_may_be_of_another_is_made_anew(
    fresh: Path, compiled: list[str], change: Callable[[Path], None]
) -> None:
    value_of_cube()
    (entry,) = fresh.iterdir()
    change(entry)
    forget_loaded()
    assert value_of_cube() == 27.0
    assert len(compiled) == 2


def test_entries_that_were_exchanged_are_made_anew(fresh: Path, compiled: list[str]) -> None:
    def value(factor: float) -> float:
        x = input_node("x")
        (result,) = compile_graph([call("mul", x, factor)], [x])([np.array(1.0)])
        return float(result)

    assert [value(2.0), value(3.0)] == [2.0, 3.0]
    one, two = fresh.iterdir()
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    forget_loaded()
    assert [value(2.0), value(3.0)] == [2.0, 3.0]
    assert len(compiled) == 4


def test_it_can_be_turned_off(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]
) -> None:
    monkeypatch.setenv("DESCEND_CACHE", "off")
    assert value_of_cube() == 27.0
    assert not fresh.exists()


def test_the_directory_is_bounded(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.mkdir(mode=0o700)
    for number in range(20):
        path = fresh / f"{number:02d}.o"
        path.write_bytes(bytes(1000))
        os.utime(path, (number, number))
    monkeypatch.setattr(cache, "LIMIT_BYTES", 5000)
    cache._trim(fresh)
    assert sorted(p.name for p in fresh.iterdir()) == [f"{n}.o" for n in range(15, 20)]


def test_two_processes_share_a_directory(fresh: Path) -> None:
    program = textwrap.dedent(
        """
        import numpy as np
        from descend.compile.function import compile_graph
        from descend.graph.elementwise import call
        from descend.graph.source import input_node
        for power in range(1, 12):
            x = input_node("x")
            y = x
            for _ in range(power):
                y = call("mul", y, x)
            (result,) = compile_graph([y], [x])([np.array(2.0)])
            assert result == 2.0 ** (power + 1), (power, result)
        """
    )
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(list(fresh.glob("*.o"))) == 11
    assert not list(fresh.glob("new-*"))
