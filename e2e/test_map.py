"""Whole trainings as a map: drawn, picked from by mouse and by keyboard, zoomed into."""

from selenium.webdriver.common.action_chains import ActionChains

from browser import Page, wait


def drawn(page: Page) -> str:
    page.open_panel("map")
    page.click("[data-field=map_draw]")
    wait(lambda: page.js("return !!document.querySelector('.map canvas')"), "the map")
    return page.text(".map .told")


def rate(page: Page) -> str:
    return str(page.js("return document.querySelector('input.lr').getAttribute('aria-valuetext')"))


def test_it_tells_how_many_learn_and_how_many_leave(page: Page) -> None:
    told = drawn(page)
    assert "1280 trainings of 100 epochs" in told
    assert "diverged or grew" in told
    assert "Least loss" in told
    box = page.js("return document.querySelector('.map canvas').getBoundingClientRect().toJSON()")
    assert box["width"] > 800


def test_the_best_is_taken_and_learns(page: Page) -> None:
    drawn(page)
    before = rate(page)
    page.find("[data-field=map_best]").send_keys("\n")
    wait(lambda: rate(page) != before, "another rate")
    assert page.js("return !!document.querySelector('.map canvas')")
    page.press("n")
    wait(lambda: page.number("epoch_count") == "1", "an epoch")
    assert float(page.number("loss_epoch")) < 10


def test_a_place_is_picked_and_a_part_zoomed_into(page: Page) -> None:
    drawn(page)
    canvas = page.find(".map canvas")
    ActionChains(page.driver).move_to_element_with_offset(canvas, 0, 150).click().perform()
    wait(lambda: rate(page) not in ("0.001", ""), "the rate of that place")
    chain = ActionChains(page.driver).move_to_element_with_offset(canvas, -200, 60)
    chain.click_and_hold().move_by_offset(300, 80).release().perform()
    wait(lambda: "1280 trainings" not in page.text(".map .told"), "another map")


def test_a_method_without_a_rate_has_none(page: Page) -> None:
    page.open_panel("descent")
    page.choose("optimizer", "lm")
    wait(lambda: page.js("return document.querySelector('input.lr').disabled"), "no rate")
    page.open_panel("map")
    wait(lambda: "method with a learning rate" in page.text(".panel.map"), "why there is none")
