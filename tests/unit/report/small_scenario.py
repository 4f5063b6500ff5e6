"""A scenario of three prompts with known scores, and an overview, for tests of the report."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
from PIL import Image

from detailscribe.files.digests import digest, file_sha256
from detailscribe.report.overview import Overview
from detailscribe.report.prompt_story import ScenarioResults
from detailscribe.report.table_view import TableFile

HOSTILE = "<script>document.title='taken'</script> \"quotes\" & {{ 7 * 7 }} \u202eright to left"
NOTICE = "Nothing here means anything."
OK = {"status": "ok", "reason": ""}
SETS = ("original-1", "detailscribe-k0", "detailscribe-k1", "hosted")
METHODS = [
    {"name": "sd", "candidates": ["original-1"], "headline": "single"},
    {"name": "hosted", "candidates": ["hosted"], "headline": "single"},
    {"name": "detailscribe", "candidates": ["detailscribe-k0", "detailscribe-k1"], "headline": "oracle"},
]
# clip_score and judge by image set, one number per prompt: p0 gains most, p1 loses, p2 has no hosted image.
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


def small_scenario(results: Path) -> ScenarioResults:
    """The scenario's results, with its images in the results folder."""
    refined = ["Two badgers carry a long ladder, one at each end.", HOSTILE, "An otter grips an umbrella."]
    critiques = {
        record["id"]: {**OK, "critique": HOSTILE, "refined_prompt": text}
        for record, text in zip(PROMPTS, refined, strict=True)
    }
    decomposition = {**OK, "concept": "carry", "components": [HOSTILE, "paw on rung"]}
    return ScenarioResults(
        name="mine",
        prompts=PROMPTS,
        decompositions={record["id"]: decomposition for record in PROMPTS},
        critiques={"detailscribe": critiques},
        images={name: {PROMPTS[n]["id"]: _manifest_row(results, name, n) for n in range(3)} for name in SETS},
        scores={"clip_score": _score_rows(CLIP), "judge-main": _score_rows(JUDGE)},
        judge_replies={"judge-main": {(PROMPTS[0]["id"], "original-1"): [HOSTILE]}},
        ratings=[
            {"rater": rater, "id": PROMPTS[0]["id"], "image_set": "original-1", "rating": rating}
            for rater, rating in (("r1", 2), ("r2", 5))
        ],
        dropped=[{"id": PROMPTS[2]["id"], "topic": "umbrella", **_dropped()}],
        methods=METHODS,
        critics={"detailscribe": ["detailscribe-k0", "detailscribe-k1"]},
        oracle_settings={"selector": "clip_score"},
    )


def small_overview(**changes) -> Overview:
    """An overview of the scenario, with `changes`."""
    columns = ["scenario", "method", "selection", "metric", "n", "mean", "low95", "high95", "headline"]
    columns += ["oracle", "honest", "leads"]
    rows = [
        ["mine", method["name"], "single", metric, 2, value, value - 0.1, value + 0.1, True, False, True, False]
        for method, value in zip(METHODS, (0.5, 0.4, 0.7), strict=True)
        for metric in ("clip_score", "judge-main")
    ]
    return replace(Overview("mine", "", pd.DataFrame(rows, columns=columns), dropped=[_dropped()]), **changes)


def table_file(results: Path, name: str, rows: pd.DataFrame) -> TableFile:
    """A table of the scenario with its CSV file."""
    path = results / "mine" / f"{name if '/' in name else f'tables/{name}'}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)
    return TableFile(name, name, f"Caption of {name}.", path, rows)


def _manifest_row(results: Path, image_set: str, number: int) -> dict:
    """A manifest row with its image, in a colour of its own."""
    id = PROMPTS[number]["id"]
    if CLIP[image_set][number] is None:
        empty = dict.fromkeys(("file", "sha256", "key", "prompt", "seed", "k"))
        return {"id": id, "status": "refused", "reason": HOSTILE, **empty}
    path = results / "mine" / "images" / image_set / "000-of-001" / f"{id}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (300, 300), (40 * SETS.index(image_set), 70 * number, 120)).save(path)
    image = {"file": str(path.relative_to(results)), "sha256": file_sha256(path), "key": digest([image_set, id])}
    return {"id": id, **OK, **image, "prompt": PROMPTS[number]["prompt"], "seed": 1, "k": None}


def _score_rows(values: dict) -> dict:
    return {
        (PROMPTS[number]["id"], name): {"score": value, **OK}
        for name, column in values.items()
        for number, value in enumerate(column)
    }


def _dropped() -> dict:
    return {"stage": "external", "image_set": "hosted", "status": "refused", "reason": HOSTILE}
