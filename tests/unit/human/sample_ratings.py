"""Methods, prompts and ratings of the tests of rating sheets."""

METHODS = [
    {"name": "sd", "candidates": ["original-11"], "headline": "oracle"},
    {"name": "hosted", "candidates": ["hosted"], "headline": "oracle"},
    {"name": "detailscribe", "candidates": ["detailscribe-k0", "detailscribe-k1"], "headline": "oracle"},
]
IMAGE_SETS = ["original-11", "hosted", "detailscribe-k0", "detailscribe-k1"]
TEXTS = ["=1+1 foxes", "+ a crow", "-5 degrees", "@home with\u000b two\nlines", "A goat paints a fence."]
RATED = ["original-11", "hosted", "k0", "k1"]  # image sets of `rows_of`
BEST_OF = ["sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe"]


def shown_of(file: str) -> str:
    """What is shown of a file: each one something else."""
    return file


def rating_of(row: dict) -> int:
    """A rating that identifies the prompt and image set that it was given to."""
    return 1 + (int(row["id"][4]) + IMAGE_SETS.index(row["image_set"])) % 5


def rows_of(ratings: dict[tuple[str, str], tuple]) -> list[dict]:
    """Rating rows of ratings by (rater, prompt), one per image set of RATED; None for a missing one."""
    return [
        {"rater": rater, "id": id, "image_set": name, "rating": value, "file": f"{id}/{name}.jpg", "shown_as": name}
        for (rater, id), values in ratings.items()
        for name, value in zip(RATED, values, strict=True)
        if value
    ]
