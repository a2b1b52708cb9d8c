"""Pictures of uncertainties: what they show, and that they can be written."""

import numpy as np
import pytest

import descend

X = np.linspace(0, 3, 25)
Y = 2 * np.exp(-0.7 * X) + 0.3 + np.random.default_rng(2).normal(0, 0.1, 25)


@pytest.fixture(scope="module")
def fit():
    start = dict(a=1, k=1, c=0)
    return descend.fit(lambda x, a, k, c: a * np.exp(-k * x) + c, X, Y, start=start)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_a_profile_shows_its_ends_and_the_others(fit):
    found = fit.profile("k")
    rise, others = found.plot().axes
    assert lines(rise)["(S − lowest) / s²"].get_ydata() == pytest.approx(found.rises)
    upright = [line.get_xdata()[0] for line in rise.lines if line.get_linestyle() == ":"]
    assert upright == pytest.approx([found.low, found.high])
    assert {label.split(" ")[0] for label in lines(others) if " ± " in label} == {"a", "c"}


def test_regions_are_filled_up_to_their_thresholds(fit, tmp_path):
    found = fit.contour("a", "k", points=15)
    (axes,) = found.plot(tmp_path / "regions.svg").axes
    assert (tmp_path / "regions.svg").read_text().startswith("<?xml")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "k")
    drawn = [c for c in axes.collections if hasattr(c, "levels")]
    assert list(drawn[0].levels) == pytest.approx([0.0, *found.thresholds])


def test_a_bootstrap_has_a_panel_for_each_parameter(fit):
    found = fit.bootstrap(60)
    panels = found.plot().axes
    assert [axes.get_xlabel() for axes in panels] == ["a", "k", "c"]
    for axes, name in zip(panels, "akc", strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == 60
        marks = [line.get_xdata()[0] for line in axes.lines]
        assert marks == pytest.approx([fit.params[name], *found.intervals()[name]])


def test_diagnostics_show_every_row(fit):
    found = fit.diagnostics()
    panels = found.plot().axes
    assert [axes.collections[0].get_offsets().shape for axes in panels] == [(25, 2)] * 4
    cooks = panels[3].collections[0].get_offsets()[:, 1]
    assert np.asarray(cooks) == pytest.approx(found.cooks)


def test_what_is_returned_turns_into_json(fit):
    import json

    for found in (fit.profile("a"), fit.contour("a", "k", points=5), fit.diagnostics(),
                  fit.confidence(), fit.bootstrap(5)):  # fmt: skip
        text = json.dumps(found.to_json_dict(), allow_nan=False)
        assert json.loads(text)
        assert found._repr_html_().startswith("<div>")
        assert repr(found).startswith("<")
