"""Pages that people fill in offline, opened in a real browser: downloads, waiting, contrast of colours."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

NO_STORAGE = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });"
# The contrast of text with the ground that is painted behind it, and of borders of controls, as WCAG 2.1 defines it.
CONTRASTS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => channels(colour).slice(0, 3)
    .map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor, parts = channels(colour);
      if (parts.length === 3 || parts[3] === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.getClientRects().length || element.closest("script")) continue;
    const style = getComputedStyle(element);
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (text) found.push([element.id || element.tagName, ratio(style.color, ground(element)), 4.5]);
    const border = ratio(style.borderTopColor, ground(element.parentElement));
    if (element.matches("button, textarea, .view")) found.push([`border ${element.id || element.tagName}`, border, 3]);
  }
  return found;
}"""


@contextlib.contextmanager
def opened_pages(browser, folder: Path) -> Iterator:
    """A function that opens a rater's page in a browser of its own; errors and requests to any host fail the test."""
    contexts, errors, requests = [], [], []

    def opened(rater: str, context=None, script: str = "", **options):
        if context is None:
            context = browser.new_context(accept_downloads=True, offline=True, **options)
            contexts.append(context)
        tab = context.new_page()
        if script:
            tab.add_init_script(script)
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        tab.goto((folder / f"{rater}.html").as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests), requests


def download(tab, folder: Path) -> Path:
    with tab.expect_download() as found:
        tab.click("#download")
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def wait_for(tab, selector: str, pattern: str) -> None:
    """Wait for a text. The page's security policy lets the browser evaluate no condition of ours."""
    for _ in range(200):
        if re.search(pattern, tab.inner_text(selector)):
            return
        tab.wait_for_timeout(25)
    raise AssertionError(f"{selector} says {tab.inner_text(selector)!r}, not {pattern!r}")


def low_contrasts(tab) -> list:
    """Texts and borders of controls whose contrast is below WCAG 2.1 AA: name, ratio, least ratio."""
    found = tab.evaluate(CONTRASTS)
    assert len(found) > 25
    return [each for each in found if each[1] < each[2]]


def axe_violations(tab) -> list[tuple[str, str, str]]:
    """What axe finds: impact, rule, element. Skips the test where axe is not installed."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    found = axe.run(tab, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    violations = found.response["violations"]
    return [(each["impact"], each["id"], node["html"]) for each in violations for node in each["nodes"]]
