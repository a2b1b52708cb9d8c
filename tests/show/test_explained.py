"""Explanations: their numbers are those of compiled programs, their mathematics is true."""

from __future__ import annotations

import ast
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.show.expressions import value_text
from descend.words import LANGUAGES, words_of
from show.conftest import Run
from whole import sampled

UNARY = ("np.sin({})", "np.cos({})", "np.exp({})", "np.tanh({})", "np.log(2 + ({})**2)",
         "np.sqrt(1 + ({})**2)", "({})**2", "({})**3", "-({})", "np.arctan({})")  # fmt: skip
BINARY = ("({}) + ({})", "({}) - ({})", "({}) * ({})", "({}) / (2 + ({})**2)")
NAMES = ("x", "a", "b", "c")
DIGITS = 2e-9  # of numbers within a formula, of which ten are written


def written(rng: np.random.Generator, depth: int) -> str:
    """A random formula."""
    if depth == 0:
        return str(rng.choice([*NAMES, *NAMES, "0.5", "2"]))
    if rng.random() < 0.45:
        return str(rng.choice(UNARY)).format(written(rng, depth - 1))
    return str(rng.choice(BINARY)).format(written(rng, depth - 1), written(rng, depth - 1))


def functions(count: int) -> list[str]:
    rng = np.random.default_rng(11)
    found: list[str] = []
    while len(found) < count:
        text = written(rng, 3)
        if {"a", "b"} <= {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}:
            found.append(text)
    return found


def explained(text: str, **more: Any) -> tuple[Any, Any, dict[str, float]]:
    used = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)} - {"np"}
    names = [n for n in NAMES if n in used]
    function = eval(f"lambda {', '.join(names)}: {text}", {"np": np})
    point = dict(zip(names, np.random.default_rng(len(text)).uniform(0.2, 1.5, 4), strict=False))
    return descend.explain(function, *point.values(), **more), function, point


def evaluated(expression: str, values: dict[str, float]) -> float:
    """What an expression comes to that an explanation has written."""
    expression = expression.replace("sech²(", "1 / cosh2(")
    for sign, power in zip("²³⁴⁵⁶⁷⁸⁹", "23456789", strict=True):
        expression = expression.replace(sign, f"**{power}")
    expression = expression.replace("·", "*")
    known = {name: getattr(np, name) for name in ("sin", "cos", "exp", "tanh", "log", "sqrt")}
    return float(eval(expression, {**known, "arctan": np.arctan, "__builtins__": {},
                                   "cosh2": lambda x: np.cosh(x) ** 2}, values))


@sampled("text", functions(200), 7)
def test_its_numbers_are_those_of_the_program(text: str) -> None:
    told, function, point = explained(text)
    gradient = descend.grad(function, argnums=tuple(range(len(point))))(*point.values())
    for name, value in zip(point, gradient, strict=True):
        assert float(told.gradient[name]) == pytest.approx(float(value), rel=1e-12, abs=1e-14)
        chain = told.chain(name)
        if chain is not None:
            assert chain.value == pytest.approx(float(value), rel=1e-12, abs=1e-14)


@sampled("text", functions(200), 7)
def test_the_mathematics_that_it_writes_is_true(text: str) -> None:
    told, _, point = explained(text)
    values = dict(point)
    for step in told.forward:
        values[step.label] = float(step.value)
        assert evaluated(step.computed, values) == pytest.approx(values[step.label], rel=DIGITS)
    for step in told.backward:
        for sent in step.sent:
            assert sent.local is not None
            assert evaluated(sent.rule, values) == pytest.approx(
                float(sent.local), rel=DIGITS, abs=1e-14
            )
            product = float(step.incoming) * float(sent.local)
            assert float(sent.value) == pytest.approx(product, rel=1e-12, abs=1e-14)
        assert sum(map(float, step.summands)) == pytest.approx(
            float(step.incoming), rel=1e-12, abs=1e-14
        )


def chain_rows(text: str, name: str) -> list[str]:
    """The lines of a parameter's chain rule, each joined with what continues it."""
    _, _, rest = text.partition("CHAIN RULE")
    rows: list[str] = []
    for line in rest.split(f"d y/d {name} =", 1)[1].splitlines():
        if not line.startswith(("  ", " ")) or (rows and re.match(r"  d y/d", line)):
            break
        sign = line.strip()[:1]
        rows += [line.strip().lstrip("= ")] if sign != "+" else []
        if sign == "+":
            rows[-1] += " " + line.strip()
    return rows


@sampled("text", functions(40), 5)
def test_the_chain_rule_evaluates_to_what_it_states(text: str) -> None:
    told, _, point = explained(text, parameter="a")
    if told.chain("a") is None:
        assert "CHAIN RULE" not in str(told)
        return
    values = dict(point) | {step.label: float(step.value) for step in told.forward}
    _, *rows = chain_rows(str(told), "a")
    stated = float(told.gradient["a"])
    for row in rows:
        assert evaluated(row, values) == pytest.approx(stated, rel=1e-7, abs=1e-9), row


@pytest.mark.parametrize(
    ("function", "rule", "slope"),
    [
        (lambda x: x**2, "2 · x", 6),
        (lambda x: x * x, "2 · x", 6),
        (lambda x: x**3, "3 · x²", 27),
        (lambda x: x + x, "1 + 1", 2),
        (lambda x: x / x, "1 / x - y / x", 0),
    ],
)
def test_derivatives_have_their_textbook_form(function: Any, rule: str, slope: float) -> None:
    told = descend.explain(function, 3.0)
    (step,) = told.backward
    (sent,) = step.sent
    assert (sent.to, sent.rule, float(sent.local), float(sent.value)) == ("x", rule, slope, slope)
    assert str(told).count("goes out") == 1


def parabola(x, w1, w2, w3):
    p = w1 * x**2 + w2 * x + w3
    return p


X = np.linspace(-1, 1, 9)
LESSON = dict(
    row=1, start=dict(w1=1.0, w2=0.0, w3=1.0), optimizer=descend.SGD(lr=0.1),
)  # fmt: skip


def test_the_chain_rule_of_one_parameter_is_written_out() -> None:
    text = str(descend.explain(parabola, X, 4 * X**2, parameter="w2", **LESSON))
    assert "d loss/d w2 = d loss/d v5 · d v5/d p · d p/d v4 · d v4/d v3 · d v3/d w2" in text
    assert "= 2 · v5 · 1 · 1 · 1 · x" in text and "d loss/d w1 = d loss" not in text
    fit = descend.fit(parabola, X, 4 * X**2, start=LESSON["start"], optimizer="sgd", lr=0.1)
    assert "d v2/d w1" in str(fit.explain(1, parameter="w1"))


def test_a_chain_may_be_longer_than_the_stack_is_deep() -> None:
    def model(a):
        for _ in range(1500):
            a = a + np.sin(a) / 1000
            a = np.sin(a)
        return a

    def straight(a):
        for _ in range(1500):
            a = np.cos(a)
        return a

    assert descend.explain(model, 0.5).chain("a") is None
    chain = descend.explain(straight, 0.5).chain("a")
    assert chain is not None and len(chain.paths[0]) == 1500
    assert chain.value == pytest.approx(descend.grad(straight)(0.5), rel=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(parameter="w4"), 'no parameter "w4"'),
        (dict(parameter="w4"), "the parameters are w1, w2, w3"),
        (dict(lang="fr"), 'no words in the language "fr"'),
    ],
)
def test_what_there_is_not(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(descend.UsageError) as refused:
        descend.explain(parabola, X, 4 * X**2, **wrong, **LESSON)
    assert said in str(refused.value)


def test_in_chinese() -> None:
    told = descend.explain(parabola, X, 4 * X**2, lang="zh", **LESSON)
    english = descend.explain(parabola, X, 4 * X**2, **LESSON)
    text = str(told)
    for word in ("前向传播", "反向传播", "链式法则", "梯度", "学习率", "损失"):
        assert word in text
    assert not re.search(r"PASS|goes out|comes in|becomes", text)
    numbers = r"-?\d+\.\d+"
    assert re.findall(numbers, text) == re.findall(numbers, str(english))


def test_every_word_is_there_in_every_language_with_the_same_gaps() -> None:
    english = words_of("explain", "en")
    for lang in LANGUAGES:
        words = words_of("explain", lang)
        assert words.keys() == english.keys()
        for key, text in words.items():
            assert text.strip() and set(re.findall(r"{\w+}", text)) == set(
                re.findall(r"{\w+}", english[key])
            )


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_needs_nothing_else_and_has_the_same_numbers(lang: str) -> None:
    told = descend.explain(parabola, X, 4 * X**2, lang=lang, **LESSON)
    page = told.to_html()
    seen = Balanced()
    seen.feed(page)
    assert not seen.open and "http" not in page and "<script" not in page
    assert "<mfrac>" in page and "<msup>" in page and "<msub><mi>w</mi><mn>1</mn></msub>" in page
    pattern = r"\d+\.\d+"
    body = page.partition("</style>")[2]
    assert set(re.findall(pattern, str(told))) <= set(re.findall(pattern, body)) | {"0.1"}
    assert told._repr_html_() in page


def test_names_do_no_harm_in_a_page() -> None:
    told = descend.explain("y = `<b>&x` * k", {"<b>&x": [1.0, 2.0], "y": [1.0, 2.0]}, row=0,
                           start=dict(k=2.0))  # fmt: skip
    page = told.to_html()
    assert "<b>" not in page and "&lt;" in page


# --- the graph as a picture, and networks layer by layer


def svg_of(told: Any) -> ElementTree.Element:
    root = ElementTree.fromstring(told.to_svg())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return root


def svg_texts(root: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_graph_has_every_number_of_both_passes() -> None:
    told = descend.explain(parabola, X, 4 * X**2, **LESSON)
    texts = svg_texts(svg_of(told))
    for step in told.forward:
        assert f"{step.label} = {step.computed}" in texts and value_text(step.value) in texts
    for step in told.backward:
        assert f"∂loss/∂{step.label} = {value_text(step.incoming)}" in texts
    for name, slope in told.gradient.items():
        assert f"∂loss/∂{name} = {value_text(slope)}" in texts


@sampled("text", functions(40), 5)
def test_boxes_lie_apart_and_edges_go_from_left_to_right(text: str) -> None:
    told, *_ = explained(text)
    root = svg_of(told)
    rects = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
    boxes = [tuple(float(r.get(k, "0")) for k in ("x", "y", "width", "height")) for r in rects]
    for (x, y, w, h), (p, q, u, v) in itertools.combinations(boxes, 2):
        assert x + w <= p or p + u <= x or y + h <= q or q + v <= y
    width, height = (float(root.get(k, "0")) for k in ("width", "height"))
    assert all(x >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    used = sum(len(step.uses) for step in told.forward)
    arrows = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("fill") != "none"]
    assert len(arrows) == used > 0


def deep(*activations: str, size: int = 5) -> Any:
    parts = [part for name in activations for part in (nn.Linear(size), name)]
    return nn.Sequential(*parts, nn.Linear())


def layered(net: Any, **more: Any) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20, 3))
    y = x[:, 0] * x[:, 1]
    return descend.explain(net, x, y, row=7, standardize=False, **more), x[7], y[7]


def test_norms_of_layers_are_those_by_hand() -> None:
    told, x, y = layered(deep("tanh", "sigmoid"))
    params = {n: np.asarray(v, np.float64) for n, v in told.given["parameters"].items()}
    values, h = [], x
    for k, act in ((0, np.tanh), (2, lambda v: 1 / (1 + np.exp(-v))), (4, None)):
        h = params[f"{k}.weight"] @ h + params[f"{k}.bias"]
        values.append(h)
        if act is not None:
            h = act(h)
            values.append(h)
    back = [2 * (values[4] - y)]
    back.insert(0, params["4.weight"].T @ back[0])
    back.insert(0, back[0] * values[3] * (1 - values[3]))
    back.insert(0, params["2.weight"].T @ back[0])
    back.insert(0, back[0] * (1 - values[1] ** 2))
    inputs = {0: x, 2: values[1], 4: values[3]}
    assert [layer.name for layer in told.layers] == [
        "0 Linear(5)", "1 Tanh()", "2 Linear(5)", "3 Sigmoid()", "4 Linear()",
    ]  # fmt: skip
    for k, layer in enumerate(told.layers):
        assert layer.shape == np.shape(values[k])
        assert layer.value == pytest.approx(np.linalg.norm(values[k]), rel=1e-5)
        assert layer.incoming == pytest.approx(np.linalg.norm(back[k]), rel=1e-5)
        if k in inputs:
            by_hand = np.linalg.norm(back[k]) * np.sqrt(1 + inputs[k] @ inputs[k])
            assert layer.gradient == pytest.approx(by_hand, rel=1e-5)
        else:
            assert np.isnan(layer.gradient)


@pytest.mark.parametrize(
    "net", [nn.mlp([4], dropout=0.5), deep("relu"), nn.Sequential(nn.Residual(nn.Linear(3)), "tanh",
            nn.Linear())])  # fmt: skip
@pytest.mark.parametrize("fixed", [[], ["0"]])
def test_every_layer_is_found_in_the_graph(net: Any, fixed: list[str]) -> None:
    told, *_ = layered(net, fixed=fixed)
    assert len(told.layers) == len(net.layers)
    assert all(np.isfinite(layer.value) for layer in told.layers)
    arrived = [np.isfinite(layer.incoming) for layer in told.layers]
    assert arrived[-1] and all(arrived) == (not fixed)  # no further than to what is varied


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_vanishes_is_said_and_coloured(lang: str) -> None:
    told, *_ = layered(deep(*["sigmoid"] * 8), lang=lang)
    word = words_of("explain", lang)["vanishing"]
    ratios = [layer.incoming / told.layers[-1].incoming for layer in told.layers]
    gone = sum(ratio < 1e-3 for ratio in ratios)
    assert 4 < gone < len(told.layers)
    lines = str(told).splitlines()
    assert [line for line in lines if line.endswith(f"  {word}")] and sum(
        line.endswith(f"  {word}") for line in lines
    ) == gone
    page, root = told.to_html(), svg_of(told)
    assert page.count('<tr class="unlike">') == gone
    assert svg_texts(root).count(word) == gone
    tinted = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx") and
              r.get("fill-opacity")]  # fmt: skip
    assert len(tinted) == gone
    calm, *_ = layered(deep("tanh"), lang=lang)
    assert word not in str(calm) and 'class="unlike"' not in calm.to_html()


def test_a_function_has_no_layers() -> None:
    told = descend.explain(lambda x: x**2, 3.0)
    assert told.layers == [] and "LAYERS" not in str(told) and "layers" not in told.to_json_dict()
    net, *_ = layered(deep("tanh"))
    assert [layer["name"] for layer in net.to_json_dict()["layers"]] == [
        "0 Linear(5)", "1 Tanh()", "2 Linear()",
    ]  # fmt: skip


def test_hostile_names_do_no_harm_in_a_picture() -> None:
    told = descend.explain("y = `<b>&x` * k", {"<b>&x": [1.0, 2.0], "y": [1.0, 2.0]}, row=0,
                           start=dict(k=2.0))  # fmt: skip
    assert any("<b>&x" in text for text in svg_texts(svg_of(told)))
    assert "<b>" not in told.to_svg()


def test_picture_and_page_on_the_command_line(tmp_path: Path, command: Run) -> None:
    call = ["explain", "3*x1**2 + 4*x2**2", "--at", "x1=1,x2=2"]
    done = command(*call, "--svg", "graph.svg", "--html", "page.html", "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert "written: graph.svg" in done.stdout and "written: page.html" in done.stdout
    picture = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg ") and "反向传播" in picture
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    wrong = command(*call, "--svg", "graph.png")
    assert wrong.returncode == 2 and 'the graph cannot be written as "graph.png"' in wrong.stderr
