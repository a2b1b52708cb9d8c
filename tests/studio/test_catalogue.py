"""The catalogue is whole in every language, and its sentences have the gaps that are filled."""

import re
from importlib.resources import files

import pytest

from descend.studio.frames import STATES
from descend.studio.samples import SAMPLES
from descend.words import LANGUAGES, TAGS, preferred, table_of

SUBJECTS = ("studio", "lessons", "takeaway")
WORDS = table_of("studio")
GAP = re.compile(r"\{(\w+)(?::\w+\|\w+)?\}")
STUDIO = files("descend.studio")
WEB_WORDS = {  # what the module that draws asks for
    "fit", "loss", "progress", "parameters", "epoch_count", "step_count", "loss_now", "loss_epoch",
    "legend_points", "legend_curve", "legend_start", "outside", "waiting", "gone", "example_told",
    "fit_described", "loss_described", "surface", "pairs", "table", "paths", "norms", "held_now",
    "accuracy", "held_accuracy", "legend_held", "true_value", "predicted_value", "example_row",
    "example_class", "surface_described", "pairs_described", "table_described", "paths_described",
    "units_title", "layer_name", "units_described", "slope_title", "across", "up",
    "slope_described", "units_choose", "unit_named", "unit_from", "bias", "unit_told",
    "unit_scaled", "unit_rest", "unit_undo", "unit_close",
}  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_word_is_there_in_every_language(subject: str) -> None:
    assert {*LANGUAGES} == {"en", "zh"} == {*TAGS}
    for key, texts in table_of(subject).items():
        assert {*texts} == {*LANGUAGES}, key
        assert all(text.strip() for text in texts.values()), key
        gaps = [sorted(GAP.findall(text)) for text in texts.values()]
        assert all(found == gaps[0] for found in gaps), key


@pytest.mark.parametrize("subject", SUBJECTS)
def test_chinese_is_chinese_and_english_has_none(subject: str) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for key, texts in table_of(subject).items():
        if key not in ("language", "moment_of"):
            assert chinese.search(texts["zh"]), key
            assert not chinese.search(texts["en"]), key


def test_nothing_said_around_lessons_and_what_is_taken_away_lies_idle() -> None:
    sources = [*STUDIO.iterdir(), *STUDIO.joinpath("panels").iterdir()]
    text = "".join(f.read_text("utf-8") for f in sources if f.name.endswith((".py", ".js")))
    for subject in SUBJECTS[1:]:
        idle = {key for key in table_of(subject) if not re.search(rf"\b{key}\b", text)}
        assert not idle, subject


@pytest.mark.parametrize("state", STATES)
def test_a_state_tells_its_numbers_and_no_others(state: str) -> None:
    for language in LANGUAGES:
        assert {*GAP.findall(WORDS[state][language])} <= {*STATES[state]}
    told = {gap for text in WORDS[state].values() for gap in GAP.findall(text)}
    assert told == {*STATES[state]}


def test_what_is_asked_for_is_there_and_nothing_lies_idle() -> None:
    files = [*STUDIO.iterdir(), *STUDIO.joinpath("panels").iterdir()]
    page = "".join(f.read_text("utf-8") for f in files if f.name.endswith(".py"))
    made = {
        *(f"sample_{name}" for name in SAMPLES), *(f"state_{state}" for state in STATES),
        *(f"panel_{p}" for p in ("lesson", "data", "model", "descent", "runs", "steps", "map")),
        "panel_takeaway", *(f"steps_{kind}" for kind in ("forward", "backward", "update")),
    }  # fmt: skip
    module = STUDIO.joinpath("draw.js").read_text("utf-8")
    assert {*WEB_WORDS} <= {*WORDS}
    for word in WEB_WORDS:
        assert re.search(rf"\b{word}\b", module), word
    idle = {
        key for key in WORDS
        if key not in WEB_WORDS | made and key not in STATES and f'"{key}"' not in page
    }  # fmt: skip
    assert not idle and made <= {*WORDS}


def test_the_terms_are_those_of_the_chinese_textbook() -> None:
    terms = {"lr": "学习率", "batch": "小批量", "loss_now": "损失", "parameters": "参数",
             "lesson": "梯度下降", "example": "样本"}  # fmt: skip
    for key, term in terms.items():
        assert term in WORDS[key]["zh"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9", "en"),
        ("de,fr;q=0.9", "en"), ("en;q=0.1, zh;q=0.2", "zh"), ("en;q=x,zh;q=0.1", "zh"),
        ("ZH-Hant", "zh"),
    ],
)  # fmt: skip
def test_the_browser_is_asked_for_its_language(header: str, language: str) -> None:
    assert preferred(header) == language
