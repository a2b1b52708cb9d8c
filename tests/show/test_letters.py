"""Chinese in pictures: letters where a font has them, one warning where none has."""

import warnings

import numpy as np
import pytest

from descend.errors import DescendWarning
from descend.show import canvas, fonts

LEARNING, HABIT = "\u5b66", "\u4e60"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no font but the one that matplotlib brings, where nothing was said yet."""
    from matplotlib import font_manager

    entries = [e for e in font_manager.fontManager.ttflist if e.name not in fonts.FALLBACKS]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(fonts, "_TOLD", set())
    clear()
    yield
    monkeypatch.undo()
    clear()


def clear() -> None:
    fonts.families.cache_clear()
    fonts._letters.cache_clear()


def pixels(text: str) -> np.ndarray:
    figure = canvas.new_figure(text, [])
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


@pytest.mark.skipif(len(fonts.families()) == 1, reason="no font for Chinese is installed")
def test_two_signs_are_not_the_same_box() -> None:
    assert (pixels(LEARNING) != pixels(HABIT)).any()


def test_without_a_font_one_warning_says_what_to_install(bare: None, tmp_path) -> None:
    figure = canvas.new_figure(f"{LEARNING}{HABIT} = a*x", ["·"])
    with pytest.warns(DescendWarning) as caught:
        canvas.save(figure, tmp_path / "picture.svg")
    assert len(caught) == 1
    text = str(caught[0].message)
    assert f"{HABIT} (U+4E60), {LEARNING} (U+5B66) are boxes in the picture" in text
    assert "fonts-noto-cjk or fonts-wqy-microhei" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canvas.save(figure, None)._repr_png_().startswith(b"\x89PNG")
        canvas.save(figure, tmp_path / "picture.png")


def test_letters_of_other_scripts_are_told_apart(bare: None) -> None:
    figure = canvas.new_figure("\u0bb5 = a*x", [])
    with pytest.warns(DescendWarning, match=r"no font for such letters .*U\+0BB5"):
        canvas.save(figure, None)


def test_what_the_first_font_has_is_not_warned_of(bare: None) -> None:
    canvas.save(canvas.new_figure("α · β² ← ≤ −1, Größe, Ж", ["x₁"]), None)


def test_every_installed_font_of_the_list_comes_after_the_first() -> None:
    assert fonts.families()[0] == "DejaVu Sans"
    assert {*fonts.families()[1:]} <= {*fonts.FALLBACKS}
    for name in ("Microsoft YaHei", "SimHei", "PingFang SC", "Heiti SC", "Hiragino Sans GB",
                 "STHeiti", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
                 "WenQuanYi Zen Hei"):  # fmt: skip
        assert name in fonts.FALLBACKS


@pytest.mark.skipif(len(fonts.families()) == 1, reason="no font for Chinese is installed")
def test_a_chinese_font_without_a_bold_face_makes_no_noise(caplog) -> None:
    from matplotlib import font_manager

    pixels(f"{LEARNING}{HABIT}")
    find = font_manager.fontManager._find_fonts_by_props
    for size in (15.75, 16.25):  # what was found once is not looked for again
        find(font_manager.FontProperties(family=fonts.families(), weight="bold", size=size))
    assert not caplog.records
