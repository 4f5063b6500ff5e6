"""Methods: the rows of the result tables, the image sets that each chooses from, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detailscribe.study.study import Study


EQUAL_COMPUTE = "equal_compute_seeds"  # row of the seeds at the compute of the costliest critic
CANDIDATES, STEPS, GPU_SECONDS = "candidates", "steps", "gpu_seconds"  # how its seeds are counted
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
        seeds_of_equal_compute = tuple(originals[: _equal_compute_count(study, critics)])
        headline = "by:" + config["seed_selector"] if len(seeds_of_equal_compute) > 1 else "single"
        rows.append(Method(EQUAL_COMPUTE, seeds_of_equal_compute, headline))
    rows += [Method(name, (name,), "single") for name in config["external"]]
    rows += [row for row in critics if len(row.candidates) > 1]
    graph, configured = study.graph, {*config["critics"], *config["rewriters"]}
    for each in graph.refinements:
        if each.name not in configured and each.name not in graph.in_chains:
            rows.append(Method(each.name, tuple(each.image_sets), "oracle" if len(each.image_sets) > 1 else "single"))
    return rows + [
        Method(each.name, tuple(graph.flat(each.name)), f"by:{each.by}")
        for each in graph.selections.values()
        if each.rank == 1
    ]


def _equal_compute_count(study: Study, critics: list[Method]) -> int:
    """How many seeds `equal_compute_seeds` has; by measured seconds, the most that it may have (tables/budget/)."""
    mode = study.budget["equal_compute"]
    if mode == GPU_SECONDS or not critics:
        return len(study.originals())
    if mode == STEPS:
        return max(1, max(_steps(study, row) for row in critics) // study.config["generation"]["steps"])
    # The initial image and each candidate cost one image per seed, as the released code generates them.
    return candidate_count([vars(row) for row in critics])


def candidate_count(critics: list[dict]) -> int:
    """Seeds at equal compute by the number of candidates: one for each of the most, and one for the initial image."""
    return 1 + max(len(row["candidates"]) for row in critics)


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
    reused. External image sets have no entry, nor have seeds at equal compute that measured seconds decide.
    """
    undecided = study.budget["equal_compute"] == GPU_SECONDS
    return {
        method.name: _steps(study, method)
        for method in study.methods()
        if method.name not in study.config["external"] and not (undecided and method.name == EQUAL_COMPUTE)
    }


def _steps(study: Study, method: Method) -> int:
    full, reuse, needs = study.config["generation"]["steps"], bool(study.first_step_ks()), study.needs_of(method)
    drawn_here = [name for name in needs.image_sets if name not in study.config["external"]]
    return full * len(drawn_here) + study.graph.steps(needs, full, reuse)
