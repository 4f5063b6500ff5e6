"""A process that draws the images of the check that are missing, as a job does; `engine_check.py` starts it twice.

    python benchmarks/engine_draw.py FOLDER --way exact --size tiny

Two originals, and the four candidates of a prompt, as PNG files; a candidate's whole batch is drawn where one is
missing. The last line is JSON: what was drawn, seconds, peaks of memory by phase.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from engine_floor import phases_of
from engine_model import SIZES, Model, quiet
from engine_ways import KS, LEAST_STEPS, PROMPT, REFINED, EngineWay, empty_compile_cache, loaded, profiles

from detailscribe.engines import torch_setup

SEEDS = (1, 2)
ORIGINALS = {f"original-{seed}.png": seed for seed in SEEDS}
CANDIDATES = {f"candidate-k{k}.png": k for k in KS}


def draw(folder: Path, way: EngineWay, device: torch.device) -> dict:
    """Draw what is missing in a folder; returns names, seconds, and peaks of memory in GB by phase."""
    missing = [name for name in (*ORIGINALS, *CANDIDATES) if not (folder / name).exists()]
    start = time.perf_counter()
    way.engine.prepare([PROMPT, REFINED])
    with phases_of(way.pipe, device) as phases:
        for name in missing:
            if name in ORIGINALS:
                way.engine.generate(PROMPT, ORIGINALS[name]).save(folder / name)
        if wanted := [name for name in missing if name in CANDIDATES]:
            # A batch is always drawn in full; an image's bytes depend on what it shares the batch with.
            ks = KS if way.entry["batch"] == "candidates" else [CANDIDATES[name] for name in wanted]
            images = way.engine.refine(PROMPT, REFINED, SEEDS[0], ks)
            for name in wanted:
                images[CANDIDATES[name]].save(folder / name)
        figures = phases.stop()
    return {"drawn": missing, "draw_s": round(time.perf_counter() - start, 2), "peaks_gb": figures["peaks_gb"]}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the images of the check that are missing.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--way", choices=profiles(), required=True)
    parser.add_argument("--size", choices=SIZES, required=True)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    quiet()
    device = torch_setup.default_device()
    model = Model(options.size, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        start = time.perf_counter()
        with empty_compile_cache(), loaded(options.way, model, LEAST_STEPS) as way:
            load_s = round(time.perf_counter() - start, 2)
            print(json.dumps({"load_s": load_s} | draw(options.folder, way, device)), flush=True)
    finally:
        model.close()


if __name__ == "__main__":
    main()
