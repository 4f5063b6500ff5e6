"""Weights that a study's models need: which come from the hub, and which lie in folders."""

from detailscribe.engines.download import PIPELINE_FILES, fetch_address, fetch_repository
from detailscribe.engines.metric_weights import metric_folder
from detailscribe.engines.weights import local_folder
from detailscribe.scores import load_metric
from detailscribe.study.study import Study

STAGE = "weights"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {f"weights-{name}": entry for name, entry in hub_weights(study).items()}


def hub_weights(study: Study) -> dict[str, dict]:
    """Config entries of the models whose weights come from the hub: `model` (the image model), `score-{metric}`."""
    model = {key: study.image_model[key] for key in ("path", "revision")}
    entries = {"model": model} if local_folder(model["path"], must_exist=False) is None else {}
    for name, entry in study.config["metrics"].items():
        if hasattr(load_metric(entry["module"]), "weights") and not metric_folder(entry):
            entries[f"score-{name}"] = entry
    return entries


def model_folders(study: Study) -> dict[str, str]:
    """Folders of weights: of the image model (`model`) and of the metrics that name one (`score-{metric}`)."""
    metrics = {f"score-{name}": metric_folder(entry) for name, entry in study.config["metrics"].items()}
    return {"model": study.image_model["path"], **{name: folder for name, folder in metrics.items() if folder}}


def fetch_model_weights(entry: dict) -> list[dict]:
    """Download everything that a model of `hub_weights` needs, or check what was downloaded before.

    Args:
        entry: Config entry of the image model (`path`, `revision`) or of a metric (`module` ...).

    Returns:
        Repository, revision and commit of each repository.
    """
    if "module" in entry:
        sources = load_metric(entry["module"]).weights(entry)
    else:
        sources = [{"repository": entry["path"], "revision": entry["revision"], "files": PIPELINE_FILES}]
    records = [
        fetch_address(source["address"]) if "address" in source else fetch_repository(**source) for source in sources
    ]
    return [{key: record[key] for key in ("repository", "revision", "commit")} for record in records]
