"""First steps of an image, reused by its refinements: latents after the steps at which the refined prompt takes over.

Nothing is lost by it: the steps run in a batch of their own, as in the image itself, so that latents from a file and
latents computed again are the same bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from detailscribe.errors import InputError

if TYPE_CHECKING:
    import torch

# Its steps depend on the latents and the step's index alone; others also on what earlier steps predicted.
SCHEDULER = "FlowMatchEulerDiscreteScheduler"


@dataclasses.dataclass
class FirstSteps:
    """Latents of one image after some of its steps.

    Attributes:
        ks: Steps, by index, after which the latents are wanted.
        latents: By k, (1, channels, height / 8, width / 8) in main memory; an engine adds what it computes.
        computed: The ks of what an engine added.
        taken: Steps of the original prompt that a refinement had to compute.
    """

    ks: tuple[int, ...]
    latents: dict[int, torch.Tensor] = dataclasses.field(default_factory=dict)
    computed: list[int] = dataclasses.field(default_factory=list)
    taken: int = 0

    def keep(self, k: int, latents: torch.Tensor) -> None:
        """Keep the latents after step k, if they are wanted and not known."""
        if k in self.ks and k not in self.latents:
            self.latents[k] = latents.to("cpu", copy=True)
            self.computed.append(k)


def refinement_steps(ks: Collection[int], steps: int, first: int | None = None) -> int:
    """Denoising steps of a prompt's candidates; steps that they share count once, and k=0 is a run of its own.

    Args:
        ks: Steps, by index, after which the refined prompt takes over.
        steps: Of a full run.
        first: How many of the original prompt's steps are computed, if not all that the candidates share.
    """
    late = {k for k in ks if k > 0}
    shared = max((k + 1 for k in late), default=0) if first is None else first
    return (steps if 0 in ks else 0) + shared + sum(steps - k - 1 for k in late)


def check_scheduler(config: dict) -> None:
    """Refuse a scheduler whose next step needs more than the latents.

    Args:
        config: The model's scheduler_config.json.

    Raises:
        InputError: names the scheduler and the remedy.
    """
    if config.get("_class_name") != SCHEDULER or config.get("stochastic_sampling"):
        kind = "stochastic sampling" if config.get("stochastic_sampling") else f"a {config.get('_class_name')}"
        raise InputError(
            f"reuse_first_steps needs the steps of a {SCHEDULER} without noise, and the model has {kind}: set it to "
            "false"
        )
