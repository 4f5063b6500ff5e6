"""Images and answers of two sides: whose bytes or texts differ, and whether the request behind them was the same."""

from __future__ import annotations

from collections.abc import Iterable

from detailscribe.capsule.compare.differences import (
    ABSENT,
    ANSWERS,
    IMAGES,
    Difference,
    Part,
    excerpts,
    of_both,
    value_text,
)
from detailscribe.capsule.compare.paired_rows import Key, PairedRows, differing, files_below, names_below, paired_rows
from detailscribe.capsule.compare.sides import Side
from detailscribe.study.stages import KEY_OF_FOLDER, ROW_FOLDERS, WITHOUT_NAMES

ANSWER_FOLDERS = tuple(each.folder for each in ROW_FOLDERS if each.folder not in ("images", "scores"))
SHORT = 40  # letters of a value in an example


def compare_images(a: Side, b: Side, ids: dict[str, set[str]]) -> Part:
    """Images per image set, over the prompts that both sides have: digests, and whether there is an image."""
    part = Part(IMAGES)
    for scenario, common in ids.items():
        folder = f"results/{scenario}/images"
        for name in names_below(a, b, folder):
            rows = _rows(a, b, f"{folder}/{name}", ("id",), common)
            changed = [key for key in rows.common if _image(rows.a[key]) != _image(rows.b[key])]
            lost = sum(bool(_image(rows.a[key])) and not _image(rows.b[key]) for key in changed)
            gained = sum(bool(_image(rows.b[key])) and not _image(rows.a[key]) for key in changed)
            prompts = sum(rows.a[key].get("prompt") != rows.b[key].get("prompt") for key in changed)
            note = _joined(
                (len(changed) - lost - gained, "with other bytes"),
                (lost, "missing in B"),
                (gained, "missing in A"),
                (prompts, "drawn from another text"),
            )
            _add(part, scenario, name, rows, changed, note, "images")
    return part


def compare_answers(a: Side, b: Side, ids: dict[str, set[str]]) -> Part:
    """Rows that models or rules wrote, over the prompts that both sides have."""
    part = Part(ANSWERS)
    for scenario, common in ids.items():
        for folder in ANSWER_FOLDERS:
            base = f"results/{scenario}/{folder}"
            for name in ("",) if folder in WITHOUT_NAMES else names_below(a, b, base):
                path = f"{base}/{name}".rstrip("/")
                rows = _rows(a, b, path, KEY_OF_FOLDER[folder], common)
                if not rows.a and not rows.b:
                    continue
                changed = [] if rows.same else [key for key in rows.common if differing(rows.a[key], rows.b[key])]
                repeated = [
                    key
                    for key in changed
                    if (asked := rows.a[key].get("exchange")) and asked == rows.b[key].get("exchange")
                ]
                statuses = sum(rows.a[key].get("status") != rows.b[key].get("status") for key in changed)
                note = _joined((len(repeated), "to the same request"), (statuses, "with another status"))
                _add(part, scenario, f"{folder} {name}".rstrip(), rows, changed, note, "rows", _example(rows, changed))
    return part


def _rows(a: Side, b: Side, path: str, key: Iterable[str], ids: set[str]) -> PairedRows:
    rows = paired_rows(a, b, files_below(a, path), files_below(b, path), tuple(key))
    kept = [{of: row for of, row in side.items() if of[0] in ids} for side in (rows.a, rows.b)]
    return PairedRows(kept[0], kept[0] if rows.same else kept[1], rows.same)


def _add(
    part: Part, scenario: str, item: str, rows: PairedRows, changed: list[Key], note: str, unit: str, example: str = ""
) -> None:
    """Add an image set or folder to a part; rows that only one side has count as different."""
    alone = [len(rows.a.keys() - rows.b.keys()), len(rows.b.keys() - rows.a.keys())]
    compared, differ = len(rows.a.keys() | rows.b.keys()), len(changed) + sum(alone)
    notes = [note, _joined((alone[0], "only in A"), (alone[1], "only in B")), example]
    texts = of_both(lambda side: f"{len(side)} {unit}" if side else ABSENT, rows.a, rows.b)
    found = Difference(part.name, scenario, item, *texts, "; ".join(filter(None, notes)), differ, compared)
    part.add([found] if differ else [], compared, differ)


def _image(row: dict) -> str:
    """Digest of a row's image; empty without one."""
    return str(row.get("sha256") or "")


def _example(rows: PairedRows, changed: list[Key]) -> str:
    if not changed:
        return ""
    one, other = rows.a[changed[0]], rows.b[changed[0]]
    name = differing(one, other)[0]
    texts = excerpts(*of_both(lambda row: value_text(row.get(name, ABSENT)), one, other), SHORT)
    return f"such as {name} of {' '.join(changed[0])}: {texts[0]} → {texts[1]}"


def _joined(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count} {words}" for count, words in counts if count)
