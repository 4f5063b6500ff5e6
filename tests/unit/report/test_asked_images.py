"""Parts and remarks on the page of a prompt: what is missing before and after, and what became of each remark."""

from dataclasses import replace

import pytest

from detailscribe.report.asked_images import parts_of_prompt, remarks_of_critique
from detailscribe.report.prompt_story import page_values
from detailscribe.report.scenario_site import write_scenario
from tests.unit.report.small_scenario import HOSTILE, NOTICE, OK, PROMPTS, small_overview, small_scenario

ID = PROMPTS[0]["id"]
VALUES = {"original-1": [0.2, 1.0, None], "detailscribe-k0": [0.9, 1.0, 1.0], "detailscribe-k1": [0.1, 0.4, 1.0]}
PARTS = [("interaction", HOSTILE), ("entity", "paw"), ("entity", "rung")]
REMARKS = {"original-1": [1.0, 0.0, None], "detailscribe-k0": [0.0, 1.0, 0.0], "detailscribe-k1": [1.0, 0.0, None]}


def part_scores() -> dict:
    rows = {}
    for name, values in VALUES.items():
        parts = [
            {"text": text, "kind": kind, "value": value, "status": "ok" if value is not None else "unparsed"}
            for (kind, text), value in zip(PARTS, values, strict=True)
        ]
        rows[ID, name] = {"score": 0.5, **OK, "parts": parts, "exchange": []}
    rows[ID, "hosted"] = {"score": None, "status": "skipped", "reason": "no image", "parts": [], "exchange": []}
    return {"judge-parts": rows, "clip_score": {(ID, "original-1"): {"score": 0.5, **OK}}}


def audit_rows() -> list[dict]:
    return [
        {
            **{
                "id": ID,
                "critic": "detailscribe",
                "image_set": name,
                "number": number,
                "remark": HOSTILE,
                "value": value,
            },
            **{"when": "before" if name == "original-1" else "after", "reason": "" if value is not None else "unread"},
            "status": "ok" if value is not None else "unparsed",
        }
        for name, values in REMARKS.items()
        for number, value in enumerate(values, 1)
    ]


def test_parts_are_shown_or_missing_before_and_after():
    found = parts_of_prompt(part_scores(), ID, "original-1", ["detailscribe-k0", "detailscribe-k1", "hosted"])
    assert list(found) == ["judge-parts"]
    table = found["judge-parts"]
    assert table["image_sets"] == ["original-1", "detailscribe-k0", "detailscribe-k1", "hosted"]
    words = [[cell.text for cell in row["cells"].values()] for row in table["rows"]]
    assert words == [
        ["missing", "shown", "missing", "?"],
        ["shown", "shown", "missing", "?"],
        ["?", "shown", "shown", "?"],
    ]
    changed = [[cell.changed for cell in row["cells"].values()] for row in table["rows"]]
    assert changed == [[False, True, False, False], [False, False, True, False], 4 * [False]]
    assert table["rows"][0]["cells"]["detailscribe-k0"].title == "0.900"


def test_each_remark_has_its_verdict():
    table = remarks_of_critique({"audit": audit_rows()}, ID, "detailscribe")["audit"]
    words = [[cell.text for cell in row["cells"].values()] for row in table["rows"]]
    assert words == [["true", "fixed", "still there"], ["not true", "newly harmed", "absent"], ["?", "?", "?"]]
    kinds = [[cell.kind for cell in row["cells"].values()] for row in table["rows"]]
    assert kinds[:2] == [["yes", "yes", "no"], ["no", "no", "yes"]]
    assert remarks_of_critique({"audit": audit_rows()}, ID, "ablation") == {}
    assert remarks_of_critique({"audit": audit_rows()}, "other", "detailscribe") == {}


@pytest.mark.parametrize("asked", [True, False])
def test_the_page_shows_both_where_there_are_such_judges(tmp_path, asked):
    scenario = small_scenario(tmp_path / "results")
    if asked:
        scenario = replace(scenario, scores=scenario.scores | part_scores(), audits={"audit": audit_rows()})
    site = tmp_path / "site"
    write_scenario(site, scenario, small_overview(notice=NOTICE), tmp_path / "results", 1)
    page = (site / "prompts" / f"{ID}.html").read_text(encoding="utf-8")
    assert ("Parts before and after" in page) == asked
    assert ("Remarks, checked by audit" in page) == asked
    assert ('class="mark no changed" title="0.400">missing<' in page) == asked
    assert HOSTILE not in page and "<script>document" not in page
    other = page_values(scenario, PROMPTS[1])
    assert other["parts"] == {} and other["critics"][0]["audits"] == {}
