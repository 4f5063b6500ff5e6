"""Notices of a study: the warnings of its image models, and of demo parts in a study of another image model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.llm.endpoints import is_offline
from detailscribe.study.judging.judges import DEMO_MODEL

if TYPE_CHECKING:
    from detailscribe.study.study import Study

DEMO_FOLDER = "resources/miniature/"  # of the demo's weights, in their paths


def study_notice(study: Study) -> str:
    """The `notice` of the study's image model, then those of other models after the image sets that they draw.

    A notice that several models share is given once.
    """
    own = study.image_model["notice"]
    models = study.drawn | {each.name: each.image_model for each in study.graph.refinements if each.image_model}
    others: dict[str, list[str]] = {}
    for name, model in models.items():
        others.setdefault(study.config["image_models"][model]["notice"], []).append(name)
    parts = [f"{', '.join(names)}: {notice}" for notice, names in others.items() if notice not in ("", own)]
    return " ".join(filter(None, [own, *parts]))


def demo_parts_of(study: Study) -> list[str]:
    """What a study of another image model than the demo's has of the demo: the offline mock, and its tiny metrics.

    Returns:
        A sentence, or nothing.
    """
    config = study.config
    if config["image_model"] == DEMO_MODEL:
        return []
    groups = {
        group: [name for name, each in config[group].items() if _is_mock(config, each)]
        for group in ("roles", "judges", "external")
    }
    groups["metrics"] = [name for name, each in config["metrics"].items() if DEMO_FOLDER in str(each.get("model"))]
    named = "; ".join(f"{group}: {', '.join(names)}" for group, names in groups.items() if names)
    if not named:
        return []
    return [
        f"this study draws with {config['image_model']!r}, and these still come from the demo (the offline mock, tiny "
        f"metrics): {named}; its scores say nothing until they are set, as in config/paper.yaml"
    ]


def _is_mock(config: dict, entry: dict) -> bool:
    endpoint = config["endpoints"].get(entry.get("endpoint"))
    return bool(endpoint) and is_offline(endpoint)
