"""Work that is done together by several threads."""

import threading

import pytest

from descend.run.threads import together


def test_the_first_is_done_here_and_the_others_elsewhere():
    names, looks = [], []
    here = threading.current_thread().name
    gate = threading.Event()

    def slow():
        gate.wait(10)
        names.append(threading.current_thread().name)

    def look():
        looks.append(threading.current_thread().name)
        gate.set()

    together([lambda: names.append(threading.current_thread().name), slow], list, look)
    assert names[0] == here and names[1] != here
    assert set(looks) == {here}


@pytest.mark.parametrize("bad", [0, 1])
def test_what_goes_wrong_stops_the_others_and_is_raised(bad):
    stopped = threading.Event()
    ended = []

    def fails():
        raise ValueError("of one thread")

    def waits():
        ended.append(stopped.wait(10))

    works = [waits, waits]
    works[bad] = fails
    with pytest.raises(ValueError, match="of one thread"):
        together(works, stopped.set)
    assert ended == [True]
