"""Sites of a scenario and of a study: written, and written again after a change."""

import re
from dataclasses import replace

from PIL import Image

from detailscribe.files.digests import file_sha256
from detailscribe.report import assets
from detailscribe.report.explorer_data import read_explorer_data
from detailscribe.report.scenario_site import write_scenario
from detailscribe.report.study_site import write_study
from tests.unit.report.small_scenario import NOTICE, PROMPTS, small_overview


def test_what_people_and_models_wrote_is_shown_as_text(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "<script>" not in text and "49" not in re.sub(r"[0-9a-f]{12,}", "", text)
    assert "&lt;script&gt;" in (site / "index.html").read_text()


def test_a_reply_that_could_not_be_used_is_on_the_page_of_its_prompt(site, results, scenario):
    first, second = (prompt["id"] for prompt in PROMPTS[:2])
    scenario = replace(scenario, unread_replies={"decompose": {first: "I see <b>two</b> badgers."}})
    write_scenario(site, scenario, small_overview(), results, 1)
    assert "I see &lt;b&gt;two&lt;/b&gt; badgers." in (site / "prompts" / f"{first}.html").read_text()
    assert "could not be used" not in (site / "prompts" / f"{second}.html").read_text()


def test_missing_results_are_counted_without_the_replies_that_they_quote(site, results, scenario):
    row = {"scenario": "mine", "stage": "decompose", "image_set": "", "status": "unparsed"}
    dropped = [row | {"reason": f"no <...> in the reply: text {n}"} for n in range(3)]
    write_scenario(site, scenario, small_overview(dropped=dropped), results, 1)
    text = (site / "index.html").read_text()
    assert "no &lt;...&gt; in the reply" in text and "text 1" not in text


def test_the_page_says_how_many_images_which_machine_made(site, results, scenario):
    write_scenario(site, scenario, small_overview(machines={"Card <A>": 1200, "Card B": 1}), results, 1)
    text = (site / "index.html").read_text()
    assert text.count("Images made on") == 1 and "differ in rounding" in text
    assert "Card &lt;A&gt;: 1,200 images" in text and "Card B: 1 image</dd>" in text
    write_scenario(site, scenario, small_overview(machines={"Card B": 3}), results, 1)
    assert "differ in rounding" not in (site / "index.html").read_text()


def paths_of_data(site):
    """The pages and images that data.js names, put together as overview.js does."""
    data = read_explorer_data(site)
    paths = []
    for row in data["prompts"]:
        folder = site / row["root"]
        paths.append(folder / "prompts" / f"{row['id']}.html")
        for name, image in zip(data["sets"], row["images"], strict=True):
            if image:
                paths += [
                    folder / "thumbnails" / f"{image[0]}.jpg",
                    folder / "images" / name / f"{row['id']}{image[1]}",
                ]
    return paths


def test_every_link_of_every_page_leads_to_a_file_of_the_folder(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) == 4
    for page in pages:
        text = page.read_text()
        for target in re.findall(r'(?:href|src)="([^"#]+)', text):
            path = (page.parent / target).resolve()
            assert path.is_file() and path.is_relative_to(site.resolve()), f"{page.name}: {target}"
    assert len(paths_of_data(site)) == 3 + 11 * 2
    assert all(path.is_file() for path in paths_of_data(site))


def test_the_notice_is_on_every_page_when_there_is_one(site, results, scenario):
    assert all(NOTICE in page.read_text() for page in site.rglob("*.html"))
    write_scenario(site, scenario, small_overview(), results, 1)
    assert not any('class="notice"' in page.read_text() for page in site.rglob("*.html"))


def test_thumbnails_are_small_and_full_images_are_the_same_files(site, results, scenario):
    manifest = scenario.images["hosted"][PROMPTS[0]["id"]]
    with Image.open(site / assets.thumbnail_path(manifest)) as image:
        assert image.size == (256, 256)
    assert (site / assets.image_path(manifest)).samefile(results / manifest["file"])


def test_a_changed_prompt_costs_its_own_page_and_leaves_nothing_behind(site, results, scenario):
    def times():
        return {str(path.relative_to(site)): path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}

    before = times()
    path = results / scenario.images["hosted"][PROMPTS[0]["id"]]["file"]
    gone = assets.thumbnail_path(scenario.images["hosted"][PROMPTS[0]["id"]])
    path.unlink()
    Image.new("RGB", (300, 300), "white").save(path)
    scenario.images["hosted"][PROMPTS[0]["id"]]["sha256"] = file_sha256(path)
    write_scenario(site, scenario, small_overview(notice=NOTICE), results, 1)
    after = times()
    new = assets.thumbnail_path(scenario.images["hosted"][PROMPTS[0]["id"]])
    full = assets.image_path(scenario.images["hosted"][PROMPTS[0]["id"]])
    assert before.keys() - after.keys() == {gone} and after.keys() - before.keys() == {new}
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert changed == {"index.html", "data.js", f"prompts/{PROMPTS[0]['id']}.html", full}


def test_an_unreadable_image_does_not_stop_the_site(results, scenario):
    manifest = scenario.images["hosted"][PROMPTS[0]["id"]]
    (results / manifest["file"]).write_bytes(b"not an image")
    manifest["sha256"] = "f" * 64
    write_scenario(results / "mine" / "report", scenario, small_overview(), results, 1)
    assert "hosted" in (results / "mine" / "report" / "prompts" / f"{PROMPTS[0]['id']}.html").read_text()


def test_a_study_holds_the_sites_of_its_scenarios(site, results):
    folder = results / "report"
    write_study(folder, {"mine": site, "other": site}, small_overview())
    data = read_explorer_data(folder)
    assert len(data["prompts"]) == 6 and len(data["shown"]["sd"]["clip_score"]) == 6
    assert [len(rows) for rows in data["scores"].values()] == [6, 6, 6]
    assert all(path.is_file() for path in paths_of_data(folder))
    write_study(folder, {"mine": site}, small_overview())
    assert not list((folder / "other").rglob("*.html"))


def test_what_people_rated_and_chose_is_on_the_page_of_the_prompt(site, results, scenario):
    first, second = (prompt["id"] for prompt in PROMPTS[:2])
    row = {"rater": "r1", "id": first, "first": "sd", "second": "hosted", "comment": float("nan")}
    choices = [
        row | {"choice": "second", "strength": "clearly", "comment": "<b>it holds the rung</b>"},
        row | {"choice": "tie", "strength": float("nan"), "rater": "r2"},
    ]
    ratings = [*scenario.ratings, {"rater": "r3", "id": first, "image_set": "hosted", "rating": float("nan")}]
    scenario = replace(scenario, choices=choices, ratings=ratings)
    assert scenario.score("people", first, "hosted") is None, "not judged"
    write_scenario(site, scenario, small_overview(), results, 1)
    text = (site / "prompts" / f"{first}.html").read_text()
    assert "hosted, clearly better" in text and "<td>tie</td>" in text and "&lt;b&gt;it holds" in text
    assert "r1: 2" in text and "nan" not in re.sub(r"<[^>]*>", "", text).lower().split()
    assert "What people said" not in (site / "prompts" / f"{second}.html").read_text()
    assert "NaN" not in (site / "data.js").read_text()
