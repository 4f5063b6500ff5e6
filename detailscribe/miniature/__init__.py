"""Miniature: tiny models of the real classes, trained in a small scene world, to run and test the study on a CPU.

`world` defines the scenes, their captions, and why prompts fail. `models` holds the networks and their training, which
`python -m detailscribe.miniature` runs. `assembly` builds the folders that the study loads from the `shipped` weights.
`stand_in` is the rule-based mock of the hosted models; it uses `critic` and `judge`.
"""

import json
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
INFO_FILE = "weights.json"  # digests of the shipped files, and how they were trained


def weights_info() -> dict:
    """Description of the shipped weights; `files`, their digests, decide everything that is built from them."""
    return json.loads((WEIGHTS / INFO_FILE).read_text(encoding="utf-8"))


STAGE = "miniature"
ALGORITHM = 3


def parameters(study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"miniature": {"weights": weights_info()["files"]}}
