"""Jinja templates of the report's pages, with their filters."""

import re
from pathlib import Path

import jinja2
import markupsafe

from detailscribe.report import assets
from detailscribe.report.table_view import number_text

PAGES = Path(__file__).parent / "pages"


def page_template(name: str) -> jinja2.Template:
    """A template of `pages/`; it escapes every value and refuses undefined ones."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number_text
    environment.filters["code"] = _code
    environment.filters["signed"] = _signed
    environment.filters["thumbnail"] = assets.thumbnail_path
    environment.filters["full"] = assets.image_path
    return environment.get_template(name)


def _signed(value: float | None) -> str:
    """A difference to three decimals with its sign."""
    text = number_text(value)
    return text if text == "–" else f"+{text}" if not text.startswith("-") else text.replace("-", "−", 1)


def _code(text: str) -> markupsafe.Markup:
    """A caption with its `names` as code."""
    return markupsafe.Markup(re.sub(r"`+([^`]+)`+", r"<code>\1</code>", str(markupsafe.escape(text))))
