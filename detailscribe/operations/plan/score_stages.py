"""Score stages of a plan: images that a run would score with the metrics' models."""

from collections import Counter
from pathlib import Path

from detailscribe.operations.plan.shard import PENDING, Shard


def add_score_stage(shard: Shard, metric: str, images: dict[str, dict[str, dict]]) -> None:
    """Add the images that have no score under a metric, or one of older parameters.

    Args:
        images: Rows by id by image set.
    """
    folder = f"scores/{metric}"
    rows = shard.rows(folder)
    scored = {(row["image_set"], row["id"]) for row in rows if row["status"] == "ok"}
    parameters = shard.estimate.results / "parameters" / f"score-{metric}.json"
    output = shard.folder / folder / f"{shard.name}.jsonl"
    changed = bool(rows) and parameters.stat().st_mtime_ns > output.stat().st_mtime_ns
    counts: Counter = Counter()
    for image_set, by_id in images.items():
        for id, row in by_id.items():
            if PENDING in row["reason"]:
                counts["estimate"] += 1
            elif row["path"] and (changed or (image_set, id) not in scored):
                counts["changed parameter" if changed else shard.added.get(id, "new")] += 1
    line = shard.line("score", metric)
    for reason, count in counts.items():
        shard.estimate.add_scores(line, count, reason, _seconds_per_score(shard, metric))


def _seconds_per_score(shard: Shard, metric: str) -> float | None:
    """Measured by an earlier job; None if there was none."""
    benchmark = Path("benchmarks/score_images") / shard.scenario / metric / f"{shard.name}.tsv"
    ledger = shard.ledger(f"scores/{metric}")
    if not (benchmark.is_file() and ledger.path.is_file()):
        return None
    header, values = (line.split("\t") for line in benchmark.read_text().splitlines()[:2])
    return float(dict(zip(header, values, strict=True))["s"]) / max(1, len(ledger.rows()))
