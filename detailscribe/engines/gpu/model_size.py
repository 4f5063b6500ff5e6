"""Number of weights of a model, from its files alone, and what counts as full size."""

import json
import math
from pathlib import Path

from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import local_folder

FULL_SIZE = 500_000_000  # weights; smaller models draw on a CPU in reasonable time
OTHER_WEIGHT_FILES = (".bin", ".pt", ".pth", ".ckpt", ".gguf")
BYTES_PER_WEIGHT = 4  # of a file whose header names no shapes: at least


def model_weights(path: str, revision: str) -> int | None:
    """Number of weights of a model in a folder, or fetched from the hub before.

    A folder with several copies of a part (as fp16 beside fp32) counts each.

    Returns:
        0 for a folder that is not there (yet), None for a repository of the hub that was not fetched.

    Raises:
        SetupError: a fetched file is missing.
    """
    folder = local_folder(resolve_model_path(path, revision), must_exist=False)
    return None if folder is None else weight_count(folder)


def weight_count(folder: Path) -> int:
    """Number of weights in the files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    exact = sum(_safetensors_weights(path) for path in files if path.suffix == ".safetensors")
    others = [path for path in files if path.suffix in OTHER_WEIGHT_FILES]
    return exact or sum(path.stat().st_size // BYTES_PER_WEIGHT for path in others)


def _safetensors_weights(path: Path) -> int:
    """Source: https://github.com/huggingface/safetensors, "Format": a length of 8 bytes, then a JSON header."""
    with open(path, "rb") as file:
        try:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError):
            return path.stat().st_size // BYTES_PER_WEIGHT  # damaged: loading says so
