"""Command `compare`: two capsules or studies; prints what differs, writes it as CSV and as a page."""

from __future__ import annotations

from pathlib import Path

from detailscribe.capsule.compare.comparison import compare
from detailscribe.capsule.compare.sides import open_side
from detailscribe.capsule.compare.text import terminal_text, write_table

EQUAL, DIFFERENT = 0, 1


def compare_capsules(a: Path, b: Path, page: Path | None = None, table: Path | None = None) -> int:
    """Compare two studies and print the result.

    Args:
        a, b: Capsules, unpacked capsules, or folders of studies.
        page: HTML file to write.
        table: CSV file to write.

    Returns:
        0 if nothing differs, 1 if something does.

    Raises:
        InputError: a side is no study or cannot be read; names the place.
    """
    with open_side(a) as side_a, open_side(b) as side_b:
        comparison = compare(side_a, side_b)
        if page is not None:
            from detailscribe.capsule.compare.page import write_page

            write_page(page, comparison, (side_b, side_a))
    if table is not None:
        write_table(table, comparison)
    print(terminal_text(comparison), end="")
    for path in filter(None, (table, page)):
        print(f"Written: {path}")
    return EQUAL if comparison.equal else DIFFERENT
