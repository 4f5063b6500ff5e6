"""Methods: the rows of the result tables, the image sets that each chooses from, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detailscribe.study.study import Study


PAPER_ROWS = ("sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe")  # of its main table


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    Attributes:
        name: Of the row.
        candidates: Image sets that the method chooses from, in order of preference on a tie.
        headline: The selection shown first (the paper's, if it has one): single, oracle, mean or by:{metric}.
    """

    name: str
    candidates: tuple[str, ...]
    headline: str


def configured_methods(study: Study) -> list[Method]:
    """Rows of the tables, in the paper's order."""
    config, originals = study.config, study.originals()
    seeds = tuple(f"original-{seed}" for seed in config["seeds"])
    rows = [Method("sd", (originals[0],), "single")]
    rows += [Method(name, (name,), "single") for name in config["rewriters"]]
    critics = [Method(name, tuple(study.candidates(name)), "oracle") for name in config["critics"]]
    rows += [Method(row.name, row.candidates, "single") for row in critics if len(row.candidates) == 1]
    if len(seeds) > 1:
        rows.append(Method("multi_seed", seeds, f"by:{config['seed_selector']}"))
    if config["extra_seeds"]:
        # The initial image and each candidate cost one image per seed, as the released code generates them.
        count = 1 + max((len(row.candidates) for row in critics), default=len(originals))
        rows.append(Method("equal_compute_seeds", tuple(originals[:count]), "by:" + config["seed_selector"]))
    rows += [Method(name, (name,), "single") for name in config["external"]]
    return rows + [row for row in critics if len(row.candidates) > 1]


def best_of(study: Study) -> list[str]:
    """Methods among which the tables count the best, those that the study has: the configured ones, or the paper's."""
    return list(study.config["statistics"]["best_of"] or PAPER_ROWS)


def rated_methods(study: Study) -> list[Method]:
    """Methods whose images raters see; a method without candidates has no image of its own to show."""
    shown = {method.name: method.candidates for method in study.methods() if not method.headline.startswith("by:")}
    if study.candidates_of_method("multi_seed"):
        shown["multi_seed"] = ("multi_seed",)  # the selected image, under this name in the dictionary
    return [Method(name, shown.get(name, ()), "oracle") for name in study.config["human"]["methods"]]


def denoising_steps_by_method(study: Study) -> dict[str, int]:
    """Denoising steps per prompt, by method: the cost of all images that the method chooses from.

    Candidates of a critic share the steps before the prompt switches, which are the initial image's own where they are
    reused. Imported and hosted image sets have no entry.
    """
    steps_per_image = study.config["generation"]["steps"]
    steps = {}
    for method in study.methods():
        if method.name in study.config["critics"]:
            after = [k for k in study.candidates(method.name).values() if k]
            shared = 0 if study.first_step_ks() else max(after, default=-1) + 1
            from_noise = len(method.candidates) - len(after)
            steps[method.name] = (
                steps_per_image * (1 + from_noise) + shared + sum(steps_per_image - k - 1 for k in after)
            )
        elif method.name not in study.config["external"]:
            steps[method.name] = steps_per_image * len(method.candidates)
    return steps
