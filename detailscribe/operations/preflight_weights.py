"""Preflight of weights that are fetched: gated repositories (HF_TOKEN), and local folders that nothing fetches."""

from collections.abc import Iterable
from pathlib import Path

from detailscribe.engines.weight_records import are_weights_here
from detailscribe.operations.preflight_servers import missing_weights
from detailscribe.scores.model_weights import hub_weights, model_folders, weight_sources
from detailscribe.study.study import MINIATURE, Study

# Beginnings of names of repositories that the hub gives only to accounts that accepted a licence (November 2026). The
# hub's own refusal decides; this list only lets a run say it before its first job.
GATED = ("stabilityai/stable-diffusion-3", "black-forest-labs/FLUX.1-", "meta-llama/", "google/gemma-3")


def missing_token(study: Study, names: Iterable[str]) -> str:
    """What to do before gated weights are fetched; "" if none are to be, or a token of the hub is set.

    Args:
        names: Of `hub_weights` that jobs are to fetch.
    """
    entries = hub_weights(study)
    sources = [source for name in names if name in entries for source in weight_sources(entries[name])]
    repositories = dict.fromkeys(
        source["repository"]
        for source in sources
        if source.get("repository", "").startswith(GATED)
        and not are_weights_here(source["repository"], source["revision"])
    )
    if not repositories or _has_token():
        return ""
    pages = ", ".join(f"https://huggingface.co/{name}" for name in repositories)
    return f"accept the licence at {pages} and set HF_TOKEN, or run `hf auth login`; no token is set here."


def missing_folders(study: Study) -> list[str]:
    """A sentence for each local folder or file of weights that the study names and this machine lacks."""
    folders = {path: "" for path in model_folders(study).values() if not path.startswith(f"{MINIATURE}/")}
    gone = [path for path in folders if path not in _repositories(study) and not Path(path).expanduser().exists()]
    asked = [name for stage in study.llm_stages() if (name := study.endpoint_of(*stage))]
    return [
        *(f"There is no folder {path!r} of weights: put it there, or correct the path." for path in gone),
        *missing_weights(asked, study.config["endpoints"], study.folder),
    ]


def _repositories(study: Study) -> set[str]:
    return {entry["path"] for entry in hub_weights(study).values() if "path" in entry}


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())
