"""docs/overview.png and docs/prompt.png: screenshots of the demo's report in a browser, for the README."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path("results/demo/report").resolve()
VIEW = {"width": 1280, "height": 1160}

with sync_playwright() as driver:
    browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport=VIEW, color_scheme="light")
    page.goto((SITE / "index.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    page.wait_for_load_state("networkidle")
    page.screenshot(path="docs/overview.png")
    page.locator("#cards a[href*=circle-of-trumpets]").first.click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path="docs/prompt.png")
    browser.close()
