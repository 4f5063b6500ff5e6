"""A scenario's files of rows on disk, with every kind of row that scores and manifests have."""

import json
from pathlib import Path

from detailscribe.files.rows import read_score_rows, write_frame, write_rows
from detailscribe.tables.parquet.rows import Prompts
from detailscribe.tables.parquet.scenario_tables import write_images, write_scores
from detailscribe.tables.score_table import score_frame, scores_by_metric

PROMPTS = [
    {"id": "zebra-0001", "topic": "zebra", "prompt": 'A zebra reads "Émile", said\nthe fox.', "stratum": "x"},
    {"id": "apple-0002", "topic": "apple", "prompt": "An apple, cut in two.", "stratum": "y"},
    {"id": "mouse-0003", "topic": "mouse", "prompt": "A mouse.", "stratum": "x"},
]
ORDER = {
    "metrics": ["clip_score", "judge-main", "judge-parts", "judge-parts-geometric"],
    "image_sets": ["original-2628670643", "detailscribe-k1", "hosted"],
}
CLIP = {
    ("zebra-0001", "original-2628670643"): 0.1 + 0.2,
    ("zebra-0001", "detailscribe-k1"): 1.25,
    ("apple-0002", "original-2628670643"): -1e-300,
    ("apple-0002", "detailscribe-k1"): 5e-324,
    ("mouse-0003", "original-2628670643"): 1,
}
ASKED = [{"text": "a zebra", "kind": "entity", "value": 1.0, "status": "ok"}]


def clip_rows() -> list[dict]:
    """Rows of a local metric: scores that take every digit, one whole number, and images that are not there."""
    rows = []
    for image_set in ORDER["image_sets"]:
        for prompt in PROMPTS:
            score = CLIP.get((prompt["id"], image_set))
            row = {"id": prompt["id"], "image_set": image_set, "score": score, "status": "ok", "reason": ""}
            row |= {"fingerprint": "f" * 64, "key": "a" * 64, "phrases": "spacy"}
            if score is None:
                row |= {"status": "skipped", "reason": "no image: failed", "fingerprint": None, "key": None}
            rows.append(row)
    return rows


def judge_rows(parts: bool) -> list[dict]:
    """Rows of a judge: one by probability with an unreadable repeat, one refused, one without an image."""
    rows = []
    for image_set in ORDER["image_sets"]:
        for place, prompt in enumerate(PROMPTS):
            row: dict = {"id": prompt["id"], "image_set": image_set, "score": None, "status": "ok", "reason": ""}
            row |= {"geometric": None, "parts": ASKED} if parts else {}
            if place == 0:
                row |= {"score": 4.5, "draws": [4.0, None, 5.0], "exchange": ["1" * 64, "2" * 64, "3" * 64]}
                row |= {"geometric": 0.25} if parts else {"entropy": 0.5, "entropy_draws": [0.25, None, 0.75]}
                row |= {"fingerprint": "b" * 64, "outside": 0.0, "outside_draws": [0.0, None, 0.0]}
            elif place == 1:
                row |= {"status": "refused", "reason": "the model declined", "draws": [None], "exchange": ["4" * 64]}
                row |= {"fingerprint": "b" * 64, "parsing": "released"}
            else:
                row |= {"status": "skipped", "reason": "no image: failed", "draws": [], "exchange": []}
                row |= {"fingerprint": None} | ({"parts": []} if parts else {})
            rows.append(row)
    return rows


def manifest_rows(image_set: str) -> list[dict]:
    """Rows of a manifest: one image, one that repeats another, one that failed."""
    rows = []
    for place, prompt in enumerate(PROMPTS):
        id, hosted = prompt["id"], image_set == "hosted"
        row = {
            "id": id,
            "status": "ok",
            "reason": "",
            "file": f"demo/images/{image_set}/000-of-001/{id}-{'e' * 16}.jpg",
        }
        row |= {"sha256": "c" * 64, "key": "e" * 64, "prompt": prompt["prompt"]}
        row |= {"seed": None if hosted else 2**32 - 1, "k": 1 if image_set == "detailscribe-k1" else None}
        row |= {"software": {"torch": "2.13.0", "gpu": "NVIDIA H100"}, "exchange": "9" * 64 if hosted else None}
        if image_set == "detailscribe-k1" and place == 0:
            row |= {"state": {"seed": 7, "text": "ä"}, "carried": True}
        if place == 2 and image_set != "original-2628670643":
            row |= {"status": "failed", "reason": "ValueError: no", "file": None, "sha256": None, "key": None}
            row |= {"software": None}
        rows.append(row)
    return rows


def write_study(folder: Path, shards: int = 1) -> Path:
    """Write `results/demo/` of a study with this many shards; prompts in their order, shards by turns."""
    scenario = folder / "results" / "demo"
    names = [f"{number:03}-of-{shards:03}" for number in range(shards)]
    shard_of = {prompt["id"]: names[place % shards] for place, prompt in enumerate(PROMPTS)}
    scenario.mkdir(parents=True)
    write_rows(scenario / "prompts.jsonl", PROMPTS)
    by_folder = {"scores/clip_score": clip_rows(), "scores/judge-main": judge_rows(parts=False)}
    by_folder |= {"scores/judge-parts": judge_rows(parts=True)}
    for name, rows in by_folder.items():
        for shard in names:
            path = scenario / name / f"{shard}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_rows(path, [row for row in rows if shard_of[row["id"]] == shard])
    for image_set in ORDER["image_sets"]:
        (scenario / "images" / image_set).mkdir(parents=True)
        for shard in names:
            rows = [row for row in manifest_rows(image_set) if shard_of[row["id"]] == shard]
            write_rows(scenario / "images" / image_set / f"{shard}.jsonl", rows)
    dropped = [
        {"id": "mouse-0003", "image_set": "hosted", "stage": "external", "status": "failed"},
        {"id": "apple-0002", "image_set": "hosted", "stage": "score", "status": "refused"},
    ]
    (scenario / "tables").mkdir()
    complete = {"zebra-0001", "apple-0002"}
    frame = score_frame(PROMPTS, complete, dropped, scores_by_metric(sorted((scenario / "scores").glob("*/*"))))
    write_frame(scenario / "tables" / "scores.csv", frame, exact=True)
    return scenario


def write_tables(scenario: Path) -> tuple[Path, Path]:
    """Write both Parquet tables of a scenario's folder where the rule writes them."""
    tables = scenario / "tables"
    prompts = Prompts(scenario / "prompts.jsonl", tables / "scores.csv")
    scores, images = tables / "scores.parquet", tables / "images.parquet"
    write_scores(scores, "demo", list((scenario / "scores").glob("*/*.jsonl")), prompts, ORDER)
    write_images(images, "demo", list((scenario / "images").glob("*/*.jsonl")), prompts, ORDER)
    return scores, images


def rows_on_disk(scenario: Path, folder: str) -> list[dict]:
    """Every row of a folder's files, with the name of the folder that its file is in as `of`."""
    files = sorted((scenario / folder).glob("*/*.jsonl"))
    read = read_score_rows if folder == "scores" else _lines
    return [{**row, "of": file.parent.name} for file in files for row in read(file)]


def _lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
