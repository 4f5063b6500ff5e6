"""Score stages of a plan: images that a run would score with the metrics' models."""

from collections import Counter

from detailscribe.engines.machine.speeds import SCORE, score_speed_key
from detailscribe.operations.plan.gpu_time import Seconds
from detailscribe.operations.plan.shard import PENDING, Shard


def selected_rows(shard: Shard, selection: str, candidates: list[dict[str, dict]]) -> dict[str, dict]:
    """Rows of a selection by id, with `path`: as an earlier run left them, or waiting where a candidate is missing.

    Args:
        candidates: Rows by id of each image set or selection that it chooses from.
    """
    chosen = {row["id"]: row for row in shard.rows(f"selections/{selection}")}
    rows = {}
    for record in shard.records:
        id = record["id"]
        waits = id not in chosen or any(PENDING in rows_by_id[id]["reason"] for rows_by_id in candidates)
        if waits:
            rows[id] = {"id": id, "status": "skipped", "reason": PENDING, "path": None, "sha256": None}
        else:
            file = chosen[id].get("file")
            rows[id] = chosen[id] | {"path": shard.estimate.results / file if file else None}
    return rows


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
    line, gpu_time = shard.line("score", metric), shard.estimate.gpu_time
    key = score_speed_key(shard.estimate.parameters[f"score-{metric}"])
    for reason, count in counts.items():
        line.reasons[reason] += count
        line.add_gpu_time(gpu_time.of(SCORE, key, count))
    if counts:  # one job per shard loads the metric's model, which may be small: unknown is no obstacle
        line.add_gpu_time(gpu_time.of_load(key, [(SCORE, key)], assume=False) or Seconds())
