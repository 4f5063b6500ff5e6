"""Sample scores for tests of tables: two prompts worked by hand, and random ones."""

import numpy as np

from detailscribe.tables.score_table import ScoreTable, score_frame

NAMES = ["o1", "o2", "k0", "k1"]
METHODS = [
    {"name": "sd", "candidates": ["o1"], "headline": "single"},
    {"name": "multi_seed", "candidates": ["o1", "o2"], "headline": "by:clip"},
    {"name": "ours", "candidates": ["k0", "k1"], "headline": "oracle"},
]
SETTINGS = {
    "bootstrap": {"resamples": 200, "seed": 0},
    "statistics": {"baseline": "sd", "test": "permutation", "permutations": 1000},
    "ranges": {"clip": None, "judge": [1, 5]},
    "best_of": ["sd", "multi_seed", "ours", "other"],
    "ties_win": False,
    "selector": "clip",
}
# Worked by hand: prompts a, b; clip prefers o2 for a, o1 for b; judge is missing for (b, k1).
CLIP = {
    ("a", "o1"): 0.2, ("a", "o2"): 0.6, ("b", "o1"): 0.5, ("b", "o2"): 0.1,
    ("a", "k0"): 0.4, ("a", "k1"): 0.8, ("b", "k0"): 0.6, ("b", "k1"): 0.2,
}  # fmt: skip
JUDGE = {
    ("a", "o1"): 5, ("a", "o2"): 1, ("b", "o1"): 3, ("b", "o2"): 4,
    ("a", "k0"): 2, ("a", "k1"): 4, ("b", "k0"): 5, ("b", "k1"): None,
}  # fmt: skip


def score_rows(values: dict, status: str = "unparsed") -> list[dict]:
    """Score rows from scores by (id, image set); None is a missing score."""
    return [
        {"id": id, "image_set": name, "score": value, "status": status if value is None else "ok"}
        for (id, name), value in values.items()
    ]


def hand_worked(ids: str = "ab", complete: str | None = None, dropped=(), **values) -> ScoreTable:
    """Prompts by one-letter id, with the scores above or those given by metric."""
    prompts = [{"id": id, "topic": id, "prompt": id, "stratum": "x" if id == "a" else "y"} for id in ids]
    scores = {metric: score_rows(value) for metric, value in (values or {"clip": CLIP, "judge": JUDGE}).items()}
    frame = score_frame(prompts, set(ids if complete is None else complete), list(dropped), scores)
    return ScoreTable(frame, list(scores))


def random_scores(n: int, ties: bool = False) -> ScoreTable:
    """Normal scores of `n` prompts, or whole ratings from 1 to 5."""
    generator = np.random.default_rng(5)
    ids = [f"p{index}" for index in range(n)]
    scores = {}
    for metric in ("clip", "judge"):
        values = generator.integers(1, 6, (n, 4)).astype(float) if ties else generator.normal(size=(n, 4))
        images = [(id, name) for id in ids for name in NAMES]
        by_image = dict(zip(images, values.ravel().tolist(), strict=True))
        scores[metric] = score_rows(by_image)
    return ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], scores), list(scores))
