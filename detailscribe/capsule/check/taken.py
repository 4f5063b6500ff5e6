"""What a replay takes from a capsule, counted, with the reason: drawn images, scores of pixels, people's marks."""

from collections.abc import Collection, Mapping
from typing import Any

from detailscribe.capsule.check.remade import FIGURES, PARSED, place_of
from detailscribe.capsule.layout import NONE, STUDY, THUMBNAILS
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.files.rows import decode_line
from detailscribe.scores.metric_facts import LABELS

IMAGES = {
    NONE: "images are not included",
    THUMBNAILS: "images are included as thumbnails alone",
}
WEIGHTS = "the weights of {} are not included"
COUNTED = {"truncation": "tokenizers are part of weights, which are not included"}
REPLAY = "`capsule-replay` makes them again"


def taken_lines(
    reader: CapsuleReader, config: Mapping[str, Any], images: str, targets: Collection[str], has_parser: bool
) -> list[str]:
    """A line for each kind of result that is taken from the capsule: what, how much of it, and why.

    Args:
        reader: The capsule.
        config: Of the capsule.
        images: none, thumbnails or whole.
        targets: What is made again, without `study/`.
        has_parser: Whether spaCy is installed.
    """
    counts: dict[tuple[str, str], int] = {}  # by what it is and why
    for name in reader.members:
        inner = name.removeprefix(STUDY)
        if inner == name or inner in targets:
            continue
        if (found := _what(inner, config, images, has_parser)) is not None:
            what, reason, count = found
            key = what, reason
            counts[key] = counts.get(key, 0) + (_rows(reader, name) if count else 1)
    return [f"{what.format(count)}: {reason}" for (what, reason), count in counts.items()]


def _what(inner: str, config: Mapping[str, Any], images: str, has_parser: bool) -> tuple[str, str, bool] | None:
    """What a result is, why it is not made again, and whether its usable rows count; None for what is no result."""
    if "/report/" in inner:
        return "{} files of the report", "they show the results and images", False
    place = place_of(inner)
    folder, name, stem = (place.get(key, "") for key in ("folder", "name", "file"))
    stem = stem.partition(".")[0]
    if folder == "images" and inner.endswith(".jsonl"):
        return "drawing of {} images", WEIGHTS.format("their models"), True
    if folder == "scores":
        entry = config.get("metrics", {}).get(name, {})
        label = LABELS.get(entry.get("module", ""), name)
        return f"{label} of {{}} images", IMAGES.get(images, WEIGHTS.format("the metric")), True
    if folder == "selections":
        return f"selection {name} of {{}} images", IMAGES.get(images, WEIGHTS.format("the metric")), True
    if folder in PARSED:
        reason = REPLAY if has_parser else "spaCy is not installed"
        return f"{folder.replace('_', ' ')} of {{}} prompts", reason, True
    if folder == FIGURES:
        return "{} figures", REPLAY, False
    if folder == "human":
        return "{} tables and figures of people's marks", "their filled sheets are not included", False
    if folder == "tables":
        kind = next((reason for start, reason in COUNTED.items() if stem.startswith(start)), "no rule is known for it")
        return f"the table {stem}", kind, False
    return None


def _rows(reader: CapsuleReader, name: str) -> int:
    """Usable rows of a file; a row of scores counts if it has a score."""
    count = 0
    for line in reader.read(name).splitlines():
        row: Any = decode_line(line)
        count += isinstance(row, dict) and row.get("status", "ok") == "ok"
    return count
