"""Human ratings of the released study: their tables, and the published human means beside them.

Source: stats_one_sheet of results_cleanup_and_preprocess.py in the released code.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from detailscribe.human.tables import counting_parameters
from detailscribe.study.methods import PAPER_ROWS
from detailscribe.study.study import Study
from detailscribe.tables.published import PUBLISHED, read_published

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_released"
ALGORITHM = 2
RELEASED_COLUMNS = ("rater", "scenario", "id", "image_set", "rating", "file")
SEED = 2628670643  # of the initial image, which here carries it in its name
# Our names of the released code's other image sets.
IMAGE_SET_NAMES = {
    "gpt_rewrite": "gpt_rewrite",
    "gpt_refine": "gpt_refine",
    "dalle3": "hosted",
    "multi_seed": "multi_seed",
}
PAPER_SELECTIONS = ("single", "oracle")  # how the paper chooses a method's image
ROUNDING = 0.0005 + 1e-9  # of a mean printed with three decimals


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    published = read_published(study.resolve(PUBLISHED))
    return {"human_released": {**counting_parameters(study), "best_of": list(PAPER_ROWS), "published": published}}


def released_tables(ratings: list[dict], values: dict) -> dict[str, pd.DataFrame]:
    """Tables of released ratings.

    Args:
        ratings: Rows with RELEASED_COLUMNS.
        values: Parameters of the stage: `best_of`, `ties_win`, and `published`, the rows of `read_published`.

    Returns:
        ratings; main, by scenario and `all`; raters; reliability; published, as of `compare_human_means`.
    """
    import pandas as pd

    from detailscribe.human import rating_statistics

    scenarios: dict[str, list[dict]] = {}
    for row in ratings:
        scenarios.setdefault(row["scenario"], []).append(row)
    settings = values["best_of"], values["ties_win"]
    means = {
        name: rating_statistics.mean_ratings(rows, released_methods(rows), *settings, papers_way=True)
        for name, rows in (*scenarios.items(), ("all", ratings))
    }
    main = pd.concat(means, names=["scenario"]).reset_index("scenario")
    return {
        "ratings": pd.DataFrame(ratings, columns=RELEASED_COLUMNS),
        "main": main,
        "raters": rating_statistics.rater_statistics(ratings, Counter(row["rater"] for row in ratings)),
        "reliability": rating_statistics.reliability(ratings),
        "published": pd.DataFrame(compare_human_means(main, values["published"])),
    }


def released_methods(ratings: list[dict]) -> list[dict]:
    """The paper's rows, name and candidates, whose images were all rated."""
    rated = {row["image_set"] for row in ratings}
    rows = {"sd": [f"original-{SEED}"], **{name: [name] for name in IMAGE_SET_NAMES.values()}}
    rows |= {critic: [f"{critic}-k{k}" for k in (0, 1, 2, 4)] for critic in ("detailscribe", "ablation")}
    return [{"name": name, "candidates": sets} for name, sets in rows.items() if set(sets) <= rated]


def compare_human_means(table: pd.DataFrame, published: list[dict]) -> list[dict]:
    """The paper's human means beside those computed from its ratings; reproduced means equal to three decimals.

    Args:
        table: Rows scenario, method, selection, mean.
        published: Rows of `read_published`.
    """
    of_paper = table[table["selection"].isin(PAPER_SELECTIONS)]
    computed = {(row.scenario, row.method): row.mean for row in of_paper.itertuples()}
    rows = []
    for value in published:
        if value["metric"] == "human":
            mean = computed.get((value["scenario"], value["method"]))
            equal = mean is not None and abs(mean - value["value"]) <= ROUNDING
            verdict = "not testable" if mean is None else "reproduced" if equal else "not reproduced"
            kept = {name: value[name] for name in ("scenario", "method", "metric")}
            reason = "no rating of it in the folder" if mean is None else ""
            rows.append({**kept, "published": value["value"], "ours": mean, "verdict": verdict, "reason": reason})
    return rows
