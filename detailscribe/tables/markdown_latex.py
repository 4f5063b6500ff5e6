"""The main table for a paper: Markdown and LaTeX (booktabs), a row a method and choice, a column a metric."""

import pandas as pd

SIGNIFICANT = 0.05


def markdown(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The main table as Markdown, with what its marks and intervals mean below it."""
    shown = layout(table)
    lines = [shown.columns, ["---"] * len(shown.columns), *shown.itertuples(index=False)]
    rows = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    warning = [f"**{notice}**", ""] if notice else []
    return "\n".join([f"# {title}", "", *warning, *rows, "", *(f"{line}  " for line in notes(table, settings))]) + "\n"


def latex(table: pd.DataFrame, title: str, notice: str, settings: dict) -> str:
    """The same as a LaTeX table; needs the package booktabs."""
    styler = layout(table).style.hide(axis="index").format(escape="latex")
    styler = styler.format_index(escape="latex", axis="columns")
    body = styler.to_latex(hrules=True, column_format="ll" + "l" * len(set(table["metric"])))
    below = " ".join(filter(None, [notice, *notes(table, settings)]))
    caption = "\\caption{" + _escape(f"{title}. {below}") + "}\n"
    return "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\\small\n" + body + caption + "\\end{table}\n"


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Cells `mean [low, high]`, the headline rows first; * where the difference from the baseline survives Holm."""
    metrics = list(dict.fromkeys(table["metric"]))
    cells = {(row.method, row.selection, row.metric): row for row in table.itertuples()}
    keys = list(dict.fromkeys((row.method, row.selection, row.headline) for row in table.itertuples()))
    rows = []
    for method, selection, headline in sorted(keys, key=lambda key: not key[2]):
        if not headline and selection.startswith("original-"):
            continue  # a seed of several means nothing by itself; the CSV has it
        found = [cells.get((method, selection, metric)) for metric in metrics]
        choice = selection.removeprefix(f"{method}-")
        rows.append([method, choice if headline else f"({choice})", *map(_cell, found)])
    return pd.DataFrame(rows, columns=["method", "choice", *metrics])


def notes(table: pd.DataFrame, settings: dict) -> list[str]:
    """What a reader has to know of the table."""
    chosen = settings["statistics"]
    test = "sign-flip permutation" if chosen["test"] == "permutation" else "Wilcoxon signed-rank"
    counts, families = table["n"], table[table["headline"]]["family"].dropna()
    n = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    missing = int(table["missing"].max()) if len(table) else 0
    family = int(families.max()) if len(families) else 0
    others = table[~table["headline"]]["family"].dropna()
    return [
        f"Means over prompts with every image (n = {n}; up to {missing} missing) and 95 % bootstrap intervals.",
        f"* differs from {chosen['baseline']} at 5 % ({test} test of paired differences, Holm over the {family} "
        f"comparisons of the headline rows; over {int(others.max()) if len(others) else 0} for the rows in brackets).",
        "oracle: the best of the candidates under the metric of the column; by: the pick of another metric. "
        "Rows in brackets are other choices among the same images.",
    ]


def _cell(row) -> str:
    if row is None or pd.isna(row.mean):
        return "–"
    mark = "*" if row.p_holm < SIGNIFICANT else ""
    reach = "" if pd.isna(row.low95) else f" [{row.low95:.3f}, {row.high95:.3f}]"
    return f"{row.mean:.3f}{mark}{reach}"


def _escape(text: str) -> str:
    for letter in "\\{}":
        text = text.replace(letter, "")
    for letter in "&%$#_":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("~", " ").replace("^", " ")
