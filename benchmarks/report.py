"""Benchmark of the report: full build, rebuild after one prompt changed, and response times in a browser.

A synthetic study of 1000 prompts with 12 images of 1024 x 1024 each goes through the code that the report's rules
call. Every image file has different bytes, so that each is read, scaled down and linked. The browser is headless
Chromium.
"""

import argparse
import io
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from detailscribe.files.digests import KEY_LENGTH, digest, file_sha256
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.report.inputs import read_scenario
from detailscribe.report.overview import Overview
from detailscribe.report.scenario_site import write_scenario

SETS = [
    *(f"original-{seed}" for seed in (1, 2)),
    "gpt_rewrite",
    *(f"{name}-k{k}" for name in ("detailscribe", "ablation") for k in (0, 1, 2, 4)),
    "gpt_refine",
]
METRICS = ("clip_score", "image_reward", "blip_vqa", "judge-main")
CRITICS = {
    name: [item for item in SETS if item.startswith(name)] for name in ("detailscribe", "ablation", "gpt_refine")
}
METHODS = [
    {"name": "sd", "candidates": ["original-1"], "headline": "single"},
    {"name": "gpt_rewrite", "candidates": ["gpt_rewrite"], "headline": "single"},
    {"name": "gpt_refine", "candidates": ["gpt_refine"], "headline": "single"},
    {"name": "multi_seed", "candidates": ["original-1", "original-2"], "headline": "by:clip_score"},
    {"name": "detailscribe", "candidates": CRITICS["detailscribe"], "headline": "oracle"},
    {"name": "ablation", "candidates": CRITICS["ablation"], "headline": "oracle"},
]
TEXT = "an otter and a heron share one red umbrella while two badgers carry the ladder through a narrow door"
SHARD = "000-of-001"
MASTERS = 40  # different images; each file appends its own name to the bytes of one


def synthetic(folder: Path, count: int, side_px: int) -> SimpleNamespace:
    """Write a study as the stages do; return the input files of the report's rule."""
    generator = random.Random(0)
    masters = [_jpeg(number, side_px) for number in range(MASTERS)]
    prompts = [
        {
            "id": f"topic-{n}-{digest(n)[:10]}",
            "topic": f"topic {n}",
            "prompt": " ".join(generator.choices(TEXT.split(), k=25)),
        }
        for n in range(count)
    ]
    base = folder / "results" / "large"
    write_rows(base / "prompts.jsonl", prompts)
    ok = {"status": "ok", "reason": ""}
    parts = [
        {"id": row["id"], **ok, "concept": "sharing", "components": ["otter holds pole", "heron leans"]}
        for row in prompts
    ]
    write_rows(base / "decompositions" / f"{SHARD}.jsonl", parts)
    for critic in CRITICS:
        rows = [
            {
                "id": row["id"],
                **ok,
                "critique": row["prompt"] * 6,
                "refined_prompt": f"{row['prompt']} in firm contact, seen from the side",
            }
            for row in prompts
        ]
        write_rows(base / "critiques" / critic / f"{SHARD}.jsonl", rows)
    for name in SETS:
        rows = []
        for row in prompts:
            key = digest([name, row["id"]])
            path = base / "images" / name / SHARD / f"{row['id']}-{key[:KEY_LENGTH]}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(generator.choice(masters) + f"{name}/{row['id']}".encode())
            rows.append(
                {"id": row["id"], **ok, "file": str(path.relative_to(folder / "results")), "sha256": file_sha256(path)}
            )
            rows[-1] |= {"key": key, "prompt": row["prompt"], "seed": 1, "k": None}
        write_rows(base / "images" / name / f"{SHARD}.jsonl", rows)
    for metric in METRICS:
        rows = [
            {"id": row["id"], "image_set": name, **ok, "score": generator.random()}
            | ({"exchange": [_exchange(folder, row["id"], name)]} if metric == "judge-main" else {})
            for name in SETS
            for row in prompts
        ]
        write_rows(base / "scores" / metric / f"{SHARD}.jsonl", rows)
    (base / "dropped.tsv").write_text(
        "id\ttopic\tstage\timage_set\tstatus\treason\n"
        + "".join(
            f"{row['id']}\t{row['topic']}\tscore\tgpt_refine\trefused\tthe model declined\n" for row in prompts[::50]
        )
    )
    return SimpleNamespace(
        prompts=base / "prompts.jsonl",
        decompositions=[base / "decompositions" / f"{SHARD}.jsonl"],
        critiques=[base / "critiques" / name / f"{SHARD}.jsonl" for name in CRITICS],
        rewrites=[],
        manifests=[base / "images" / name / f"{SHARD}.jsonl" for name in SETS],
        scores=[base / "scores" / metric / f"{SHARD}.jsonl" for metric in METRICS],
        audits=[],
        selections=[],
        dropped=[base / "dropped.tsv"],
        ratings=[],
        choices=[],
    )


def _jpeg(number: int, side_px: int) -> bytes:
    """A JPEG with shapes and some noise, about as large as a photograph."""
    noise = np.random.default_rng(number)
    coarse = Image.fromarray(noise.integers(0, 255, (24, 24, 3), dtype=np.uint8)).resize(
        (side_px, side_px), Image.BICUBIC
    )
    grain = noise.normal(0, 6, (side_px, side_px, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _exchange(folder: Path, id: str, image_set: str) -> str:
    """Record a judgement; return its digest."""
    request = {"kind": "chat", "model": "m", "messages": [{"role": "user", "content": f"Grade {image_set} of {id}"}]}
    reply = {"status": "ok", "reason": "", "text": "Both hold the pole. <4>", "image": None, "image_sha256": None}
    name = digest(request)
    path = folder / "exchanges" / name[:2] / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"request": request, "reply": reply, "usage": None, "served_model": "", "date": ""}))
    return name


def build(folder: Path, files: SimpleNamespace, threads: int) -> float:
    """Seconds to read the inputs and write the site."""
    start = time.perf_counter()
    critics = [{"name": name, "candidates": sets} for name, sets in CRITICS.items()]
    parameters = {"methods": METHODS, "critics": critics, "selector": METRICS[0]}
    results = read_scenario("large", files, parameters, folder / "exchanges")
    rows = [
        {
            "scenario": "large",
            "method": method["name"],
            "selection": method["headline"],
            "metric": metric,
            "n": 1000,
            "mean": 0.5,
            "low95": 0.4,
            "high95": 0.6,
            "headline": True,
            "oracle": method["headline"] == "oracle",
            "honest": method["headline"] != "oracle",
            "leads": False,
        }
        for method in METHODS
        for metric in METRICS
    ]
    dropped = [{"scenario": "large", **row} for row in results.dropped]
    overview = Overview("large", "", pd.DataFrame(rows), dropped=dropped)
    write_scenario(folder / "results" / "large" / "report", results, overview, folder / "results", threads)
    return time.perf_counter() - start


def change_one(folder: Path, files: SimpleNamespace) -> None:
    """Change the text and the images of one prompt."""
    side = Image.new("RGB", (1024, 1024), "teal")
    for manifest in files.manifests:
        rows = read_rows(manifest)
        path = folder / "results" / rows[7]["file"]
        key = digest(["changed", path.name])
        path = path.with_name(f"{rows[7]['id']}-{key[:KEY_LENGTH]}.jpg")
        side.save(path)
        rows[7] |= {"key": key, "file": str(path.relative_to(folder / "results")), "sha256": file_sha256(path)}
        write_rows(manifest, rows)
    rows = read_rows(files.prompts)
    rows[7]["prompt"] = "A changed prompt."
    write_rows(files.prompts, rows)


def browse(page: Path, chromium: str) -> tuple[float, dict[str, float]]:
    """Seconds until the overview is interactive, and milliseconds until each filter is painted."""
    from playwright.sync_api import sync_playwright

    actions = {
        "search": ("search", "heron ladder"),
        "status": ("status", "refused"),
        "range": ("from", "0.9"),
        "method": ("b", "ablation"),
        "plot of two metrics": ("plot", "metrics"),
        "sort by gain": ("sort", "gain"),
        "sort by disagreement": ("sort", "disagreement"),
    }
    act = """async ([name, value]) => {
        const start = performance.now();
        const field = document.getElementById(name);
        field.value = value;
        field.dispatchEvent(new Event("input", {bubbles: true}));
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return performance.now() - start;
    }"""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        window.goto(page.as_uri(), wait_until="commit")
        window.wait_for_selector("html[data-ready=yes]", state="attached")
        window.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        interactive = time.perf_counter() - start
        times = {}
        for label, action in actions.items():
            window.wait_for_timeout(300)
            times[label] = window.evaluate(act, list(action))
            window.evaluate("document.getElementById('controls').reset()")
        browser.close()
    return interactive, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--side-px", type=int, default=1024)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"writing {arguments.prompts} prompts with {len(SETS)} images of {arguments.side_px} px each")
        files = synthetic(folder, arguments.prompts, arguments.side_px)
        whole = build(folder, files, threads)
        print(f"full build with {threads} threads: {whole:.1f} s")
        change_one(folder, files)
        one = build(folder, files, threads)
        print(f"rebuild after one prompt changed: {one:.1f} s")
        interactive, times = None, {}
        if chromium:
            interactive, times = browse(folder / "results" / "large" / "report" / "index.html", chromium)
            print(f"overview interactive after {interactive:.2f} s")
            print(*(f"{label}: {value:.0f} ms" for label, value in times.items()), sep="\n")
        else:
            print("no Chromium on this machine: the browser was not timed")
    figures = {
        "build_s": round(whole, 2),
        "rebuild_one_s": round(one, 2),
        "interactive_s": interactive and round(interactive, 3),
        "filter_ms": max(times.values(), default=None) and round(max(times.values()), 1),
        "prompts": arguments.prompts,
        "images": arguments.prompts * len(SETS),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
