"""Headless Chromium, driven by Playwright; tests skip where it is missing."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def running_browser() -> Iterator:
    """A running Chromium; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])  # root runs in containers
        yield browser
        browser.close()
