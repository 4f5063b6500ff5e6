"""Tables of human marks: means by method, raters, reliability, and how often a metric prefers what people prefer.

Intervals resample prompts, with all marks that a prompt got: raters of one prompt see the same images.

Source: stats_one_sheet of results_cleanup_and_preprocess.py in the released code, for the paper's reading.
"""

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables import significance
from detailscribe.tables.agreement import LEVELS, krippendorff_alpha, pair_hits
from detailscribe.tables.main_table import select, selections

MAIN = [
    *("method", "selection", "headline", "n", "prompts", "mean", "low95", "high95", "sd", "se"),
    *("best_alone", "best_shared", "best_rate"),
]
RATERS = ["rater", "n", "missing", "mean", "sd", "spearman_with_others"]
RELIABILITY = ["statistic", "images", "raters", "value", "low95", "high95"]
AGREEMENT = ["metric", "pairs", "agreement", "low95", "high95", "tied_by_people", "tied_by_metric", "images_unmatched"]
OTHERS = "by:other_raters"


def average(ratings: list[dict], methods: list[dict], bootstrap: dict, ties_win: bool = False) -> pd.DataFrame:
    """Means over raters and prompts, each method under every choice among its images, the paper's first.

    `oracle` is the best of the candidates by that rater's own marks for that prompt, as the paper counts DetailScribe.
    `by:other_raters` is the honest reading: the candidate that the other raters of that prompt like best on average,
    with this rater's mark.

    Args:
        ratings: Rows rater, id, image_set, rating.
        methods: Rows: name, candidates.
        bootstrap: `resamples` and `seed`.
        ties_win: Whether a mark that is shared with another method counts as a win, as in the released code.

    Returns:
        Rows with MAIN; n counts marks, one a rater and prompt, and `best_*` marks where the row was the best of all.
    """
    marks = {(row["rater"], row["id"], row["image_set"]): row["rating"] for row in ratings}
    pairs = list(dict.fromkeys((row["rater"], row["id"]) for row in ratings))
    ids = [id for _, id in pairs]
    keys, columns = [], []
    for method in methods:
        names = list(method["candidates"])
        values = np.array([[marks.get((*pair, name), np.nan) for name in names] for pair in pairs], dtype=float)
        values = values.reshape(-1, len(names))
        chosen = selections({**method, "headline": "oracle"}, "human", [])
        if len(names) > 1:
            chosen.insert(1, OTHERS)
        for place, selection in enumerate(chosen):
            keys.append((method["name"], selection, place == 0))
            columns.append(select(values, selection, names, {"other_raters": _others(values, ids)}))
    table = pd.DataFrame(keys, columns=MAIN[:3])
    chosen = np.array(columns).reshape(len(keys), len(pairs)).T
    sums, counts = _by_prompt(chosen, ids)
    table["n"] = (~np.isnan(chosen)).sum(axis=0)
    table["prompts"] = (counts > 0).sum(axis=0)
    table["mean"] = significance.means(chosen)
    table["low95"], table["high95"] = significance.intervals(sums, **bootstrap, counts=counts)
    table["sd"] = significance.spread(chosen)
    table["se"] = table["sd"] / np.sqrt(table["n"].where(table["n"] > 0))
    headline = table["headline"].to_numpy(bool)
    together = chosen[:, headline]
    together = together[~np.isnan(together).any(axis=1)]
    for name in MAIN[-3:]:
        table[name] = np.nan
    if len(together):
        best = together == together.max(axis=1, keepdims=True)
        alone = best & (best.sum(axis=1, keepdims=True) == 1)
        found = alone.sum(axis=0), (best & ~alone).sum(axis=0), (best if ties_win else alone).mean(axis=0)
        table.loc[headline, MAIN[-3:]] = np.array(found, dtype=float).T
    return table.astype({"best_alone": "Int64", "best_shared": "Int64"})


def raters(ratings: list[dict], images: dict[str, int]) -> pd.DataFrame:
    """Rows with RATERS: each rater's marks, and their rank correlation with the mean of the others.

    Args:
        ratings: Rows rater, id, image_set, rating.
        images: How many images each rater was shown.
    """
    wide = _wide(ratings)
    rows = []
    for rater, shown in images.items():
        own = wide[rater].dropna() if rater in wide else pd.Series(dtype=float)
        others = wide.drop(columns=rater, errors="ignore").mean(axis=1).reindex(own.index)
        both = others.notna()
        varied = both.sum() > 1 and own[both].nunique() > 1 and others[both].nunique() > 1
        correlation = float(stats.spearmanr(own[both], others[both]).statistic) if varied else np.nan
        mean = own.mean() if len(own) else np.nan
        rows.append((rater, len(own), shown - len(own), mean, own.std() if len(own) > 1 else np.nan, correlation))
    return pd.DataFrame(rows, columns=RATERS)


def reliability(ratings: list[dict], bootstrap: dict) -> pd.DataFrame:
    """Rows with RELIABILITY: Krippendorff's alpha over the rated images, by level of measurement."""
    wide = _wide(ratings)
    values = wide.to_numpy(float)
    prompts = pd.factorize(wide.index.get_level_values("id"))[0] if len(wide) else np.array([], dtype=int)
    number = prompts.max(initial=-1) + 1
    generator = np.random.default_rng(bootstrap["seed"])
    draws = generator.multinomial(number, np.full(number, 1 / number), bootstrap["resamples"]) if number > 1 else []
    rows = []
    for level in LEVELS:
        alphas = np.array([krippendorff_alpha(values, level, draw[prompts].astype(float)) for draw in draws])
        alphas = alphas[~np.isnan(alphas)]
        low, high = np.quantile(alphas, [0.025, 0.975]) if len(alphas) else (np.nan, np.nan)
        found = krippendorff_alpha(values, level) if values.size else np.nan
        rows.append((f"alpha_{level}", len(wide), wide.shape[1], found, low, high))
    return pd.DataFrame(rows, columns=RELIABILITY)


def metric_agreement(
    ratings: list[dict], scores: dict[str, dict[tuple[str, str], float]], bootstrap: dict
) -> pd.DataFrame:
    """Rows with AGREEMENT: how often each metric prefers the image of a pair that people prefer.

    Pairs are of one prompt; people's preference is that of the mean over raters; the rule for ties is `pair_hits`'.

    Args:
        ratings: Rows id, file, rating; two image sets with the same file are one image.
        scores: By metric, by (id, file).
        bootstrap: `resamples` and `seed`.
    """
    frame = pd.DataFrame(ratings, columns=["id", "file", "rating"])
    means = frame.groupby(["id", "file"], sort=False)["rating"].mean()
    ids = list(dict.fromkeys(means.index.get_level_values("id")))
    images = {id: [file for other, file in means.index if other == id] for id in ids}
    width = max((len(files) for files in images.values()), default=0)

    def wide(value) -> np.ndarray:
        rows = [[value(id, file) for file in files] + [np.nan] * (width - len(files)) for id, files in images.items()]
        return np.array(rows, dtype=float).reshape(len(ids), width)

    people = wide(lambda id, file: means[id, file])
    rows = []
    for metric, found in scores.items():
        scored = wide(lambda id, file, found=found: found.get((id, file), np.nan))
        hits, pairs, people_tied, metric_tied = pair_hits(people, scored)
        low, high = significance.intervals(
            np.where(pairs > 0, hits, np.nan)[:, None], **bootstrap, counts=pairs[:, None].astype(float)
        )
        total = int(pairs.sum())
        unmatched = int((~np.isnan(people) & np.isnan(scored)).sum())
        share = hits.sum() / total if total else np.nan
        rows.append((metric, total, share, low[0], high[0], int(people_tied.sum()), int(metric_tied.sum()), unmatched))
    return pd.DataFrame(rows, columns=AGREEMENT)


def _wide(ratings: list[dict]) -> pd.DataFrame:
    """A row an image, a column a rater."""
    frame = pd.DataFrame(ratings, columns=["rater", "id", "image_set", "rating"])
    return frame.pivot_table(index=["id", "image_set"], columns="rater", values="rating", sort=False)


def _others(values: np.ndarray, ids: list[str]) -> np.ndarray:
    """(pairs, candidates): mean mark of the prompt's other raters; NaN where no other one gave a mark."""
    codes, number = pd.factorize(np.array(ids, dtype=object))[0], len(set(ids))
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, codes, np.nan_to_num(values))
    np.add.at(counts, codes, ~np.isnan(values))
    rest = counts[codes] - ~np.isnan(values)
    total = sums[codes] - np.nan_to_num(values)
    return np.divide(total, rest, out=np.full_like(values, np.nan), where=rest > 0)


def _by_prompt(values: np.ndarray, ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of values by prompt, (prompts, columns); a sum of nothing is NaN."""
    codes, number = pd.factorize(np.array(ids, dtype=object))[0], len(set(ids))
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, codes, np.nan_to_num(values))
    np.add.at(counts, codes, ~np.isnan(values))
    return np.where(counts > 0, sums, np.nan), counts
