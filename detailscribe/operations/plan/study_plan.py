"""Plan of a study: what a run would make and why, and what it would cost. Sends no request and generates no image.

The stages' own functions run with a client that only collects requests, so a plan finds the same requests and keys as a
run. Work that depends on outputs which do not exist yet is counted as an estimate.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from detailscribe.methods.critique import critique
from detailscribe.methods.decompose import decompose
from detailscribe.methods.generate import parameters_name, requests_from_text
from detailscribe.methods.refine import refinement_requests
from detailscribe.methods.rewrite import rewrite
from detailscribe.operations.plan.estimate import Estimate
from detailscribe.operations.plan.image_stages import add_image_loads, add_image_stage
from detailscribe.operations.plan.llm_stages import add_external_stage, add_llm_stage
from detailscribe.operations.plan.pair_stages import add_pair_stage
from detailscribe.operations.plan.question_stages import add_audit_stage, add_part_stage
from detailscribe.operations.plan.score_stages import add_score_stage, selected_rows
from detailscribe.operations.plan.shard import Shard, read_shard
from detailscribe.prompts.writing import read_topics
from detailscribe.scores.judges.marks import judge_images
from detailscribe.study.judging.judges import PAIRS, PARTS, PROMPT, REMARKS
from detailscribe.study.study import Study

DRAWING_STAGES = ("generate", "refine")


def plan_study(
    study: Study,
    parameters: dict[str, dict],
    results: Path = Path("results"),
    store: Path = Path("resources/exchanges"),
) -> Estimate:
    """Estimate what a run of the study would take.

    Args:
        study: The study; the plan covers every scenario that a run builds by default.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
        store: Folder of the exchanges.
    """
    estimate = Estimate(study, parameters, results, store)
    for name, entry in study.config["topics"].items():
        if not Path(f"resources/written/{name}.jsonl").is_file():
            target = study.endpoint_and_model("write")
            assert target is not None
            topics = read_topics(Path(entry["file"]))
            for _ in topics:  # one call per topic
                estimate.add_unknown_call(estimate.line("", "write", name), "write_prompts", *target)
            estimate.add_server_start("", "write", name, target[0], len(topics))
    for scenario in study.config["study"]:
        files = [results / scenario / "shards" / f"{name}.jsonl" for name in study.shards(scenario)]
        if all(file.is_file() for file in files):
            for file in files:
                add_shard(read_shard(estimate, scenario, file))
        else:
            estimate.notes.append(
                f"{scenario}: its prompt file does not exist yet; `snakemake {study.source(scenario)}`, with the same "
                "options, makes it"
            )
    return estimate


def draws_images(study: Study, parameters: dict[str, dict], shards: Iterable[tuple[str, str]]) -> bool:
    """Whether jobs of these (scenario, shard) would draw an image, or only write manifests of what is there.

    Unknown counts as drawing: prompts that are not there yet, texts that no model has written yet.
    """
    estimate = _of_shards(study, parameters, shards)
    if estimate is None:
        return True
    busy = [line for line in estimate.lines if line.reasons]
    return any(line.stage in DRAWING_STAGES or line.name in study.drawn for line in busy)


def stages_with_servers(
    study: Study, parameters: dict[str, dict], shards: Iterable[tuple[str, str]]
) -> set[tuple[str, str]] | None:
    """(stage, name) whose jobs of these (scenario, shard) would start a server; None if prompts are not there yet."""
    estimate = _of_shards(study, parameters, shards)
    return None if estimate is None else estimate.started


def _of_shards(study: Study, parameters: dict[str, dict], shards: Iterable[tuple[str, str]]) -> Estimate | None:
    """The estimate of these (scenario, shard) alone; None if prompts of one are not there yet."""
    estimate = Estimate(study, parameters)
    for scenario, name in shards:
        file = estimate.results / scenario / "shards" / f"{name}.jsonl"
        if not file.is_file():
            return None
        add_shard(read_shard(estimate, scenario, file))
    return estimate


def add_shard(shard: Shard) -> None:
    """Add every stage of a shard."""
    records, study, parameters = shard.records, shard.estimate.study, shard.estimate.parameters
    decompositions = add_llm_stage(shard, "decompose", "", "decompositions", partial(decompose, records))
    texts: dict[str, dict[str, dict] | None] = dict.fromkeys(study.originals())
    for name in study.rewritten:
        texts[name] = _by_id(add_llm_stage(shard, "rewrite", name, f"rewrites/{name}", partial(rewrite, records)))
    images: dict[str, dict[str, dict]] = {}
    for image_set, rewritten in texts.items():
        stage_parameters = parameters[parameters_name(image_set)]
        requests_of = partial(requests_from_text, records, rewritten, image_set)
        images |= add_image_stage(shard, "generate", image_set, [image_set], stage_parameters, requests_of)
    add_image_loads(shard, "generate")
    externals = [name for name in study.config["external"] if name not in _external_sources(study)]
    for name in _external_sources(study):
        _add_external(shard, name, images)
    known_texts = {name: rows for name, rows in texts.items() if rows is not None}
    _add_refinements(shard, images, _by_id(decompositions), known_texts)
    for name in externals:
        _add_external(shard, name, images)
    for name in study.judges_asked(PROMPT):
        run = partial(judge_images, records, images, scenario=shard.scenario)
        add_llm_stage(shard, "judge", name, f"scores/judge-{name}", run)
    for name in study.judges_asked(PARTS):
        add_part_stage(shard, name, _by_id(decompositions), images)
    for name in study.judges_asked(REMARKS):
        add_audit_stage(shard, name, known_texts, images)
    for name in study.judges_asked(PAIRS):
        add_pair_stage(shard, name, images)
    for name in study.config["metrics"]:
        add_score_stage(shard, name, images)


def _add_refinements(
    shard: Shard,
    images: dict[str, dict[str, dict]],
    decompositions: dict[str, dict],
    texts: dict[str, dict[str, dict]],
) -> None:
    """Add the critics and rewriters that look at images, and the refinements, in the order of their jobs.

    Args:
        images: Rows by id by image set; those of the refinements are added.
        decompositions: Rows by id.
        texts: Rows by id of the rewriters that are in the plan already; those of the critics and of other rewriters
            are added.
    """
    study, records, parameters = shard.estimate.study, shard.records, shard.estimate.parameters
    graph, critics, rewriters = study.graph, study.config["critics"], study.config["rewriters"]
    selected: dict[str, dict[str, dict]] = {}

    def source(name: str) -> dict[str, dict]:
        if name not in graph.selections:
            return images[name]
        if name not in selected:  # a search of many rounds has more paths than can be walked
            candidates = [source(each) for each in graph.selections[name].among]
            selected[name] = selected_rows(shard, name, candidates)
        return selected[name]

    def text_of(name: str) -> dict[str, dict]:
        if name not in texts and name in critics:
            parts = decompositions if critics[name]["decomposition"] else None
            run = partial(critique, records, source(graph.source_of_critic(name)), parts)
            texts[name] = _by_id(add_llm_stage(shard, "critique", name, f"critiques/{name}", run))
        elif name not in texts:
            looked_at = source(graph.source(rewriters[name]))
            run = partial(rewrite, records, images=looked_at)
            texts[name] = _by_id(add_llm_stage(shard, "rewrite", name, f"rewrites/{name}", run))
        return texts[name]

    for job in graph.jobs:
        for each in job.refinements:
            known = text_of(each.text) if each.text else None
            rows = source(each.of) if graph.needs_source(each) else None
            requests_of = partial(refinement_requests, records, each, known, rows)
            names, values = list(each.image_sets), parameters[f"refine-{each.name}"]
            images |= add_image_stage(shard, "refine", each.name, names, values, requests_of, job)
        add_image_loads(shard, "refine", job.rule, job.label)
    for name in critics:
        text_of(name)  # also of a critic whose prompts nothing draws


def _external_sources(study: Study) -> list[str]:
    """External image sets that a critic, a refinement or a selection looks at."""
    graph = study.graph
    used = [name for each in [*study.image_sets(), *graph.selections] for name in graph.sources_of(each)]
    used += [graph.source_of_critic(name) for name in study.config["critics"]]
    return [name for name in study.config["external"] if name in used]


def _add_external(shard: Shard, name: str, images: dict[str, dict[str, dict]]) -> None:
    """Add an external image set; its rows are added to `images`."""
    study, records, parameters = shard.estimate.study, shard.records, shard.estimate.parameters
    if name in study.drawn:
        requests_of = partial(requests_from_text, records, None, name)
        images |= add_image_stage(shard, "external", name, [name], parameters[parameters_name(name)], requests_of)
        add_image_loads(shard, "external", name)
    else:
        images[name] = add_external_stage(shard, name)


def _by_id(rows: list[dict]) -> dict[str, dict]:
    return {row["id"]: row for row in rows}
