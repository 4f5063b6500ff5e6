"""A headless Chromium for tests: Debian's, driven by Playwright. Tests skip where there is none."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def browser() -> Iterator:
    """A running browser, or a skipped test."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])  # root runs in containers
        yield running
        running.close()
