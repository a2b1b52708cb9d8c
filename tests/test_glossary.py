"""The glossary is whole, and every text and its translation use its terms."""

import re

import pytest

from descend.words import LANGUAGES, table_of
from descend.words.glossary import TERMS, missing_terms

CHINESE = re.compile(r"[\u4e00-\u9fff]")
JOINED = {"explain": {"sends": "begins"}}
"""Sentences that run over two lines of the catalogue: the second line → the first."""


def test_there_are_sixty_terms_with_a_sentence_in_every_language() -> None:
    assert len(TERMS) >= 60
    for term in TERMS.values():
        assert {*term.names} == {*term.means} == {*term.forms} == {*LANGUAGES}, term.key
        assert CHINESE.search(term.names["zh"]) and CHINESE.search(term.means["zh"]), term.key
        assert not CHINESE.search(term.names["en"] + term.means["en"]), term.key
        assert term.means["en"].endswith(".") and term.means["zh"].endswith("。"), term.key
        assert len(re.findall(r"\.(?=\s|$)", term.means["en"])) == 1, term.key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_two_terms_have_the_same_name(lang: str) -> None:
    names = [form for term in TERMS.values() for form in term.forms[lang]]
    assert len(names) == len({*names})


def test_the_terms_are_those_of_the_chinese_textbook() -> None:
    known = {
        "minibatch": "小批量", "learning_rate": "学习率", "backpropagation": "反向传播",
        "chain_rule": "链式法则", "gradient_descent": "梯度下降", "loss_function": "损失函数",
        "stochastic_gradient_descent": "随机梯度下降", "optimizer": "优化器", "momentum": "动量",
        "weight_decay": "权重衰减", "overfitting": "过拟合", "generalization": "泛化",
        "dropout": "暂退法", "multilayer_perceptron": "多层感知机", "residual": "残差",
        "vanishing_gradient": "梯度消失", "forward_propagation": "前向传播", "bias": "偏置",
    }  # fmt: skip
    assert {key: TERMS[key].names["zh"] for key in known} == known


@pytest.mark.parametrize("subject", ["studio", "explain", "lessons", "takeaway"])
def test_a_sentence_and_its_translation_use_the_same_terms(subject: str) -> None:
    table, joined = table_of(subject), JOINED.get(subject, {})
    wrong = {
        key: missing
        for key, texts in table.items()
        if (missing := missing_terms(
            texts["en"], table[joined[key]]["zh"] + texts["zh"] if key in joined else texts["zh"]
        ))
    }  # fmt: skip
    assert not wrong


def test_the_sentences_of_the_glossary_use_its_terms() -> None:
    wrong = {key: missing_terms(**_both(term.means)) for key, term in TERMS.items()}
    assert not {key: missing for key, missing in wrong.items() if missing}


def _both(texts: object) -> dict[str, str]:
    assert isinstance(texts, dict)
    return {"english": texts["en"], "chinese": texts["zh"]}


@pytest.mark.parametrize(
    ("english", "chinese", "missing"),
    [
        ("A lower learning rate.", "更低的速率。", ["learning_rate"]),
        ("The gradient of the loss", "损失的斜率", ["gradient"]),
        ("Stochastic gradient descent", "随机梯度下降", []),
        ("Losses and penalties", "损失与惩罚", []),
        ("{parameters}", "数", []),
        ("an unbiased, lossy layered thing", "某物", []),
        ("Vanishing gradients", "梯度消失", []),
    ],
)
def test_a_missing_term_is_seen(english: str, chinese: str, missing: list[str]) -> None:
    assert missing_terms(english, chinese) == missing
