"""The main table in Markdown and LaTeX: marks, the honest row below the oracle, and escaped characters."""

import re

import numpy as np
import pytest

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
    assert "| ours | oracle | 5.095†* [" in text and "**Means nothing.**" in text
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


# Marks that a rater gives at random: their mean is 3.8, and that of the best of four 4.7.
MARKS, SHARES = [2.0, 3.0, 4.0, 5.0], [0.15, 0.2, 0.35, 0.3]
PAPER_METHODS = [
    {"name": "sd", "candidates": ["o1"], "headline": "single"},
    {"name": "multi_seed", "candidates": ["o1", "o2"], "headline": "by:clip"},
    {"name": "detailscribe", "candidates": ["k0", "k1", "k2", "k4"], "headline": "oracle"},
]


def random_marks(prompts: int = 400, better: float = 0.0) -> ScoreTable:
    """Random marks and scores, so that no method is better; or `detailscribe` by a planted difference."""
    generator = np.random.default_rng(1)
    ids, names = [f"p{number}" for number in range(prompts)], ["o1", "o2", "k0", "k1", "k2", "k4"]
    drawn = {
        "judge": generator.choice(MARKS, (prompts, len(names)), p=SHARES),
        "clip": generator.normal(0.8, 0.05, (prompts, len(names))),
    }
    for values in drawn.values():
        values[:, 2:] += better * values.std()
    rows = {
        metric: score_rows(
            {(id, name): float(values[i, j]) for i, id in enumerate(ids) for j, name in enumerate(names)}
        )
        for metric, values in drawn.items()
    }
    return ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], rows), list(rows))


@pytest.mark.parametrize("latex", [False, True])
def test_random_marks_show_the_flattering_and_the_honest_number_together_and_nothing_is_bold(latex):
    table = tabulate(random_marks(), PAPER_METHODS, SETTINGS)
    write, dagger = (markdown_latex.to_latex, r"$^\dagger$") if latex else (markdown_latex.to_markdown, "†")
    text = write(table, "random", "", SETTINGS)
    lines = [re.split(r" ?[|&] ?", line.strip("| \\")) for line in text.replace("\\_", "_").splitlines()]
    lines = [line for line in lines if len(line) == 4 and line[0] in {row["name"] for row in PAPER_METHODS}]
    flattering = next(number for number, line in enumerate(lines) if line[:2] == ["detailscribe", "oracle"])
    judge, clip = lines[flattering][2:]
    assert judge.startswith("4.7") and f"{dagger}*" in judge and f"{dagger}*" in clip
    below = {line[1]: line[2:] for line in lines[flattering + 1 : flattering + 4]}
    assert list(below) == ["(mean)", "(by:clip)", "(by:judge)"]
    honest = [below["(by:clip)"][0], below["(mean)"][0], lines[0][2]]
    assert [float(cell[:5]) for cell in honest] == pytest.approx([3.8] * 3, abs=0.06)
    assert not any("†" in cell or "dagger" in cell for cells in below.values() for cell in cells)
    assert lines[0][:2] == ["sd", "single"]
    assert "Nothing is bold:" in text and "textbf" not in text and "**" not in text
    assert text.count(f"{dagger} Oracle cell: the metric shown chose this image") == 1
    of_seeds = next(line for line in lines if line[:2] == ["multi_seed", "by:clip"])
    assert dagger in of_seeds[3] and dagger not in of_seeds[2], "clip chose it, so it is an oracle under clip alone"


def test_the_latex_table_has_balanced_braces_and_a_cell_for_every_column():
    latex = markdown_latex.to_latex(tabulate(random_marks(20), PAPER_METHODS, SETTINGS), "a_b {100 %}", "", SETTINGS)
    assert latex.replace("\\{", "").replace("\\}", "").count("{") == latex.count("}")
    assert latex.count("$") % 2 == 0 and latex.isascii() == ("–" not in latex)
    rows = [line for line in latex.splitlines() if line.endswith("\\\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3} and "{llll}" in latex
    assert latex.index("\\end{tabular}") < latex.index("Oracle cell") < latex.index("\\caption")


def test_a_sure_lead_is_bold_in_the_honest_row_alone():
    table = tabulate(random_marks(better=1.0), PAPER_METHODS, SETTINGS)
    text = markdown_latex.to_markdown(table, "better", "", SETTINGS)
    bold = [line.split(" | ")[:2] for line in text.splitlines() if "**" in line]
    assert bold == [["| detailscribe", "(mean)"], ["| detailscribe", "(by:clip)"]]
    assert not re.search(r"\*\*[0-9.]+†|†\*\*", text) and "Bold: the paired 95 % interval" in text
    assert markdown_latex.to_latex(table, "better", "", SETTINGS).count(r"\textbf{") == 2


def test_the_footnote_counts_the_family_of_every_kind_of_row():
    table = tabulate(random_marks(20), PAPER_METHODS, SETTINGS)
    text = markdown_latex.to_markdown(table, "random", "", SETTINGS)
    words = "Holm over the 4 comparisons of the headline rows; in brackets over those of the 4 honest rows, "
    assert f"{words}for all others over 18)" in text
    marked = table[table["p"].notna()].groupby(["headline", "honest"])["family"].unique()
    assert {key: list(sizes) for key, sizes in marked.items()} == {
        **{(True, True): [4], (True, False): [4], (False, True): [4], (False, False): [18]}
    }


def test_a_table_without_oracle_cells_has_no_dagger():
    text = markdown_latex.to_markdown(tabulate(random_marks(20), PAPER_METHODS[:1], SETTINGS), "one", "", SETTINGS)
    assert "†" not in text
