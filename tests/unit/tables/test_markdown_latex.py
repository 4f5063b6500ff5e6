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
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
