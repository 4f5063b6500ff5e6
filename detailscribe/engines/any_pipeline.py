"""Engine for any diffusers text-to-image pipeline: the pipeline runs unmodified, one call per image.

FLUX, Qwen-Image and the like. The refined prompt takes over after step k as in `pipelines.takeover`. Candidates share
the steps of the first prompt, and no batch, so this is slower than `sd3.SD3Engine`, but it treats texts exactly as the
pipeline does.
"""

from collections.abc import Iterable

import PIL.Image

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.engines.engine import check_ks
from detailscribe.engines.pipelines.call import PipelineCall
from detailscribe.engines.pipelines.interception import check_interception
from detailscribe.engines.pipelines.takeover import continuing, recording


class PipelineEngine:
    """A loaded pipeline with the settings of a study; an `engine.Engine`.

    Args:
        call: The pipeline with the arguments of its calls.
        swap_pooled: As for `load.load_engine`.

    Raises:
        SetupError: the pipeline has no steps that can be observed.
    """

    def __init__(self, call: PipelineCall, swap_pooled: bool):
        check_interception(call.pipe)
        self.call, self.pipe, self.steps, self.swap_pooled = call, call.pipe, call.steps, swap_pooled

    def prepare(self, texts: Iterable[str]) -> None:
        """Do nothing: the pipeline encodes its texts at every call."""

    def generate(self, prompt: str, seed: int, first_steps: FirstSteps | None = None) -> PIL.Image.Image:
        """Generate one image; see `engine.Engine.generate`."""
        return self.call.image(seed, prompt=prompt)

    def refine(
        self, prompt: str, refined_prompt: str, seed: int, ks: list[int], first_steps: FirstSteps | None = None
    ) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt; see `engine.Engine.refine`.

        Raises:
            SetupError: also where the refined prompt cannot take over (`takeover.recording`, `takeover.continuing`).
        """
        check_ks(ks, self.steps)
        images = {0: self.generate(refined_prompt, seed)} if 0 in ks else {}
        late = sorted({k for k in ks if k > 0})
        if not late:
            return images
        with recording(self.pipe, late[-1]) as first:
            self.call.run(seed, prompt=prompt)
        for k in late:
            with continuing(self.pipe, first, k, self.swap_pooled):
                images[k] = self.call.image(seed, prompt=refined_prompt)
        return images
