"""The main table in Markdown and LaTeX (booktabs), one row per method and selection, one column per metric."""

import pandas as pd

SIGNIFICANT = 0.05
PHRASE_SOURCES = {
    "rules": "rules found, which are those of the released code for 48 % of the InterActing prompts",
    "spacy": "spaCy found, as in the released code",
    "user": "the user gave",
}


def to_markdown(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The main table as Markdown, with footnotes on its marks and intervals."""
    cells = format_cells(table)
    lines = [list(cells.columns), ["---"] * len(cells.columns), *cells.to_numpy().tolist()]
    rows = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    warning = [f"**{notice}**", ""] if notice else []
    notes = [f"{line}  " for line in footnotes(table, settings)]
    return "\n".join([f"# {title}", "", *warning, *rows, "", *notes]) + "\n"


def to_latex(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The main table as a LaTeX table; needs the package booktabs."""
    styler = format_cells(table).style.hide(axis="index").format(escape="latex")
    styler = styler.format_index(escape="latex", axis="columns")
    body = styler.to_latex(hrules=True, column_format="ll" + "l" * len(set(table["metric"])))
    notes = " ".join(filter(None, [notice, *footnotes(table, settings)]))
    caption = "\\caption{" + _escape(f"{title}. {notes}") + "}\n"
    return "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\\small\n" + body + caption + "\\end{table}\n"


def format_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Cells `mean [low, high]`, the headline rows first; * if the difference from the baseline is significant.

    Significant means after Holm's correction.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    records = table.to_dict("records")
    cells = {(row["method"], row["selection"], row["metric"]): row for row in records}
    keys = list(dict.fromkeys((row["method"], row["selection"], row["headline"]) for row in records))
    rows = []
    for method, selection, headline in sorted(keys, key=lambda key: not key[2]):
        if not headline and selection.startswith("original-"):
            continue  # one seed of several is not informative by itself; the CSV has it
        values = [_cell(cells.get((method, selection, metric))) for metric in metrics]
        choice = selection.removeprefix(f"{method}-")
        rows.append([method, choice if headline else f"({choice})", *values])
    return pd.DataFrame(rows, columns=["method", "choice", *metrics])


def footnotes(table: pd.DataFrame, settings: dict) -> list[str]:
    """What n, the intervals, the marks and the selections mean."""
    chosen = settings["statistics"]
    test = "sign-flip permutation" if chosen["test"] == "permutation" else "Wilcoxon signed-rank"
    counts, families = table["n"], table[table["headline"]]["family"].dropna()
    n = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    missing = int(table["missing"].max()) if len(table) else 0
    family = int(families.max()) if len(families) else 0
    others = table[~table["headline"]]["family"].dropna()
    return [
        f"Means over prompts with every image (n = {n}; up to {missing} missing) and 95 % intervals.",
        f"* differs from {chosen['baseline']} at 5 % ({test} test of paired differences, Holm over the {family} "
        f"comparisons of the headline rows; over {int(others.max()) if len(others) else 0} for the rows in brackets).",
        "oracle: the best of the candidates under the metric of the column; by: the pick of another metric. "
        "Rows in brackets are other choices among the same images.",
        *phrase_notes(table),
    ]


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


def _cell(row: dict | None) -> str:
    if row is None or pd.isna(row["mean"]):
        return "–"
    mark = "*" if row["p_holm"] < SIGNIFICANT else ""
    interval = "" if pd.isna(row["low95"]) else f" [{row['low95']:.3f}, {row['high95']:.3f}]"
    return f"{row['mean']:.3f}{mark}{interval}"


def _escape(text: str) -> str:
    for letter in "\\{}":
        text = text.replace(letter, "")
    for letter in "&%$#_":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("~", " ").replace("^", " ")
