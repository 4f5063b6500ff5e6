"""The site of a scenario in a browser, used as a reader would."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from detailscribe.report.labels import Labels
from detailscribe.report.scenario_site import write_scenario
from tests.unit.report.small_scenario import HOSTILE, NOTICE, PROMPTS, small_overview, small_scenario, table_file

BY_CLIP = "#metric=clip_score&b=detailscribe"  # instead of the judge and the honest choices
LABELS = Labels(methods={"sd": "SD 3.5", "detailscribe": "DetailScribe"}, metrics={"clip_score": "CLIPScore"})


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Do not write to it."""
    results = tmp_path_factory.mktemp("site") / "results"
    folder = results / "mine" / "report"
    rows = pd.DataFrame({"method": ["sd", "b", "c"], "mean": [2.0, 10.5, None], "sd": [1.0, 2.0, 3.0], "oracle": False})
    tables = [table_file(results, "main", rows)]
    scenario = small_scenario(results)
    prompts = [row | {"stratum": stratum} for row, stratum in zip(scenario.prompts, ("x", "y", "x"), strict=True)]
    scenario = replace(scenario, prompts=prompts, labels=LABELS)
    write_scenario(folder, scenario, small_overview(notice=NOTICE, tables=tables, labels=LABELS), results, 2)
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
    page.goto((site / "index.html").as_uri() + BY_CLIP)
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


def test_strata_filter(window):
    window.select_option("#stratum", "x")
    assert topics(window) == ["c", "u"]


def test_the_score_range_is_of_method_b_and_the_metric(window):
    window.fill("#from", "0.7")
    assert topics(window) == ["c", "h"]
    window.fill("#to", "0.75")
    assert topics(window) == ["h"]
    window.select_option("#b", "hosted")
    assert topics(window) == []
    window.select_option("#metric", "judge-main")
    window.fill("#from", "0")
    window.fill("#to", "2")
    assert topics(window) == ["c", "h"], "an image without a score is in no range"


def test_sorting_and_the_second_metric_that_only_disagreement_needs(window):
    # Gains by clip_score: 0.3, -0.2, 0.01; by the judge: 0, 3, 1; ranks 1, 0, 1/2 and 0, 1, 1/2. By disagreement the
    # first two differ by 1 and keep the file's order.
    assert window.is_hidden("#second")
    orders = [("gain", "cuh"), ("score", "chu"), ("loss", "huc"), ("disagreement", "chu"), ("gain", "cuh"), ("", "chu")]
    for order, prompts in orders:
        window.select_option("#sort", order)
        assert window.is_visible("#second") == (order == "disagreement")
        if order == "disagreement":
            window.select_option("#second", "judge-main")
        assert topics(window) == list(prompts), order


def card_text(window, number=0) -> str:
    return " ".join(window.locator("#cards li").nth(number).inner_text().split())


def test_cards_show_before_on_the_left_and_after_on_the_right_with_scores_and_change(window):
    assert card_text(window).startswith("SD 3.5 0.500 DetailScribe 0.800† carry")
    assert "change +0.300" in card_text(window)
    images = window.locator("#cards li").first.locator("img")
    assert [images.nth(side).get_attribute("title") for side in (0, 1)] == ["original-1", "detailscribe-k1"]
    window.select_option("#b", "detailscribe ↳")
    assert "DetailScribe, honest choice 0.750" in card_text(window), "of the selector the mean"
    assert images.count() == 3, "of the images that the mean is of"
    assert "DetailScribe, honest choice: mean of its images" in window.inner_text("#scale")
    window.select_option("#metric", "judge-main")
    assert "honest choice 3.000" in card_text(window) and "†" not in card_text(window)
    window.select_option("#metric", "clip_score")
    window.select_option("#b", "hosted")
    assert images.nth(1).get_attribute("alt") == "hosted"
    assert "no image" in card_text(window, 2)


def test_a_judge_and_the_honest_choice_come_first(window, site):
    window.goto((site / "index.html").as_uri())
    window.reload()
    assert [window.input_value(name) for name in ("#a", "#b", "#metric")] == ["sd", "detailscribe ↳", "judge-main"]


def test_a_drag_on_the_histogram_selects_prompts_and_the_url_keeps_it(window, browser):
    box = window.locator("#chart").bounding_box()
    right = box["x"] + box["width"] - 20
    window.mouse.move(right - 200, box["y"] + 40)
    window.mouse.down()
    window.mouse.move(right, box["y"] + 80, steps=3)
    window.mouse.up()
    assert topics(window) == ["c"], "the largest change"
    again = browser.new_page()
    again.goto(window.url)
    again.wait_for_selector("html[data-ready=yes]", state="attached")
    assert topics(again) == ["c"] and again.locator("#chart .area").count() == 1
    again.close()
    window.focus("#chart")
    window.keyboard.press("Escape")
    assert topics(window) == ["c", "h", "u"] and "box" not in window.url


def test_points_of_two_metrics_are_selected_by_click_and_by_keys(window):
    window.select_option("#plot", "metrics")
    window.select_option("#second", "judge-main")
    points = window.locator("#chart circle")
    assert points.count() == 3 and window.is_visible("#second")
    place = points.nth(1).bounding_box()
    window.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    assert topics(window) == ["h"]
    window.focus("#chart")
    window.keyboard.press("Escape")
    for _ in range(2):
        window.keyboard.press("ArrowRight")
    assert len(topics(window)) < 3 and window.locator("#chart .area").count() == 1
    window.select_option("#plot", "methods")
    assert topics(window) == ["c", "h", "u"], "another plot has no selection"
    assert window.locator("#chart .point.on").count() == 3
    window.fill("#search", "otter")
    assert window.locator("#chart .point.on").count() == 1, "the others are pale"
    window.select_option("#plot", "none")
    assert window.is_hidden("#chart")


def test_the_prompts_of_a_view_are_downloaded(window):
    window.fill("#search", "badgers")
    with window.expect_download() as download:
        window.click("#save")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [(row["id"], row["a_score"], row["b_image_set"], row["change"]) for row in rows] == [
        (PROMPTS[0]["id"], "0.5", "detailscribe-k1", "0.3")
    ]


def test_the_viewer_shows_all_images_of_a_card_and_obeys_keys(window):
    window.locator("#cards li").first.get_by_role("button", name="All images").click()
    assert window.locator(".viewer .tiles button").count() == 4
    window.keyboard.press("ArrowRight")
    window.keyboard.press("Enter")
    assert window.inner_text("#viewer-label") == "detailscribe-k0" and "2 of 4" in window.inner_text(".viewer .place")
    assert "CLIPScore 0.700" in window.inner_text(".viewer > .scores")
    window.keyboard.press("ArrowLeft")
    window.keyboard.press("ArrowLeft")
    assert window.inner_text("#viewer-label") == "hosted", "from the first to the last"
    window.wait_for_function("document.querySelector('.viewer .frame img').naturalWidth === 300")
    window.keyboard.press("Escape")
    assert not window.evaluate("document.querySelector('.viewer').open")
    assert window.evaluate("document.activeElement.textContent") == "All images"
    window.locator("#cards li .thumb").nth(1).click()
    assert window.inner_text("#viewer-label") == "detailscribe-k1"


def test_tables_are_sorted_and_show_all_columns_on_demand(window):
    window.click("#tables summary")

    def column():
        return window.eval_on_selector_all("#table-1 tbody tr", "rows => rows.map(row => row.cells[0].textContent)")

    assert window.locator("#table-1 thead button[title]").count() == 4
    window.get_by_role("button", name="mean").click()
    assert column() == ["b", "SD 3.5", "c"], "missing values last"
    window.get_by_role("button", name="mean").click()
    assert column() == ["SD 3.5", "b", "c"]
    head = window.locator("#table-1 thead th")
    assert head.nth(1).get_attribute("aria-sort") == "ascending" and head.nth(2).is_hidden()
    window.check(".all-columns")
    assert head.nth(2).is_visible()


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
    clip = "getComputedStyle(document.getElementById('after').parentElement).clipPath"
    assert "inset(0px 0px 0px 0%)" in window.evaluate(clip)
    row = window.locator("#changes tbody tr").first
    assert row.inner_text().split() == ["CLIPScore", "0.500", "0.800†", "+0.300", "0.700", "★0.800"]
    window.select_option("#choose", "hosted")
    assert "images/hosted/" in window.get_attribute("#after", "src") and window.url.endswith("#after=hosted")
    assert row.inner_text().split() == ["CLIPScore", "0.500", "0.400", "−0.100", "0.700", "★0.800"]
    window.reload()
    assert window.get_attribute("#after", "alt") == "After: hosted"


def test_a_click_on_an_image_of_a_prompt_stays_on_the_page(window):
    page = window.url.split("#")[0].replace("index.html", "prompts/carry-0000000000.html")
    window.goto(page)
    window.click("#detailscribe-k0 a.zoom")
    assert window.url == page and window.inner_text("#viewer-label") == "detailscribe-k0"
    window.keyboard.press("j")
    assert window.url == page, "keys of the page are not those of the viewer"
    window.keyboard.press("g")
    assert window.locator(".viewer .tiles button").count() == 4
    window.click(".viewer [data-act=close]")
    window.click("#all-images")
    assert window.locator(".viewer .tiles button").count() == 4


def test_small_images_are_shown_at_whole_multiples_without_smoothing(browser, tmp_path):
    results = tmp_path / "results"
    scenario = small_scenario(results)
    for rows in scenario.images.values():
        for row in rows.values():
            if row["file"]:
                Image.new("RGB", (96, 96), "teal").save(results / row["file"])
    write_scenario(tmp_path / "site", scenario, small_overview(), results, 1)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    for name, image in (("index.html", "#cards img"), (f"prompts/{PROMPTS[0]['id']}.html", "#before")):
        page.goto((tmp_path / "site" / name).as_uri())
        page.wait_for_selector(f"{image}.small")
        width, style = page.eval_on_selector(image, "one => [one.clientWidth, getComputedStyle(one).imageRendering]")
        assert width % 96 == 0 and width > 96 and style == "pixelated", name
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_name_every_image(browser, site, scheme):
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for path in ("index.html", f"prompts/{PROMPTS[0]['id']}.html", f"prompts/{PROMPTS[1]['id']}.html"):
        page.goto((site / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        unnamed = "found => found.filter(image => !image.closest('dialog')).length"
        assert page.eval_on_selector_all("img:not([alt]), img[alt='']", unnamed) == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["index.html", f"prompts/{PROMPTS[0]['id']}.html"])
def test_axe_finds_nothing_serious(browser, site, path, scheme):
    """Names, roles, keyboard and contrast (WCAG AA), with all details and then the viewer open."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto((site / path).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    for act in ("", "#all-images, #cards .all"):
        if act:
            page.locator(act).first.click()
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert [
            (violation["impact"], violation["id"], node["html"])
            for violation in found.response["violations"]
            for node in violation["nodes"]
        ] == []
    page.close()
