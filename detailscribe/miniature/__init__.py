"""Tiny models of the real classes, trained in a small world of scenes, so that the study runs and can be seen to work.

`world` is what there is to see and to say, and why prompts fail there. `assembly` makes the folders that the study
loads from the shipped weights. `python -m detailscribe.miniature` trains them anew.
"""

import json
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
ABOUT = "weights.json"  # digests of the shipped files, and where they come from


def about() -> dict:
    """What is told of the shipped weights; `files` are their digests, which decide all that is made of them."""
    return json.loads((WEIGHTS / ABOUT).read_text(encoding="utf-8"))


STAGE = "miniature"
ALGORITHM = 3


def parameters(study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"miniature": {"weights": about()["files"]}}
