"""Engine for diffusers image-editing pipelines: an image and an instruction in, the edited image out.

FLUX.1 Kontext, Qwen-Image-Edit and the like, whose call takes `image` and `prompt`. `load.load_editor` makes it.
"""

from typing import Any

import PIL.Image

from detailscribe.engines.pipelines.call import PipelineCall


class EditingEngine:
    """A loaded pipeline with the settings of a study.

    Args:
        pipe: The pipeline.
        size_px, max_sequence_length, call: As for `load.load_engine`.
        steps, guidance: As for `load.load_engine`.

    Raises:
        InputError: `call` names an argument that the pipeline does not have.
    """

    def __init__(self, pipe: Any, *, size_px: int, max_sequence_length: int, call: dict, steps: int, guidance: float):
        self.call = PipelineCall(pipe, size_px, max_sequence_length, call, steps, guidance)

    def edit(self, image: PIL.Image.Image, instruction: str, seed: int) -> PIL.Image.Image:
        """Edit one image: RGB, `size_px` square.

        Args:
            image: Any size and mode; taken in RGB, and resized as the pipeline does.
            instruction: What to change.
            seed: Noise seed; noise is sampled on the CPU and therefore identical on every GPU.

        Raises:
            InputError: the pipeline makes another size.
            SetupError: the GPU has too little memory.
            FloatingPointError: the image has values that are not finite.
        """
        return self.call.image(seed, image=image.convert("RGB"), prompt=instruction)
