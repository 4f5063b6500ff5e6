"""Table of the audit (`critique_audit.csv`): how often a critic is right, and how often re-denoising fixes its remarks.

A remark is true where the judge sees its fault in the image before: most draws say yes, or P(yes) is above 0.5. Prompts
are the units of every interval, each with all its remarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detailscribe.scores.judges.audit import BEFORE, WITHOUT_REMARKS
from detailscribe.study.judging.judges import REMARKS
from detailscribe.study.stages import NOTHING_TO_CORRECT
from detailscribe.study.study import Study
from detailscribe.tables.judging.parts_table import HALF, share

if TYPE_CHECKING:
    import pandas as pd

STAGE = "critique_audit"
ALGORITHM = 1
AUDIT_COLUMNS = [
    *(
        "judge",
        "critic",
        "image_set",
        "when",
        "k",
        "prompts",
        "without_remarks",
        "stopped",
        "skipped",
        "remarks",
        "unread",
    ),
    *("right", "right_low95", "right_high95"),
    *("true", "fixed", "fixed_low95", "fixed_high95", "still_there", "still_there_low95", "still_there_high95"),
    *("untrue", "newly_harmed", "newly_harmed_low95", "newly_harmed_high95"),
    *("change", "change_low95", "change_high95"),
]
COUNTS = ("k", "prompts", "without_remarks", "stopped", "skipped", "remarks", "unread", "true", "untrue")


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = study.judges_asked(REMARKS)
    return {"critique_audit": {"judges": judges}} if judges else {}


def audit_table(judge: str, rows: Sequence[dict]) -> pd.DataFrame:
    """A row per critic and image set: the image before, those made with the critique, those of other seeds.

    Args:
        judge: Its name.
        rows: Of `scores.judges.audit.audit_critiques`.

    Returns:
        Rows with AUDIT_COLUMNS. `prompts` have remarks; of the others, `without_remarks` critiques name no fault by
        number, `stopped` found nothing to correct, `skipped` are not usable. Of `remarks`, `unread` have no answer of
        this image or the one before, and count nowhere else. `right`, in the rows of the image before, is the share of
        true remarks. Of the `true` ones, `fixed` is the share whose fault this image lacks, `still_there` the rest; of
        the `untrue` ones, `newly_harmed` is the share whose fault it has. `change` in [-1, 1] is the mean change of the
        true remarks' values (P(fault), if the judge reads probabilities). Shares and `change` have 95 % intervals.
    """
    import pandas as pd

    prompts = {id: number for number, id in enumerate(dict.fromkeys(row["id"] for row in rows))}
    before: dict[tuple, float | None] = {}
    unasked: dict[str, list[dict]] = {}
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        of = (row["critic"], row["image_set"], row["when"], row["k"])
        if row["number"] == 0:
            unasked.setdefault(row["critic"], []).append(row)
            groups.setdefault(of, [])
            continue
        groups.setdefault(of, []).append(row)
        if row["when"] == BEFORE:
            before[row["critic"], row["id"], row["number"]] = row["value"]
    table = []
    for (critic, image_set, when, k), of_image in groups.items():
        own = unasked.get(critic, [])
        pairs = [(prompts[row["id"]], before[critic, row["id"], row["number"]], row["value"]) for row in of_image]
        known = [(id, old, new) for id, old, new in pairs if old is not None and new is not None]
        true = [(id, new - old, new) for id, old, new in known if old > HALF]
        untrue = [(id, new) for id, old, new in known if old <= HALF]
        line = {"judge": judge, "critic": critic, "image_set": image_set, "when": when, "k": k}
        line |= {
            "prompts": len({row["id"] for row in of_image}),
            "without_remarks": sum(row["reason"] == WITHOUT_REMARKS for row in own),
            "stopped": sum(row["status"] == NOTHING_TO_CORRECT for row in own),
            "skipped": sum(row["status"] == "skipped" for row in own),
            "remarks": len(of_image),
            "unread": len(of_image) - len(known),
        }
        line |= {"true": len(true), "untrue": len(untrue)}
        if when == BEFORE:
            line |= share("right", [(id, old > HALF) for id, old, _ in known], len(prompts))
        else:
            line |= share("fixed", [(id, new <= HALF) for id, _, new in true], len(prompts))
            line |= share("still_there", [(id, new > HALF) for id, _, new in true], len(prompts))
            line |= share("newly_harmed", [(id, new > HALF) for id, new in untrue], len(prompts))
            line |= share("change", [(id, change) for id, change, _ in true], len(prompts), (-1, 1))
        table.append(line)
    return pd.DataFrame(table, columns=AUDIT_COLUMNS).astype(dict.fromkeys(COUNTS, "Int64"))
