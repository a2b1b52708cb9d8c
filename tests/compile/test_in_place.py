"""States written over the old ones, and the way back where a step must not be taken."""

from __future__ import annotations

import numpy as np
import pytest

from compile.descents import descent
from descend.compile.descent import DescentFlow
from descend.compile.in_place import write_in_place
from descend.compile.loops import Address, Axis, Copy, Index, Let, Nest, Place, Reduction, Store

F = np.dtype(float)
STATE, BESIDE = Place("state", 0, (40,), F), Place("scratch", 0, (40,), F)
OTHER = Place("scratch", 1, (40,), F)


def moved(source, target, shift=0, more=0):
    """target[i] = source[i + shift] + more · (another array's element)."""
    axis = Axis("i", 40)
    here, there = Index(0, ((axis, 1),)), Index(shift, ((axis, 1),))
    lets = [Let("load", (), Address(source, (there,)), F, 1)]
    if more:
        lets.append(Let("load", (), Address(OTHER, (here,)), F, 1))
        lets.append(Let("add", (lets[0], lets[1]), None, F, 1))
    return Nest((axis,), 1, lets, [Store(Address(target, (here,)), lets[-1], 1)])


def summed(source):
    axis = Axis("i", 40)
    load = Let("load", (), Address(source, (Index(0, ((axis, 1),)),)), F, 1)
    return Nest((axis,), 0, [load], [], [Reduction("add", load, Let("reduced", (), None, F))])


def written(nest):
    return [s.target.place for s in nest.stores]


@pytest.mark.parametrize("model", ["matrix", "network"])
@pytest.mark.parametrize("batch", [1, 7, 15])
def test_no_matrix_is_copied_after_a_step(model, batch):
    flow = DescentFlow(descent(model, batch, True, guard=1e9).program, "remainder")
    flow.write()
    steps = flow.blocks["batch"].statements
    weights = {s.target.place for n in steps if isinstance(n, Nest) for s in n.stores}
    assert {p for p in flow.state if np.prod(p.shape, dtype=int) > 16} <= weights


def test_an_element_is_read_where_it_is_written():
    maker, check = moved(STATE, BESIDE, more=1), summed(BESIDE)
    changes = [Copy(STATE, BESIDE)]
    assert write_in_place([maker, check], changes) == [(STATE, BESIDE)]
    assert changes == [] and written(maker) == [STATE]
    assert check.lets[0].attr.place is STATE


def test_a_reader_of_the_old_state_is_waited_for():
    maker, reader, check = moved(STATE, BESIDE), moved(STATE, OTHER, 0), summed(BESIDE)
    statements, changes = [maker, reader, check], [Copy(STATE, BESIDE)]
    assert write_in_place(statements, changes)
    assert statements == [reader, maker, check]


@pytest.mark.parametrize("statements", [
    [moved(STATE, BESIDE, shift=-1)],  # a neighbour is read
    [moved(STATE, BESIDE), summed(BESIDE), moved(STATE, OTHER)],  # the old one is needed later
    [moved(STATE, BESIDE, more=1), moved(STATE, OTHER)],  # what it is made of would be written
    [moved(STATE, BESIDE), Let("load", (), Address(STATE, (Index(3),)), F)],
    [moved(STATE, BESIDE), moved(OTHER, BESIDE)],
])  # fmt: skip
def test_what_is_needed_stays(statements):
    changes, before = [Copy(STATE, BESIDE)], list(statements)
    assert write_in_place(statements, changes) == []
    assert len(changes) == 1 and statements == before
    assert written(statements[0]) == [BESIDE]


def test_states_that_change_places_are_copied():
    other = Place("state", 1, (40,), F)
    changes = [Copy(OTHER, STATE), Copy(STATE, BESIDE), Copy(other, OTHER)]
    assert write_in_place([moved(other, BESIDE)], changes) == []
    assert len(changes) == 3
