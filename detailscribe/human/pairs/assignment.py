"""Assignment of pairs of images to raters: which images of a prompt are compared, in which order a rater sees them.

A key lists which methods and images are behind each pair of a rater's page. Which prompts, and which pairs of a prompt,
is the same for all raters; the order of the prompts, of a prompt's pairs and of the two images is drawn for each.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.digests import digest
from detailscribe.human.assignment import cell_text, sample_prompts
from detailscribe.methods.select import select_image
from detailscribe.study.judging.human_pairs import human_pair_parameters
from detailscribe.study.judging.pair_schedule import scheduled_pairs
from detailscribe.study.study import Study

STAGE = "human_pair_sheets"
ALGORITHM = 1
PAIR_LENGTH = 12  # hex characters of a pair's code
KEY_FOLDER = "pairs"  # of the keys, in the folder of those of rating sheets


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"human_pair_sheets": human_pair_parameters(study)}


def key_folder(scenario: str) -> Path:
    """Folder of the keys of all pages of pairs ever written."""
    return Path("resources/human") / scenario / KEY_FOLDER


def compared_prompts(dictionary: list[dict], values: Mapping, scores: list[dict]) -> list[dict]:
    """The sampled prompts with the one image of each method that is compared.

    Args:
        dictionary: Rows of dictionary.jsonl.
        values: Of `human_pair_parameters`.
        scores: Rows id, image_set, score of the metric `by`. A prompt where it misses a candidate of a method is not
            compared.

    Returns:
        Rows id, topic, prompt, image_sets and images (files), both by method.

    Raises:
        InputError: fewer than two methods, a method without an image, or no prompt with an image of each.
    """
    methods = values["methods"]
    if len(methods) < 2:
        names = ", ".join(method["name"] for method in methods) or "none"
        raise InputError(f"human: pairs: methods: {names}: a pair needs two methods with images; name another")
    chosen: dict[str, dict[str, str]] = {}  # image set by method, by prompt
    for method in methods:
        name, candidates = method["name"], method["candidates"]
        if not candidates:
            raise InputError(f"human: pairs: methods: {name!r} has no image in this study; remove it from the list")
        if len(candidates) == 1:
            found = {row["id"]: candidates[0] for row in dictionary}
        else:
            found = {row["id"]: row["image_set"] for row in select_image(scores, candidates, values["by"])}
        for id, image_set in found.items():
            chosen.setdefault(id, {})[name] = image_set
    rows = []
    for row in dictionary:
        image_sets = {name: each for name, each in chosen.get(row["id"], {}).items() if each in row["images"]}
        images = {name: row["images"][each] for name, each in image_sets.items()}
        texts = {name: cell_text(row[name]) for name in ("topic", "prompt")}
        rows.append({"id": row["id"], **texts, "image_sets": image_sets, "images": images})
    return sample_prompts(rows, [method["name"] for method in methods], values["prompts"], values["seed"])


def assign_pairs(rater: str, prompts: list[dict], values: Mapping, shown: Callable[[str], str]) -> list[dict]:
    """The key of one rater's page, one row per pair of methods and prompt.

    Two pairs of methods with the same two images are one pair to judge: they share `row` and `pair`. Two methods with
    the same image are no pair to judge: such a row has row 0 and no code.

    Args:
        rater: Name.
        prompts: Of `compared_prompts`.
        values: Of `human_pair_parameters`.
        shown: Digest of what the page shows of a file.

    Returns:
        Rows rater, row, pair, id, topic, prompt, first, second (methods, in the order shown), first_image_set,
        second_image_set, first_file, second_file; in the order shown.
    """
    seed, names = values["seed"], [method["name"] for method in values["methods"]]
    key, number = [], 0
    for prompt in sorted(prompts, key=lambda row: digest([seed, rater, row["id"]])):
        pairs = scheduled_pairs(prompt["id"], names, values["schedule"])
        seen: dict[frozenset[str], tuple[str, int, str]] = {}  # what is shown first, row and code, by what is shown
        for one, other in sorted(pairs, key=lambda pair: digest([seed, rater, prompt["id"], *sorted(pair)])):
            drawn = digest([seed, rater, prompt["id"], "order", *sorted((one, other))])
            first, second = (one, other) if (int(drawn, 16) % 2) == (one < other) else (other, one)
            images = [shown(prompt["images"][name]) for name in (first, second)]
            row, code = 0, ""
            if images[0] != images[1]:
                if frozenset(images) not in seen:
                    number += 1
                    seen[frozenset(images)] = images[0], number, drawn[:PAIR_LENGTH]
                before, row, code = seen[frozenset(images)]
                if before != images[0]:
                    first, second = second, first
            key.append(_key_row(rater, row, code, prompt, first, second))
    return key


def _key_row(rater: str, row: int, code: str, prompt: dict, first: str, second: str) -> dict:
    return {
        **{"rater": rater, "row": row, "pair": code},
        **{name: prompt[name] for name in ("id", "topic", "prompt")},
        **{"first": first, "second": second},
        **{f"{side}_image_set": prompt["image_sets"][name] for side, name in (("first", first), ("second", second))},
        **{f"{side}_file": prompt["images"][name] for side, name in (("first", first), ("second", second))},
    }
