"""How much memory a query may take: more of it is written to a file, or refused in words."""

import numpy as np
import pytest

from descend.data import sealed
from descend.data.allowed import memory_allowed, memory_free
from descend.data.read import open_table
from descend.errors import DataError

UNLIMITED = str(2**63 - 4096)


def test_the_least_of_the_machine_and_of_all_groups(tmp_path):
    own = tmp_path / "own"
    limits = {
        "memory.max": "900000", "a/memory.max": "70000", "a/b/memory.max": "max",
        "memory/memory.limit_in_bytes": UNLIMITED, "memory/c/memory.limit_in_bytes": "60000",
    }  # fmt: skip
    for name, text in limits.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    for lines, want in {
        "0::/": 900_000, "0::/a/b": 70_000, "0::/elsewhere": 900_000, "4:memory:/c": 60_000,
        "9:name=systemd:/\n5:cpu,memory:/c\n0::/a": 60_000,
    }.items():  # fmt: skip
        own.write_text(lines + "\n")
        assert memory_allowed(tmp_path, own) == want
    own.write_text("4:memory:/\n3:cpu:/c\n")
    machine = memory_allowed(tmp_path, tmp_path / "missing")
    assert memory_allowed(tmp_path, own) == machine > 100_000_000


def test_what_is_free_is_the_least_that_is_left(tmp_path):
    own, machine = tmp_path / "own", tmp_path / "meminfo"
    files = {
        "memory.max": "900000", "memory.current": "100000", "memory.stat": "inactive_file 4000",
        "a/memory.max": "500000", "a/memory.current": "450000",
        "a/memory.stat": "anon 430000\ninactive_file 20000\nfile 20000",
        "b/memory.max": "5", "b/memory.current": "7",
        "memory/memory.limit_in_bytes": UNLIMITED, "memory/c/memory.limit_in_bytes": "60000",
        "memory/c/memory.usage_in_bytes": "30000",
        "memory/c/memory.stat": "inactive_file 9\ntotal_inactive_file 1000",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    machine.write_text("MemTotal:  9000 kB\nMemAvailable:     800 kB\n")
    for line, want in {
        "0::/": 804_000, "0::/a": 70_000, "0::/b": 0, "4:memory:/c": 31_000, "0::/none": 804_000,
    }.items():  # fmt: skip
        own.write_text(line + "\n")
        assert memory_free(tmp_path, own, machine) == want
    own.write_text("1:cpu:/\n")
    assert memory_free(tmp_path, own, machine) == 819_200
    assert memory_free(tmp_path, own, tmp_path / "nothing") is None
    assert 0 < memory_free() <= memory_allowed()


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "memory_allowed", lambda: 60_000_000)
    rows = "".join(f"{i},{i % 7}\n" for i in range(2000))
    (tmp_path / "t.csv").write_text("x,y\n" + rows)
    return str(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.x, b.y FROM data a, data b, data c",
        "SELECT length(string_agg(repeat('a', 1000), '')) AS x, 1 AS y FROM data a, "
        "(SELECT * FROM data LIMIT 100) b",
    ],
)
def test_a_query_beyond_that_is_refused_and_the_remedy_works(path, query):
    with pytest.raises(DataError) as caught:
        open_table(path, query).read("xy")
    assert str(caught.value).startswith("the SQL query needs more memory than the 0.03 GB")
    sample = str(caught.value.remedy).partition("--sql ")[2].strip('"')
    assert len(open_table(path, sample).read("xy")["x"]) == 2000


def test_what_does_not_fit_is_sorted_in_a_file(path):
    query = "SELECT x, y FROM (SELECT a.x, b.y FROM data a, data b ORDER BY b.y, a.x) LIMIT 5"
    wide = "SELECT a.x AS x, b.y AS y FROM data a, (SELECT * FROM data LIMIT 600) b ORDER BY y, x"
    np.testing.assert_array_equal(open_table(path, query).read("xy")["y"], np.zeros(5))
    found = open_table(path, wide).read("xy")
    assert len(found["x"]) == 1_200_000 and (np.diff(found["y"]) >= 0).all()
