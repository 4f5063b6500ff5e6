"""A browser for tests of pages."""

import pytest

from tests.browser import running_browser


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium.

    It must not outlive the module: while Playwright runs, `asyncio.run` of other tests fails.
    """
    with running_browser() as chromium:
        yield chromium
