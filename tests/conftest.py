"""What several test files share: the miniature models, built once a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MINIATURE_TEXTS = [
    "A fox and a parrot perch on a narrow branch, balancing while they exchange glances.",
    "An anime of a beaver assembling a chair with wooden sticks and leaves.",
    "A circle of sunflowers with a single red rose in the very centre.",
    "Two elephants flap their ears and trumpet, encouraging a calf to cross the river.",
    "A squirrel clips pieces of cloth to a small laundry line with both paws.",
    "The paws of the beaver hold the hammer, and the hammer touches the nail.",
]


@pytest.fixture(scope="session")
def miniature_texts() -> list[str]:
    """What the tokenizers of `miniature` were trained on."""
    return MINIATURE_TEXTS


@pytest.fixture(scope="session")
def miniature(tmp_path_factory, miniature_texts) -> Path:
    """A folder with the miniature's `sd3` and `clip`; do not write into it.

    Built by a process of its own, since what other tests did to this one's libraries must not be in it.
    """
    code = (
        "import sys, pathlib; from detailscribe.miniature import build; build(pathlib.Path(sys.argv[1]), sys.argv[2:])"
    )
    folder = tmp_path_factory.mktemp("models") / "miniature"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, folder, *miniature_texts], check=True, cwd=root)
    return folder
