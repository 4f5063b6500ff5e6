"""Weights that a study's models need: which come from the hub, and which lie in folders."""

import re
from pathlib import Path

from detailscribe.engines.download import PIPELINE_FILES, SERVED_FILES, fetch_address, fetch_repository
from detailscribe.engines.metric_weights import metric_folder
from detailscribe.engines.weight_records import read_weight_record
from detailscribe.engines.weights import HUB_NAME, local_folder
from detailscribe.llm.served.kinds import is_served
from detailscribe.scores import load_metric
from detailscribe.study.served import COMMIT
from detailscribe.study.study import Study

STAGE = "weights"
ALGORITHM = 1
SPLIT_GGUF = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {f"weights-{name}": entry for name, entry in hub_weights(study).items()}


def hub_weights(study: Study) -> dict[str, dict]:
    """What to fetch from the hub, by name.

    `model` (the image model), `model-{name}` (another image model that jobs load), `score-{metric}`, and
    `endpoint-{name}` (a model that jobs serve; endpoints of one repository and revision share the first one's).
    """
    entries = {}
    for name, model in _image_models(study).items():
        if local_folder(model["path"], must_exist=False) is None:
            entries[name] = {key: model[key] for key in ("path", "revision")}
    for name, entry in study.config["metrics"].items():
        if hasattr(load_metric(entry["module"]), "weights") and not metric_folder(entry):
            entries[f"score-{name}"] = entry
    return entries | _served_weights(study)


def model_folders(study: Study) -> dict[str, str]:
    """Folders of weights of image models and of the metrics that name one, by the names of `hub_weights`.

    Those of models that jobs serve are not among them: their identity is in the parameters of the stages that ask them.
    """
    metrics = {f"score-{name}": metric_folder(entry) for name, entry in study.config["metrics"].items()}
    models = {name: model["path"] for name, model in _image_models(study).items()}
    return {**models, **{name: folder for name, folder in metrics.items() if folder}}


def image_weights_name(study: Study, image_model: str) -> str:
    """Name of the weights of an entry of `image_models`; entries of one path and revision have one name."""
    model, own = study.config["image_models"][image_model], study.image_model
    same = all(model[key] == own[key] for key in ("path", "revision"))
    return "model" if same else f"model-{image_model}"


def served_weights_name(study: Study, endpoint: str) -> str:
    """Name of the weights of an endpoint; "" where nothing is to be fetched: a server elsewhere, or a local model."""
    entry = study.config["endpoints"][endpoint]
    if not is_at_hub(entry):
        return ""
    same = [
        name
        for name in _asked_endpoints(study)
        if is_at_hub(other := study.config["endpoints"][name])
        and all(other[key] == entry[key] for key in ("model", "revision"))
        and (other["kind"] == "llama_cpp") == (entry["kind"] == "llama_cpp")  # which read other files
    ]
    return f"endpoint-{same[0] if same else endpoint}"


def is_at_hub(endpoint: dict) -> bool:
    """Whether jobs serve an endpoint's model from a repository of the Hugging Face hub."""
    if not is_served(endpoint) or endpoint["model"].endswith(".gguf"):
        return False
    return not Path(endpoint["model"]).expanduser().exists() and bool(HUB_NAME.fullmatch(endpoint["model"]))


def unpinned_problem(study: Study, endpoint: str) -> str:
    """Why no job may serve an endpoint's model yet, with the remedy; "" if its weights have a commit.

    Answers are recorded under the commit. A job that asked before the commit is known would be asked again.
    """
    entry = study.config["endpoints"][endpoint]
    if not is_at_hub(entry) or COMMIT.fullmatch(entry["revision"]):
        return ""
    if read_weight_record(entry["model"], entry["revision"]):
        return ""
    return (
        f"Endpoint {endpoint!r}: revision {entry['revision']!r} of {entry['model']} has no recorded commit yet; run "
        "`snakemake weights` first, which records it, or name a commit."
    )


def fetch_model_weights(entry: dict) -> list[dict]:
    """Download everything that a model of `hub_weights` needs, or check what was downloaded before.

    Args:
        entry: Of an image model (`path`, `revision`), a metric (`module` ...), or a served model (`repository`,
            `revision`, `files`, `required`).

    Returns:
        Repository, revision and commit of each repository.
    """
    sources = weight_sources(entry)
    records = [
        fetch_address(source["address"]) if "address" in source else fetch_repository(**source) for source in sources
    ]
    return [{key: record[key] for key in ("repository", "revision", "commit")} for record in records]


def weight_sources(entry: dict) -> list[dict]:
    """What to fetch for an entry of `hub_weights`: `repository`, `revision`, `files` of each, or `address`."""
    if "module" in entry:
        return load_metric(entry["module"]).weights(entry)
    if "repository" in entry:
        return [{key: entry[key] for key in ("repository", "revision", "files", "required")}]
    return [{"repository": entry["path"], "revision": entry["revision"], "files": PIPELINE_FILES}]


def _image_models(study: Study) -> dict[str, dict]:
    names = {"model": study.config["image_model"]}
    names |= {image_weights_name(study, name): name for name in study.other_image_models}
    return {name: study.config["image_models"][model] for name, model in names.items()} | {"model": study.image_model}


def _asked_endpoints(study: Study) -> list[str]:
    """Endpoints that a stage of the study asks, in their order."""
    asked = {study.endpoint_of(*each) for each in study.llm_stages()}
    return [name for name in study.config["endpoints"] if name in asked]


def _served_weights(study: Study) -> dict[str, dict]:
    entries: dict[str, dict] = {}
    for endpoint in _asked_endpoints(study):
        if name := served_weights_name(study, endpoint):
            entry = study.config["endpoints"][endpoint]
            files = _gguf_files(entry) if entry["kind"] == "llama_cpp" else SERVED_FILES
            required = files if entry["kind"] == "llama_cpp" else ["*.safetensors", "config.json"]
            whole = entries.setdefault(name, {"repository": entry["model"], "revision": entry["revision"]})
            whole["files"] = list(dict.fromkeys([*whole.get("files", []), *files]))
            whole["required"] = list(dict.fromkeys([*whole.get("required", []), *required]))
    return entries


def _gguf_files(endpoint: dict) -> list[str]:
    """Patterns of the GGUF file with its further parts, and of the projector."""
    files = [SPLIT_GGUF.sub(r"-?????-of-\1.gguf", endpoint["file"]), endpoint.get("projector", "")]
    return [file for file in files if file]
