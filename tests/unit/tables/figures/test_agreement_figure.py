"""Figure of agreement with people: each metric beside the chance level."""

import pandas as pd

from detailscribe.tables.figures.agreement import plot_agreement
from detailscribe.tables.figures.look import Look


def test_agreement_shows_each_metric_beside_the_chance_level():
    table = pd.DataFrame(
        [("clip_score", 40, 0.7, 0.6, 0.8), ("judge-main", 0, None, None, None)],
        columns=["metric", "pairs", "agreement", "low95", "high95"],
    )
    figure = plot_agreement(table, "demo", Look(metrics={"clip_score": "CLIPScore"}))
    [panel] = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["CLIPScore", "judge-main"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["chance"]
    assert [text.get_text() for text in panel.texts] == ["no score"]
    assert panel.get_xlabel() == "share of pairs, n = 0 to 40" and panel.get_xlim() == (0, 1)
