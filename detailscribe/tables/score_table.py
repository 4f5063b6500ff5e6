"""Scores of a scenario, one row an image and metric: what every table is computed from, and a file of its own."""

import numpy as np
import pandas as pd

COLUMNS = ["id", "stratum", "left_out", "image_set", "metric", "score", "status", "draws"]


class Scores:
    """Scores as arrays over the prompts of a scenario, or of several.

    Attributes:
        ids: Prompts, in the order of every array.
        metrics: Names.
        strata: Stratum of each prompt; empty where the prompt file gives none.
        left_out: Why a prompt has no place in the complete cases; empty for a complete one.
        complete: (prompts,) bool.
    """

    def __init__(self, frame: pd.DataFrame, metrics: list[str]):
        prompts = frame.drop_duplicates("id")
        self.frame = frame
        self.metrics = metrics
        self.ids = list(prompts["id"])
        self.strata = list(prompts["stratum"])
        self.left_out = list(prompts["left_out"])
        self.complete = np.array([not reason for reason in self.left_out], dtype=bool)
        self._scores, self._status = {}, {}
        for metric, rows in frame.groupby("metric", sort=False):
            wide = rows.set_index(["id", "image_set"])[["score", "status"]].unstack("image_set").reindex(self.ids)
            self._scores[metric] = wide["score"].astype(float)
            self._status[metric] = wide["status"]

    def array(self, metric: str, image_sets: list[str]) -> np.ndarray:
        """(prompts, image sets), NaN for no score."""
        if metric not in self._scores:
            return np.full((len(self.ids), len(image_sets)), np.nan)
        return self._scores[metric].reindex(columns=image_sets).to_numpy(float)

    def reason(self, prompt: int, metrics: list[str], image_sets: list[str]) -> str:
        """Why the value of a prompt is missing: the first score of these that is not there, with its status."""
        for metric in metrics:
            for image_set in image_sets:
                status = self._status[metric][image_set].iloc[prompt] if self._has(metric, image_set) else np.nan
                if status != "ok":
                    return f"{metric} {status if isinstance(status, str) else 'not run'}"
        return "unknown"

    def extremes(self, metric: str) -> tuple[float, float]:
        """Lowest and highest score of any image; NaN where there is none."""
        values = self._scores[metric].to_numpy() if metric in self._scores else np.array([np.nan])
        seen = values[~np.isnan(values)]
        return (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)

    def draws(self, metric: str, image_sets: list[str]) -> np.ndarray | None:
        """(prompts, image sets, draws) of a judge that answered several times for each image, else None.

        A draw without an answer is NaN.
        """
        rows = self.frame[(self.frame["metric"] == metric) & (self.frame["draws"] != "")]
        drawn = {
            (id, name): text.split() for id, name, text in rows[["id", "image_set", "draws"]].itertuples(index=False)
        }
        number = max((len(values) for values in drawn.values()), default=0)
        if number < 2:
            return None
        empty = ["nan"] * number
        table = [[(drawn.get((id, name), []) + empty)[:number] for name in image_sets] for id in self.ids]
        return np.array(table, dtype=float).reshape(len(self.ids), len(image_sets), number)

    def part(self, stratum: str) -> "Scores":
        """The prompts of one stratum."""
        return Scores(self.frame[self.frame["stratum"] == stratum], self.metrics)

    def _has(self, metric: str, image_set: str) -> bool:
        return metric in self._status and image_set in self._status[metric]


def gather(prompts: list[dict], complete: set[str], dropped: list[dict], scores: dict[str, list[dict]]) -> pd.DataFrame:
    """Rows with COLUMNS.

    Args:
        prompts: Prompt records, with `stratum` where their file gives one.
        complete: Ids of the prompts that have every image.
        dropped: Rows of dropped.tsv.
        scores: Score rows by metric.
    """
    reasons: dict[str, str] = {}
    for row in dropped:
        if row["id"] not in complete and row["stage"] not in ("score", "select"):
            # The first is the root: a later stage is skipped because of it.
            reasons.setdefault(row["id"], f"{row['image_set'] or row['stage']} {row['status']}")
    found = {
        (row["id"], metric, row["image_set"]): (row["score"], row["status"], _draws_text(row.get("draws") or []))
        for metric, rows in scores.items()
        for row in rows
    }
    image_sets = list(dict.fromkeys(image_set for _, _, image_set in found))
    table = [
        (record["id"], record.get("stratum", ""), reasons.get(record["id"], ""), image_set, metric)
        + found.get((record["id"], metric, image_set), (None, "not run", ""))
        for record in prompts
        for metric in scores
        for image_set in image_sets
    ]
    return pd.DataFrame(table, columns=COLUMNS).astype({"score": float})


def read(path) -> pd.DataFrame:
    """The file that `gather` was written to."""
    texts = {column: str for column in COLUMNS if column != "score"}
    frame = pd.read_csv(
        path, dtype=texts, keep_default_na=False, na_values={"score": [""]}, float_precision="round_trip"
    )
    return frame[COLUMNS]


def _draws_text(draws: list[float | None]) -> str:
    return " ".join("nan" if draw is None else f"{draw:g}" for draw in draws) if len(draws) > 1 else ""
