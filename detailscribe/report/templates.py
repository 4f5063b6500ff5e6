"""Jinja templates of the report's pages, with their filters."""

import math
from pathlib import Path

import jinja2

from detailscribe.report import assets

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
    environment.filters["number"] = _table_cell
    environment.filters["thumbnail"] = assets.thumbnail_path
    environment.filters["full"] = assets.image_path
    return environment.get_template(name)


def _table_cell(value: object) -> str:
    """Text of a table's cell: floats to three decimals, a dash for a missing value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
