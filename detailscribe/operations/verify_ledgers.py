"""Verification of ledgers: lines against their own digests, rows against the outputs that were made with them."""

from pathlib import Path

from detailscribe.files.ledger import Ledger, write_ledger
from detailscribe.files.output_records import recorded_sha256
from detailscribe.files.rows import read_rows
from detailscribe.images.image_file import names_own_image
from detailscribe.operations.verify_outputs import set_aside


def verify_ledgers(results: Path, scenario: str) -> tuple[int, list[str]]:
    """Check the ledgers of a scenario, after its outputs were checked (`verify_outputs`).

    A changed row is removed, and comes back from the output if that is as its job recorded it. Rows of earlier
    versions get a digest. Where row and output differ and neither is known to be right, both are removed.

    Returns:
        The number of rows that got their digest now, and a message per changed ledger or output.
    """
    first_seen, problems = 0, []
    for path in sorted((results / scenario / "ledgers").rglob("*.jsonl")):
        ledger = Ledger(path)
        kind, name = path.parent.parent.name, path.parent.name
        output = results / scenario / kind / name / path.name
        rows = read_rows(output) if output.is_file() else []
        reliable = recorded_sha256(results, output) is not None
        unchecked = {(row["id"], row["key"]) for row in ledger.unchecked()}
        wrong, output_is_wrong = set(), False
        if kind == "images":
            place = scenario, name, path.stem
            wrong = {(row["id"], row["key"]) for row in ledger.rows() if not names_own_image(row, *place)}
        for row in rows:
            kept = ledger.get(row["id"], row.get("key") or "")
            if kept is not None and _differ(kept, row):
                of = row["id"], row["key"]
                if of in unchecked:
                    wrong.add(of)
                output_is_wrong |= of not in unchecked or not reliable
        if output_is_wrong:
            problems.append(f"{output}: differs from {path}; moved to {set_aside(results, output)}")
            rows = []
        kept_rows = {of: row for row in ledger.rows() if (of := (row["id"], row["key"])) not in wrong}
        if wrong or ledger.changed:
            count, restored = len(wrong) + len(ledger.changed), 0
            for row in rows if reliable else []:
                if row["status"] == "ok" and row.get("key") and (row["id"], row["key"]) not in kept_rows:
                    kept_rows[row["id"], row["key"]], restored = row, restored + 1
            outcome = f"{restored} of them restored from {output}"
            if kind == "seconds":  # measured once: no output has them
                outcome = "their seconds are unknown from now on"
            problems.append(f"{path}: {count} changed rows; removed, {outcome}")
            write_ledger(path, kept_rows.values())
        elif unchecked:
            write_ledger(path, kept_rows.values())
            first_seen += len(unchecked)
    return first_seen, problems


def _differ(kept: dict, row: dict) -> bool:
    """Whether two rows of one id and key differ; one score may be of the same image in two image sets."""
    return any(kept[column] != row[column] for column in kept.keys() & row.keys() - {"image_set"})
