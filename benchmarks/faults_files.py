"""Faults of files: truncated or changed outputs, images, exchanges, weights and ledgers."""

import os
import shutil
from pathlib import Path

from faults_campaign import Campaign, finished_work, same, stops, tables

from detailscribe.files.ledger import Ledger

ORIGINAL = "results/small/images/original-11/000-of-001"


def truncated_manifest(campaign: Campaign) -> None:
    """Outputs truncated within a line or between two, with a new mtime or with the old one."""
    cases = [
        ("images/original-11", b"{", "new"),
        ("images/original-11", b"", "old"),
        ("critiques/detailscribe", b"", "new"),
        ("critiques/detailscribe", b"{", "old"),
        ("scores/clip_score", b"", "new"),
    ]
    for number, (output, rest, mtime) in enumerate(cases):
        study = campaign.finished(f"manifest-{number}")
        path = study.results / "small" / output / "000-of-001.jsonl"
        written = path.stat()
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]) + rest)
        if mtime == "old":
            os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
            study.snakemake()
            same(tables(study), tables(campaign.reference))
            assert "moved to" in study.snakemake("verify")
        else:
            message = stops(study, "delete the file", "delete that file")
            assert str(path.relative_to(study.folder)) in message, message
            path.unlink()
        campaign.check(study, finished_work(study))


def truncated_image(campaign: Campaign) -> None:
    """An image truncated, its mtime unchanged, before a stage reads it again."""
    for again in ("scores/clip_score", "critiques/detailscribe", "scores/judge-main"):
        study = campaign.finished(f"image-{again.replace('/', '-')}")
        image = sorted((study.folder / ORIGINAL).iterdir())[0]
        cut(image)
        (study.results / "small" / again / "000-of-001.jsonl").unlink()
        stops(study, "was changed since it was made")
        kept = {path: written for path, written in finished_work(study).items() if path != image}
        assert "1 problems" in study.snakemake("verify")
        campaign.check(study, kept)


def corrupted_exchange(campaign: Campaign) -> None:
    """Exchanges truncated or edited, when the stage runs again."""
    study = campaign.finished("exchange")
    rows = study.rows("decompositions/*.jsonl")
    for row, spoil in zip(rows, [cut, edit], strict=False):
        spoil(study.folder / "resources" / "exchanges" / row["exchange"][:2] / f"{row['exchange']}.json")
    (study.results / "small" / "decompositions" / "000-of-001.jsonl").unlink()
    campaign.check(study)
    assert "0 problems" in study.snakemake("verify")


def half_written_weights(campaign: Campaign) -> None:
    """Truncated weights, when an image has to be generated or scored again."""
    for part, again in [("sd3/transformer", "images/detailscribe-k0"), ("clip", "scores/clip_score")]:
        study = campaign.finished(f"weights-{Path(part).name}")
        weights = max(
            (study.folder / "resources" / "miniature" / part).rglob("*"), key=lambda path: path.stat().st_size
        )
        kept = finished_work(study)
        cut(weights)
        (study.results / "small" / again / "000-of-001.jsonl").unlink()
        if part == "clip":
            shutil.rmtree(study.results / "small" / "ledgers" / "scores")
        stops(study, "could not be loaded")
        assert "miniature is built again" in study.snakemake("verify")
        campaign.check(study, kept)


def torn_ledger(campaign: Campaign) -> None:
    """A ledger whose last line is truncated, when its manifest is made again."""
    study = campaign.finished("ledger")
    ledger = study.results / "small" / "ledgers" / "images" / "original-11" / "000-of-001.jsonl"
    whole = Ledger(ledger).rows()
    ledger.write_bytes(ledger.read_bytes()[:-30])
    (study.results / "small" / "images" / "original-11" / "000-of-001.jsonl").unlink()
    kept = {study.results / row["file"]: 0 for row in whole[:-1]}
    campaign.check(study, {path: path.stat().st_mtime_ns for path in kept})


def cut(path: Path) -> None:
    """Remove the second half of a file, and keep its mtime."""
    stat = path.stat()
    os.truncate(path, stat.st_size // 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def edit(path: Path) -> None:
    """Change a word of an exchange."""
    path.write_text(path.read_text().replace('"role": "user"', '"role": "system"'))
