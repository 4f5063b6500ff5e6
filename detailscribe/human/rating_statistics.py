"""Statistics of human ratings: means by method and selection, statistics per rater, inter-rater reliability.

The unit of the intervals is a prompt with all its ratings, because raters of a prompt see the same images.

Source: stats_one_sheet of results_cleanup_and_preprocess.py in the released code, for the paper's selection.
"""

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables import significance
from detailscribe.tables.agreement import LEVELS, krippendorff_alpha
from detailscribe.tables.intervals import jackknife_interval, mean_intervals
from detailscribe.tables.row_statistics import BEST_COLUMNS, best_of_each
from detailscribe.tables.selection import select_scores, selections

RATING_LIMITS = (1.0, 5.0)
KEY_COLUMNS = ["method", "selection", "headline"]
RATER_COLUMNS = ["rater", "n", "missing", "mean", "sd", "spearman_with_others"]
RELIABILITY_COLUMNS = ["statistic", "images", "raters", "value", "low95", "high95"]
OTHERS = "by:other_raters"


def mean_ratings(
    ratings: list[dict], methods: list[dict], best_of: list[str], ties_win: bool = False, papers_way: bool = False
) -> pd.DataFrame:
    """Means over raters and prompts: each method under every selection of its images.

    Args:
        ratings: Rows rater, id, image_set, rating.
        methods: Rows: name, candidates.
        best_of: Methods among which BEST_COLUMNS count the best.
        ties_win: Whether a rating that equals another method's counts as a win, as in the released code.
        papers_way: Whether the headline is the paper's selection, as in the tables of the released study.

    Returns:
        Rows with KEY_COLUMNS, n, prompts, mean, low95, high95, sd, se, BEST_COLUMNS and, unless it is the paper's way,
        note; n counts ratings, one per rater and prompt, and `best_*` those where the row was the best of the rated
        methods of `best_of`.
    """
    keys, selected, ids = selected_ratings(ratings, methods, papers_way)
    table = pd.DataFrame(keys, columns=KEY_COLUMNS)
    sums, counts = _by_prompt(selected, ids)
    table["n"] = (~np.isnan(selected)).sum(axis=0)
    table["prompts"] = (counts > 0).sum(axis=0)
    table["mean"] = significance.means(selected)
    table["low95"], table["high95"] = mean_intervals(sums, RATING_LIMITS, counts=counts)
    table["sd"] = significance.std(selected)
    table["se"] = table["sd"] / np.sqrt(table["n"].where(table["n"] > 0))
    _add_best(table, selected, ids, best_of, ties_win)
    if not papers_way:
        table["note"] = [_note(*key) for key in keys]
    return table.astype({"best_alone": "Int64", "best_shared": "Int64"})


def selected_ratings(
    ratings: list[dict], methods: list[dict], papers_way: bool = False
) -> tuple[list[tuple[str, str, bool]], np.ndarray, list[str]]:
    """Ratings of each method under every selection of its images.

    `oracle` is the best of the candidates by that rater's own ratings of the prompt, as the paper counts DetailScribe.
    `by:other_raters` selects without that bias: the candidate with the highest mean of the prompt's other raters,
    with this rater's rating. It is the headline of a method with several images, where several raters rated it;
    otherwise `mean`, of the candidates, is, which needs no choice.

    Args:
        ratings: Rows rater, id, image_set, rating.
        methods: Rows: name, candidates.
        papers_way: Whether the headline is the paper's selection.

    Returns:
        (method, selection, whether it is the headline) of each column; ratings, (pairs of rater and prompt, columns),
        NaN for none; the prompt of each pair.
    """
    values_by_image = {(row["rater"], row["id"], row["image_set"]): row["rating"] for row in ratings}
    pairs = list(dict.fromkeys((row["rater"], row["id"]) for row in ratings))
    ids = [id for _, id in pairs]
    keys, columns = [], []
    for method in methods:
        names = list(method["candidates"])
        values = np.array([[values_by_image.get((*pair, name), np.nan) for name in names] for pair in pairs], float)
        values = values.reshape(-1, len(names))
        by_others = {"other_raters": _mean_of_others(values, ids)}
        of_method = selections({**method, "headline": "oracle"}, "human", [])
        if len(names) > 1:
            of_method.insert(1, OTHERS)
        chosen = {selection: select_scores(values, selection, names, by_others) for selection in of_method}
        headline = of_method[0]
        if len(names) > 1 and not papers_way:
            headline = "mean" if np.isnan(chosen[OTHERS]).all() else OTHERS
        for selection in sorted(of_method, key=lambda each: each != headline):
            keys.append((method["name"], selection, selection == headline))
            columns.append(chosen[selection])
    return keys, np.array(columns).reshape(len(keys), len(pairs)).T, ids


def _note(method: str, selection: str, headline: bool) -> str:
    """What a reader of a row of several candidates should know."""
    if selection == "oracle":
        return "the paper's way: the best of several under each rater's own ratings"
    return "no second rater: the mean of the candidates, without a choice" if headline and selection == "mean" else ""


def _add_best(table: pd.DataFrame, selected: np.ndarray, ids: list[str], best_of: list[str], ties_win: bool) -> None:
    """Add BEST_COLUMNS to the headline rows of `best_of`, over the pairs where all of these have a value."""
    member = (table["headline"] & table["method"].isin(best_of)).to_numpy(bool)
    for name in BEST_COLUMNS:
        table[name] = np.nan
    if not member.any():
        return
    alone, shared, won = best_of_each(selected[:, member], RATING_LIMITS[1] - RATING_LIMITS[0], ties_win)
    if won.size and not np.isnan(won).all():
        sums, counts = _by_prompt(won, ids)
        ends = mean_intervals(sums, (0, 1), counts=counts)
        found = np.nansum(alone, axis=0), np.nansum(shared, axis=0), significance.means(won), *ends
        table.loc[member, BEST_COLUMNS] = np.array(found).T


def rater_statistics(ratings: list[dict], shown: dict[str, int]) -> pd.DataFrame:
    """Rows with RATER_COLUMNS: each rater's ratings, and their rank correlation with the mean of the others.

    Args:
        ratings: Rows rater, id, image_set, rating.
        shown: Number of images that each rater was shown.
    """
    by_image = _by_image(ratings)
    rows = []
    for rater, count in shown.items():
        own = by_image[rater].dropna() if rater in by_image else pd.Series(dtype=float)
        others = by_image.drop(columns=rater, errors="ignore").mean(axis=1).reindex(own.index)
        both = others.notna()
        varied = both.sum() > 1 and own[both].nunique() > 1 and others[both].nunique() > 1
        correlation = float(stats.spearmanr(own[both], others[both]).statistic) if varied else np.nan
        mean = own.mean() if len(own) else np.nan
        rows.append((rater, len(own), count - len(own), mean, own.std() if len(own) > 1 else np.nan, correlation))
    return pd.DataFrame(rows, columns=RATER_COLUMNS)


def reliability(ratings: list[dict]) -> pd.DataFrame:
    """Rows with RELIABILITY_COLUMNS: Krippendorff's alpha over the rated images, by level of measurement."""
    by_image = _by_image(ratings)
    values = by_image.to_numpy(float)
    prompts = pd.factorize(by_image.index.get_level_values("id"))[0] if len(by_image) else np.array([], dtype=int)
    members = [(prompts != prompt).astype(float) for prompt in range(prompts.max(initial=-1) + 1)]
    rows = []
    for level in LEVELS:
        alpha = krippendorff_alpha(values, level) if values.size else np.nan
        without = np.array([krippendorff_alpha(values, level, kept) for kept in members])
        low, high = jackknife_interval(alpha, without, (-1, 1))
        rows.append((f"alpha_{level}", len(by_image), by_image.shape[1], alpha, low, high))
    return pd.DataFrame(rows, columns=RELIABILITY_COLUMNS)


def _by_image(ratings: list[dict]) -> pd.DataFrame:
    """One row per image, one column per rater."""
    frame = pd.DataFrame(ratings, columns=["rater", "id", "image_set", "rating"])
    return frame.pivot_table(index=["id", "image_set"], columns="rater", values="rating", sort=False)


def _mean_of_others(values: np.ndarray, ids: list[str]) -> np.ndarray:
    """(pairs, candidates): mean rating by the prompt's other raters; NaN where no other rater rated the image."""
    prompts, number = pd.factorize(np.array(ids, dtype=object))[0], len(set(ids))
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, prompts, np.nan_to_num(values))
    np.add.at(counts, prompts, ~np.isnan(values))
    rest = counts[prompts] - ~np.isnan(values)
    total = sums[prompts] - np.nan_to_num(values)
    return np.divide(total, rest, out=np.full_like(values, np.nan), where=rest > 0)


def _by_prompt(values: np.ndarray, ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of values by prompt, (prompts, columns); the sum of no value is NaN."""
    prompts, number = pd.factorize(np.array(ids, dtype=object))[0], len(set(ids))
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, prompts, np.nan_to_num(values))
    np.add.at(counts, prompts, ~np.isnan(values))
    return np.where(counts > 0, sums, np.nan), counts
