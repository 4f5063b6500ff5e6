"""Table of parts against a second computation, on random answers."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.judging.parts_table import PARTS_COLUMNS, parameters, parts_table
from tests.unit.prompts.test_parts import JUDGE
from tests.unit.study.configured import configured_study

SETS = {
    "original-1": {"made_by": "original", "k": None},
    "detailscribe-k0": {"made_by": "detailscribe", "k": 0},
    "hosted": {"made_by": "hosted", "k": None},
}
SETTINGS = {"initial": "original-1", "sets": [{"image_set": name, **values} for name, values in SETS.items()]}


def random_rows(seed: int, prompts: int = 12) -> list[dict]:
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(prompts):
        kinds = ["interaction"] * generator.integers(1, 4) + ["entity"] * generator.integers(0, 4)
        for image_set in SETS:
            parts = [
                {
                    "text": f"part {index}",
                    "kind": kind,
                    "value": None if generator.random() < 0.1 else generator.random(),
                }
                for index, kind in enumerate(kinds)
            ]
            is_there = image_set != "hosted" or generator.random() < 0.8
            rows.append({"id": f"p{number}", "image_set": image_set, "parts": parts if is_there else []})
    return rows


def long(rows: list[dict]) -> pd.DataFrame:
    """One row per prompt, image set and part."""
    return pd.DataFrame(
        [{"id": row["id"], "image_set": row["image_set"], **part} for row in rows for part in row["parts"]]
    ).astype({"value": float})


def clustered(frame: pd.DataFrame, column: pd.Series) -> list[float]:
    """Mean with its interval, prompts as units."""
    groups = column.astype(float).groupby(frame["id"])
    sums, counts = groups.sum().to_numpy()[:, None], groups.count().to_numpy(float)[:, None]
    low, high = mean_intervals(sums, (0, 1), counts=counts)
    return [column.mean(), low[0], high[0]]


@pytest.mark.parametrize("seed", range(3))
def test_shares_equal_a_second_computation(seed):
    rows = random_rows(seed)
    ids = [f"p{number}" for number in range(11)]  # the last prompt is no complete case
    table = parts_table("parts", rows, ids, SETTINGS).set_index(["image_set", "kind"])
    frame = long(rows)
    frame = frame[frame["id"].isin(ids)]
    first = frame[frame["image_set"] == "original-1"].set_index(["id", "text"])["value"]
    for (image_set, kind), line in table.iterrows():
        own = frame[
            (frame["image_set"] == image_set) & frame["kind"].isin([kind] if kind != "all" else [*frame["kind"]])
        ]
        known = own.dropna()
        assert (line["parts"], line["unread"], line["n"]) == (len(known), len(own) - len(known), known["id"].nunique())
        assert line["mean"] == pytest.approx(known["value"].mean())
        columns = ["shown", "shown_low95", "shown_high95"]
        assert list(line[columns]) == pytest.approx(clustered(known, known["value"] > 0.5), nan_ok=True)
        if image_set == "original-1":
            assert line[["missing_before", "repaired", "lost"]].isna().all()
            continue
        before = known.join(first.rename("before"), on=["id", "text"]).dropna()
        missing, there = before[before["before"] <= 0.5], before[before["before"] > 0.5]
        assert (line["missing_before"], line["shown_before"]) == (len(missing), len(there))
        for name, chosen, outcome in (
            ("repaired", missing, missing["value"] > 0.5),
            ("lost", there, there["value"] <= 0.5),
        ):
            columns = [name, f"{name}_low95", f"{name}_high95"]
            assert list(line[columns]) == pytest.approx(clustered(chosen, outcome), nan_ok=True)


def test_a_value_of_one_half_is_not_shown():
    rows = [
        {"id": id, "image_set": "original-1", "parts": [{"text": "paw", "kind": "entity", "value": value}]}
        for id, value in (("a", 0.5), ("b", 0.51))
    ]
    table = parts_table("parts", rows, ["a", "b"], SETTINGS).set_index(["image_set", "kind"])
    assert table.loc[("original-1", "entity"), "shown"] == 0.5
    assert table.loc[("original-1", "interaction"), "parts"] == 0


def test_a_scenario_without_answers_has_its_columns():
    table = parts_table("parts", [], [], SETTINGS)
    assert list(table.columns) == PARTS_COLUMNS and len(table) == 9 and table["shown"].isna().all()


def test_image_sets_name_what_made_them():
    settings = parameters(configured_study(judges={"demo_parts": JUDGE}))["parts_table"]
    assert {"image_set": "detailscribe-k4", "made_by": "detailscribe", "k": 4} in settings["sets"]
    assert {"image_set": "gpt_refine", "made_by": "gpt_refine", "k": None} in settings["sets"]
    assert settings["sets"][0] == {"image_set": settings["initial"], "made_by": "original", "k": None}
    assert parameters(configured_study(judges={"demo_parts": None})) == {}
