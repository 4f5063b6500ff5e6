"""Order of all tests, and shared fixtures: the scene world's sprites, and the miniature models."""

import os
import signal
from pathlib import Path

import pytest

from tests.miniature_cache import cached_miniature

os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A background shell ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WORKFLOW = Path(__file__).parent / "workflow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first, so that several workers end at about the same time."""
    items.sort(key=lambda item: (item.path.name != "test_scores.py", item.path.parent != WORKFLOW))


@pytest.fixture(scope="session")
def sprites() -> dict:
    """The scene world's sprites; skips where their font is missing."""
    from detailscribe.errors import SetupError
    from detailscribe.miniature.world.sprites import load_sprites

    try:
        return load_sprites()
    except SetupError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def miniature() -> Path:
    """A folder with the miniature's `sd3`, `clip`, `image_reward`, `blip_vqa` and `vlm`; do not write into it."""
    return cached_miniature()
