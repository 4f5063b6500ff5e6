"""The site of a small scenario: built, built again, and used in a browser as a reader would."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from detailscribe.files.digests import digest, file_sha256
from detailscribe.report import assets
from detailscribe.report.inputs import commit, judges_words, run_times, settings
from detailscribe.report.prompt_story import Scenario, changes, choice, favourite
from detailscribe.report.site import Overview, write_scenario, write_study
from tests.browser import browser as chromium

HOSTILE = "<script>document.title='taken'</script> \"quotes\" & {{ 7 * 7 }} \u202eright to left"
OK = {"status": "ok", "reason": ""}
SETS = ("original-1", "detailscribe-k0", "detailscribe-k1", "hosted")
METHODS = [
    {"name": "sd", "candidates": ["original-1"], "headline": "single"},
    {"name": "hosted", "candidates": ["hosted"], "headline": "single"},
    {"name": "detailscribe", "candidates": ["detailscribe-k0", "detailscribe-k1"], "headline": "oracle"},
]
# clip_score and judge by image set, one number a prompt: p0 gains most, p1 loses, p2 has no hosted image.
CLIP = {
    "original-1": [0.5, 0.9, 0.6],
    "detailscribe-k0": [0.7, 0.6, 0.61],
    "detailscribe-k1": [0.8, 0.7, 0.6],
    "hosted": [0.4, 0.5, None],
}
JUDGE = {"original-1": [3, 2, 4], "detailscribe-k0": [2, 5, 4], "detailscribe-k1": [3, 4, 5], "hosted": [1, 1, None]}
PROMPTS = [
    {"id": "carry-0000000000", "topic": "carry", "prompt": "Two badgers carry a ladder."},
    {"id": "hostile-1111111111", "topic": HOSTILE, "prompt": HOSTILE},
    {"id": "umbrella-2222222222", "topic": "umbrella", "prompt": "An otter holds an umbrella."},
]


def row(results: Path, image_set: str, number: int) -> dict:
    """A manifest row with its image, a plain colour of its own."""
    id = PROMPTS[number]["id"]
    if CLIP[image_set][number] is None:
        return {
            "id": id,
            "status": "refused",
            "reason": HOSTILE,
            "file": None,
            "sha256": None,
            "key": None,
            "prompt": None,
            "seed": None,
            "k": None,
        }
    path = results / "mine" / "images" / image_set / "000-of-001" / f"{id}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (300, 300), (40 * SETS.index(image_set), 70 * number, 120)).save(path)
    told = {"file": str(path.relative_to(results)), "sha256": file_sha256(path), "key": digest([image_set, id])}
    return {"id": id, **OK, **told, "prompt": PROMPTS[number]["prompt"], "seed": 1, "k": None}


def scores(values: dict) -> dict:
    return {
        (PROMPTS[number]["id"], name): {"score": value, **OK}
        for name, column in values.items()
        for number, value in enumerate(column)
    }


@pytest.fixture
def results(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def mine(results) -> Scenario:
    refined = ["Two badgers carry a long ladder, one at each end.", HOSTILE, "An otter grips an umbrella."]
    critiques = {
        record["id"]: {**OK, "critique": HOSTILE, "refined_prompt": text}
        for record, text in zip(PROMPTS, refined, strict=True)
    }
    return Scenario(
        name="mine",
        prompts=PROMPTS,
        parts={record["id"]: {**OK, "concept": "carry", "components": [HOSTILE, "paw on rung"]} for record in PROMPTS},
        critiques={"detailscribe": critiques},
        images={name: {PROMPTS[n]["id"]: row(results, name, n) for n in range(3)} for name in SETS},
        scores={"clip_score": scores(CLIP), "judge-main": scores(JUDGE)},
        words={"judge-main": {(PROMPTS[0]["id"], "original-1"): [HOSTILE]}},
        ratings=[{"rater": "r1", "id": PROMPTS[0]["id"], "image_set": "original-1", "rating": 2}]
        + [{"rater": "r2", "id": PROMPTS[0]["id"], "image_set": "original-1", "rating": 5}],
        dropped=[
            {
                "id": PROMPTS[2]["id"],
                "topic": "umbrella",
                "stage": "external",
                "image_set": "hosted",
                "status": "refused",
                "reason": HOSTILE,
            }
        ],
        methods=METHODS,
        critics={"detailscribe": ["detailscribe-k0", "detailscribe-k1"]},
    )


def overview(**changed) -> Overview:
    columns = ["scenario", "method", "selection", "metric", "n", "mean", "low95", "high95", "headline"]
    rows = [
        ["mine", method["name"], "single", metric, 2, value, value - 0.1, value + 0.1, True]
        for method, value in zip(METHODS, (0.5, 0.4, 0.7), strict=True)
        for metric in ("clip_score", "judge-main")
    ]
    dropped = [{"stage": "external", "image_set": "hosted", "status": "refused", "reason": HOSTILE}]
    return replace(Overview("mine", "", pd.DataFrame(rows, columns=columns), dropped=dropped), **changed)


@pytest.fixture
def site(results, mine) -> Path:
    folder = results / "mine" / "report"
    write_scenario(folder, mine, overview(notice="Nothing here means anything."), results, 2)
    return folder


def test_a_method_shows_its_headline_selection(mine):
    id = PROMPTS[0]["id"]
    assert choice(mine, METHODS[0], "clip_score", id) == (0.5, "original-1")
    assert choice(mine, METHODS[2], "clip_score", id) == (0.8, "detailscribe-k1")
    by_judge = {**METHODS[2], "headline": "by:judge-main"}
    assert choice(mine, by_judge, "clip_score", PROMPTS[1]["id"]) == (0.6, "detailscribe-k0")
    assert choice(mine, {**METHODS[2], "headline": "mean"}, "clip_score", id) == (0.75, None)


def test_a_method_with_an_unscored_candidate_shows_nothing(mine):
    method = {"name": "both", "candidates": ["original-1", "hosted"], "headline": "oracle"}
    assert choice(mine, method, "clip_score", PROMPTS[2]["id"]) == (None, None)


def test_people_count_as_a_metric_once_somebody_rated(mine):
    assert mine.metrics == ["clip_score", "judge-main", "people"]
    assert mine.score("people", PROMPTS[0]["id"], "original-1") == 3.5
    assert mine.score("people", PROMPTS[1]["id"], "original-1") is None
    assert replace(mine, ratings=[]).metrics == ["clip_score", "judge-main"]


def test_the_favourite_is_the_critics_choice_by_the_first_metric(mine):
    assert favourite(mine, PROMPTS[0]["id"]) == "detailscribe-k1"
    assert favourite(replace(mine, critics={}), PROMPTS[0]["id"]) is None
    assert favourite(replace(mine, scores={"clip_score": {}}), PROMPTS[0]["id"]) == "detailscribe-k0"


def test_changes_put_together_give_both_texts():
    before, after = "Two badgers carry a ladder.", "Two tired badgers carry a long ladder."
    pieces = changes(before, after)
    assert "".join(text for kind, text in pieces if kind != "new") == before
    assert "".join(text for kind, text in pieces if kind != "gone") == after
    assert ("new", " tired") in pieces and ("same", " badgers carry a") in pieces


def test_what_people_and_models_wrote_is_shown_as_text(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "<script>" not in text and "49" not in re.sub(r"[0-9a-f]{12,}", "", text)
    assert "&lt;script&gt;" in (site / "index.html").read_text()


def test_every_link_of_every_page_leads_to_a_file_of_the_folder(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) == 4
    for page in pages:
        text = page.read_text()
        for target in re.findall(r'(?:href|src)="([^"#]+)', text):
            path = (page.parent / target).resolve()
            assert path.is_file() and path.is_relative_to(site.resolve()), f"{page.name}: {target}"
    for prompt in json.loads((site / "data.js").read_text().removeprefix("window.DETAILSCRIBE = ")[:-2])["prompts"]:
        assert all((site / path).is_file() for path in [prompt["page"], *prompt["images"].values()])


def test_the_notice_stands_on_every_page_when_there_is_one(site, results, mine):
    assert all("Nothing here means anything." in page.read_text() for page in site.rglob("*.html"))
    write_scenario(site, mine, overview(), results, 1)
    assert not any('class="notice"' in page.read_text() for page in site.rglob("*.html"))


def test_thumbnails_are_small_and_full_images_are_the_same_files(site, results, mine):
    manifest = mine.images["hosted"][PROMPTS[0]["id"]]
    with Image.open(site / "thumbnails" / assets.thumbnail_name(manifest)) as image:
        assert image.size == (256, 256)
    assert (site / assets.full_name(manifest)).samefile(results / manifest["file"])


def test_a_changed_prompt_costs_its_own_page_and_leaves_nothing_behind(site, results, mine):
    def times():
        return {str(path.relative_to(site)): path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}

    before = times()
    path = results / mine.images["hosted"][PROMPTS[0]["id"]]["file"]
    gone = assets.thumbnail_name(mine.images["hosted"][PROMPTS[0]["id"]])
    path.unlink()
    Image.new("RGB", (300, 300), "white").save(path)
    mine.images["hosted"][PROMPTS[0]["id"]]["sha256"] = file_sha256(path)
    write_scenario(site, mine, overview(notice="Nothing here means anything."), results, 1)
    after = times()
    new = f"thumbnails/{assets.thumbnail_name(mine.images['hosted'][PROMPTS[0]['id']])}"
    full = assets.full_name(mine.images["hosted"][PROMPTS[0]["id"]])
    assert before.keys() - after.keys() == {f"thumbnails/{gone}"} and after.keys() - before.keys() == {new}
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert changed == {"index.html", "data.js", f"prompts/{PROMPTS[0]['id']}.html", full}


def test_an_unreadable_image_does_not_stop_the_site(results, mine):
    manifest = mine.images["hosted"][PROMPTS[0]["id"]]
    (results / manifest["file"]).write_bytes(b"not an image")
    manifest["sha256"] = "f" * 64
    write_scenario(results / "mine" / "report", mine, overview(), results, 1)
    assert "hosted" in (results / "mine" / "report" / "prompts" / f"{PROMPTS[0]['id']}.html").read_text()


def test_a_study_holds_the_sites_of_its_scenarios(site, results):
    folder = results / "report"
    write_study(folder, {"mine": site, "other": site}, overview())
    data = json.loads((folder / "data.js").read_text().removeprefix("window.DETAILSCRIBE = ")[:-2])
    assert len(data["prompts"]) == 6 and len(data["shown"]["sd"]["clip_score"]) == 6
    assert all((folder / path).is_file() for row in data["prompts"] for path in [row["page"], *row["images"].values()])
    write_study(folder, {"mine": site}, overview())
    assert not list((folder / "other").rglob("*.html"))


def test_run_times_add_up_the_jobs_of_a_rule(tmp_path):
    for shard, seconds in (("a", 1.5), ("b", 2.0)):
        path = tmp_path / "draw" / "mine" / f"{shard}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    assert run_times(tmp_path, ["mine"]) == [{"rule": "draw", "jobs": 2, "seconds": 3.5}]
    assert run_times(tmp_path, ["other"]) == []


def test_words_of_a_judge_whose_exchange_is_gone_are_left_out(tmp_path):
    rows = {("a", "o1"): {"exchange": ["0" * 64]}, ("b", "o1"): {"exchange": [None]}}
    assert judges_words({"judge-main": rows}, tmp_path) == {}


def test_the_configuration_is_shown_without_what_opens_an_endpoint():
    text = settings({"endpoints": {"mine": {"base_url": "https://me:secret@host.example/v1", "key_env": "MY_KEY"}}})
    assert "secret" not in text and "https://host.example/v1" in text and "MY_KEY" in text


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert commit(tmp_path) == ""


# ---- in a browser ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def window(browser, site):
    """A window on the overview that notes every complaint and every request outside the site."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.trouble = []
    page.on("console", lambda message: page.trouble.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    outside = f"{site.as_uri()}/"
    page.on("request", lambda asked: None if asked.url.startswith(outside) else page.trouble.append(asked.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    yield page
    assert page.trouble == []
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


@pytest.mark.parametrize(
    ("status", "found"), [("complete", ["c", "h"]), ("incomplete", ["u"]), ("refused", ["u"]), ("", ["c", "h", "u"])]
)
def test_status_filters(window, status, found):
    window.select_option("#status", status)
    assert topics(window) == found


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


@pytest.mark.parametrize(
    ("order", "found"), [("gain", "cuh"), ("loss", "huc"), ("score", "chu"), ("disagreement", "huc"), ("", "chu")]
)
def test_sorting(window, order, found):
    # Gains by clip_score: 0.3, -0.2, 0.01; by the judge: 0, 3, 1; ranks 1, 0, 1/2 and 0, 1, 1/2.
    window.select_option("#second", "judge-main")
    window.select_option("#sort", order)
    if order == "disagreement":
        assert topics(window) == ["c", "h", "u"], "the first two disagree by 1 and keep the file's order"
    else:
        assert topics(window) == list(found)


def test_cards_show_both_methods_and_the_gain(window):
    card = window.locator("#cards li").first
    assert "detailscribe 0.800 · sd 0.500 (+0.300)" in card.inner_text()
    window.select_option("#other", "hosted")
    assert card.locator("img").nth(1).get_attribute("alt") == "hosted"
    assert window.locator("#cards li").nth(2).inner_text().startswith("no image")


def test_the_address_brings_a_view_back(window, browser):
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


def test_the_slider_cuts_and_the_choice_is_kept_in_the_address(window):
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
