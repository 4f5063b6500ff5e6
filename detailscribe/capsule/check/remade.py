"""What a replay makes again from a capsule, by which rules; all else is taken from the capsule."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from detailscribe.capsule.layout import STUDY

# Rules that need no image, no weights and no key; the outputs of all other rules are taken as they are. They are not
# allowed to run, so that nothing asks for a GPU, a download or a network.
BY_FOLDER: dict[str, tuple[str, ...]] = {
    "decompositions": ("decompose_prompts",),
    "rewrites": ("rewrite_prompts",),
    "critiques": ("critique_images",),
    "noun_phrases": ("find_noun_phrases",),
    "parts": ("list_parts",),
    "audits": ("audit_critiques",),
    "pairs": ("judge_pairs",),
}
JUDGES, SELECTED_SEED, SELECTED_BY_JUDGE = ("judge_images", "judge_parts"), ("select_seed",), ("select_by_judge",)
BY_FILE = {"dictionary.jsonl": ("clean_dictionary",), "dropped.tsv": ("clean_dictionary",)}
BY_TABLE = {
    **dict.fromkeys(("scores", "main", "strata", "optimism", "judges"), ("tabulate_scenario",)),
    **dict.fromkeys(("pairs", "strengths", "rankings"), ("tabulate_pairs",)),
    **{"published": ("compare_published",), "judge_repeats": ("tabulate_repeats",), "cost": ("tabulate_cost",)},
    **{"parts": ("tabulate_parts",), "critique_audit": ("tabulate_audit",)},
    **{"method_costs": ("count_costs",), "budget": ("tabulate_budget",)},
}
BY_STUDY_TABLE = {
    **dict.fromkeys(("main", "pooled", "optimism", "judges"), ("pool_tables",)),
    **{"published": ("compare_pooled",), "cost": ("pool_cost",)},
}
BY_FIGURE = {
    **dict.fromkeys(("differences", "main", "wins", "compute"), ("plot_scenario",)),
    **{"strengths": ("tabulate_pairs",), "budget": ("tabulate_budget",)},
}
PARSED = ("noun_phrases", "parts")  # folders whose rows a parser makes: slow to load
FIGURES = "figures"
_PLACE = re.compile(
    r"results/(?:(?P<scenario>[a-z][a-z0-9_]*)/)?(?:(?P<folder>[a-z_]+)/)?(?:(?P<name>[\w-]+)/)?(?P<file>[\w.-]+)"
)


def place_of(inner: str) -> dict[str, str]:
    """Scenario, folder, name and file of a result; empty where it is no result of a scenario or of the whole study.

    Args:
        inner: Name of a member without `study/`.
    """
    match = _PLACE.fullmatch(inner)
    if match is None:
        return {}
    place = {key: value or "" for key, value in match.groupdict().items()}
    if place["scenario"] in ("tables", "parameters", "fingerprints", "weights"):  # of the whole study
        place |= {"folder": place["scenario"], "scenario": ""}
    return place


def rules_of(inner: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules that can make a result again, of which one does; none for what is taken from the capsule.

    Args:
        inner: Name of a member without `study/`.
        config: Of the capsule.
    """
    place = place_of(inner)
    if not place:
        return ()
    folder, name, stem = place["folder"], place["name"], place["file"].partition(".")[0]
    if not place["scenario"]:
        return BY_STUDY_TABLE.get(stem, ()) if folder == "tables" else ()
    if not folder:
        return BY_FILE.get(place["file"], ())
    if folder in ("tables", FIGURES):
        return (BY_TABLE if folder == "tables" else BY_FIGURE).get(stem, ())
    if folder == "scores":
        return JUDGES if name.startswith("judge-") else ()
    if folder == "selections":
        if name == "multi_seed":
            return SELECTED_SEED
        by = config.get("selections", {}).get(name, {}).get("by", "")
        return SELECTED_BY_JUDGE if str(by).startswith("judge-") else ()
    return BY_FOLDER.get(folder, ())


def targets_of(
    names: Iterable[str], config: Mapping[str, Any], with_figures: bool, with_parser: bool
) -> dict[str, tuple]:
    """Results of a capsule that are made again, without `study/`, with the rules that may make each.

    Args:
        names: Of the capsule's members.
        config: Of the capsule.
        with_figures: Also the figures.
        with_parser: Also what spaCy makes.
    """
    targets = {}
    for name in names:
        inner = name.removeprefix(STUDY)
        rules = rules_of(inner, config) if inner != name else ()
        folder = place_of(inner).get("folder") if rules else ""
        if rules and (with_figures or folder != FIGURES) and (with_parser or folder not in PARSED):
            targets[inner] = rules
    return targets
