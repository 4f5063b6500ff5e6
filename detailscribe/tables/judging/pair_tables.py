"""Table of judges of pairs: win rates, differences, consistency and position bias of every two methods.

Both orders of a pair are averaged for each prompt first, so that a preference for one place cancels; prompts are the
units of every interval and test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from detailscribe.scores.judges.pairs import DECISIVE
from detailscribe.study.judging.judges import PAIRS
from detailscribe.study.judging.pair_schedule import candidates_of_pairs, compared_methods, selector_of_pairs
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

STAGE = "tabulate_pairs"
ALGORITHM = 1
PAIR_COLUMNS = [
    *("judge", "method", "other", "n", "wins", "ties", "losses", "win_rate", "win_rate_low95", "win_rate_high95"),
    *("value", "value_low95", "value_high95", "p", "p_holm", "family", "identical", "one_order", "consistent"),
    *("position_bias", "position_bias_low95", "position_bias_high95", "position_bias_p"),
]
COUNTS = ["n", "wins", "ties", "losses", "family", "identical", "one_order"]
RANGE = (-1.0, 1.0)  # of a value


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = []
    for name in study.judges_asked(PAIRS):
        by, candidates = selector_of_pairs(study, name), candidates_of_pairs(study, name)
        seen = {method.name: method.headline for method in compared_methods(study, name)}
        seen |= {method: f"by:{by}" for method, names in candidates.items() if len(names) > 1}
        judges.append({"name": name, "methods": [list(each) for each in seen.items()]})
    settings = {
        "judges": judges,
        "baseline": study.config["statistics"]["baseline"],
        "permutations": study.config["statistics"]["permutations"],
        "seed": study.config["bootstrap"]["seed"],
    }
    return {"pairs_table": settings} if judges else {}


def pairs_table(judge: str, rows: Sequence[dict], methods: Sequence[str], settings: Mapping) -> pd.DataFrame:
    """A row per two methods that were compared, and a last one for all of them together.

    Args:
        judge: Its name.
        rows: Of `scores.judges.pairs.judge_pairs`.
        methods: In the order of the list.
        settings: `baseline`, which is always the `other` one, `permutations` and `seed` of the test.

    Returns:
        PAIR_COLUMNS; NaN where a number cannot be computed. Defined in docs/statistics.md.
    """
    import numpy as np
    import pandas as pd

    from detailscribe.tables.intervals import mean_intervals
    from detailscribe.tables.significance import holm, means, sign_flip_p

    compared = [
        (one, other) if other == settings["baseline"] or one != settings["baseline"] else (other, one)
        for other, one in combinations(methods, 2)
    ]
    shown_first, shown_second, identical = values_by_prompt(rows, compared)
    differences = (shown_first - shown_second) / 2
    biases = np.where(identical, np.nan, (shown_first + shown_second) / 2)
    shares = np.where(np.isnan(differences), np.nan, (1 + preferred(differences)) / 2)
    agree = np.where(np.isnan(biases), np.nan, preferred(shown_first) == -preferred(shown_second))
    test = settings["permutations"], settings["seed"]
    table = pd.DataFrame([(judge, *pair) for pair in compared], columns=PAIR_COLUMNS[:3])
    table["n"] = (~np.isnan(differences)).sum(axis=0)
    for name, share in (("wins", 1.0), ("ties", 0.5), ("losses", 0.0)):
        table[name] = (shares == share).sum(axis=0)
    table["win_rate"], table["value"], table["position_bias"] = means(shares), means(differences), means(biases)
    low, high = mean_intervals(shares, (0, 1))
    table["win_rate_low95"], table["win_rate_high95"] = low, high
    low, high = mean_intervals(differences, RANGE, RANGE, paired=True)
    table["value_low95"], table["value_high95"] = low, high
    table["p"] = sign_flip_p(differences, *test)
    low, high = mean_intervals(biases, RANGE, RANGE, paired=True)
    table["position_bias_low95"], table["position_bias_high95"] = low, high
    table["position_bias_p"] = sign_flip_p(biases, *test)
    table["identical"] = identical.sum(axis=0)
    table["one_order"] = (np.isnan(shown_first) != np.isnan(shown_second)).sum(axis=0)
    table["consistent"] = means(agree)
    asked = {(row["first"], row["second"]) for row in rows}
    table = table[[pair in asked or pair[::-1] in asked for pair in compared]]
    table = table.assign(p_holm=holm(table["p"].to_numpy()), family=int(table["p"].notna().sum()))
    together = _together(judge, table, biases, agree, test)
    numbers = {name: "Int64" if name in COUNTS else float for name in PAIR_COLUMNS[3:]}
    return pd.concat([table, together], ignore_index=True)[PAIR_COLUMNS].astype(numbers)


def position_sentence(table: pd.DataFrame) -> str:
    """The position bias of a judge in words, from its rows of the table."""
    row = table.iloc[-1]
    if row.isna()["position_bias"]:
        return f"judge {row['judge']}: no pair was answered in both orders"
    ends = f"95 % interval {row['position_bias_low95']:.3f} to {row['position_bias_high95']:.3f}"
    return (
        f"judge {row['judge']}: position bias {row['position_bias']:.3f} ({ends}, p {row['position_bias_p']:.4f}; 0 is "
        f"none, 1 always the image shown first), {row['consistent']:.0%} of pairs alike in both orders"
    )


def preferred(values: np.ndarray) -> np.ndarray:
    """1 where the first of two is preferred, -1 where the second is, 0 for a tie or no value."""
    import numpy as np

    return np.where(values >= DECISIVE, 1, np.where(values <= -DECISIVE, -1, 0))


def values_by_prompt(
    rows: Sequence[dict], pairs: Sequence[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of both orders of pairs, for the image that is shown first.

    Returns:
        (prompts, pairs) each: with the first method of a pair shown first, with its second one shown first, NaN for no
        value; and whether both images are the same.
    """
    import numpy as np

    prompts = {id: place for place, id in enumerate(dict.fromkeys(row["id"] for row in rows))}
    places = {order: (side, at) for at, pair in enumerate(pairs) for side, order in enumerate((pair, pair[::-1]))}
    values = np.full((2, len(prompts), len(pairs)), np.nan)
    identical = np.zeros((len(prompts), len(pairs)), dtype=bool)
    for row in rows:
        side, at = places[row["first"], row["second"]]
        if row["value"] is not None:
            values[side, prompts[row["id"]], at] = row["value"]
        identical[prompts[row["id"]], at] |= row["identical"]
    return values[0], values[1], identical


def _together(
    judge: str, table: pd.DataFrame, biases: np.ndarray, agree: np.ndarray, test: tuple[int, int]
) -> pd.DataFrame:
    """The row of all pairs: sums of counts, and the position bias with all pairs of a prompt as one unit."""
    import numpy as np
    import pandas as pd

    from detailscribe.tables.intervals import mean_intervals
    from detailscribe.tables.significance import sign_flip_p

    counts = (~np.isnan(biases)).sum(axis=1, keepdims=True).astype(float)
    sums = np.where(counts > 0, np.nansum(biases, axis=1, keepdims=True), np.nan)
    low, high = mean_intervals(sums, RANGE, RANGE, counts=counts, paired=True)
    known = ~np.isnan(agree)
    row = {
        **{"judge": judge, "method": "", "other": ""},
        **{"n": int((counts > 0).sum()), "ties": table["ties"].sum()},
        **{name: table[name].sum() for name in ("identical", "one_order")},
        "consistent": agree[known].mean() if known.any() else np.nan,
        "position_bias": np.nansum(sums) / counts.sum() if counts.any() else np.nan,
        **{"position_bias_low95": low[0], "position_bias_high95": high[0]},
        "position_bias_p": sign_flip_p(sums, *test)[0],
    }
    return pd.DataFrame([row], columns=PAIR_COLUMNS)
