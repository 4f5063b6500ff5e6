"""Coverage, width and Monte Carlo error of the intervals, and error rates of the tests, by kind of score.

Every interval is computed twice on the same samples: as the tables do, and by the method they used before, which is
kept here only: percentiles of resampled means, moved outwards so that few normal values get Student's width (Hesterberg
2015).
"""

from multiprocessing.pool import Pool

import numpy as np
from scipy import stats

from detailscribe.tables.agreement import krippendorff_alpha, weighted_kappa
from detailscribe.tables.intervals import jackknife_interval, mean_intervals
from detailscribe.tables.selection import best_on_other_prompts, selection_bias
from detailscribe.tables.significance import sign_flip_p, wilcoxon_p

RESAMPLES = 2000
SIZES = {8: 3000, 25: 3000, 50: 2000, 200: 1500, 1000: 500}  # samples by number of prompts
UNBOUNDED = (-np.inf, np.inf)
LIKERT = [1.0, 2, 3, 4, 5]


def discrete(values, shares):
    """Sampler and mean of a distribution of few values."""
    values, shares = np.array(values, float), np.array(shares, float)
    return (lambda generator, size: generator.choice(values, size, p=shares)), float(values @ shares)


def answers(generator, size):
    """BLIP-VQA: the product of three answers, each mostly near 0 or 1."""
    return np.prod(1 / (1 + np.exp(-generator.normal(1.2, 2.5, (*size, 3)))), axis=-1)


def average(generator, size):
    """Mean of four raters' ratings of one image, near 5."""
    difficulty = generator.normal(0, 0.9, (*size, 1))
    return np.clip(np.rint(difficulty + generator.normal(5, 0.9, (*size, 4))), 1, 5).mean(axis=-1)


def mean_of(sample, count: int = 2_000_000) -> float:
    """Mean of a population."""
    return float(sample(np.random.default_rng(9), (count,)).mean())


KINDS = {  # sampler and mean, lowest and highest possible value, whether the values are differences of pairs
    "Likert, mean 4.85 (1 to 5)": (*discrete(LIKERT, [0.01, 0.01, 0.02, 0.04, 0.92]), (1, 5), False),
    "Likert, mean 4.85 (4 or 5)": (*discrete([4, 5], [0.15, 0.85]), (1, 5), False),
    "Likert, mean 4.37": (*discrete(LIKERT, [0.02, 0.04, 0.09, 0.25, 0.6]), (1, 5), False),
    "Likert, mean 3.15": (*discrete(LIKERT, [0.1, 0.2, 0.3, 0.25, 0.15]), (1, 5), False),
    "mean of four raters, 4.3": (average, mean_of(average, 500_000), (1, 5), False),
    "0/1, p = 0.5": (*discrete([0, 1], [0.5, 0.5]), (0, 1), False),
    "0/1, p = 0.8": (*discrete([0, 1], [0.2, 0.8]), (0, 1), False),
    "0/1, p = 0.95": (*discrete([0, 1], [0.05, 0.95]), (0, 1), False),
    "0/1, p = 0.99": (*discrete([0, 1], [0.01, 0.99]), (0, 1), False),
    "U-shaped, 0 to 1": (lambda generator, size: generator.beta(0.3, 0.4, size), 3 / 7, (0, 1), False),
    "like BLIP-VQA": (answers, mean_of(answers), (0, 1), False),
    "like CLIPScore (normal)": (lambda generator, size: generator.normal(0.9, 0.08, size), 0.9, (0, 2.5), False),
    "exponential, unbounded": (lambda generator, size: generator.exponential(1, size), 1.0, UNBOUNDED, False),
    "lognormal (1), unbounded": (lambda generator, size: generator.lognormal(0, 1, size), np.e**0.5, UNBOUNDED, False),
    "difference of ratings": (*discrete([-2, -1, 0, 1, 2], [0.04, 0.11, 0.55, 0.2, 0.1]), (-4, 4), True),
    "difference, 87 % ties": (*discrete([-1, 0, 1], [0.03, 0.87, 0.1]), (-4, 4), True),
    "difference like BLIP-VQA": (lambda *key: answers(*key) - answers(*key), 0.0, (-1, 1), True),
}
NULLS = {  # differences of mean zero; the tests assume symmetric ones
    "normal": lambda generator, size: generator.normal(size=size),
    "ratings, symmetric": discrete([-2, -1, 0, 1, 2], [0.1, 0.15, 0.5, 0.15, 0.1])[0],
    "90 % ties, symmetric": discrete([-1, 0, 1], [0.05, 0.9, 0.05])[0],
    "exponential - 1 (skewed)": lambda generator, size: generator.exponential(1, size) - 1,
}


def resampled_intervals(values: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Expanded percentile intervals of the means of (prompts, columns), as before."""
    prompts = len(values)
    weights = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1 / prompts), RESAMPLES) / prompts
    tail = stats.norm.cdf(np.sqrt(prompts / (prompts - 1)) * stats.t.ppf(0.025, prompts - 1))
    low, high = np.quantile(weights @ values, [tail, 1 - tail], axis=0, method="weibull")
    return low, high


def means_table() -> dict:
    """Coverage and median width of both methods, by kind and number of prompts."""
    found: dict = {}
    lines = ["coverage of means, before -> now (median width, now / before)"]
    for kind, (sample, mean, bounds, paired) in KINDS.items():
        cells = []
        for prompts, samples in SIZES.items():
            values = sample(np.random.default_rng([1, prompts]), (prompts, samples))
            ends = resampled_intervals(values), mean_intervals(values, bounds, (-10, 10), paired=paired)
            before, now = (float(np.mean((low <= mean) & (mean <= high))) for low, high in ends)
            (width_before, width_now) = (float(np.median(high - low)) for low, high in ends)
            found.setdefault(kind, {})[prompts] = [round(before, 3), round(now, 3)]
            ratio = f"{width_now / width_before:.2f}" if width_before > 1e-9 else "-"
            cells.append(f"{before:.3f} -> {now:.3f} ({ratio})")
        lines.append(f"{kind:28} " + " | ".join(cells))
    print("", *lines, sep="\n", flush=True)
    return found


def shares_table() -> dict:
    """Mean and smallest exact coverage of shares over a grid of p, by number of prompts."""
    found = {}
    lines = ["exact coverage of shares over p = 0.5 to 0.99: mean, smallest; before, now"]
    grid = np.concatenate([np.linspace(0.5, 0.9, 41), np.linspace(0.9, 0.99, 181)])
    for prompts in SIZES:
        hits = np.arange(prompts + 1)
        values = (np.arange(prompts)[:, None] < hits).astype(float)
        chance = stats.binom.pmf(hits[:, None], prompts, grid)
        row = []
        for low, high in (resampled_intervals(values), mean_intervals(values, (0, 1))):
            covered = (chance * ((low[:, None] <= grid) & (grid <= high[:, None]))).sum(axis=0)
            row += [round(float(covered.mean()), 3), round(float(covered.min()), 3)]
        found[prompts] = row
        lines.append(f"{prompts:5} {row}")
    print("", *lines, sep="\n", flush=True)
    return found


def candidates(kind: str, generator: np.random.Generator, prompts: int) -> np.ndarray:
    """Scores of the candidates of one method, (prompts, candidates)."""
    difficulty = generator.normal(0, 0.7, (prompts, 1))
    noise = generator.normal(size=(prompts, 4))
    return {
        "four alike": lambda: difficulty + noise,
        "one better by 0.8": lambda: difficulty + noise + [0, 0.8, 0, 0],
        "two, one better by 0.2": lambda: difficulty + noise[:, :2] + [0, 0.2],
        "ratings": lambda: np.clip(np.rint(4.2 + difficulty + 0.6 * noise + [0, 0.1, 0.15, 0]), 1, 5),
    }[kind]()


class OneMetric:
    """What `selection_bias` needs of a score table, for one array of scores."""

    def __init__(self, values: np.ndarray):
        self.metrics, self.complete, self._values = ["metric"], np.ones(len(values), dtype=bool), values

    def array(self, metric: str, names: list[str]) -> np.ndarray:
        return self._values

    def limits(self, metric: str, ranges: dict) -> tuple[float, float]:
        return float(self._values.min()), float(self._values.max())

    def repeats(self, metric: str, names: list[str]) -> None:
        return None


def optimism_table(sizes: dict[int, int], resamples: int) -> dict:
    """Coverage of the optimism against other prompts, by kind of candidates and number of prompts."""
    found: dict = {}
    lines = ["coverage of the optimism against other prompts, before and now"]
    for kind in ("four alike", "one better by 0.8", "two, one better by 0.2", "ratings"):
        for prompts, samples in sizes.items():
            generator = np.random.default_rng([2, prompts])
            large = candidates(kind, generator, 400_000)
            chosen = [candidates(kind, generator, prompts // 2).mean(axis=0).argmax() for _ in range(4000)]
            truth = large.max(axis=1).mean() - large.mean(axis=0)[chosen].mean()
            covered = []
            for _ in range(samples):
                values = candidates(kind, generator, prompts)
                low, high = resampled_intervals((values.max(axis=1) - best_on_other_prompts(values, 0))[:, None])
                row = optimism(values, 0, resamples)
                covered.append([low[0] <= truth <= high[0], row["low95"] <= truth <= row["high95"]])
            found.setdefault(kind, {})[prompts] = np.mean(covered, axis=0).round(3).tolist()
            lines.append(f"{kind:24}{prompts:5} {found[kind][prompts]}")
    print("", *lines, sep="\n", flush=True)
    return found


def optimism(values: np.ndarray, seed: int, resamples: int) -> dict:
    """The row of `selection_bias` against other prompts."""
    methods = [{"name": "ours", "candidates": [str(number) for number in range(values.shape[1])]}]
    table = selection_bias(OneMetric(values), methods, {}, {"resamples": resamples, "seed": seed})  # type: ignore[arg-type]
    return table.iloc[0].to_dict()


def wander_of_ends() -> dict:
    """Standard deviation of an end point over seeds, as a share of the width: a mean before, the optimism now."""
    generator = np.random.default_rng(3)
    values, scores = generator.exponential(1, (50, 1)), candidates("four alike", generator, 50)
    before = np.array([np.ravel(resampled_intervals(values, seed)) for seed in range(40)])
    rows = [optimism(scores, seed, RESAMPLES) for seed in range(40)]
    now = np.array([[row["low95"], row["high95"]] for row in rows])
    found = {name: round(float((each.std(axis=0) / np.ptp(each.mean(axis=0))).max()), 4) for name, each in
             (("mean before", before), ("optimism now", now))}  # fmt: skip
    print("\nstandard deviation of an end point over seeds / width (means now: 0):", found, flush=True)
    return found


def coefficients_table() -> dict:
    """Coverage of kappa and Krippendorff's alpha of two judges with four images per prompt."""
    found = {}

    def judged(generator: np.random.Generator, prompts: int) -> tuple[np.ndarray, np.ndarray]:
        truth = generator.normal(2.6, 0.8, (prompts, 1)) + generator.normal(0, 0.7, (prompts, 4))
        both = truth + generator.normal(0, 0.6, (2, prompts, 4)) + np.array([0, 0.3])[:, None, None]
        one, other = np.clip(np.rint(both / 0.8 + 0.6), 1, 5)
        return one, other

    def kappa(one: np.ndarray, other: np.ndarray) -> float:
        return weighted_kappa(one.ravel(), other.ravel(), np.arange(1.0, 6))

    def alpha(one: np.ndarray, other: np.ndarray) -> float:
        return krippendorff_alpha(np.stack([one.ravel(), other.ravel()], axis=1), "ordinal")

    lines = ["coverage of coefficients, percentiles of 300 resamples and now"]
    for name, of in (("kappa", kappa), ("alpha, ordinal", alpha)):
        truth = of(*judged(np.random.default_rng(4), 50_000))
        for prompts in (12, 25, 100):
            generator, covered = np.random.default_rng([5, prompts]), []
            for _ in range(200):
                one, other = judged(generator, prompts)
                without = np.array([of(np.delete(one, i, 0), np.delete(other, i, 0)) for i in range(prompts)])
                low, high = jackknife_interval(of(one, other), without, (-1, 1))
                draws = (generator.integers(0, prompts, prompts) for _ in range(300))
                ends = np.nanquantile([of(one[draw], other[draw]) for draw in draws], [0.025, 0.975])
                covered.append([ends[0] <= truth <= ends[1], low <= truth <= high])
            found[f"{name}, {prompts} prompts"] = np.mean(covered, axis=0).round(3).tolist()
            lines.append(f"{name:16}{prompts:5} {found[f'{name}, {prompts} prompts']}")
    print("", *lines, sep="\n", flush=True)
    return found


def tests_table() -> dict:
    """Rejections at 5 % of differences of mean zero: sign flips and Wilcoxon."""
    found: dict = {}
    lines = ["rejections at 5 % of differences of mean zero: sign flips, Wilcoxon"]
    for kind, sample in NULLS.items():
        for prompts in (8, 25, 50, 200):
            values = sample(np.random.default_rng([6, prompts]), (prompts, 1500))
            tests = sign_flip_p(values, 2000, 0), wilcoxon_p(values)
            found.setdefault(kind, {})[prompts] = [round(float(np.mean(p < 0.05)), 3) for p in tests]
            lines.append(f"{kind:26}{prompts:5} {found[kind][prompts]}")
    print("", *lines, sep="\n", flush=True)
    return found


def measure(pool: Pool) -> dict:
    """All tables, by name; each prints itself."""
    jobs = {
        "means": pool.apply_async(means_table),
        "optimism": pool.apply_async(optimism_table, [{12: 400, 25: 400, 50: 400, 200: 150}, 300]),
        "coefficients": pool.apply_async(coefficients_table),
        "tests": pool.apply_async(tests_table),
        "shares": pool.apply_async(shares_table),
        "wander": pool.apply_async(wander_of_ends),
    }
    return {name: job.get() for name, job in jobs.items()}
