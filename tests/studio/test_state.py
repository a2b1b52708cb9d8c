"""A state as a file: what is saved comes back, to the last bit; what is damaged is told."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.errors import DataError
from descend.studio.opened import first_setup, read_file
from descend.studio.samples import SAMPLES
from descend.studio.setup import PARABOLA, Source, hash_of
from descend.studio.state import MARK, is_state, read_state, state_json

TABLE = {
    "x": np.array([0.1, np.nan, -3e300, 5e-324]),
    "count": np.array([1, -2, 2**53 + 1, 0]),
    "colour": np.array(["red", '"; drop', "学", ""]),
    "on": np.array([True, False, True, True]),
    "y": np.array([1.0, 2.0, 3.0, 4.0]),
}
OWN = first_setup(TABLE, Source(own="mine.csv", digest=hash_of(TABLE)))


def test_what_is_saved_comes_back() -> None:
    setup, table = read_state(state_json(OWN, TABLE))
    assert setup == OWN
    assert [*table] == [*TABLE]
    for name, column in TABLE.items():
        assert table[name].dtype == column.dtype
        np.testing.assert_array_equal(table[name], column)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_need_no_table(name: str) -> None:
    from descend.studio.opened import sample_setup

    setup = sample_setup(name)
    text = state_json(setup, setup.source.table())
    assert json.loads(text)["table"] is None
    assert read_state(text)[0] == setup


def test_a_saved_file_is_opened_as_any_other(tmp_path: Path) -> None:
    source = tmp_path / "points.csv"
    source.write_text("x,y,kind\n1,2.5,a\n2,3.5,b\n3,5.5,a\n")
    opened = read_file(str(source), "points.csv")
    saved = tmp_path / "points.studio.json"
    saved.write_text(state_json(opened.begins, opened.table), encoding="utf-8")
    again = read_file(str(saved), "points.studio.json")
    assert again.begins == opened.begins
    assert again.source == opened.source
    np.testing.assert_array_equal(again.table["kind"], opened.table["kind"])


def test_another_json_is_a_table(tmp_path: Path) -> None:
    assert not is_state(b'[{"x": 1}]')
    path = tmp_path / "table.json"
    path.write_text('[{"x": 1, "y": 2}, {"x": 2, "y": 3}]')
    assert read_file(str(path), "table.json").setup is None


def damaged(**changes: object) -> str:
    return json.dumps({**json.loads(state_json(OWN, TABLE)), **changes})


def columns(**changes: object) -> list[object]:
    first, *rest = json.loads(state_json(OWN, TABLE))["table"]
    return [{**first, **changes}, *rest]


DAMAGED = {
    "of version 2": damaged(**{MARK: 2}),
    "the state is damaged (a column without": damaged(table=columns(cells="abc")),
    "is of the kind": damaged(table=columns(kind="|O")),
    "columns of unequal lengths": damaged(table=columns(cells=[1.0])),
    "is not the one that it was saved with": damaged(table=columns(cells=[0.2, None, 1, 2])),
    "the state is damaged (the state has no source)": damaged(setup={"version": 1}),
    "the state is damaged": '{"descend studio state": 1, "setup": ',
}


@pytest.mark.parametrize("words", DAMAGED)
def test_what_is_damaged_is_told(words: str) -> None:
    with pytest.raises(DataError) as told:
        read_state(DAMAGED[words])
    assert words in str(told.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
)


@given(JSON, JSON)
def test_nothing_else_comes_of_a_strange_file(setup: object, table: object) -> None:
    text = json.dumps({MARK: 1, "setup": setup, "table": table})
    with pytest.raises(DataError):
        read_state(text)


def test_the_lesson_is_a_small_file() -> None:
    assert len(state_json(PARABOLA, PARABOLA.source.table())) < 2000
