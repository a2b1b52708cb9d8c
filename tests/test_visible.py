"""Control characters of names, cells and paths are shown as text, wherever they are shown."""

import copy
import warnings

import numpy as np
import pytest

import descend
from descend.visible import visible

NAME = "\x1b]0;owned\x07\x1b[31mred\u202e\x9b"
X = np.linspace(0.0, 1.0, 20)
STEERING = [*map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160)), "\u202e"]


def is_plain(text):
    return not set(text) & set(STEERING)


def test_every_control_character_is_spelled_and_nothing_else():
    assert all(is_plain(visible(f"a{sign}b")) for sign in STEERING)
    plain = "".join(chr(n) for n in range(32, 127)) + "\n\tä²·±中文"
    assert visible(plain) == plain


@pytest.fixture(scope="module")
def fit():
    table = {NAME: X, "y": 2 * X + 1 + 0.01 * np.sin(40 * X)}
    return descend.fit(f"y = a*`{NAME}` + b", table)


@pytest.mark.parametrize(
    "shown",
    [
        str, repr, lambda fit: fit._repr_html_(), lambda fit: str(fit.explain(row=1)),
        lambda fit: fit.explain(row=1)._repr_html_(), lambda fit: str(fit.diagnostics()),
    ],
)  # fmt: skip
def test_reports_show_it_as_text(fit, shown):
    text = shown(fit)
    assert is_plain(text)
    assert "owned" not in text or r"\x1b]0;owned\x07\x1b[31mred\u202e\x9b" in text


def test_pictures_show_it_as_text(fit, tmp_path):
    fit.plot(tmp_path / "a.svg")
    assert is_plain((tmp_path / "a.svg").read_text(encoding="utf-8"))


def test_errors_and_warnings_show_it_as_text(fit):
    with pytest.raises(descend.DescendError) as caught:
        descend.fit("y = a*`q` + b", {NAME: X, "y": X})
    assert r"\x1b]0;owned" in str(caught.value) and is_plain(str(caught.value))
    assert is_plain(str(caught.value.args)) and is_plain(str(copy.copy(caught.value)))
    with pytest.raises(descend.DescendError) as caught:
        fit.predict({"other": X})
    assert is_plain(str(caught.value))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.warn(descend.DescendWarning(f"{NAME} is constant"), stacklevel=1)
    assert is_plain(str(told[0].message))


def test_many_fits_and_global_fits_show_it_as_text():
    table = {NAME: np.tile(X, 2), "y": np.tile(2 * X + 1, 2), "g": np.repeat([0, 1], 20)}
    many = descend.fit_many(f"y = a*`{NAME}` + b", table, by="g", start={"a": 1.0, "b": 0.0})
    assert is_plain(str(many)) and is_plain(repr(many))
    sets = [
        descend.Dataset(f"y = a*`{NAME}` + b", {NAME: X, "y": k * X + 1.0}, name=NAME + str(k))
        for k in (1.0, 2.0)
    ]
    found = descend.fit_global(sets, shared=["b"], start={"a": 1.0, "b": 0.0})
    assert is_plain(str(found)) and is_plain(repr(found)) and is_plain(repr(found[0]))
