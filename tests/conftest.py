"""What several test files share: the miniature models, built once a run."""

import os
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
    """A folder with the miniature's `sd3` and `clip`; do not write into it."""
    from detailscribe.miniature import build

    folder = tmp_path_factory.mktemp("models") / "miniature"
    build(folder, miniature_texts)
    return folder
