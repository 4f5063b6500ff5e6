"""Score table of a scenario, one row per image and metric: the input of every other table, and the file scores.csv."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from detailscribe.files.rows import read_score_rows
from detailscribe.study.judging.judges import GEOMETRIC

SCORE_COLUMNS = ["id", "stratum", "left_out", "image_set", "metric", "score", "status", "draws"]


class ScoreTable:
    """Scores as arrays over the prompts of one scenario, or of several.

    Attributes:
        frame: Rows with SCORE_COLUMNS.
        ids: Prompts, in the order of every array.
        metrics: Names.
        strata: Stratum of each prompt; empty if the prompt file has none.
        drop_reasons: Why a prompt is not a complete case; empty for a complete one.
        complete: (prompts,) bool.
    """

    def __init__(self, frame: pd.DataFrame, metrics: list[str]):
        prompts = frame.drop_duplicates("id")
        self.frame = frame
        self.metrics = metrics
        self.ids: list[str] = list(prompts["id"])
        self.strata: list[str] = list(prompts["stratum"])
        self.drop_reasons: list[str] = list(prompts["left_out"])
        self.complete = np.array([not reason for reason in self.drop_reasons], dtype=bool)
        self._scores: dict[str, pd.DataFrame] = {}
        self._status: dict[str, pd.DataFrame] = {}
        for metric, rows in frame.groupby("metric", sort=False):
            by_image = rows.set_index(["id", "image_set"])
            self._scores[str(metric)] = by_image["score"].unstack("image_set").reindex(self.ids).astype(float)
            self._status[str(metric)] = by_image["status"].unstack("image_set").reindex(self.ids)

    def array(self, metric: str, image_sets: list[str]) -> np.ndarray:
        """(prompts, image sets), NaN for no score."""
        if metric not in self._scores:
            return np.full((len(self.ids), len(image_sets)), np.nan)
        return self._scores[metric].reindex(columns=image_sets).to_numpy(float)

    def missing_reason(self, prompt: int, metrics: list[str], image_sets: list[str]) -> str:
        """Why a prompt's value is missing: the first of these scores that does not exist, with its status."""
        for metric in metrics:
            for image_set in image_sets:
                status = self._status[metric][image_set].iloc[prompt] if self._has(metric, image_set) else np.nan
                if status != "ok":
                    return f"{metric} {status if isinstance(status, str) else 'not run'}"
        return "unknown"

    def observed_range(self, metric: str) -> tuple[float, float]:
        """Lowest and highest score of any image; NaN if there is none."""
        values = self._scores[metric].to_numpy() if metric in self._scores else np.array([np.nan])
        values = values[~np.isnan(values)]
        return (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)

    def limits(self, metric: str, ranges: dict[str, list[float] | None]) -> tuple[float, float]:
        """Lowest and highest possible score by `ranges`, or the observed ones of an unbounded metric."""
        low, high = ranges.get(metric) or self.observed_range(metric)
        return float(low), float(high)

    def repeats(self, metric: str, image_sets: list[str]) -> np.ndarray | None:
        """(prompts, image sets, repeats) of a judge that answered several times per image; otherwise None.

        A repeat without a score is NaN.
        """
        rows = self.frame[(self.frame["metric"] == metric) & (self.frame["draws"] != "")]
        texts = {
            (id, name): text.split() for id, name, text in rows[["id", "image_set", "draws"]].itertuples(index=False)
        }
        count = max((len(values) for values in texts.values()), default=0)
        if count < 2:
            return None
        padding = ["nan"] * count
        table = [[(texts.get((id, name), []) + padding)[:count] for name in image_sets] for id in self.ids]
        return np.array(table, dtype=float).reshape(len(self.ids), len(image_sets), count)

    def of_stratum(self, stratum: str) -> "ScoreTable":
        """The prompts of one stratum."""
        return ScoreTable(self.frame[self.frame["stratum"] == stratum], self.metrics)

    def _has(self, metric: str, image_set: str) -> bool:
        return metric in self._status and image_set in self._status[metric]


def score_frame(
    prompts: list[dict], complete: set[str], dropped: list[dict], scores: dict[str, list[dict]]
) -> pd.DataFrame:
    """Rows with SCORE_COLUMNS, for every prompt, metric and image set.

    Args:
        prompts: Prompt records, with `stratum` if their file has one.
        complete: Ids of the prompts that have every image.
        dropped: Rows of dropped.tsv.
        scores: Score rows by metric.
    """
    reasons: dict[str, str] = {}
    for row in dropped:
        if row["id"] not in complete and row["stage"] not in ("score", "select"):
            # The first is the root cause: later stages are skipped because of it.
            reasons.setdefault(row["id"], f"{row['image_set'] or row['stage']} {row['status']}")
    by_image = {
        (row["id"], metric, row["image_set"]): (row["score"], row["status"], _draws_text(row.get("draws") or []))
        for metric, rows in scores.items()
        for row in rows
    }
    image_sets = list(dict.fromkeys(image_set for _, _, image_set in by_image))
    table = [
        (record["id"], record.get("stratum", ""), reasons.get(record["id"], ""), image_set, metric)
        + by_image.get((record["id"], metric, image_set), (None, "not run", ""))
        for record in prompts
        for metric in scores
        for image_set in image_sets
    ]
    return pd.DataFrame(table, columns=SCORE_COLUMNS).astype({"score": float})


def scores_by_metric(files: Iterable[str | Path]) -> dict[str, list[dict]]:
    """Score rows by metric, from files `scores/{metric}/{shard}.jsonl`, with the metrics that other rows hold as well.

    Rows of a judge that is asked about parts give a second metric, the geometric mean over the parts, right after their
    own. It has no draws and names no exchange: its answers are those of the first.
    """
    scores: dict[str, list[dict]] = {}
    for path in map(Path, files):
        metric, rows = path.parent.name, read_score_rows(path)
        scores.setdefault(metric, []).extend(rows)
        if any(GEOMETRIC in row for row in rows):
            kept = ("id", "image_set", "status", "reason", "fingerprint")
            derived = [{**{key: row[key] for key in kept}, "score": row[GEOMETRIC]} for row in rows]
            scores.setdefault(f"{metric}-{GEOMETRIC}", []).extend(derived)
    return scores


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a file that `score_frame` was written to (scores.csv)."""
    texts = {column: str for column in SCORE_COLUMNS if column != "score"}
    frame = pd.read_csv(
        path, dtype=texts, keep_default_na=False, na_values={"score": [""]}, float_precision="round_trip"
    )
    return frame[SCORE_COLUMNS]


def _draws_text(draws: list[float | None]) -> str:
    return " ".join("nan" if draw is None else f"{draw:g}" for draw in draws) if len(draws) > 1 else ""
