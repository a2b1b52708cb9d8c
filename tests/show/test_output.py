"""Output files: bad places are found before the run, and no half-written file is ever left."""

import csv
import json
import os
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from descend.errors import UsageError
from descend.records.record import History
from descend.show import output
from descend.show.output import check_output_path, write_history, written_whole


def message(path, kind="plot"):
    with pytest.raises(UsageError) as caught:
        check_output_path(path, kind)
    return str(caught.value)


def test_a_good_place_is_accepted_and_left_as_it_was(tmp_path):
    target = check_output_path(tmp_path / "fit.PNG", "plot")
    assert target == tmp_path / "fit.PNG"
    assert list(tmp_path.iterdir()) == []


def test_an_absent_directory_is_named(tmp_path):
    text = message(tmp_path / "out" / "fit.png")
    assert f'the directory "{tmp_path}/out" does not exist' in text
    assert "create the directory first" in text


def test_a_file_in_place_of_the_directory_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    assert f'the directory "{tmp_path}/out" is a file' in message(tmp_path / "out" / "fit.png")


def test_a_directory_in_place_of_the_file_is_named(tmp_path):
    (tmp_path / "fit.png").mkdir()
    assert "that is a directory" in message(tmp_path / "fit.png")


def test_a_directory_that_refuses_files_is_named(tmp_path, monkeypatch):
    def refuse(self, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(output.Path, "touch", refuse)
    text = message(tmp_path / "fit.png")
    assert f'the directory "{tmp_path}" refuses new files (Permission denied)' in text
    assert "choose a directory you may write to" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_found(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "refuses new files" in message(tmp_path / "fit.png")


def test_the_process_file_system_refuses_even_root():
    assert 'the directory "/proc' in message("/proc/fit.png")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("fit.pgn", "plot", '".pgn" is not supported (did you mean ".png"?)'),
        ("fit", "plot", "the name has no suffix"),
        ("fit.gif", "plot", "use one of .png, .svg, .pdf, .jpg, .webp"),
        ("fit.pkl", "saved fit", "use .descend"),
        ("h.xlsx", "history", "use one of .csv, .tsv, .json"),
    ],
)
def test_suffixes(tmp_path, name, kind, words):
    assert words in message(tmp_path / name, kind)


def test_a_checkpoint_may_have_any_name(tmp_path):
    assert check_output_path(tmp_path / "run-7", "checkpoint").name == "run-7"


def test_what_was_there_survives_a_failure(tmp_path):
    target = tmp_path / "fit.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), written_whole(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("drawing failed")
    assert target.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit.txt"]


def test_a_full_disk_is_a_usage_error_that_leaves_nothing(tmp_path):
    with (
        pytest.raises(UsageError, match="could not be written: No space left"),
        written_whole(tmp_path / "fit.txt") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "real.txt"
    real.write_text("old")
    (tmp_path / "link.txt").symlink_to(real)
    with written_whole(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert real.read_text() == "new"


def test_devices_are_written_to_directly():
    with written_whole("/dev/null") as place:
        assert str(place) == "/dev/null"


def test_permissions_follow_the_umask(tmp_path):
    with written_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("all")
    (tmp_path / "b.txt").write_text("plain")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_history_is_written_as_table_and_as_json(tmp_path):
    history = History(loss=[4.0, float("nan")], params={"w": np.array([[1.0, 2.0], [3.0, 4.0]])})
    write_history(history, tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["epoch", "loss", "w[0]", "w[1]"], ["1", "4.0", "1.0", "2.0"],
                    ["2", "nan", "3.0", "4.0"]]  # fmt: skip
    write_history(history, tmp_path / "h.json")
    read = json.loads((tmp_path / "h.json").read_text())
    assert read == {"epoch": [1, 2], "loss": [4.0, None], "w[0]": [1.0, 3.0], "w[1]": [2.0, 4.0]}


@pytest.mark.skipif(os.name != "posix", reason="processes of a POSIX system")
def test_what_a_killed_run_has_left_is_removed_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = time.time() - 3600
    left = {
        "gone": f".a.{dead.pid}-0123456789ab.part.csv", "alive": f".a.{os.getpid()}-01.part.csv",
        "recent": f".a.{dead.pid}-fresh.part.csv", "other": f".b.{dead.pid}-01.part.csv",
        "foreign": ".a.notes.part.csv",
    }  # fmt: skip
    for name in left.values():
        (tmp_path / name).write_text("half")
        if name != left["recent"]:
            os.utime(tmp_path / name, (old, old))
    with written_whole(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.csv", *(name for who, name in left.items() if who != "gone")}
