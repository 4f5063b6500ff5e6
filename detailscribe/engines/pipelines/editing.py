"""Engine for diffusers image-editing pipelines: an image and an instruction in, the edited image out.

FLUX.1 Kontext, Qwen-Image-Edit and the like, whose call takes `image` and `prompt`. `load.load_editor` makes it.
"""

import PIL.Image

from detailscribe.engines.pipelines.call import PipelineCall


class EditingEngine:
    """A loaded pipeline with the settings of a study.

    Args:
        call: The pipeline with the arguments of its calls.
    """

    def __init__(self, call: PipelineCall):
        self.call = call

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
