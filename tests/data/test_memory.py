"""How much memory a query may take: more of it is written to a file, or refused in words."""

import numpy as np
import pytest

from descend.data import sealed
from descend.data.allowed import memory_allowed
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
