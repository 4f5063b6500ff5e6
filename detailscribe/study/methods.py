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
    critics = [Method(name, tuple(sets), "oracle") for name in config["critics"] if (sets := study.candidates(name))]
    rows += [Method(row.name, row.candidates, "single") for row in critics if len(row.candidates) == 1]
    if len(seeds) > 1:
        rows.append(Method("multi_seed", seeds, f"by:{config['seed_selector']}"))
    if config["extra_seeds"]:
        # The initial image and each candidate cost one image per seed, as the released code generates them.
        count = 1 + max((len(row.candidates) for row in critics), default=len(originals))
        rows.append(Method("equal_compute_seeds", tuple(originals[:count]), "by:" + config["seed_selector"]))
    rows += [Method(name, (name,), "single") for name in config["external"]]
    rows += [row for row in critics if len(row.candidates) > 1]
    graph, configured = study.graph, {*config["critics"], *config["rewriters"]}
    for each in graph.refinements:
        if each.name not in configured and each.name not in graph.in_chains:
            rows.append(Method(each.name, tuple(each.image_sets), "oracle" if len(each.image_sets) > 1 else "single"))
    return rows + [
        Method(each.name, tuple(graph.flat(each.name)), f"by:{each.by}") for each in graph.selections.values()
    ]


def best_of(study: Study) -> list[str]:
    """Methods among which the tables count the best, those that the study has: the configured ones, or the paper's."""
    return list(study.config["statistics"]["best_of"] or PAPER_ROWS)


def rated_methods(study: Study) -> list[Method]:
    """Methods whose images raters see; a method without candidates has no image of its own to show."""
    shown = {method.name: method.candidates for method in study.methods() if not method.headline.startswith("by:")}
    if study.candidates_of_method("multi_seed"):
        shown["multi_seed"] = ("multi_seed",)  # the selected image, under this name in the dictionary
    shown |= {name: (name,) for name in study.graph.selections}
    return [Method(name, shown.get(name, ()), "oracle") for name in study.config["human"]["methods"]]


def denoising_steps_by_method(study: Study) -> dict[str, int]:
    """Denoising steps per prompt, by method: the cost of all images that the method chooses from.

    Candidates of a critic share the steps before the prompt switches, which are the initial image's own where they are
    reused. Imported and hosted image sets have no entry.
    """
    full, reuse = study.config["generation"]["steps"], bool(study.first_step_ks())
    steps = {}
    for method in study.methods():
        if method.name not in study.config["external"]:
            needs = study.needs_of(method)
            drawn_here = [name for name in needs.image_sets if name not in study.config["external"]]
            steps[method.name] = full * len(drawn_here) + study.graph.steps(needs, full, reuse)
    return steps
