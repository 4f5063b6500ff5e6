"""Packed sites: pages and thumbnails in archives, and every file back as it was."""

from dataclasses import replace

import pytest

from detailscribe.files.packed import ARCHIVE, packed_names
from detailscribe.files.packing import pack, unpack
from detailscribe.report.assets import image_path
from detailscribe.report.packed_site import left_out_images, pack_sites, unpack_sites
from detailscribe.report.scenario_site import write_scenario
from detailscribe.report.study_site import write_study
from tests.unit.report.small_scenario import PROMPTS, small_overview


@pytest.fixture
def site(results, scenario):
    """The site of the scenario `mine` in its place, and the study's site of it."""
    site = results / "mine" / "report"
    write_scenario(site, scenario, small_overview(), results, 1)
    write_study(results / "report", {"mine": site}, small_overview())
    return site


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pack_images(results):
    for folder in results.glob("*/images/*/*/"):
        pack({folder: [path.name for path in folder.iterdir()]})


def test_sites_come_back_byte_for_byte_with_links_to_the_images(site, results):
    before = contents(results)
    pack_images(results)
    count, messages = pack_sites(results, ["mine", "absent"])
    assert messages == []
    assert {path.name for folder in ("prompts", "thumbnails") for path in (site / folder).iterdir()} == {ARCHIVE}
    kept = {path for path in before if path.startswith(("mine/report/", "report/"))}
    gone = kept - contents(results).keys()
    assert len(gone) == count and {path.split("/")[-2] for path in gone if "/images/" not in path} == {
        "prompts",
        "thumbnails",
    }
    assert left_out_images(site) == {
        path.removeprefix("mine/report/") for path in gone if path.startswith("mine/report/im")
    }
    for folder in results.glob("*/images/*/*/"):
        unpack([folder])
    unpack_sites(results)
    assert contents(results) == before
    link = next((site / "images").glob("*/*"))
    assert link.samefile(next(results.glob(f"mine/images/{link.parent.name}/*/{link.name}")))
    assert link.samefile(results / "report" / "mine" / link.relative_to(site))


def test_a_site_whose_images_are_loose_stays_as_it_is(site, results):
    before = contents(results)
    count, [message] = pack_sites(results, ["mine"])
    assert (count, contents(results)) == (0, before) and message.startswith(f"{site} stays as it is")


def test_a_packed_site_is_written_again_without_what_has_not_changed(site, results, scenario):
    before = contents(site)
    pack_images(results)
    pack_sites(results, ["mine"])
    packed = contents(site)
    write_scenario(site, scenario, small_overview(), results, 1)
    assert contents(site) == packed
    changed = replace(scenario, unread_replies={"decompose": {PROMPTS[0]["id"]: "I see two badgers."}})
    write_scenario(site, changed, small_overview(), results, 1)
    new = {name for name, data in contents(site).items() if packed.get(name) != data}
    assert new == {f"prompts/{PROMPTS[0]['id']}.html"}
    unpack_sites(results)
    after = contents(site)
    assert after.keys() == before.keys() and "two badgers" in after[f"prompts/{PROMPTS[0]['id']}.html"].decode()


def test_a_prompt_that_is_gone_is_gone_from_the_archives(site, results, scenario):
    pack_images(results)
    pack_sites(results, ["mine"])
    shown = left_out_images(site)
    first = PROMPTS[0]["id"]
    gone = {image_path(rows[first]) for rows in scenario.images.values() if rows[first]["file"]}
    images = {name: {id: row for id, row in rows.items() if id != first} for name, rows in scenario.images.items()}
    fewer = replace(scenario, prompts=[each for each in scenario.prompts if each["id"] != first], images=images)
    write_scenario(site, fewer, small_overview(), results, 1)
    assert f"{first}.html" not in packed_names(site / "prompts")
    assert gone and shown - left_out_images(site) == gone
    unpack_sites(results)
    assert not gone & contents(site).keys() and f"prompts/{first}.html" not in contents(site)


def test_a_new_site_of_packed_images_is_whole(site, results, scenario, tmp_path):
    before = contents(site)
    pack_images(results)
    write_scenario(tmp_path / "new", scenario, small_overview(), results, 1)
    assert contents(tmp_path / "new") == before
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "new" / "images").rglob("*")}
    write_scenario(tmp_path / "new", scenario, small_overview(), results, 1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "new" / "images").rglob("*")} == times


def test_a_study_site_of_another_state_is_left_alone(site, results):
    (site / "index.html").unlink()  # a link to that of the study's site
    (site / "index.html").write_text("another state")
    study = contents(results / "report")
    pack_images(results)
    pack_sites(results, ["mine"])
    assert contents(results / "report") == study
    unpack_sites(results)
    assert contents(results / "report") == study
