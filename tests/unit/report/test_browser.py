"""The site of a scenario in a browser, used as a reader would."""

from pathlib import Path

import pytest

from detailscribe.report.scenario_site import write_scenario
from tests.unit.report.small_scenario import HOSTILE, NOTICE, PROMPTS, small_overview, small_scenario


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Do not write to it."""
    results = tmp_path_factory.mktemp("site") / "results"
    folder = results / "mine" / "report"
    write_scenario(folder, small_scenario(results), small_overview(notice=NOTICE), results, 2)
    return folder


@pytest.fixture
def window(browser, site):
    """A window on the overview that records every error and every request outside the site."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    outside = f"{site.as_uri()}/"
    page.on("request", lambda request: None if request.url.startswith(outside) else page.problems.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    yield page
    assert page.problems == []
    page.close()


def topics(window) -> list[str]:
    """Shown prompts by the first letter of their page's name."""
    links = window.eval_on_selector_all("#cards li > a", "links => links.map(a => a.getAttribute('href'))")
    return [link.split("/")[1][0] for link in links]


def test_search_finds_words_of_topic_and_prompt_in_any_order(window):
    assert topics(window) == ["c", "h", "u"]
    window.fill("#search", "LADDER badgers")
    assert topics(window) == ["c"] and window.inner_text("#count") == "1 of 3 prompts"
    window.fill("#search", "nowhere")
    assert topics(window) == []


def test_status_filters(window):
    shown = {"complete": ["c", "h"], "incomplete": ["u"], "refused": ["u"], "": ["c", "h", "u"]}
    for status, prompts in shown.items():
        window.select_option("#status", status)
        assert topics(window) == prompts, status


def test_the_score_range_is_of_the_shown_method_and_metric(window):
    window.fill("#from", "0.7")
    assert topics(window) == ["c", "h"]
    window.fill("#to", "0.75")
    assert topics(window) == ["h"]
    window.select_option("#method", "hosted")
    assert topics(window) == []
    window.select_option("#metric", "judge-main")
    window.fill("#from", "0")
    window.fill("#to", "2")
    assert topics(window) == ["c", "h"], "an image without a score is in no range"


def test_sorting(window):
    # Gains by clip_score: 0.3, -0.2, 0.01; by the judge: 0, 3, 1; ranks 1, 0, 1/2 and 0, 1, 1/2. By disagreement the
    # first two differ by 1 and keep the file's order.
    window.select_option("#second", "judge-main")
    orders = [("gain", "cuh"), ("score", "chu"), ("loss", "huc"), ("disagreement", "chu"), ("gain", "cuh"), ("", "chu")]
    for order, prompts in orders:
        window.select_option("#sort", order)
        assert topics(window) == list(prompts), order


def test_cards_show_both_methods_and_the_gain(window):
    card = window.locator("#cards li").first
    assert "detailscribe 0.800† · sd 0.500 (+0.300)" in card.inner_text()
    window.select_option("#method", "detailscribe ↳ mean or by:clip_score")
    assert "detailscribe ↳ mean or by:clip_score 0.750 · sd 0.500 (+0.250)" in card.inner_text()
    window.select_option("#metric", "judge-main")
    assert "by:clip_score 3.000 · sd 3.000 (+0.000)" in card.inner_text() and "†" not in card.inner_text()
    window.select_option("#metric", "clip_score")
    window.select_option("#method", "detailscribe")
    window.select_option("#other", "hosted")
    assert card.locator("img").nth(1).get_attribute("alt") == "hosted"
    assert window.locator("#cards li").nth(2).inner_text().startswith("no image")


def test_the_url_restores_a_view(window, browser):
    window.fill("#search", "otter")
    window.select_option("#sort", "gain")
    again = browser.new_page()
    again.goto(window.url)
    again.wait_for_selector("html[data-ready=yes]", state="attached")
    assert topics(again) == ["u"] and again.input_value("#sort") == "gain"
    again.close()
    window.click("button[type=reset]")
    window.wait_for_function("document.querySelectorAll('#cards li').length === 3")
    assert "otter" not in window.url


def test_keys_reach_the_search_and_every_prompt(window):
    window.keyboard.press("/")
    assert window.evaluate("document.activeElement.id") == "search"
    window.keyboard.press("Tab")
    window.evaluate("document.activeElement.blur()")
    for _ in range(2):
        window.keyboard.press("j")
    window.keyboard.press("k")
    window.keyboard.press("Enter")
    window.wait_for_url("**/carry-0000000000.html")
    window.keyboard.press("j")
    window.wait_for_url("**/hostile-1111111111.html")
    window.keyboard.press("u")
    window.wait_for_url("**/index.html*")


def test_a_hostile_prompt_is_text_on_its_page(window):
    window.goto(window.url.split("#")[0].replace("index.html", "prompts/hostile-1111111111.html"))
    assert window.inner_text("h1") == HOSTILE and window.title() != "taken"


def test_the_slider_cuts_and_the_url_keeps_the_selected_image(window):
    page = window.url.split("#")[0].replace("index.html", "prompts/carry-0000000000.html")
    window.goto(page)
    assert window.get_attribute("#after", "alt") == "After: detailscribe-k1"
    window.focus("#cut")
    window.keyboard.press("Home")
    assert "inset(0px 0px 0px 0%)" in window.evaluate("getComputedStyle(document.getElementById('after')).clipPath")
    window.select_option("#choose", label="hosted")
    assert "images/hosted/" in window.get_attribute("#after", "src") and window.url.endswith("#after=hosted")
    window.reload()
    assert window.get_attribute("#after", "alt") == "After: hosted"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_name_every_image(browser, site, scheme):
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in ("index.html", f"prompts/{PROMPTS[0]['id']}.html", f"prompts/{PROMPTS[1]['id']}.html"):
        page.goto((site / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert page.eval_on_selector_all("img:not([alt]), img[alt='']", "found => found.length") == 0
    page.close()
