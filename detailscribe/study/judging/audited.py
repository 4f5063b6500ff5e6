"""What a judge of critiques looks at: the critics, the image that each critique is about, and those made with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from detailscribe.study.study import Study


class AuditedImages(NamedTuple):
    """Images of a critic.

    Attributes:
        before: Image set or selection that the critic looks at.
        after: Image sets that are made with its refined prompts from that image or its seed, with their k; None for
            those that have no k.
        control: Image sets of other seeds, drawn without knowing of the critique.
    """

    before: str
    after: dict[str, int | None]
    control: list[str]


def audited_critics(study: Study, judge: str) -> list[str]:
    """The critics whose critiques a judge checks: those that it names, otherwise all; empty in a study without any."""
    return study.judging[judge].entry.get("critics") or list(study.config["critics"])


def audited_images(study: Study, judge: str) -> dict[str, AuditedImages]:
    """The images of each critic whose critiques a judge checks, by critic.

    With `control`, the initial images of the other `seeds` belong to a critic that looks at the first one's.
    """
    entry = study.judging[judge].entry
    initial, *others = [f"original-{seed}" for seed in study.config["seeds"]]
    found = {}
    for critic in audited_critics(study, judge):
        before = study.graph.source_of_critic(critic)
        made = [each for each in study.graph.refinements if each.text == critic and each.of == before]
        after = {name: values.get("k") for each in made for name, values in each.image_sets.items()}
        control = others if entry.get("control") and before == initial else []
        found[critic] = AuditedImages(before, after, control)
    return found
