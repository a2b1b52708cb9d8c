"""The studio on one's own data, formulas and networks, in Chromium."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import descend
from browser import Page, Server, wait
from descend.studio.opened import sample_setup
from test_access import AUDITED, AXE

EVIL = "<img src=x onerror=window.hit=1>"


def table_text(rows: dict[str, Any], sep: str = ",") -> str:
    target = io.StringIO()
    writer = csv.writer(target, delimiter=sep)
    writer.writerow(rows)
    writer.writerows(zip(*rows.values(), strict=True))
    return target.getvalue()


def lesson(page: Page) -> str:
    return page.text(".lesson")


def put(page: Page, path: Path) -> None:
    page.find(page.field("file")).send_keys(str(path))


@pytest.fixture
def line(tmp_path: Path) -> Path:
    x = np.arange(20) / 2
    file = tmp_path / "line.csv"
    file.write_text(table_text({"x": x, "y": 3 * x - 1}), "utf-8")
    return file


def test_a_file_is_opened_and_learnt(page: Page, line: Path) -> None:
    page.open_panel("data")
    put(page, line)
    wait(lambda: "20 rows of line.csv" in lesson(page), "the table")
    assert page.text(".formula") == "x → 8 tanh → 8 tanh → y"
    wait(lambda: page.kind == "curve" and page.step == 0, "its picture")
    page.play_until(lambda: page.state in ("converging", "arrived"), "it to learn")
    assert page.step > 0


def test_a_formula_with_an_error_is_told_at_its_place_and_mended(page: Page, line: Path) -> None:
    page.open_panel("data")
    put(page, line)
    wait(lambda: "20 rows of line.csv" in lesson(page), "the table")
    page.open_panel("model")
    page.choose("kind", "formula")
    wait(lambda: page.text(".formula") == "y = a·x + b", "a formula to begin with")
    page.choose("formula", "y = a*x + sin(")
    wait(lambda: "^" in page.text(".wrong"), "the place")
    told = page.text(".wrong").splitlines()
    assert told[1].strip() == "y = a*x + sin("
    assert page.text(".formula") == "y = a·x + b"  # what was there stays
    page.js(
        "const f = document.querySelector(arguments[0]); f.value = 'y = a*x**2 + b';"
        "f.dispatchEvent(new Event('input', {bubbles: true}))", page.field("formula"),
    )  # fmt: skip
    wait(lambda: page.text(".wrong") == "", "nothing to be wrong any more")
    assert page.text(".formula") == "y = a·x + b"  # until it is done
    page.choose("formula", "y = a*x**2 + b*x + c")
    wait(lambda: page.text(".formula") == "y = a·x² + b·x + c", "the formula")
    assert page.text(".wrong") == ""
    page.open_panel("descent")
    page.choose("optimizer", "lm")
    wait(lambda: page.find("input.lr").get_attribute("disabled"), "a method without a rate")
    page.play_until(lambda: page.state in ("arrived", "stuck"), "the minimum")
    found = [float(page.parameter(n).replace("−", "-")) for n in ("a", "b", "c")]
    np.testing.assert_allclose(found, [0, 3, -1], atol=2e-6)


def test_cells_from_a_spreadsheet_are_pasted(page: Page) -> None:
    page.open_panel("data")
    page.click(".panel summary")
    x = np.arange(12.0)
    page.choose("paste", table_text({"time": x, "volt": 2 * x + 1}, "\t"))
    page.click(page.field("use_paste"))
    wait(lambda: "12 rows of pasted cells" in lesson(page), "the table")
    assert page.text(".formula").startswith("time → ")
    page.click(".panel summary")
    page.choose("paste", "nothing but words")
    page.click(page.field("use_paste"))
    wait(lambda: page.shows(".trouble"), "why not")
    assert "12 rows of pasted cells" in lesson(page)


@pytest.mark.parametrize("sample", ["xor", "circle"])
def test_a_network_tells_classes_apart(page: Page, sample: str) -> None:
    page.open_panel("data")
    page.choose("sample", sample)
    wait(lambda: page.kind == "plane", "the plane")
    assert not page.find(".buttons .example").is_enabled()  # its batches are of ten rows
    page.play_until(lambda: int(page.number("epoch_count")) >= 200, "200 epochs")
    for key in ("accuracy", "held_accuracy"):
        assert float(page.number(key).split()[0]) >= 95
    setup = sample_setup(sample)
    model, x, y, options = setup.call(setup.source.table())
    epochs = int(page.number("epoch_count"))
    steps = page.step - epochs * 24
    run = descend.start(model, x, y, **options).step(epochs=epochs).step(batches=steps)
    norm = float(np.linalg.norm(run.params["0.weight"]))
    assert page.parameter(f"‖0.weight‖ ({setup.layers[0].units}×2)") == f"{norm:.6f}"


def test_the_loss_over_two_parameters_and_its_ball(page: Page) -> None:
    wait(lambda: page.shows(".ds-slope canvas"), "the panel")
    label = "return document.querySelector('.ds-slope canvas').ariaLabel"
    wait(lambda: "w1 = 1.000000" in page.js(label), "its words")
    counted = (
        "const c = document.querySelector('.ds-slope canvas');"
        "const pen = new OffscreenCanvas(c.width, c.height)"
        ".getContext('2d', {willReadFrequently: true}); pen.drawImage(c, 0, 0);"
        "const d = pen.getImageData(0, 0, c.width, c.height).data;"
        "let n = 0, x = 0; for (let i = 0; i < d.length; i += 4) "
        "if (Math.abs(d[i] - 0xd1) < 9 && Math.abs(d[i + 2] - 0x0f) < 9) "
        "{ n += 1; x += (i / 4) % c.width; } return n < 60 ? 0 : x / n / c.width"
    )
    first = wait(lambda: page.js(counted), "the ball")
    page.slide("lr", -1)
    page.press("n")
    wait(lambda: page.step == 100, "an epoch")
    wait(lambda: page.js(counted) > first + 0.01, "the ball to have moved to the right")
    page.js(
        "const s = document.querySelectorAll('.ds-chosen select')[0]; s.value = '2';"
        "s.dispatchEvent(new Event('change'))"
    )
    wait(lambda: page.js(counted) > first + 0.1, "the ball at w3 = 10")


def test_each_unit_has_a_map(page: Page) -> None:
    assert not page.shows(".ds-units")
    page.open_panel("data")
    page.choose("sample", "xor")
    wait(lambda: page.shows(".ds-units canvas"), "the maps")
    assert not page.shows(".ds-slope")
    label = page.find(".ds-units canvas").get_attribute("aria-label")
    wait(lambda: "8 units in hidden layers" in label, "their words")


def test_layers_are_added_and_removed(page: Page) -> None:
    page.open_panel("data")
    page.choose("sample", "gauss")
    wait(lambda: page.kind == "plane", "the plane")
    page.open_panel("model")
    page.click(page.field("add_layer"))
    wait(lambda: page.text(".formula") == "x1, x2 → 2 tanh → 2 tanh → label", "another layer")
    page.choose("units 1", "5")
    wait(lambda: "5 tanh" in page.text(".formula"), "its units")
    page.choose("activation 1", "relu")
    wait(lambda: "5 relu" in page.text(".formula"), "its activation")
    wait(lambda: page.shows(page.field("remove 0")), "the panel")
    page.click(page.field("remove 0"))
    wait(lambda: page.text(".formula") == "x1, x2 → 5 relu → label", "a layer less")


def test_start_values_move_the_curve_at_once(page: Page) -> None:
    page.open_panel("model")
    page.js(
        "const s = document.querySelector(arguments[0]); s.value = 5;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))", page.field("start w3"),
    )  # fmt: skip
    wait(lambda: page.parameter("w3") == "5.000000", "the parameter")
    assert page.step == 0 and page.state == "ready"
    page.press("r")
    page.press("e")
    wait(lambda: page.step == 1, "one example")
    assert page.parameter("w3") == "5.002000"  # 5 + 0.001 · 2 · (6 − 5)


def test_two_runs_are_compared(page: Page) -> None:
    page.open_panel("runs")
    for power, key in ((-3, "slow"), (-1, "fast")):
        page.slide("lr", power)
        page.press("r")
        wait(lambda: page.step == 0, "the start")
        for epoch in range(1, 4):
            page.press("n")
            wait(lambda epoch=epoch: page.step == 100 * epoch, key)
        page.click(page.field("keep"))
    wait(lambda: page.text(".panel.runs tbody tr:nth-child(2)"), "the second run")
    second = page.text(".panel.runs tbody tr:nth-child(2)")
    assert "Learning rate 0.1" in second and "converging" in second
    assert page.text(".panel.runs tbody tr:nth-child(2) td:nth-child(3)") == "3"
    page.click(page.field("clear"))
    wait(lambda: not page.text(".panel.runs tbody"), "no run")


def test_a_wrong_file_is_told_in_words(page: Page, tmp_path: Path) -> None:
    page.open_panel("data")
    wrong = tmp_path / "picture.png"
    wrong.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    put(page, wrong)
    wait(lambda: page.shows(".trouble"), "the words")
    assert '"picture.png"' in page.text(".trouble")
    assert str(tmp_path) not in page.text(".trouble")
    assert "100 points of y = 4x²" in lesson(page)
    page.press("e")
    wait(lambda: page.step == 1, "the run to be there still")
    page.driver.get_log("browser")  # that it was refused


def test_a_divergence_of_a_formula_is_called_one(page: Page, line: Path) -> None:
    page.open_panel("data")
    put(page, line)
    wait(lambda: "20 rows of line.csv" in lesson(page), "the table")
    page.open_panel("model")
    page.choose("kind", "formula")
    wait(lambda: page.text(".formula") == "y = a·x + b", "a formula")
    page.open_panel("descent")
    page.choose("optimizer", "sgd")
    wait(lambda: not page.js("return document.querySelector('input.lr').disabled"), "the method")
    page.slide("lr", 0)
    page.play_until(lambda: page.state == "diverging", "the divergence")
    assert "lower the learning rate" in page.text(".ds-sentence")


def test_hostile_names_and_contents_are_nothing_but_text(page: Page, tmp_path: Path) -> None:
    labels = [EVIL, "b"] * 10
    rows = {"`; DROP TABLE x": np.arange(20) % 7, EVIL: range(20), "kind": labels}
    file = tmp_path / f"{EVIL.replace('/', '')}.csv"
    file.write_text(table_text(rows), "utf-8")
    page.open_panel("data")
    put(page, file)
    wait(lambda: "20 rows of <img" in lesson(page), "the table")
    wait(lambda: page.kind == "plane", "its picture")
    page.press("n")
    wait(lambda: page.step > 0, "an epoch")
    for panel in ("model", "descent", "runs"):
        page.open_panel(panel)
    page.click(page.field("keep"))
    wait(lambda: page.text(".panel.runs tbody tr"), "the run")
    assert page.js("return document.querySelectorAll('img').length") == 0
    assert page.js("return window.hit ?? 0") == 0


def test_many_columns_show_what_is_predicted_against_what_is_true(
    page: Page, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 60))
    file = tmp_path / "three.tsv"
    file.write_text(table_text({"a": a, "b": b, "c": c, "y": a - 2 * b + 3 * c}, "\t"), "utf-8")
    page.open_panel("data")
    put(page, file)
    wait(lambda: page.kind == "pairs", "the picture")
    assert page.text(".ds-fit h2") == "Predicted against true"
    page.click(page.field("input c"))
    wait(lambda: page.kind == "plane", "two inputs")
    page.choose("target", "c")
    wait(lambda: page.text(".formula").endswith("→ c"), "another target")


def test_points_are_drawn_with_the_mouse(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    page.open_panel("data")
    page.click(page.field("points"))
    canvas = page.find(".ds-canvas canvas")
    for dx, dy in ((60, -40), (100, 30), (0, 60)):
        ActionChains(page.driver).move_to_element_with_offset(canvas, dx, dy).click().perform()
    wait(lambda: "103 rows of points" in lesson(page), "the points")
    assert page.text(".formula") == "y = w1·x² + w2·x + w3"


def test_the_studio_opens_on_a_file(driver: Any, line: Path) -> None:
    driver.delete_all_cookies()
    with Server(str(line)) as own:
        page = Page(driver).open(own.address)
        assert "20 rows of line.csv" in lesson(page)
    driver.get("about:blank")
    driver.get_log("browser")


def test_a_file_that_cannot_be_learnt_from_leaves_the_lesson(driver: Any, tmp_path: Path) -> None:
    file = tmp_path / "endless.csv"
    file.write_text("x,y\n1,2\n2,inf\n3,4\n", "utf-8")
    driver.delete_all_cookies()
    with Server(str(file)) as own:
        page = Page(driver).open(own.address)
        assert page.shows(".trouble") and "inf" in page.text(".trouble")
        assert "100 points of y = 4x²" in lesson(page)
    driver.get("about:blank")
    driver.get_log("browser")


# --- keyboard, screen readers, Chinese


def test_panels_by_keyboard_alone(page: Page) -> None:
    """Tab to Model, open it, and write another formula there."""
    from selenium.webdriver.common.action_chains import ActionChains

    for _ in range(12):
        page.press("\ue004")
        if "open-model" in page.js("return document.activeElement.className"):
            break
    page.press(" ")
    wait(lambda: page.shows(".panel.model"), "the panel")
    assert page.js("return document.querySelector('.open-model').ariaExpanded") == "true"
    for _ in range(20):
        page.press("\ue004")
        if page.js("return document.activeElement.dataset.field") == "formula":
            break
    keys = ActionChains(page.driver).key_down("\ue009").send_keys("a").key_up("\ue009")
    keys.send_keys("y = a*x + b", "\ue007").perform()
    wait(lambda: page.text(".formula") == "y = a·x + b", "the formula")
    wait(lambda: page.js("return document.activeElement.dataset.field") == "formula", "the focus")
    assert page.step == 0  # no letter of it was an order


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_axe_finds_nothing_serious_in_the_panels(page: Page, language: str, dark: bool) -> None:
    if not AXE.is_file():
        pytest.skip("there is no axe-core: make studio-web-check brings it")
    from browser import Looks, look

    look(page.driver, Looks(dark=dark))
    page.click(f"[lang={language}]:not(html)")
    page.open_panel("data")
    page.choose("sample", "iris")
    wait(lambda: page.kind == "plane", "the plane")
    page.js(AXE.read_text("utf-8"))
    found = page.driver.execute_async_script(AUDITED)
    of_panels = AUDITED.replace("axe.run()", "axe.run('.panels')")
    for panel in ("model", "descent", "runs"):
        page.open_panel(panel)
        found += page.driver.execute_async_script(of_panels)
    page.click(page.field("keep"))
    wait(lambda: page.text(".panel.runs tbody tr"), "the run")
    found += page.driver.execute_async_script(of_panels)
    page.open_panel("data")
    page.choose("sample", "parabola")
    wait(lambda: page.kind == "curve", "the parabola")
    page.open_panel("steps")
    page.click(page.field("steps_next"))
    page.click(page.field("asks"))
    wait(lambda: page.shows("[data-field=answer]"), "a question")
    found += page.driver.execute_async_script(of_panels)
    page.open_panel("map")
    page.click(page.field("map_draw"))
    wait(lambda: page.shows(".map canvas"), "the map")
    found += page.driver.execute_async_script(of_panels)
    assert found == []


@pytest.mark.parametrize("width", [1280, 360])
def test_panels_speak_chinese_and_fit_their_place(page: Page, width: int) -> None:
    from browser import Looks, look

    look(page.driver, Looks(width=width))
    page.click("[lang=zh-CN]")
    for panel in ("data", "model", "descent", "runs", "steps", "map"):
        page.open_panel(panel)
        said = page.js(
            "return [...document.querySelectorAll('.panel:not(.hidden) .field > span, "
            ".panel:not(.hidden) .block, .panel:not(.hidden) legend')].map(e => e.textContent)"
        )
        assert said
        assert [text for text in said if not any("一" <= ch <= "鿿" for ch in text)] == []
        assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    page.press("e")
    wait(lambda: page.step == 1, "one example")
