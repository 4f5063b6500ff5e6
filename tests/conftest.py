"""What several test files share: the miniature models, built once a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def sprites() -> dict:
    """The scene world's sprites; skips where their font is missing."""
    from detailscribe.errors import SetupError
    from detailscribe.miniature import sprites

    try:
        return sprites.load()
    except SetupError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def miniature(tmp_path_factory) -> Path:
    """A folder with the miniature's `sd3`, `clip`, `image_reward` and `blip_vqa`; do not write into it.

    Built by a process of its own, since what other tests did to this one's libraries must not be in it.
    """
    code = "import sys, pathlib; from detailscribe.miniature.assembly import build; build(pathlib.Path(sys.argv[1]))"
    folder = tmp_path_factory.mktemp("models") / "miniature"
    subprocess.run([sys.executable, "-c", code, folder], check=True, cwd=Path(__file__).parents[1])
    return folder
