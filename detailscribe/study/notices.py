"""Notice of a study: the warnings of all image models whose images its tables, figures and pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detailscribe.study.study import Study


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
