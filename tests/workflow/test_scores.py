"""The real models in one study: all metrics, the worked example of the documents, noun phrases and their correction,
fingerprints, figures; and that the stubs of the other tests change nothing but how an image or a number comes about."""

import csv
import json
import re
import shutil
from pathlib import Path
from statistics import mean, stdev

import pytest
import yaml

from detailscribe.study.stages import FIGURES
from tests.workflow.small_study import PROMPTS, REPOSITORY, TABLE, Study, planned

pytestmark = pytest.mark.slow  # several runs of a study each

CONFIG = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
SETS = 6  # image sets of the study
SEEN = [  # one prompt that the miniature cannot read, and what it can generate, so that its judge sees different things
    PROMPTS[0],
    ("hold ball", "A fox holding a ball on the beach."),
    ("row of cakes", "A row of cakes under a monkey on the grass."),
    ("facing", "A dog facing a frog in the snow. There is a frog in sharp detail."),
]


def table(study, name: str) -> list[dict]:
    with open(study.results / "small" / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_of_every_kind_score_the_study_and_a_correction_touches_one_prompt(tmp_path):
    study = Study(tmp_path / "study", real=True)
    study.folder.mkdir()
    text = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8").partition("A metric is one module")[2]
    code, entry = (re.search(rf"```{kind}\n(.*?)```", text, re.S)[1] for kind in ("python", "yaml"))
    (study.folder / "my_metrics").mkdir()
    (study.folder / "my_metrics" / "sharpness.py").write_text(code)
    judge = CONFIG["judges"]["main"]
    changes = {
        "seeds": [11],
        "generation": {"steps": 10},
        "image_models": {"miniature": {"size_px": 96}},
        "metrics": {name: CONFIG["metrics"][name] for name in ("image_reward", "blip_vqa")}
        | yaml.safe_load(entry)["metrics"],
        "judges": {
            "twice": judge | {"draws": 2, "reply": "structured", "scenario_templates": {"small": "judge_spatial"}},
            "sure": judge | {"template": "judge_yes_no", "scale": "yes_no"},
        },
    }
    study.prompts(SEEN)
    output = study.snakemake(**changes)
    names = ["clip_score", "image_reward", "blip_vqa", "sharpness", "judge-main", "judge-twice", "judge-sure"]
    for name in names:
        rows = study.rows(f"scores/{name}/*.jsonl")
        unread = [row for row in rows if name.startswith("judge") and row["id"].startswith("carry-log")]
        assert {row["status"] for row in rows if row not in unread} == {"ok"} and len(rows) == SETS * len(SEEN), name
        assert [row["status"] for row in unread] == ["refused"] * (SETS if name.startswith("judge") else 0), name
        assert all("I cannot check beavers" in row["reason"] for row in unread), name
        assert len({row["score"] for row in rows}) > 1 and len({row["fingerprint"] for row in rows}) == 1, name
    assert {row["score"] for row in study.rows("scores/judge-sure/*.jsonl")} == {0.0, 1.0, None}
    assert {row["metric"] for row in table(study, "main")} == {*names}
    assert {(row["metric"], row["phrases"]) for row in table(study, "main") if row["phrases"]} == {
        ("blip_vqa", "spacy")
    }
    note = "blip_vqa asks about the noun phrases that spaCy found"
    for file in ("small/tables/main.md", "small/tables/main.tex", "small/report/index.html"):
        assert note in (study.results / file).read_text().replace("\\_", "_"), file
    repeats = {row["judge"]: row for row in table(study, "judge_repeats") if row["image_set"] == "all"}
    images = SETS * len(SEEN)
    spread = mean(stdev(row["draws"]) for row in study.rows("scores/judge-twice/*.jsonl") if row["status"] == "ok")
    assert repeats["judge-twice"]["draws"] == str(2 * images)
    assert float(repeats["judge-twice"]["mean_sd"]) == pytest.approx(spread, abs=1e-6)
    assert (repeats["judge-sure"]["draws"], repeats["judge-sure"]["mean_sd"]) == (str(images), "")
    readers = {row["reader"] for row in table(study, "truncation")}
    assert readers == {"sd_clip", "sd_t5", "clip_score", "image_reward", "blip_vqa"}
    # The small study's T5 reads few tokens, fewer than its refined prompts have.
    cut = {(row["text"], row["reader"]): int(row["cut"]) for row in table(study, "truncation_shares")}
    assert cut["detailscribe", "sd_t5"] > 0 and cut["prompt", "clip_score"] == 0
    for name in FIGURES:
        assert (study.results / f"small/figures/{name}.svg").stat().st_size > 5000
        assert (study.results / f"small/figures/{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert_that_stubs_plan_and_name_the_same(study, planned(output), Study(tmp_path / "stubbed"), changes)

    before = {(row["id"], row["image_set"]): row for row in study.rows("scores/blip_vqa/*.jsonl")}
    [found] = [row for row in study.rows("noun_phrases/*.jsonl") if row["id"].startswith("carry-log")]
    assert (found["phrases"], found["source"]) == (["Two beavers", "a log", "each end"], "spacy")
    (study.folder / "noun_phrases").mkdir()
    correction = {"id": found["id"], "phrases": ["two beavers", "a log"]}
    (study.folder / "noun_phrases" / "small.jsonl").write_text(json.dumps(correction) + "\n")
    study.snakemake("small_score", **changes)
    after = {(row["id"], row["image_set"]): row for row in study.rows("scores/blip_vqa/*.jsonl")}
    assert {id for id, image_set in before if before[id, image_set] != after[id, image_set]} == {found["id"]}
    assert {row["source"] for row in study.rows("noun_phrases/*.jsonl")} == {"spacy", "user"}
    assert {row["phrases"] for row in after.values()} == {"spacy", "user"}

    [scores] = (study.results / "small" / "scores" / "image_reward").glob("*.jsonl")
    lines = scores.read_text().splitlines()
    made_by = json.loads(lines[0])["fingerprint"]
    scores.write_text("\n".join([lines[0].replace(made_by, "0" * 64), *lines[1:]]) + "\n")
    output = study.snakemake(TABLE, expect=1, **changes)
    assert f"image_reward: scores of two fingerprints cannot be in one table: {made_by[:12]}" in output
    assert "000000000000 (1)" in output


def assert_that_stubs_plan_and_name_the_same(study: Study, jobs: dict[str, int], stubbed: Study, changes: dict) -> None:
    """Parameters, jobs, and the name of every file that does not depend on what a model sees in an image."""
    stubbed.take_miniature(study)
    shutil.copytree(study.folder / "my_metrics", stubbed.folder / "my_metrics")
    stubbed.prompts(SEEN)
    assert planned(stubbed.snakemake("-n", **changes)) | {"build_miniature": 1} == jobs
    parameters = {path.name: path.read_bytes() for path in (study.results / "parameters").glob("*")}
    assert {path.name: path.read_bytes() for path in (stubbed.results / "parameters").glob("*")} == parameters
    stubbed.snakemake("small_generate", "small_refine", "small_external", **changes)
    blind = {"original-11", "gpt_rewrite", "hosted"}  # made without a look at an image; the prompt carry-log is as well
    names, stub_names = (
        {
            row["file"]
            for row in each.rows("images/*/*.jsonl")
            if row["id"].startswith("carry-log") or Path(row["file"]).parts[2] in blind
        }
        for each in (study, stubbed)
    )
    assert names == stub_names and len(names) == len(blind) * len(SEEN) + SETS - len(blind)
