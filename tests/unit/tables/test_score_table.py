"""The score table: written, read back, and a judge's repeats in it."""

import numpy as np
import pandas as pd

from detailscribe.files.rows import write_rows
from detailscribe.tables.score_table import ScoreTable, read_scores, score_frame, scores_by_metric
from tests.unit.tables.sample_scores import JUDGE, score_rows


def test_the_score_table_comes_back_from_its_file(tmp_path):
    judged = score_rows(JUDGE)
    judged[0]["draws"] = [5, None, 4.5]
    frame = score_frame([{"id": "a"}, {"id": "b"}], {"a", "b"}, [], {"judge": judged})
    frame.to_csv(tmp_path / "scores.csv", index=False)
    again = read_scores(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    repeats = ScoreTable(again, ["judge"]).repeats("judge", ["o1", "o2"])
    assert repeats.shape == (2, 2, 3)
    assert np.array_equal(repeats[0, 0], [5, np.nan, 4.5], equal_nan=True)


def test_a_judge_of_parts_gives_two_metrics_and_any_other_one(tmp_path):
    kept = {"id": "a", "image_set": "o1", "status": "ok", "reason": "", "fingerprint": "f"}
    asked = {**kept, "score": 0.75, "geometric": 0.5, "parts": [{}], "draws": [0.75], "exchange": ["e"]}
    files = [tmp_path / name / f"{shard}.jsonl" for name in ("clip_score", "judge-parts") for shard in "12"]
    for file, row in zip(files, (kept | {"score": 1.0}, kept | {"score": 2.0, "id": "b"}, asked, None), strict=True):
        write_rows(file, [row] if row else [])
    scores = scores_by_metric(files)
    assert list(scores) == ["clip_score", "judge-parts", "judge-parts-geometric"]
    assert [row["score"] for row in scores["clip_score"]] == [1.0, 2.0]
    assert scores["judge-parts"] == [asked]
    assert scores["judge-parts-geometric"] == [kept | {"score": 0.5}]
