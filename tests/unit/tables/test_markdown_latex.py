"""The main table in Markdown and LaTeX: significance marks and escaped characters."""

from detailscribe.tables import markdown_latex
from detailscribe.tables.main_table import tabulate
from detailscribe.tables.score_table import ScoreTable, score_frame
from tests.unit.tables.sample_scores import METHODS, NAMES, SETTINGS, score_rows


def test_the_paper_table_marks_what_survives_holm_and_escapes():
    ids = [f"p{index}" for index in range(20)]
    values = {
        (id, name): {"o1": 0.0, "o2": 0.1}.get(name, 5.0) + 0.01 * index
        for index, id in enumerate(ids)
        for name in NAMES
    }
    found = ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], {"clip": score_rows(values)}), ["clip"])
    table = tabulate(found, METHODS, SETTINGS)
    text = markdown_latex.to_markdown(table, "my|title", "Means nothing.", SETTINGS)
    assert "| ours | oracle | 5.095* [" in text and "**Means nothing.**" in text
    assert "| sd | single | 0.095 [" in text
    latex = markdown_latex.to_latex(table, "a_b & c", "100 % real", SETTINGS)
    assert r"multi\_seed & by:clip" in latex and r"a\_b \& c" in latex and r"100 \% real" in latex
    assert "noun phrases" not in text + latex
    table["phrases"] = "rules, user"
    note = "clip asks about the noun phrases that rules found, which are those of the released code for 48 %"
    text = markdown_latex.to_markdown(table, "t", "", SETTINGS)
    assert note in text and "prompts and the user gave." in text and text.count("noun phrases") == 1
    assert markdown_latex.phrase_notes(table.assign(phrases=None)) == []
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
