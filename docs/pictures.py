"""docs/overview.png and docs/prompt.png: the demo's report as a browser shows it, for the README."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path("results/demo/report").resolve()
VIEW = {"width": 1280, "height": 1160}

with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    window = browser.new_page(viewport=VIEW, color_scheme="light")
    window.goto((SITE / "index.html").as_uri())
    window.wait_for_selector("html[data-ready=yes]", state="attached")
    window.wait_for_load_state("networkidle")
    window.screenshot(path="docs/overview.png")
    window.locator("#cards a[href*=circle-of-trumpets]").first.click()
    window.wait_for_load_state("networkidle")
    window.screenshot(path="docs/prompt.png")
    browser.close()
