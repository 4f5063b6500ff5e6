"""Facts about the configured metrics that the graph and the tables need, without loading a metric's model."""

import yaml

from detailscribe.engines.versions import release_versions
from detailscribe.files.digests import file_sha256
from detailscribe.scores import load_metric
from detailscribe.study.plugins import is_file, module_file
from detailscribe.study.study import Study

JUDGE_RANGES: dict[str, list[float]] = {"grade": [1, 5], "yes_no": [0, 1]}  # by scale
RANGES: dict[str, list[float]] = {"clip_score": [0, 2.5], "blip_vqa": [0, 1]}  # by module, if it has no RANGE


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
