"""Rounding: how far images differ whose arithmetic is the same, but not the order in which numbers are added.

Two ways to draw the candidates of a prompt are compared with one image per batch: the candidates as one batch
(`batch: candidates`), and the same attention by another kernel of torch (its `math` kernel). A batch may or may not
have another kernel than an image: on a GPU it has, on a CPU that depends on the CPU. The second comparison shows what
another kernel does, and so what another batch, card, driver or library version may do.

    python benchmarks/rounding.py [--prompts N] [--precisions fp32 bf16] [--model NAME]

NAME is an entry of `image_models` in config/config.yaml. The last line is JSON: for each precision and comparison the
largest difference of a pixel in grey levels of 255 over all images, the median and the 90th percentile of an image's
largest, the mean difference of a pixel, the share of pixels that differ by more than two levels, and how many images
are equal.
"""

import argparse
import json
import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import yaml
from torch.nn.attention import SDPBackend, sdpa_kernel

from detailscribe.engines.load import load_engine
from detailscribe.engines.machine.hardware import image_software, machine_description
from detailscribe.miniature.assembly import build_miniature

REPOSITORY = Path(__file__).parents[1]
SEED, KS = 2628670643, [0, 1, 2, 4]
REFINEMENT = "Every animal is whole, and every object is in its place."


def main() -> None:
    """Draw, compare and print."""
    arguments = parse_arguments()
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    lines = (REPOSITORY / "config" / "prompts" / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines][: arguments.prompts]
    model = config["image_models"][arguments.model]
    figures: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.model == "miniature":
            build_miniature(Path(folder) / "miniature")
            model["path"] = str(Path(folder) / "miniature" / "sd3")
        for precision in arguments.precisions:
            entry = model | {"precision": precision}
            figures[precision] = compare(entry, config["generation"], prompts)
            print(precision, figures[precision], file=sys.stderr, flush=True)
    made_on = machine_description(image_software({"precision": arguments.precisions[0]}))
    print(json.dumps({"model": arguments.model, "machine": made_on, "prompts": len(prompts), **figures}))


def parse_arguments() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=8, help="of the demo scenario")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--model", default="miniature")
    return parser.parse_args()


def compare(model: dict, generation: dict, prompts: list[str]) -> dict[str, dict]:
    """Differences of each comparison, over the candidates of all prompts."""
    alone = load_engine(model | {"batch": "image"}, generation)
    together = load_engine(model | {"batch": "candidates"}, generation)
    ways = {
        "batch": (together, nullcontext),
        "attention": (alone, lambda: sdpa_kernel(SDPBackend.MATH)),
    }
    differences: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for prompt in prompts:
        refined = f"{prompt.rstrip('.')}. {REFINEMENT}"
        images = alone.refine(prompt, refined, SEED, KS)
        for name, (engine, context) in ways.items():
            with context():
                others = engine.refine(prompt, refined, SEED, KS)
            differences[name] += [apart(images[k], others[k]) for k in KS]
    return {name: summary(each) for name, each in differences.items()}


def apart(one, other) -> np.ndarray:
    """Absolute differences of two images' pixels, in grey levels."""
    return np.abs(np.asarray(one, int) - np.asarray(other, int))


def summary(differences: list[np.ndarray]) -> dict[str, float]:
    """The figures of one comparison."""
    largest = np.array([each.max() for each in differences])
    return {
        "images": len(largest),
        "equal": int((largest == 0).sum()),
        "largest": int(largest.max()),
        "median_largest": float(np.median(largest)),
        "p90_largest": float(np.percentile(largest, 90)),
        "mean_level": round(float(np.mean([each.mean() for each in differences])), 3),
        "share_above_2": round(float(np.mean([(each > 2).mean() for each in differences])), 4),
    }


if __name__ == "__main__":
    main()
