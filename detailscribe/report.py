"""The report of a scenario: one page that opens from disk, with the table, the losses and each prompt's images."""

from pathlib import Path

import jinja2
import pandas as pd

TEMPLATE = Path(__file__).parent / "report.html.j2"


def report(
    scenario: str,
    notice: str,
    table: pd.DataFrame,
    published: pd.DataFrame,
    figure: str,
    dropped: pd.DataFrame,
    prompts: list[dict],
    parts: dict[str, dict],
    critiques: dict[str, dict[str, dict]],
    images: dict[str, dict[str, dict]],
    scores: dict[tuple[str, str, str], float | None],
    cost: pd.DataFrame,
) -> str:
    """Render the page.

    Args:
        scenario: Its name.
        notice: Warning for the top of the page; empty for none.
        table: The main table.
        published: The paper's numbers beside ours; may have no row.
        figure: The main figure, relative to the page.
        dropped: The dropped rows.
        prompts: Prompt records.
        parts: Decomposition rows by id.
        critiques: Critique rows by id, by critic.
        images: Manifest rows by id, by image set.
        scores: By (id, image set, metric).
        cost: What the answers cost, by stage; may have no row.

    Returns:
        HTML; every text of a user or a model in it is escaped.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    metrics = list(dict.fromkeys(table["metric"]))
    chosen = table[table["headline"]].pivot(index="method", columns="metric", values="mean")
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        scenario=scenario,
        notice=notice,
        metrics=metrics,
        overview=chosen.loc[list(dict.fromkeys(table["method"]))],
        table=table,
        published=published,
        figure=figure,
        dropped=dropped,
        prompts=prompts,
        parts=parts,
        critiques=critiques,
        images=images,
        scores=scores,
        cost=cost,
    )
