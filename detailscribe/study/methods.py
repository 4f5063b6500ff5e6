"""Methods: the rows of the result tables, the image sets that each chooses from, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.llm.endpoints import is_offline
from detailscribe.study.refinements import (
    FROM_SCRATCH,
    PROMPT_SWITCH,
    REFINERS,
    errors_at,
    load_refiner,
    steps_of_image,
)

if TYPE_CHECKING:
    from detailscribe.study.study import Study


EQUAL_COMPUTE = "equal_compute_seeds"  # row of the seeds at the compute of the costliest critic
CANDIDATES, STEPS, GPU_SECONDS = "candidates", "steps", "gpu_seconds"  # how its seeds are counted
PAPER_ROWS = ("sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe")  # of its main table
MOCK = "mock"  # label of a model that answers by rule


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
    graph = study.graph
    for each in graph.refinements:
        if each.entry[0] == REFINERS and each.name not in graph.in_chains:
            rows.append(Method(each.name, tuple(each.image_sets), "oracle" if len(each.image_sets) > 1 else "single"))
    return rows + [
        Method(each.name, tuple(graph.flat(each.name)), f"by:{each.by}")
        for each in graph.selections.values()
        if each.rank == 1 and each.name not in graph.rounds
    ]


def _equal_compute_count(study: Study, critics: list[Method]) -> int:
    """How many seeds `equal_compute_seeds` has; by measured seconds, the most that it may have (tables/budget/)."""
    mode = study.budget["equal_compute"]
    if mode == GPU_SECONDS or not critics:
        return len(study.originals())
    if mode == STEPS:
        return max(1, max(_steps(study, row) or 0 for row in critics) // study.config["generation"]["steps"])
    # The initial image and each candidate cost one image per seed, as the released code generates them.
    return candidate_count(row.candidates for row in critics)


def candidate_count(candidates: Iterable[Sequence[str]]) -> int:
    """Seeds at equal compute by the number of candidates: one for each of the most, and one for the initial image.

    Args:
        candidates: Of each critic.
    """
    return 1 + max(len(names) for names in candidates)


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
    reused. Without an entry are external image sets, what needs an imported one, whose steps nobody knows, and seeds at
    equal compute that measured seconds decide.
    """
    undecided = study.budget["equal_compute"] == GPU_SECONDS
    counts = {
        method.name: _steps(study, method)
        for method in study.methods()
        if method.name not in study.config["external"] and not (undecided and method.name == EQUAL_COMPUTE)
    }
    return {name: count for name, count in counts.items() if count is not None}


def _steps(study: Study, method: Method) -> int | None:
    names = study.needs_of(method).every_image_set
    return steps_of(study.steps_by_set, names, study.config["generation"]["steps"])


def steps_by_set(study: Study) -> dict[str, dict]:
    """What the images of each set cost, as far as the configuration decides it.

    Returns:
        By image set: `origin` (here, endpoint, elsewhere) and `steps` of an image, null for unknown. Sets of a prompt
        switch share steps: they have `switch`, its name, `k` and `reuses_steps` (of the initial image) instead.

    Raises:
        InputError, SetupError: a refiner's `steps` fails; names its entry.
    """
    full, sets, graph = study.config["generation"]["steps"], dict[str, dict](), study.graph
    for name in study.image_sets():
        refinement = graph.refinement_of(name)
        external = study.config["external"].get(name, {})
        if refinement and refinement.refiner == PROMPT_SWITCH:
            shared = {"switch": refinement.name, "k": refinement.image_sets[name]["k"]}
            sets[name] = {"origin": "here", **shared, "reuses_steps": graph.reuses_first_steps(refinement)}
        elif refinement:
            values = {**refinement.settings, **refinement.image_sets[name]}
            steps = full
            if refinement.refiner != FROM_SCRATCH:
                with errors_at(refinement.place):
                    module = load_refiner(refinement.refiner)
                    steps = steps_of_image(module, refinement.refiner, values, full)
            sets[name] = {"origin": "here", "steps": steps}
        elif external and "image_model" not in external:
            hosted = "endpoint" in external
            sets[name] = {"origin": "endpoint" if hosted else "elsewhere", "steps": 0 if hosted else None}
        else:
            sets[name] = {"origin": "here", "steps": full}
    return sets


def steps_of(sets: Mapping[str, dict], made: Iterable[str], full: int) -> int | None:
    """Denoising steps of the images of one prompt, steps that they share counted once; None for unknown.

    Args:
        sets: Of `steps_by_set`.
        made: Image sets whose images were made for this prompt.
        full: Steps of a full run.
    """
    count = 0
    switches: dict[tuple[str, int | None], list[int]] = {}
    for name in made:
        values = sets[name]
        if "switch" in values:
            first = 0 if values["reuses_steps"] else None
            switches.setdefault((values["switch"], first), []).append(values["k"])
        elif values["steps"] is None:
            return None
        else:
            count += values["steps"]
    return count + sum(refinement_steps(ks, full, first) for (_, first), ks in switches.items())


def method_labels(study: Study) -> dict[str, str]:
    """What people read for each method in place of its name: from `labels` of the config, or the paper's name.

    `sd` is the image model's `label`; a method that is none of the paper's has its name. No two have the same label.
    """
    own = study.config.get("labels", {}).get("methods", {})
    return distinct_labels({row.name: own.get(row.name) or _paper_label(study, row) for row in study.methods()})


def method_label(study: Study, name: str) -> str:
    """What people read for a method (`method_labels`); the name itself if the tables have no such row."""
    return method_labels(study).get(name, name)


def image_set_labels(study: Study) -> dict[str, str]:
    """What people read for each image set: `seed 1` for an initial image, `DetailScribe, k = 2` for a candidate."""
    own, methods = study.config.get("labels", {}).get("methods", {}), method_labels(study)
    seeds = {f"original-{seed}": f"seed {number}" for number, seed in enumerate(study.seeds, start=1)}
    labels = {}
    for name in study.image_sets():
        made = study.graph.refinement_of(name)
        label = seeds.get(name) or methods.get(name, name)
        if made and made.name in methods and made.image_sets[name]:
            settings = (f"{key} = {value}" for key, value in made.image_sets[name].items())
            label = ", ".join([methods[made.name], *settings])
        labels[name] = own.get(name) or label
    return distinct_labels(labels)


def image_set_label(study: Study, name: str) -> str:
    """What people read for an image set (`image_set_labels`) or for a method that selects one."""
    return image_set_labels(study).get(name) or method_label(study, name)


def image_model_label(study: Study, name: str) -> str:
    """What people read for an entry of `image_models`: its `label`, or its name."""
    return study.config["image_models"][name].get("label") or name


def model_label(study: Study, endpoint: str, model: str) -> str:
    """What people read for a model at an endpoint: its name without the organisation, or that it is a mock."""
    return MOCK if is_offline(study.config["endpoints"][endpoint]) else model.rstrip("/").rpartition("/")[2]


def distinct_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by name; those that several names share are followed by the name."""
    shared = Counter(labels.values())
    unclear = {name for name, label in labels.items() if shared[label] > 1 and label != name}
    return {name: f"{label} ({name})" if name in unclear else label for name, label in labels.items()}


def _paper_label(study: Study, method: Method) -> str:
    """The paper's name of a method, as far as the study's models are those that it is named after."""
    config, name, count = study.config, method.name, len(method.candidates)
    group = "critics" if name in config["critics"] else "rewriters"
    role = config["roles"].get(config[group].get(name, {}).get("role"), {})
    gpt = "GPT " if "gpt" in role.get("model", "").lower() else ""
    external = config["external"].get(name, {})
    if "image_model" in external:
        return image_model_label(study, external["image_model"])
    if name == "hosted" and "endpoint" in external:
        model = model_label(study, external["endpoint"], external["model"])
        return "hosted (placeholder)" if model == MOCK else model
    up_to = "up to " if study.budget["equal_compute"] == GPU_SECONDS else ""
    labels = {
        "sd": image_model_label(study, config["image_model"]),
        "gpt_rewrite": f"+ {gpt}Rewrite",
        "gpt_refine": f"+ {gpt}Refine",
        "detailscribe": "DetailScribe",
        "ablation": "DetailScribe without decomposition",
        "multi_seed": f"best of {count} seeds",
        EQUAL_COMPUTE: f"best of {up_to}{count} seeds (equal compute)" if count > 1 else "1 seed (equal compute)",
    }
    return labels.get(name, name)
