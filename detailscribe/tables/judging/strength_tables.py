"""Bradley-Terry strengths of methods as a table, and their order beside that of every metric and judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from detailscribe.scores.judges.pairs import choice_of

if TYPE_CHECKING:
    import pandas as pd

STRENGTH_COLUMNS = [
    *("judge", "method", "reference", "n", "answers", "strength", "low95", "high95"),
    *("win_probability", "win_probability_low95", "win_probability_high95", "rank", "note"),
]
RANKING_COLUMNS = ["judge", "by", "images", "method", "selection", "oracle", "value", "rank", "rank_by_pairs", "tau"]
STRENGTH = "strength"  # `by` of the order by pairs
HEADLINE, SEEN = "headline", "as in pairs"  # values of `images` in the table of rankings
SHARE = {"first": 1.0, "tie": 0.5, "second": 0.0}  # of the image shown first, by `choice`


def strengths_table(judge: str, rows: Sequence[dict], methods: Sequence[str], baseline: str) -> pd.DataFrame:
    """Strengths of the compared methods in the order of their list.

    Args:
        judge: Its name.
        rows: Of `scores.judges.pairs.judge_pairs`.
        methods: Names.
        baseline: The reference, or the first method where it is not compared.

    Returns:
        STRENGTH_COLUMNS; NaN for no value. n and answers: prompts and answers about the method, ties of identical
        images included.
    """
    import pandas as pd

    from detailscribe.tables.judging.bradley_terry import gather, strengths

    reference = baseline if baseline in methods else methods[0]
    answered = [row for row in rows if row["value"] is not None]
    shares = [None if row["identical"] else SHARE[choice_of(row["value"])] for row in answered]
    answers = [(row["id"], row["first"], row["second"], share) for row, share in zip(answered, shares, strict=True)]
    found = strengths(gather(methods, answers), reference)
    table = []
    for method in methods:
        about, value = [row["id"] for row in answered if method in (row["first"], row["second"])], found[method]
        numbers = (len(set(about)), len(about), value.strength, value.low, value.high)
        chances = (value.probability, value.probability_low, value.probability_high)
        table.append((judge, method, reference, *numbers, *chances, None, value.note))
    frame = pd.DataFrame(table, columns=STRENGTH_COLUMNS)
    frame["rank"] = frame["strength"].rank(ascending=False, method="min")
    return frame.astype({"n": "Int64", "answers": "Int64", "rank": "Int64"})


def rankings_table(strengths: pd.DataFrame, main: pd.DataFrame, seen: Mapping[str, str]) -> pd.DataFrame:
    """The order of the methods by pairs beside that by the means of every metric.

    Args:
        strengths: Of one judge (`strengths_table`).
        main: The main table.
        seen: By method, its selection in the main table that reports the images which the judge saw.

    Returns:
        RANKING_COLUMNS. First the order by pairs; then for each metric the headline rows, and, where they report other
        images than the judge saw, the rows of these. `oracle` is that of the main table: the metric itself chose
        the image. `tau` is Kendall's tau-b of the values with the strengths, over the methods that have both.
    """
    import pandas as pd

    judge = strengths["judge"].iloc[0]
    by_pairs, place = strengths.set_index("method")["strength"], strengths.set_index("method")["rank"]
    blocks: list[tuple[str, str, pd.Series, Mapping[str, str]]] = [(STRENGTH, SEEN, by_pairs, seen)]
    oracle = {key: bool(value) for key, value in main.set_index(["metric", "method", "selection"])["oracle"].items()}
    for metric in dict.fromkeys(main["metric"]):
        of_metric = main[main["metric"] == metric]
        means = of_metric.set_index(["method", "selection"])["mean"]
        headline = of_metric[of_metric["headline"]].set_index("method")["selection"].to_dict()
        shown: dict[str, str] = {method: headline[method] for method in by_pairs.index if method in headline}
        same = {method: _present(means, method, seen[method], metric) for method in shown}
        for images, selected in ((HEADLINE, shown), (SEEN, same)):
            if images == HEADLINE or selected != shown:
                found = pd.Series({method: means.get((method, each)) for method, each in selected.items()}, dtype=float)
                blocks.append((metric, images, found.reindex(by_pairs.index), selected))
    rows = []
    for name, images, values, chosen in blocks:
        ranks, tau = values.rank(ascending=False, method="min"), _tau(values, by_pairs)
        for method in by_pairs.index:
            selection = chosen.get(method, "")
            key = (judge, name, images, method, selection, oracle.get((name, method, selection), False))
            rows.append((*key, values[method], ranks[method], place[method], tau if name != STRENGTH else None))
    return pd.DataFrame(rows, columns=RANKING_COLUMNS).astype({"rank": "Int64", "rank_by_pairs": "Int64"})


def _present(means: pd.Series, method: str, selection: str, metric: str) -> str:
    """The selection as the main table names it: the image that a metric selects by itself is its oracle."""
    is_own = selection == f"by:{metric}" and (method, selection) not in means.index
    return "oracle" if is_own else selection


def _tau(values: pd.Series, strengths: pd.Series) -> float:
    """Kendall's tau-b; NaN for fewer than two methods with both, or where all are equal."""
    from scipy import stats

    both = values.notna() & strengths.notna()
    if both.sum() < 2 or values[both].nunique() < 2 or strengths[both].nunique() < 2:
        return float("nan")
    return float(stats.kendalltau(values[both], strengths[both]).statistic)
