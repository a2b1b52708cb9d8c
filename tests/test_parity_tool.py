"""The comparer of `tools/parity` finds a planted difference of each kind, and nothing else."""

import copy
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def fit(**changed: Any) -> dict[str, Any]:
    """The facts of an ordinary fit: k has a standard error, c has none."""
    facts: dict[str, Any] = {
        "status": "converged", "success": True, "exit_code": 0, "message": "after 9 iterations",
        "warnings": [], "findings": [], "params": {"k": 1.3, "c": 2.0},
        "start": {"k": 1.0, "c": 1.0}, "stderr": {"k": 0.01, "c": math.nan}, "loss": 0.25,
        "chi2": 15.0, "dof": 58, "scale": 4.0, "iterations": 9,
    }  # fmt: skip
    return {**facts, **changed}


def found(before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    from tools.parity.compare import differences

    return differences({"fit/decay/near": before}, {"fit/decay/near": after})


PLANTED = {
    "verdict": fit(success=False),
    "parameters": fit(params={"k": 1.3 + 2e-8, "c": 2.0}),
    "errors": fit(stderr={"k": 0.01 * (1 + 2e-6), "c": math.nan}),
    "figures": fit(chi2=15.0001),
    "words": fit(message="stalled after 9 iterations"),
    "course": fit(iterations=10),
    "error": {"error": "DataError", "message": "row 3 is missing"},
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_difference_is_found_as_what_it_is(kind: str) -> None:
    assert [one.kind for one in found(fit(), PLANTED[kind])] == [kind]
    assert [one.kind for one in found(PLANTED[kind], fit())] == [kind]


def test_a_call_that_is_missing_is_found() -> None:
    from tools.parity.compare import differences

    for before, after in (({}, {"a": fit()}), ({"a": fit()}, {})):
        assert [one.kind for one in differences(before, after)] == ["only"]


def test_what_may_differ_is_no_difference() -> None:
    same = copy.deepcopy(fit())
    same["params"]["k"] += 9e-9  # a share of 0.9e-6 of the standard error
    same["params"]["c"] *= 1 + 9e-10
    same["stderr"]["k"] *= 1 + 9e-7
    same["message"] = "after 12 iterations"
    same["arrived"] = "yes"  # a record from before does not know of it
    assert found(fit(), same) == []


def test_parameters_without_errors_are_held_against_themselves() -> None:
    assert found(fit(), fit(params={"k": 1.3, "c": 2.0 * (1 + 2e-9)}))[0].kind == "parameters"
    assert found(fit(), fit(params={"k": math.nan, "c": 2.0}))[0].kind == "parameters"
    assert found(fit(), fit(params={"k": 1.3}))[0].what == "names"


def test_errors_that_go_or_come_are_told() -> None:
    lost = found(fit(), fit(stderr={"k": math.nan, "c": math.nan}))
    assert [(one.kind, one.change) for one in lost] == [("errors", "number → nan")]


def test_what_is_left_of_an_exact_fit_says_nothing() -> None:
    assert found(fit(loss=1e-30, chi2=1e-28), fit(loss=3e-29, chi2=3e-27)) == []
    assert found(fit(loss=1e-30, chi2=1e-28), fit(loss=3e-3, chi2=3e-1)) != []
    for changed in (dict(dof=57), dict(stderr={"k": math.nan, "c": math.nan})):
        assert len(found(fit(loss=1e-30), fit(loss=1e-30, **changed))) == 1


def test_an_explanation_takes_off_what_it_names_and_no_more() -> None:
    from tools.parity.compare import explanations, unexplained

    planted = [one for after in PLANTED.values() for one in found(fit(), after)]
    by_name = explanations("# said once\nverdict | fit/decay* | it had not arrived\n")
    left, used = unexplained(planted, by_name)
    assert {one.kind for one in left} == {*PLANTED} - {"verdict"}
    assert list(used.values()) == [1]
    by_change = explanations("* | success: True → False | it had not arrived")
    assert unexplained(planted, by_change)[0] == left
    assert unexplained(planted, explanations("words | fit/peak* | another"))[0] == planted


@pytest.mark.parametrize("line", ["verdict | fit/*", "verdict | fit/* |", "speed | * | faster"])
def test_an_explanation_without_kind_or_reason_is_refused(line: str) -> None:
    from tools.parity.compare import explanations

    with pytest.raises(ValueError, match="line 1 is no"):
        explanations(line)


def test_messages_lose_paths_addresses_and_times() -> None:
    from tools.parity.facts import cut

    assert cut("at: /home/me/model.py:12: a / b") == "at: model.py:12: a / b"
    assert cut("<f at 0x7f00aa00bb00> took 1.2 s of 30 rows") == "<f at …> took … s of 30 rows"
    assert cut("0.5 standard errors") == "0.5 standard errors"


def test_two_records_of_the_same_calls_are_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json.gz", tmp_path / "two.json.gz"
    for path in (one, two):
        words = ["-m", "tools.parity", "record", str(path), "--only", "again/line/near"]
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "again: 1 calls: 3 converged" in done.stderr
    assert one.read_bytes() == two.read_bytes()


def test_the_exit_code_says_whether_all_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools.parity.__main__ import main
    from tools.parity.facts import write

    before, after, why = (tmp_path / name for name in ("b.jsonl", "a.json.gz", "why"))
    write(before, {"fit/decay": fit()})
    write(after, {"fit/decay": PLANTED["verdict"]})
    why.write_text("verdict | fit/* | it had not arrived\n", encoding="utf-8")
    assert main(["compare", str(before), str(before)]) == 0
    assert capsys.readouterr().out == "0 differences, 0 of them explained\n"
    assert main(["compare", str(before), str(after)]) == 1
    told = capsys.readouterr().out
    assert "success: True → False" in told and "fit/decay" in told
    assert main(["compare", str(before), str(after), "--explained", str(why)]) == 0
    assert "it had not arrived" in capsys.readouterr().out
