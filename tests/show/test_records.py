"""Records: nothing undeclared, valid JSON, names in the written order, one meaning per status."""

import json
import sys

import numpy as np
import pytest

from descend.errors import InternalError, UsageError
from descend.records.record import (
    FitRecord,
    History,
    Minimum,
    flat_parameters,
    jsonable,
)
from descend.records.statuses import STATUSES


def fit(**changes):
    given = {"model": "y = a*x", "params": {"a": 2.0}, "n_rows": 3}
    return FitRecord(**(given | changes))


@pytest.mark.parametrize(
    "record",
    [
        fit(),
        History(loss=[1.0]),
        Minimum(function="f", params=0.0, value=0.0),
    ],
)
def test_undeclared_attributes_are_refused(record):
    with pytest.raises(AttributeError):
        record.lose = 1.0
    assert not hasattr(record, "__dict__")


def test_a_subclass_with_slots_stays_closed_and_writes_the_same_json():
    class Fit(FitRecord):
        __slots__ = ()

        def double(self):
            return 2 * self.params["a"]

    record = Fit(model="y = a*x", params={"a": 2.0}, n_rows=3)
    assert record.double() == 4.0
    assert record.to_json_dict() == fit().to_json_dict()
    with pytest.raises(AttributeError):
        record.anything = 1


def test_unknown_status_is_an_internal_error_that_suggests():
    with pytest.raises(
        InternalError, match=r'unknown status "convergd" \(did you mean "converged"'
    ):
        fit(status="convergd")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_gives_a_message_without_open_places(status):
    record = fit(status=status, epochs=12, stop_loss=1e-5, running_loss=9e-6)
    assert record.message
    assert "{" not in record.message
    assert record.success == (record.exit_code == 0)


def test_exit_codes_are_those_promised():
    failed = (
        "runaway", "side_minimum", "constant", "threshold", "not_converged", "not_moved", "grew",
        "diverged",
    )  # fmt: skip
    assert {
        name: entry.exit_code for name, entry in STATUSES.items() if entry.exit_code
    } == dict.fromkeys(failed, 4) | {"interrupted": 130, "paused": 130}


def test_the_status_words_are_the_agreed_ones():
    assert set(STATUSES) == {
        "converged", "kink", "bound", "flat", "runaway", "side_minimum", "side_minimum_kept",
        "constant", "threshold", "threshold_kept", "stop_loss", "epochs_spent", "no_improvement",
        "parameters_still", "gradient_small", "time_spent", "interrupted", "paused", "diverged",
        "not_converged", "not_moved", "grew",
    }  # fmt: skip


def test_a_message_that_is_given_is_kept():
    assert fit(status="diverged", message="w1 left first").message == "w1 left first"


def test_missing_errors_take_the_form_of_the_parameters():
    record = fit(params={"a": 1.0, "layers": [{"W": np.ones((2, 3))}]})
    assert np.isnan(record.stderr["a"])
    assert record.stderr["layers"][0]["W"].shape == (2, 3)
    assert np.isnan(record.stderr["layers"][0]["W"]).all()
    assert not record.has_errors


def test_correlation_follows_from_covariance():
    covariance = np.array([[4.0, 3.0], [3.0, 9.0]])
    record = fit(params={"b": 1.0, "a": 2.0}, covariance=covariance)
    np.testing.assert_array_equal(record.correlation, [[1.0, 0.5], [0.5, 1.0]])
    assert record.covariance_names == ("b", "a")


def test_flat_names_follow_the_written_order_and_reach_every_number():
    tree = {"z": 1.0, "layers": [{"W": np.array([[1.0, 2.0]]), "b": 3.0}, (4.0,)], "a": 5}
    assert list(flat_parameters(tree)) == [
        ("z", 1.0), ("layers[0].W[0, 0]", 1.0), ("layers[0].W[0, 1]", 2.0), ("layers[0].b", 3.0),
        ("layers[1][0]", 4.0), ("a", 5.0),
    ]  # fmt: skip


def strict(value):
    """Through JSON and back, with NaN and Infinity refused on the way out and in."""

    def refuse(word):
        raise AssertionError(f"invalid JSON: {word}")

    return json.loads(json.dumps(value, allow_nan=False), parse_constant=refuse)


def test_json_of_a_fit_is_valid_and_complete():
    record = fit(
        params={"a": np.float32(2.5), "W": np.array([[1.0, np.nan], [np.inf, 4.0]])},
        loss=np.inf,
        dof=np.int64(7),
        bounds={"a": (0.0, np.inf)},
        history=History(loss=[1.0, np.nan], params={"a": [1.0, 2.5]}),
        residuals=np.array([0.5, np.nan, -0.5]),
        x={"x": np.arange(3)},
    )
    read = strict(record.to_json_dict())
    assert read["kind"] == "fit"
    assert read["params"] == {"a": 2.5, "W": [[1.0, None], [None, 4.0]]}
    assert read["stderr"] == {"a": None, "W": [[None, None], [None, None]]}
    assert (read["loss"], read["dof"], read["bounds"]) == (None, 7, {"a": [0.0, None]})
    assert read["history"]["loss"] == [1.0, None]
    assert read["history"]["params"] == {"a": [1.0, 2.5]}
    assert read["residuals"] == [0.5, None, -0.5]
    assert "x" not in read and "y" not in read
    assert "residuals" not in record.to_json_dict(rows=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(np.nan), None),
        (np.bool_(True), True),
        (np.array(3.0), 3.0),
        (np.array([], dtype=float), []),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1.5, None, np.nan], dtype=object), [1.5, None, None]),
        (np.array([1.5, np.nan], dtype=np.longdouble), [1.5, None]),
        (np.array(["2024-01-02"], dtype="M8[D]"), ["2024-01-02"]),
        ({1: (np.int8(2),)}, {"1": [2]}),
    ],
)
def test_values_become_plain_json(value, expected):
    assert strict(jsonable(value)) == expected


def test_json_of_minimum():
    minimum = Minimum(function="f", params=np.array([1.0, np.nan]), value=np.nan)
    assert strict(minimum.to_json_dict())["params"] == [1.0, None]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_history_as_a_frame(library):
    frames = pytest.importorskip(library)
    history = History(loss=[3.0, 2.0], lr=[0.1, 0.05], params={"w": np.array([[1.0, 2], [3, 4]])})
    frame = getattr(history, f"to_{library}")()
    assert isinstance(frame, frames.DataFrame)
    assert list(frame.columns) == ["epoch", "loss", "lr", "w[0]", "w[1]"]
    assert frame.shape == (2, 5) and list(frame["w[1]"]) == [2.0, 4.0]


def test_a_frame_of_a_library_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pandas is not installed.*\n.*pip install pandas"):
        History(loss=[3.0]).to_pandas()


def test_history_reads_like_a_dict():
    history = History(loss=[3.0, 2.0], lr=[0.1, 0.05])
    assert dict(history).keys() == {"epoch", "loss", "lr"}
    assert history["epoch"].tolist() == [1, 2]
    assert "validation_loss" not in history
    assert history.get("grad_norm") is None
    with pytest.raises(KeyError, match='no "losses", only epoch, loss, lr'):
        history["losses"]


def test_history_of_unequal_lengths_is_refused():
    with pytest.raises(InternalError, match='"lr" has 1 entries, "loss" 2'):
        History(loss=[3.0, 2.0], lr=[0.1])
