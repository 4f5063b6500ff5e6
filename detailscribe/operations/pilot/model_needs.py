"""Needs of the models of a study: GPU memory and weights on disk, from the open weights of config/models.tsv."""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

from detailscribe.engines.weight_records import are_weights_here
from detailscribe.llm.served.kinds import is_served, needs_gpu
from detailscribe.scores.model_weights import hub_weights
from detailscribe.study.study import MINIATURE, Study

TABLE = "config/models.tsv"
LEAST_MB = 64_000  # of main memory that a job with a GPU gets in the profiles
PROCESS_GB, READING = 8.0, 1.1  # beside the weights: libraries and buffers; copies while a part is read (both assumed)


@dataclass(frozen=True)
class Need:
    """What a model needs; None where nobody knows.

    Attributes:
        model: Repository or path.
        memory_gb: On the GPU, in 10^9 bytes, as the configuration uses it. 0.0 for a model that uses none.
        weights_gb: On disk, in 10^9 bytes.
        is_here: Whether its weights are on this machine already.
        is_metric: Whether it is a metric that is not in the table; most need little beside the others.
    """

    model: str
    memory_gb: float | None
    weights_gb: float | None
    is_here: bool
    is_metric: bool = False


def model_needs(study: Study) -> list[Need]:
    """Needs of the models that jobs of a study load or serve: image models, language models, then metrics."""
    rows = _open_weights(study.folder / TABLE)
    models = study.config["image_models"]
    needs = {}
    for name in dict.fromkeys([study.config["image_model"], *study.other_image_models]):
        entry = models[name]
        row = rows.get((entry["path"], f"{entry['precision']} {entry['offload']}"))
        built = entry["path"].startswith(f"{MINIATURE}/")
        needs[name] = Need(entry["path"], 0.0, 0.0, True) if built else _need(entry["path"], entry["revision"], row)
    for name in dict.fromkeys(study.endpoint_of(*stage) for stage in study.llm_stages()):
        entry = study.config["endpoints"][name]
        if is_served(entry):
            row = rows.get((entry["model"], entry.get("quantization", "")))
            needs[f"endpoint {name}"] = _need(entry["model"], entry["revision"], row, uses_gpu=needs_gpu(entry) > 0)
    for name in (name for name in hub_weights(study) if name.startswith("score-")):
        entry = study.config["metrics"][name.removeprefix("score-")]
        row = rows.get((str(entry.get("model", "")), str(entry.get("precision", "bf16"))))
        need = _need(entry["model"], "", row) if row else Need(name, None, None, False, is_metric=True)
        needs[name] = replace(need, is_here=_is_fetched(name))
    return list(needs.values())


def main_memory_mb(study: Study, image_model: str) -> int:
    """Main memory of a job that draws with an entry of `image_models`, in 10^6 bytes, for a scheduler.

    With `offload`, all weights are in main memory at once. At least LEAST_MB, also for models that nobody knows.
    """
    entry = study.config["image_models"][image_model]
    sizes = [
        float(row["weights_gb"])
        for (model, _), row in _open_weights(study.folder / TABLE).items()
        if model == entry["path"]
    ]
    if not sizes or entry["offload"] == "none":
        return LEAST_MB
    return max(LEAST_MB, math.ceil((max(sizes) * READING + PROCESS_GB) * 1000))


def _need(model: str, revision: str, row: dict | None, uses_gpu: bool = True) -> Need:
    memory = (float(row["memory_gb"]) if row else None) if uses_gpu else 0.0
    is_here = Path(model).expanduser().exists() or are_weights_here(model, revision)
    return Need(model, memory, float(row["weights_gb"]) if row else None, is_here)


def _is_fetched(name: str) -> bool:
    return Path(f"results/weights/{name}.json").is_file()


def _open_weights(path: Path) -> dict[tuple[str, str], dict]:
    """Rows of open weights by model and form.

    The form is a served model's quantisation, an image model's precision and offload, or a metric's precision.
    """
    with open(path, encoding="utf-8", newline="") as file:
        return {(row["model"], row["form"]): row for row in csv.DictReader(file, delimiter="\t") if row["licence"]}
