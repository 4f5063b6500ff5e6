"""Where the repository is."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
# Of a process in which tests.stub_models replace the real models.
STUB_PATH = REPOSITORY / "tests" / "stub_site", REPOSITORY
