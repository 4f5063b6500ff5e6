"""A small study's folder with every kind of file that a comparison reads, and a capsule of it."""

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from detailscribe.capsule.compare.comparison import compare
from detailscribe.capsule.compare.sides import open_side
from detailscribe.capsule.contents import Contents, contents_json

TEMPLATE = {"system": "You look.\n", "user": "Prompt: {{ prompt }}\nWhat is wrong with this picture of a scene?\n"}
PROMPTS = {"a-1": "A cat on a mat.", "b-2": "A dog with a ball.", "c-3": "Two owls on one branch."}
SETS = {"original-1": 0.0, "better-k0": 1.0, "better-k2": 1.5}
METHODS = [
    {"name": "sd", "candidates": ["original-1"], "headline": "single"},
    {"name": "better", "candidates": ["better-k0", "better-k2"], "headline": "oracle"},
]
WEIGHTS = "e" * 64
SOFTWARE = {"torch": "2.0", "cpu": "some CPU"}
DEMO, SHARD = "results/demo", "000-of-001.jsonl"
MAIN = f"{DEMO}/tables/main.csv"
CLIP = f"{DEMO}/scores/clip_score/{SHARD}"


def small_study(root: Path) -> Path:
    """Write the study into a folder and return it."""
    prompts = [{"id": id, "topic": id[0], "prompt": text} for id, text in PROMPTS.items()]
    asked = {"status": "ok", "reason": ""}
    demo = DEMO
    rows = {
        "prompts": prompts,
        "decompositions/000-of-001": [
            {"id": id, **asked, "components": ["x", "y"], "exchange": "1" * 64} for id in PROMPTS
        ],
        "critiques/better/000-of-001": [
            {
                "id": id,
                **asked,
                "critique": f"Mend {id}.",
                "refined_prompt": f"{text} Mended.",
                "exchange": f"{id[-1] * 64}",
            }
            for id, text in PROMPTS.items()
        ],
        "pairs/main/000-of-001": [
            {"id": id, "first": "better", "second": "sd", "value": 1.0, **asked, "fingerprint": "d" * 64}
            for id in PROMPTS
        ],
    }
    for name in SETS:
        rows[f"images/{name}/000-of-001"] = [
            {
                "id": id,
                **asked,
                "file": f"demo/images/{name}/{id}.jpg",
                "sha256": sha(name + id),
                "prompt": text,
                "software": SOFTWARE,
            }
            for id, text in PROMPTS.items()
        ]
    for metric in ("clip_score", "judge-main"):
        rows[f"scores/{metric}/000-of-001"] = [
            {"id": id, "image_set": name, "score": SETS[name] + number, **asked, "fingerprint": "d" * 64}
            | ({"geometric": 0.5} if metric == "judge-main" else {})
            for name in SETS
            for number, id in enumerate(PROMPTS)
        ]
    for name, content in rows.items():
        write_rows(root / demo / f"{name}.jsonl", content)
    shared = {"model": {"path": "some/model", "revision": "abc"}, "generation": {"steps": 28}, "algorithm": 1}
    records = {
        "results/parameters/generate-1.json": {**shared, "seed": 1},
        "results/parameters/generate-2.json": {**shared, "seed": 2},
        "results/parameters/critique-better.json": {
            "model": "gpt-x",
            "template": TEMPLATE,
            "algorithm": 3,
            "options": {},
        },
        "results/parameters/tabulate.json": {"methods": METHODS, "bootstrap": {"seed": 0}, "metrics": ["clip_score"]},
        "results/parameters/report.json": {"labels": {"metrics": {"clip_score": "CLIPScore <b>"}}},
        f"results/fingerprints/{'d' * 64}.json": {
            "weights": WEIGHTS,
            "libraries": {"torch": "2.0"},
            "recipe": {"tokens": 77},
        },
        "resources/weights/some--model@abc.json": {"commit": "c" * 40, "files": {"a.safetensors": "f" * 64}},
    }
    for name, record in records.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(record), encoding="utf-8")
    main = [
        main_row(method, metric, mean, method == "better")
        for metric in ("clip_score", "judge-main")
        for method, mean in (("sd", 1.0), ("better", 2.0), ("third", 0.5))
    ]
    main.append(
        main_row("better", "clip_score", 2.5, False)
        | {"selection": "oracle", "headline": "True", "oracle": "True", "honest": "False"}
    )
    tables = {
        f"{demo}/tables/main.csv": main,
        f"{demo}/tables/pairs.csv": [
            {"judge": "main", "method": "better", "other": "sd", "value": "0.5", "p_holm": "0.01", "win_rate": "0.75"}
        ],
        f"{demo}/tables/strengths.csv": [
            {"judge": "main", "method": name, "strength": s} for name, s in (("sd", "0"), ("better", "0.4"))
        ],
        f"{demo}/tables/cost.csv": [
            {"stage": "critique", "name": "better", "model": "gpt-x", "served_model": "gpt-x-2026", "calls": "3"}
        ],
        f"{demo}/tables/published.csv": [
            {"method": "sd", "metric": "clip_score", "version": "C", "verdict": "reproduced"}
        ],
        f"{demo}/dropped.tsv": [{"id": "c-3", "stage": "score", "reason": "refused"}],
        f"{demo}/human/ratings.csv": [
            {"rater": name, "id": "a-1", "rating": grade} for name, grade in (("Ada", "5"), ("Bob", "4"), ("Ada", "3"))
        ],
        f"{demo}/human/main.csv": [
            {"method": name, "headline": "True", "mean": mean} for name, mean in (("sd", "3.1"), ("better", "4.2"))
        ],
        f"{demo}/human/pair_main.csv": [
            {"method": "better", "other": "sd", "value": "0.5", "p_holm": "0.2", "win_rate": "0.6"}
        ],
        "results/tables/main.csv": main,
    }
    for name, table in tables.items():
        write_table(root / name, table)
    return root


def main_row(method: str, metric: str, mean: float, leads: bool) -> dict:
    """A row of a main table: honest and headline at once, significant against sd."""
    tested = method != "sd"
    return {
        **{"method": method, "selection": "single", "metric": metric, "n": "3", "mean": f"{mean}"},
        **{
            "low95": f"{mean - 0.3}",
            "high95": f"{mean + 0.3}",
            "headline": "True",
            "oracle": "False",
            "honest": "True",
        },
        **{"baseline": "sd", "difference": f"{mean - 1}" if tested else "", "p_holm": "0.01" if tested else ""},
        **{"win_rate": "1.0" if tested else "", "leads": str(leads)},
    }


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_rows(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_table(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def read_table(path: Path) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def compared(a: Path, b: Path):
    """What `capsule-compare` finds between two sides."""
    with open_side(a) as one, open_side(b) as two:
        return compare(one, two)


def capsule_of(
    root: Path, path: Path, replaced: dict[str, str] | None = None, format: object = 1, **contents: Any
) -> Path:
    """A sealed capsule of a study's folder, as plain as a capsule can be.

    Args:
        root: The study.
        path: The zip.
        replaced: Words that the capsule has in place of others, as of raters' names.
        format: Of `capsule.json`.
        contents: More of it.
    """
    members, cleaned = {}, {}
    for file in sorted(each for each in root.rglob("*") if each.is_file()):
        name, data = f"study/{file.relative_to(root)}", file.read_bytes()
        members[name] = data
        for old, new in (replaced or {}).items():
            members[name] = members[name].replace(old.encode(), new.encode())
        if members[name] != data:
            cleaned[name] = hashlib.sha256(data).hexdigest()
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in members.items()}
    sealed = Contents("none", False, ["functional"], {}, cleaned=cleaned, **contents)
    first = contents_json(sealed, files).replace(b'"format": 1', f'"format": {json.dumps(format)}'.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("capsule.json", first)
        for name, data in members.items():
            archive.writestr(name, data)
    return path
