"""Rescue of damaged archives: their files become loose files, each of which is then checked by its own digest."""

from pathlib import Path

from detailscribe.files.packed import ARCHIVE
from detailscribe.files.packing import archive_problem, rescue
from detailscribe.operations.verify_outputs import set_aside


def rescue_archives(results: Path, store: Path) -> list[str]:
    """Check every archive of a study; a damaged one is moved to `results/changed/`, its files are written beside.

    Pages and small images of a report have no digests: changed ones are removed, and the next run makes them again.

    Returns:
        A message per damaged archive.
    """
    messages = []
    places = [(results, f"*/images/*/*/{ARCHIVE}"), (results, f"*/report/*/{ARCHIVE}"), (store, f"*/{ARCHIVE}")]
    for archive in sorted(path for root, pattern in places for path in root.glob(pattern)):
        folder = archive.parent
        if not (problem := archive_problem(folder)):
            continue
        intact, changed = rescue(folder)
        if folder.parent.name == "report":
            for name in changed:
                (folder / name).unlink()
            (folder.parent / "index.html").unlink(missing_ok=True)
        moved = set_aside(results, archive)
        messages.append(f"{problem}: {len(intact)} files saved, {len(changed)} changed; moved to {moved}")
    return messages
