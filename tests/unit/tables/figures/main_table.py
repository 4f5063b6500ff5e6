"""A main table with every kind of line: single images, oracle cells with honest rows, a missing mean, a hidden row."""

import pandas as pd

from detailscribe.tables.figures.look import Look

ROWS = [  # method, selection, metric, mean, headline, oracle
    ("sd", "single", "clip_score", 0.8, True, False),
    ("sd", "single", "judge-main", 3.5, True, False),
    ("multi_seed", "by:clip_score", "clip_score", 0.9, True, True),
    ("multi_seed", "by:clip_score", "judge-main", 3.75, True, False),
    ("multi_seed", "mean", "clip_score", 0.82, False, False),
    ("ours", "oracle", "clip_score", 0.95, True, True),
    ("ours", "oracle", "judge-main", None, True, True),
    ("ours", "mean", "clip_score", 0.7, False, False),
    ("ours", "by:clip_score", "judge-main", None, False, False),
]
LINES = ["SD 3.5", "best of 2 seeds †", "↳ mean", "ours †", "↳ mean or by CLIPScore"]
LOOK = Look(methods={"sd": "SD 3.5", "multi_seed": "best of 2 seeds"}, metrics={"clip_score": "CLIPScore"})
BLUE, VERMILLION = "#0072b2", "#d55e00"


def main_table(metrics: int = 1) -> pd.DataFrame:
    """The table; with several `metrics`, that many copies of each under other names."""
    rows = [
        {"method": m, "selection": s, "metric": k, "n": 6 if v else 0, "mean": v}
        | {"low95": v and v - 0.1, "high95": v and v + 0.1, "headline": headline, "baseline": "sd"}
        | {"oracle": oracle, "honest": not oracle}
        | (compared(v - 0.8) if m != "sd" and v else {"n_pairs": 0})
        for m, s, k, v, headline, oracle in ROWS
    ]
    hidden = {"selection": "hidden_choice", "method": "hidden", "headline": False, "honest": False}
    table = pd.DataFrame([*rows, rows[5] | hidden])
    further = [table.assign(metric=table["metric"] + f"_{number}") for number in range(1, metrics)]
    return pd.concat([table, *further], ignore_index=True)


def compared(difference: float) -> dict:
    """Columns of a comparison with the baseline; significant if the difference is above 0.05."""
    reach = {"difference_low95": difference - 0.05, "difference_high95": difference + 0.05}
    p = {"p_holm": 0.01 if difference > 0.05 else 1.0}
    return {"n_pairs": 6, "wins": 3, "ties": 2, "losses": 1, "difference": difference} | reach | p
