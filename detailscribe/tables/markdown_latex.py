"""The main table in Markdown and LaTeX (booktabs), one row per method and selection, one column per metric.

Oracle cells have a dagger, and the honest rows of their method stand right below them. Bold is only the honest row
whose lead over the next best one is sure (column `leads` of the main table).
"""

import pandas as pd

from detailscribe.tables.honest.oracle_cells import DAGGER, MEANING
from detailscribe.tables.honest.row_order import ordered_selections

SIGNIFICANT = 0.05
LATEX_DAGGER = "$^\\dagger$"
PHRASE_SOURCES = {
    "rules": "rules found, which are those of the released code for 48 % of the InterActing prompts",
    "spacy": "spaCy found, as in the released code",
    "user": "the user gave",
}


def to_markdown(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The main table as Markdown, with footnotes on its marks and intervals."""
    cells = format_cells(table, "**{}**")
    lines = [list(cells.columns), ["---"] * len(cells.columns), *cells.to_numpy().tolist()]
    rows = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    warning = [f"**{notice}**", ""] if notice else []
    notes = [f"{line}  " for line in [*oracle_notes(table), *footnotes(table, settings)]]
    return "\n".join([f"# {title}", "", *warning, *rows, "", *notes]) + "\n"


def to_latex(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The main table as a LaTeX table; needs the package booktabs. The note on the dagger stands below the rows."""
    cells = format_cells(table, "\\textbf{{{}}}")
    names = ["method", "choice"]
    metrics = [name for name in cells.columns if name not in names]
    cells[metrics] = cells[metrics].map(_latex_dagger)
    styler = cells.style.hide(axis="index").format(escape="latex", subset=pd.Index(names))
    styler = styler.format_index(escape="latex", axis="columns")
    body = styler.to_latex(hrules=True, column_format="ll" + "l" * len(metrics))
    below = "".join(
        f"\\par\\smallskip{{\\footnotesize {_latex_dagger(_escape(note))}\\par}}\n" for note in oracle_notes(table)
    )
    notes = " ".join(filter(None, [notice, *footnotes(table, settings)]))
    caption = "\\caption{" + _escape(f"{title}. {notes}") + "}\n"
    start = "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\\small\n"
    return start + body + below + caption + "\\end{table}\n"


def format_cells(table: pd.DataFrame, bold: str) -> pd.DataFrame:
    """Cells `mean [low, high]` in the order of `ordered_selections`, with marks: dagger, bold, and * for significant.

    Significant means that the difference from the baseline is, after Holm's correction.

    Args:
        table: The main table.
        bold: Format of a bold number.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    cells = {(row["method"], row["selection"], row["metric"]): row for row in table.to_dict("records")}
    rows = []
    for method, selection, headline in ordered_selections(table):
        if not headline and selection.startswith("original-"):
            continue  # one seed of several is not informative by itself; the CSV has it
        values = [_cell(cells.get((method, selection, metric)), bold) for metric in metrics]
        choice = selection.removeprefix(f"{method}-")
        rows.append([method, choice if headline else f"({choice})", *values])
    return pd.DataFrame(rows, columns=["method", "choice", *metrics])


def oracle_notes(table: pd.DataFrame) -> list[str]:
    """What the dagger means, of a table that has one."""
    return [f"{DAGGER} Oracle cell: {MEANING}."] if table["oracle"].any() else []


def footnotes(table: pd.DataFrame, settings: dict) -> list[str]:
    """What n, the intervals, the other marks and the selections mean."""
    chosen = settings["statistics"]
    test = "sign-flip permutation" if chosen["test"] == "permutation" else "Wilcoxon signed-rank"
    counts, families = table["n"], _families(table)
    n = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    missing = int(table["missing"].max()) if len(table) else 0
    selector = settings["selector"]
    honest = f"by:{selector}, and under {selector} mean" if selector in set(table["metric"]) else "mean"
    return [
        f"Means over prompts with every image (n = {n}; up to {missing} missing) and 95 % intervals.",
        f"* differs from {chosen['baseline']} at 5 % ({test} test of paired differences, Holm over the "
        f"{families[0]} comparisons of the headline rows; in brackets over those of the {families[1]} honest rows, for "
        f"all others over {families[2]}).",
        lead_note(table),
        f"Methods are compared by their honest rows: the headline, or instead of an oracle cell {honest}.",
        "Rows without brackets are the headline, with the paper's selection; rows in brackets are other choices among "
        "the same images. oracle: the best of the candidates under the metric of the column; by: the pick of another "
        "metric; mean: of the candidates.",
        *phrase_notes(table),
    ]


def _families(table: pd.DataFrame) -> list[int]:
    """Comparisons that Holm's correction counts for the headline rows, the honest ones in brackets, and the others."""
    headline, honest = table["headline"].astype(bool), table["honest"].astype(bool)
    rows = (headline, honest & ~headline & (table["method"] != table["baseline"]), ~headline & ~honest)
    return [int(table["family"][chosen].fillna(0).max()) if chosen.any() else 0 for chosen in rows]


def lead_note(table: pd.DataFrame) -> str:
    """What bold means, or why nothing is."""
    if table["leads"].any():
        return "Bold: the paired 95 % interval of the lead over the next best honest row lies above 0."
    return "Nothing is bold: no honest row leads the next best one by a paired 95 % interval above 0."


def phrase_notes(table: pd.DataFrame) -> list[str]:
    """A sentence per metric that reads noun phrases: where they come from (column `phrases`)."""
    if "phrases" not in table:
        return []
    known = table[["metric", "phrases"]].dropna().drop_duplicates()
    named = [(metric, sources.split(", ")) for metric, sources in known.itertuples(index=False) if sources]
    return [
        f"{metric} asks about the noun phrases that {' and '.join(PHRASE_SOURCES.get(each, each) for each in sources)}."
        for metric, sources in named
    ]


def _cell(row: dict | None, bold: str) -> str:
    if row is None or pd.isna(row["mean"]):
        return "–"
    number = f"{row['mean']:.3f}"
    number = f"{number}{DAGGER}" if row["oracle"] else bold.format(number) if row["leads"] else number
    mark = "*" if row["p_holm"] < SIGNIFICANT else ""
    interval = "" if pd.isna(row["low95"]) else f" [{row['low95']:.3f}, {row['high95']:.3f}]"
    return f"{number}{mark}{interval}"


def _latex_dagger(text: str) -> str:
    return text.replace(DAGGER, LATEX_DAGGER)


def _escape(text: str) -> str:
    for letter in "\\{}":
        text = text.replace(letter, "")
    for letter in "&%$#_":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("~", " ").replace("^", " ")
