"""Tables of several scenarios: the column of noun phrases."""

import pandas as pd

from detailscribe.tables.pooled import joined_tables, phrase_sources_of


def test_the_sources_of_all_scenarios_are_named(tmp_path):
    files = []
    for scenario, source in (("a", "spacy"), ("b", "spacy, user"), ("c", "")):
        file = tmp_path / scenario / "tables" / "main.csv"
        file.parent.mkdir(parents=True)
        pd.DataFrame({"metric": ["blip_vqa", "clip"], "mean": [0.5, 0.6], "phrases": [source, ""]}).to_csv(
            file, index=False
        )
        files.append(file)
    joined = joined_tables(files)
    assert phrase_sources_of(joined) == {"blip_vqa": "spacy, user"}
    assert phrase_sources_of(joined.drop(columns="phrases")) == {}
    assert list(joined["scenario"].unique()) == ["a", "b", "c"]
