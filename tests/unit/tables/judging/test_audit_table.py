"""Table of the audit against a second computation, on random and on planted answers."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.scores.judges.audit import WITHOUT_REMARKS
from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.judging.audit_table import AUDIT_COLUMNS, audit_table

SETS = {"original-1": ("before", None), "detailscribe-k0": ("after", 0), "detailscribe-k2": ("after", 2)}
SETS |= {"original-2": ("control", None)}


def row(id: str, image_set: str, number: int, value: float | None, **changes) -> dict:
    when, k = SETS[image_set]
    asked = {"remark": f"fault {number}", "status": "ok" if value is not None else "unparsed", "reason": ""}
    place = {"id": id, "critic": "detailscribe", "image_set": image_set, "when": when, "k": k, "number": number}
    return {**place, **asked, "value": value, **changes}


def random_rows(seed: int) -> list[dict]:
    generator = np.random.default_rng(seed)
    rows = []
    for prompt in range(15):
        for image_set in SETS:
            for number in range(1, 2 + prompt % 4):
                value = None if generator.random() < 0.1 else generator.random()
                rows.append(row(f"p{prompt}", image_set, number, value))
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_shares_equal_a_second_computation(seed):
    rows = random_rows(seed)
    frame = pd.DataFrame(rows).astype({"value": float})
    first = frame[frame["when"] == "before"].set_index(["id", "number"])["value"].rename("before")
    frame = frame.join(first, on=["id", "number"])
    table = audit_table("audit", rows).set_index("image_set")
    for image_set, line in table.iterrows():
        own = frame[frame["image_set"] == image_set]
        known = own.dropna(subset=["value", "before"])
        true, untrue = known[known["before"] > 0.5], known[known["before"] <= 0.5]
        assert (line["remarks"], line["unread"]) == (len(own), len(own) - len(known))
        assert (line["true"], line["untrue"], line["prompts"]) == (len(true), len(untrue), own["id"].nunique())
        outcomes = {"right": (known, known["before"] > 0.5, (0, 1))} if line["when"] == "before" else {}
        if line["when"] != "before":
            outcomes |= {
                "fixed": (true, true["value"] <= 0.5, (0, 1)),
                "still_there": (true, true["value"] > 0.5, (0, 1)),
                "newly_harmed": (untrue, untrue["value"] > 0.5, (0, 1)),
                "change": (true, true["value"] - true["before"], (-1, 1)),
            }
            assert line["fixed"] + line["still_there"] == pytest.approx(1)
        for name, (chosen, outcome, bounds) in outcomes.items():
            groups = outcome.astype(float).groupby(chosen["id"])
            sums, counts = groups.sum().to_numpy()[:, None], groups.count().to_numpy(float)[:, None]
            low, high = mean_intervals(sums, bounds, counts=counts)
            found = list(line[[name, f"{name}_low95", f"{name}_high95"]])
            assert found == pytest.approx([outcome.mean(), low[0], high[0]])


def test_what_became_of_each_remark():
    rows = []
    fates = {"fixed": (1, 0), "still there": (1, 1), "newly harmed": (0, 1), "never there": (0, 0), "unread": (1, None)}
    for number, (before, after) in enumerate(fates.values(), 1):
        rows += [row("p0", "original-1", number, before), row("p0", "detailscribe-k0", number, after)]
    table = audit_table("audit", rows).set_index("image_set")
    after = table.loc["detailscribe-k0"]
    assert table.loc["original-1", "right"] == pytest.approx(3 / 5)
    assert (after["true"], after["untrue"], after["unread"], after["k"]) == (2, 2, 1, 0)
    assert (after["fixed"], after["still_there"], after["newly_harmed"]) == (0.5, 0.5, 0.5)
    assert pd.isna(after["right"]), "of the critic, whichever later image is read"
    assert after["change"] == -0.5


def test_critiques_without_remarks_are_counted_by_their_reason():
    without = {"value": None, "remark": None}
    rows = [
        {**row("a", "original-1", 0, None), **without, "status": "ok", "reason": WITHOUT_REMARKS},
        {**row("b", "original-1", 0, None), **without, "status": "nothing_to_correct"},
        {**row("c", "original-1", 0, None), **without, "status": "skipped", "reason": "the critique is failed"},
        row("d", "original-1", 1, 1.0),
        row("d", "detailscribe-k0", 1, 0.0),
    ]
    table = audit_table("audit", rows)
    counts = table[["prompts", "without_remarks", "stopped", "skipped", "remarks"]].to_numpy().tolist()
    assert counts == 2 * [[1, 1, 1, 1, 1]]


def test_a_critic_without_any_remark_has_a_row():
    rows = [{**row("a", "original-1", 0, None), "remark": None, "status": "ok", "reason": WITHOUT_REMARKS}]
    table = audit_table("audit", rows)
    assert table["remarks"].tolist() == [0] and table["right"].isna().all()


def test_no_rows_give_a_table_of_its_columns():
    assert list(audit_table("audit", []).columns) == AUDIT_COLUMNS
