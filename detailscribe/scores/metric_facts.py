"""Facts about the configured metrics that the graph and the tables need, without loading a metric's model."""

import yaml

from detailscribe.engines.versions import release_versions
from detailscribe.files.digests import file_sha256
from detailscribe.scores import load_metric
from detailscribe.study.judging.judges import GEOMETRIC, PARTS, YES_NO
from detailscribe.study.methods import distinct_labels, model_label
from detailscribe.study.plugins import is_file, module_file
from detailscribe.study.study import Study

JUDGE_RANGES: dict[str, list[float]] = {"grade": [1, 5], "yes_no": [0, 1]}  # by scale
RANGES: dict[str, list[float]] = {"clip_score": [0, 2.5], "blip_vqa": [0, 1]}  # by module, if it has no RANGE
LABELS = {  # what people read, by module, if it has no LABEL
    "clip_score": "CLIPScore",
    "image_reward": "ImageReward",
    "blip_vqa": "BLIP-VQA",
    "vqa_score": "VQAScore",
    "pick_score": "PickScore",
    "preference.hps_v2": "HPSv2",
    "preference.hps_v3": "HPSv3",
}


def reads_phrases(study: Study, metric: str) -> bool:
    """Whether a metric reads the noun phrases of the prompts."""
    return getattr(load_metric(study.config["metrics"][metric]["module"]), "READS_PHRASES", False)


def any_reads_phrases(study: Study) -> bool:
    """Whether any metric of the study reads noun phrases."""
    return any(reads_phrases(study, metric) for metric in study.config["metrics"])


def environment_of(study: Study, metric: str) -> str:
    """Name of the file in envs/ that a metric's jobs run in."""
    return getattr(load_metric(study.config["metrics"][metric]["module"]), "ENVIRONMENT", "scores")


def metric_code(study: Study, entry: dict) -> dict:
    """What decides a metric's scores besides its entry in the config: its code and the versions of its libraries."""
    metric = load_metric(entry["module"])
    code = {"metric_algorithm": metric.ALGORITHM}
    if is_file(entry["module"]):
        code["module_sha256"] = file_sha256(module_file(entry["module"]))
    if environment := getattr(metric, "ENVIRONMENT", ""):
        text = (study.folder / "envs" / f"{environment}.yaml").read_text(encoding="utf-8")
        return {**code, "libraries": yaml.safe_load(text)["dependencies"][-1]["pip"]}
    return {**code, "libraries": release_versions(metric.LIBRARIES)}


def score_ranges(study: Study) -> dict[str, list[float] | None]:
    """Lowest and highest possible score by metric, None where a metric is unbounded."""
    ranges: dict[str, list[float] | None] = {
        metric: JUDGE_RANGES[judge.scale] for judge in study.judging.values() for metric in judge.metrics
    }
    for name, entry in study.config["metrics"].items():
        ranges[name] = getattr(load_metric(entry["module"]), "RANGE", None) or RANGES.get(entry["module"])
    return ranges


def metric_labels(study: Study) -> dict[str, str]:
    """What people read for each metric and judge in place of its name: `CLIPScore`, `judge main (gpt-4o)`.

    From `labels` of the config, else LABEL of the metric's module, else its name. No two have the same label. Judges
    that give no column of the tables are among them, as `judge-NAME`.
    """
    labels = {}
    for name, entry in study.config["metrics"].items():
        module = entry["module"]
        labels[name] = getattr(load_metric(module), "LABEL", "") or LABELS.get(module) or name
    for judge in study.judging.values():
        metric = f"judge-{judge.name}"
        if judge.asks == PARTS:
            labels |= {metric: "parts shown", f"{metric}-{GEOMETRIC}": "parts shown (geometric)"}
        else:
            model = model_label(study, judge.entry["endpoint"], judge.entry["model"])
            labels[metric] = f"judge {judge.name.replace('_', ' ')} ({model})"
    own = study.config.get("labels", {}).get("metrics", {})
    return distinct_labels({name: own.get(name) or label for name, label in labels.items()})


def metric_label(study: Study, metric: str) -> str:
    """What people read for a metric (`metric_labels`); the name itself if the study has no such metric."""
    return metric_labels(study).get(metric, metric)


def is_higher_better(study: Study, metric: str) -> bool:
    """Whether a higher score is a better one: of every metric here, since selections keep the highest score.

    A plug-in whose measure is better when lower returns its negative.
    """
    return metric in metric_labels(study)


def metric_scales(study: Study) -> dict[str, str]:
    """Range of each metric in words: `1 to 5, higher is better`; marks of a yes/no judge are shares of yes."""
    shares = {metric for judge in study.judging.values() if judge.scale == YES_NO for metric in judge.metrics}
    scales = {}
    for metric, limits in score_ranges(study).items():
        span = f"{limits[0]:g} to {limits[1]:g}" if limits else "no fixed range"
        share = "share of yes, " if metric in shares else ""
        scales[metric] = f"{share}{span}, higher is better"
    return scales
