"""Drift of the lossy accelerations on the miniature: how far their images are from exact ones, and what they save.

Per prompt, one seed: the initial image and DetailScribe's four candidates, with the same refined prompt everywhere (the
critique of the exact initial image). Each way is an entry of `image_models` that differs from the exact one in a few
keys. Two yardsticks are no acceleration: bf16, which changes rounding alone, and another seed. The scene world's judge
and CLIPScore tell whether the images still show what was asked for. CPU seconds of all ways are measured prompt by
prompt, so that other work on the machine slows all of them alike.

The last line is JSON. `--write` writes drift.md next to this file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import json
import os
import platform
import tempfile
import time
from collections import defaultdict

import numpy as np
import torch
from miniature import load_scorers, silence_truncation_warnings

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers and diffusers
from detailscribe.engines.load import load_engine
from detailscribe.methods.reply_parsing import last_brackets
from detailscribe.miniature import assembly, stand_in, weights_info
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.models.detection import detect
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.facts import fact_phrases
from detailscribe.miniature.world.scenes import held_out_scenes

HERE = Path(__file__).parent
KS = [0, 1, 2, 4]
GENERATION = {"steps": 28, "guidance": 4.5, "swap_pooled": False}
EXACT = {"pipeline": "StableDiffusion3Pipeline", "revision": "", "precision": "fp32", "offload": "none"}
EXACT |= {"compile": "none", "batch": "candidates", "size_px": 96, "max_sequence_length": 32, "call": {}}
# As in config/config.yaml, and around it.
WAYS: dict[str, dict] = {
    "exact": {},
    "bf16": {"precision": "bf16"},
    "guided 0 to 0.8": {"guidance_interval": [0, 0.8]},
    "guided 0.1 to 0.8": {"guidance_interval": [0.1, 0.8]},
    "guided 0.35 to 0.9": {"guidance_interval": [0.35, 0.9]},
    "cached below 0.08": {"block_cache": 0.08},
    "cached below 0.12": {"block_cache": 0.12},
    "cached below 0.2": {"block_cache": 0.2},
    "guided 0 to 0.8, cached below 0.12": {"guidance_interval": [0, 0.8], "block_cache": 0.12},
}
OTHER_SEED = "another seed"  # of the exact model: images that have nothing but their prompt in common


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    silence_truncation_warnings()
    began = time.monotonic()
    scenes = held_out_scenes(options.prompts, seed=1)
    rng = np.random.default_rng(2)
    prompts = [random_caption(scene, rng, background=True) for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        miniature = Path(folder) / "miniature"
        assembly.build_miniature(miniature)
        clip = load_scorers(miniature)["clip_score"]
        entry = EXACT | {"path": str(miniature / "sd3")}
        names = list(dict.fromkeys(["exact", *options.ways]))
        engines = {name: load_engine(entry | WAYS[name], GENERATION) for name in names}
        images, seconds = draw(engines, scenes, prompts)
    reference = images["exact"]
    table = {}
    for name, own in images.items():
        table[name] = {part: drift(own[part], reference[part]) for part in ("first", "candidates")}
        table[name] |= quality(own, reference, scenes, prompts, clip)
        if name in engines:
            counts, per = engines[name].counts, options.prompts
            table[name] |= {"rows": counts["transformer_rows"] / per}
            table[name] |= {"first_block_rows": counts.get("first_block_rows", 0) / per}
            table[name] |= {"cpu_seconds_vs_exact": round(seconds[name] / seconds["exact"], 3)}
    figures = {
        "prompts": options.prompts,
        "drift": table,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "weights": weights_info()["commit"][:12],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
    }
    print(document(figures))
    if options.write:
        (HERE / "drift.md").write_text(document(figures), encoding="utf-8")
    print(json.dumps(figures))


def draw(engines: dict, scenes: list, prompts: list[str]) -> tuple[dict, dict[str, float]]:
    """By way: images, `first` (prompts) and `candidates` (prompts x ks), and CPU seconds."""
    images: dict = defaultdict(lambda: {"first": [], "candidates": []})
    seconds: dict[str, float] = defaultdict(float)
    for number, (scene, prompt) in enumerate(zip(scenes, prompts, strict=True)):
        initial, refined = None, prompt
        for name, engine in engines.items():
            started = time.process_time()
            first = engine.generate(prompt, number)
            seconds[name] += time.process_time() - started
            if initial is None:
                initial = first
                refined = last_brackets(stand_in.answer_critique(prompt, list(fact_phrases(scene)), initial)) or prompt
            started = time.process_time()
            candidates = engine.refine(prompt, refined, number, KS)
            seconds[name] += time.process_time() - started
            images[name]["first"].append(first)
            images[name]["candidates"] += candidates.values()
        other = engines["exact"]
        rows = dict(other.counts)
        images[OTHER_SEED]["first"].append(other.generate(prompt, 10_000 + number))
        images[OTHER_SEED]["candidates"] += other.refine(prompt, refined, 10_000 + number, KS).values()
        other.counts.update(rows)
        print(f"prompt {number + 1} of {len(prompts)}", flush=True)
    return images, seconds


def drift(images: list, reference: list) -> dict:
    """Differences in grey levels of 255: mean absolute, largest of an image on average, PSNR of all, equal images."""
    apart = [np.abs(np.asarray(a, float) - np.asarray(b, float)) for a, b in zip(images, reference, strict=True)]
    square = float(np.mean([np.mean(each**2) for each in apart]))
    return {
        "mean_levels": round(float(np.mean([each.mean() for each in apart])), 3),
        "largest_levels": round(float(np.mean([each.max() for each in apart])), 1),
        "psnr_db": round(10 * float(np.log10(255**2 / square)), 2) if square else None,
        "equal": round(float(np.mean([each.max() == 0 for each in apart])), 3),
    }


def quality(own: dict, reference: dict, scenes: list, prompts: list[str], clip) -> dict:
    """Mean CLIPScore, share of images that the judge finds right, and share where it judges the exact one otherwise."""
    repeated = [[scene for scene in scenes for _ in KS], [prompt for prompt in prompts for _ in KS]]
    every_scene, every_prompt = [*scenes, *repeated[0]], [*prompts, *repeated[1]]

    def right(images: dict) -> np.ndarray:
        found = detect([*images["first"], *images["candidates"]])
        return np.array([check_scene(scene, each)[2] for scene, each in zip(every_scene, found, strict=True)])

    own_right = right(own)
    scores = clip.score(every_prompt, [*own["first"], *own["candidates"]])
    return {
        "clip_score": round(float(np.mean(scores)), 4),
        "right": round(float(own_right.mean()), 4),
        "judged_otherwise": round(float((own_right != right(reference)).mean()), 4),
    }


def document(figures: dict) -> str:
    """The figures as drift.md."""
    lines = [
        "# Drift of the lossy accelerations, on the demo models (miniature)",
        "",
        f"`make bench-drift`; weights of commit {figures['weights']}; {figures['machine']}; {figures['prompts']} "
        f"prompts at one seed each, {len(KS)} candidates; {figures['minutes']} minutes. For Stable Diffusion 3.5: "
        "[docs/gpu.md](../docs/gpu.md#lossy-profiles).",
        "",
        "Differences from `exact` in grey levels of 255: mean absolute difference and PSNR, of initial images and of "
        "candidates. *equal*: share of candidates with the same pixels. *right*: share of all images that show what "
        "was asked for, as the judge of the scene world sees it; *otherwise*: share that it judges otherwise than the "
        "exact image. *rows*: rows per prompt that go through the whole transformer, *first block*: through its first "
        "block alone. *CPU*: CPU seconds against `exact` in the same run, with text encoders and decoder; this "
        "transformer has three blocks, of which a row in the cache saves two.",
        "",
        "| way | initial | PSNR, dB | candidates | PSNR, dB | equal | CLIPScore | right | otherwise | rows "
        "| first block | CPU |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in figures["drift"].items():
        first, candidates = row["first"], row["candidates"]
        work = (
            [f"{row['rows']:.1f}", f"{row['first_block_rows']:.1f}", f"{row['cpu_seconds_vs_exact']:.2f}"]
            if "rows" in row
            else ["–"] * 3
        )
        cells = [
            *(f"{first['mean_levels']:.2f}", first["psnr_db"] or "–"),
            *(f"{candidates['mean_levels']:.2f}", candidates["psnr_db"] or "–", f"{candidates['equal']:.2f}"),
            *(f"{row['clip_score']:.3f}", f"{row['right']:.3f}", f"{row['judged_otherwise']:.3f}"),
        ]
        lines.append(" | ".join(["", name, *map(str, cells), *work, ""]).strip())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
