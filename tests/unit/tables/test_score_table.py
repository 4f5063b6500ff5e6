"""The score table: written, read back, and a judge's repeats in it."""

import numpy as np
import pandas as pd

from detailscribe.tables.score_table import ScoreTable, read_scores, score_frame
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
