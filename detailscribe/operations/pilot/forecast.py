"""Forecast of a pilot: GPU memory, disk, minutes and dollars that it needs, before its first job."""

from pathlib import Path

from detailscribe.operations.pilot.model_needs import Need, model_needs
from detailscribe.operations.plan.estimate import LOADS, STARTS, Estimate
from detailscribe.operations.plan.shard import Shard, read_shard
from detailscribe.operations.plan.study_plan import add_shard
from detailscribe.study.pilot import PILOT_SCENARIO
from detailscribe.study.study import Study

PROMPTS = 5
BYTES_PER_PIXEL = {"jpeg": 0.4, "png": 2.0}  # of an image file, assumed
IMAGE_STAGES = ("generate", "refine", "external")


def pilot_forecast(study: Study, parameters: dict[str, dict], results: Path = Path("results")) -> list[str]:
    """Sentences about what the pilot still needs.

    Args:
        study: The pilot's study.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
    """
    estimate = Estimate(study, parameters, results)
    shards = study.shards(PILOT_SCENARIO)
    files = [results / PILOT_SCENARIO / "shards" / f"{name}.jsonl" for name in shards]
    if all(file.is_file() for file in files):
        for file in files:
            add_shard(read_shard(estimate, PILOT_SCENARIO, file))
    else:
        add_shard(_unread_shard(estimate, shards[0]))
    needs = model_needs(study)
    return [
        f"Pilot: {PILOT_SCENARIO}, {len(study.seeds)} seeds. It needs:",
        *(f"  {line}" for line in (_memory(needs), _disk(needs, estimate), _time(estimate), _dollars(estimate))),
    ]


def _unread_shard(estimate: Estimate, name: str) -> Shard:
    """A shard of prompts that are not on this machine yet: as many as the published file has, of a usual length."""
    prompt = "Two animals of a kind that is not known yet hold a tool together, each with one paw."
    records = [{"id": f"unread-{n}", "topic": "unread", "prompt": f"{prompt} {n}"} for n in range(PROMPTS)]
    return Shard(estimate, PILOT_SCENARIO, name, records, {record["id"]: "new" for record in records})


def _memory(needs: list[Need]) -> str:
    known = [need for need in needs if need.memory_gb is not None]
    largest = max(known, key=lambda need: need.memory_gb or 0.0, default=None)
    if largest is None or not largest.memory_gb:
        text = "GPU memory: none"
    else:
        text = f"GPU memory: {largest.memory_gb:g} GB for {largest.model} (derived); one model at a time"
    unknown = [need.model for need in needs if need.memory_gb is None and not need.is_metric]
    return text + (f"; not known for {', '.join(unknown)}" if unknown else "")


def _disk(needs: list[Need], estimate: Estimate) -> str:
    by_model = {need.model: need for need in needs}.values()
    weights = sum(need.weights_gb or 0.0 for need in by_model)
    missing = [need for need in by_model if not need.is_here]
    to_fetch = sum(need.weights_gb or 0.0 for need in missing)
    unknown = [need.model for need in by_model if need.weights_gb is None and not need.is_metric]
    metrics = sum(need.is_metric for need in by_model)
    text = f"disk: {weights:g} GB of weights"
    text += f", of which {to_fetch:g} GB are to be fetched (`snakemake weights`)" if missing else ", all of them here"
    text += f", not known for {', '.join(unknown)}" if unknown else ""
    text += f", those of {metrics} metrics not counted" if metrics else ""
    settings = estimate.study.config["generation"]
    pixels = sum(_count(estimate, stage) * estimate.study.image_model["size_px"] ** 2 for stage in IMAGE_STAGES)
    return f"{text}; {pixels * BYTES_PER_PIXEL[settings['format']] / 1e6:.0f} MB of images (assumed)"


def _time(estimate: Estimate) -> str:
    busy = [line for line in estimate.lines if line.reasons]
    known = sum(line.gpu_s or 0.0 for line in busy)
    at_least = any(line.gpu_s is None for line in busy)
    images = sum(_count(estimate, stage) for stage in IMAGE_STAGES)
    calls = sum(line.calls for line in busy)
    starts = sum(line.reasons[STARTS] for line in busy)
    work = [f"{images} images", f"{calls} calls to models", *([f"{starts} starts of a server"] if starts else [])]
    minutes = f"{known / 60:.1f} minutes of jobs with a GPU"
    if at_least:
        minutes = f"at least {minutes}; the rest was not measured yet" if known else "not measured yet"
    return f"time: {minutes}; {', '.join(work)}"


def _dollars(estimate: Estimate) -> str:
    return f"dollars: {sum(line.cost_usd for line in estimate.lines):.2f}"


def _count(estimate: Estimate, stage: str) -> int:
    """Images that a stage would make."""
    lines = [line for line in estimate.lines if line.stage == stage]
    return sum(sum(line.reasons.values()) - line.reasons[LOADS] for line in lines)
