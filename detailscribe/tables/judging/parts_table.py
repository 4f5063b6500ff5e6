"""Table of parts: which share of interactions and entities each image set shows, repairs and loses (`parts.csv`).

A part counts as shown where its value is above one half: most draws say yes, or P(yes) is above 0.5. Prompts are the
units of every interval, each with all its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from detailscribe.study.judging.judges import PARTS
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "tabulate_parts"
ALGORITHM = 1
HALF = 0.5  # a value above it says yes
KINDS = ("all", "interaction", "entity")
PARTS_COLUMNS = [
    *(
        "judge",
        "image_set",
        "made_by",
        "k",
        "kind",
        "n",
        "parts",
        "unread",
        "mean",
        "shown",
        "shown_low95",
        "shown_high95",
    ),
    *("missing_before", "repaired", "repaired_low95", "repaired_high95"),
    *("shown_before", "lost", "lost_low95", "lost_high95"),
]
COUNTS = ("k", "n", "parts", "unread", "missing_before", "shown_before")


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = study.judges_asked(PARTS)
    sets: dict[str, dict] = {name: {"made_by": name, "k": None} for name in study.image_sets()}
    sets |= {name: {"made_by": "original", "k": None} for name in study.originals()}
    for each in study.graph.refinements:
        sets |= {name: {"made_by": each.name, "k": values.get("k")} for name, values in each.image_sets.items()}
    ordered = [{"image_set": name, **values} for name, values in sets.items()]
    return {"parts_table": {"judges": judges, "initial": study.originals()[0], "sets": ordered}} if judges else {}


def parts_table(judge: str, rows: Iterable[dict], ids: list[str], settings: Mapping) -> pd.DataFrame:
    """A row per image set and kind of part; over complete prompts.

    Args:
        judge: Its name.
        rows: Of `scores.judges.parts.judge_parts`.
        ids: Complete prompts.
        settings: `initial`, the image set before, and `sets`, each with `image_set`, `made_by` and `k`.

    Returns:
        Rows with PARTS_COLUMNS. `n` prompts have a part with an answer, `parts` parts have one and `unread` have none;
        `mean` is that of the values, `shown` the share above one half. Of the parts that the initial image lacks
        (`missing_before`, those that both images have an answer for), `repaired` is the share that this one shows; of
        those that it shows (`shown_before`), `lost` is the share that this one lacks. Shares have 95 % intervals.
    """
    import numpy as np
    import pandas as pd

    sets = {each["image_set"]: each for each in settings["sets"]}
    values: dict[str, dict[tuple[str, str, str], float | None]] = {name: {} for name in sets}
    for row in rows:
        if row["image_set"] not in values:  # of an image set that was configured before
            continue
        for part in row["parts"]:
            values[row["image_set"]][row["id"], part["kind"], part["text"]] = part["value"]
    index = {id: number for number, id in enumerate(ids)}
    before = values[settings["initial"]]
    table = []
    for image_set, of_set in values.items():
        for kind in KINDS:
            chosen = [key for key in of_set if key[0] in index and kind in ("all", key[1])]
            asked = [(index[key[0]], value) for key in chosen if (value := of_set[key]) is not None]
            both = [
                (index[key[0]], old, new)
                for key in chosen
                if (old := before.get(key)) is not None and (new := of_set[key]) is not None
            ]
            missing = [(id, new) for id, old, new in both if old <= HALF]
            there = [(id, new) for id, old, new in both if old > HALF]
            row = {"judge": judge, **sets[image_set], "kind": kind}
            row |= {"n": len({id for id, _ in asked}), "parts": len(asked), "unread": len(chosen) - len(asked)}
            row["mean"] = float(np.mean([value for _, value in asked])) if asked else np.nan
            row |= share("shown", [(id, value > HALF) for id, value in asked], len(ids))
            if image_set != settings["initial"]:
                row |= {"missing_before": len(missing), "shown_before": len(there)}
                row |= share("repaired", [(id, value > HALF) for id, value in missing], len(ids))
                row |= share("lost", [(id, value <= HALF) for id, value in there], len(ids))
            table.append(row)
    return pd.DataFrame(table, columns=PARTS_COLUMNS).astype(dict.fromkeys(COUNTS, "Int64"))


def share(name: str, outcomes: Iterable[tuple[int, float]], prompts: int, bounds: tuple = (0, 1)) -> dict[str, float]:
    """Mean of outcomes and its 95 % interval, as columns `name`, `name_low95` and `name_high95`; NaN for none.

    Args:
        outcomes: Number of the prompt, from 0, and value; several of a prompt are one unit.
        prompts: How many there are.
        bounds: Lowest and highest possible value.
    """
    import numpy as np

    from detailscribe.tables.intervals import mean_intervals

    sums, counts = np.zeros((prompts, 1)), np.zeros((prompts, 1))
    for prompt, value in outcomes:
        sums[prompt] += value
        counts[prompt] += 1
    total = counts.sum()
    low, high = mean_intervals(np.where(counts > 0, sums, np.nan), bounds, counts=counts)
    mean = float(sums.sum() / total) if total else np.nan
    return {name: mean, f"{name}_low95": float(low[0]), f"{name}_high95": float(high[0])}
