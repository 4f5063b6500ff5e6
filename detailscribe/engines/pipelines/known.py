"""Pipeline classes of diffusers: text-to-image classes that were tried, refused classes, and editing classes."""

import inspect

from detailscribe.errors import SetupError

# Each has a tiny random model in the tests; others run by the same rules.
TRIED = (
    "AuraFlowPipeline",
    "BriaFiboPipeline",
    "BriaPipeline",
    "ChromaPipeline",
    "CogView3PlusPipeline",
    "CogView4Pipeline",
    "DreamLiteMobilePipeline",
    "DreamLitePipeline",
    "ErnieImagePipeline",
    "Flux2KleinPipeline",
    "Flux2Pipeline",
    "FluxKontextPipeline",
    "FluxPipeline",
    "GlmImagePipeline",
    "HiDreamImagePipeline",
    "HunyuanDiTPipeline",
    "HunyuanImagePipeline",
    "IFPipeline",
    "Ideogram4Pipeline",
    "Kandinsky3Pipeline",
    "Kandinsky5T2IPipeline",
    "KandinskyCombinedPipeline",
    "KandinskyV22CombinedPipeline",
    "Krea2Pipeline",
    "LongCatImagePipeline",
    "Lumina2Pipeline",
    "LuminaPipeline",
    "NucleusMoEImagePipeline",
    "OmniGenPipeline",
    "OvisImagePipeline",
    "PRXPipeline",
    "PRXPixelPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "QwenImage21Pipeline",
    "QwenImagePipeline",
    "SanaPipeline",
    "SanaSprintPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "ZImageOmniPipeline",
    "ZImagePipeline",
)
TWO_LOOPS = "settles the image in the steps of its prior, and k counts the steps of its decoder"
REFUSED = {
    "HeliosPipeline": "makes videos",
    "HeliosPyramidPipeline": "makes videos",
    "StableCascadeCombinedPipeline": TWO_LOOPS,
    "WuerstchenCombinedPipeline": TWO_LOOPS,
}
# In the names of classes that need an image.
EDITING = ("Edit", "Img2Img", "Inpaint", "Pix2Pix", "I2I", "Fill")
WAY_OUT = "choose a pipeline that docs/image-models.md lists"


def check_text_to_image(pipeline_class: type) -> None:
    """Refuse a class that makes no image from a text, or has no step k.

    Raises:
        SetupError: names the class, the reason and the remedy.
    """
    name, known = pipeline_class.__name__, inspect.signature(pipeline_class.__call__).parameters
    reason = REFUSED.get(name)
    if "num_frames" in known:
        reason = "makes videos"
    elif any(word in name for word in EDITING):
        reason = "edits an image, and here it is to generate one from a text"
    elif missing := sorted({"prompt", "height", "width", "num_inference_steps", "generator"} - set(known)):
        reason = f"has no argument {missing[0]}"
    if reason:
        raise SetupError(f"{name} {reason}: {WAY_OUT}")


def check_editing(pipeline_class: type) -> None:
    """Refuse a class that does not edit an image by an instruction.

    Raises:
        SetupError: names the class, the reason and the remedy.
    """
    name, known = pipeline_class.__name__, inspect.signature(pipeline_class.__call__).parameters
    reason = ""
    if missing := sorted({"prompt", "image", "num_inference_steps", "generator"} - set(known)):
        reason = f"its call has no argument {missing[0]}"
    elif needed := sorted({"mask_image", "control_image"} & set(known)):
        reason = f"its call needs {needed[0]}"
    elif "num_frames" in known:
        reason = "it makes videos"
    if reason:
        raise SetupError(
            f"{name} edits no image by an instruction, because {reason}: choose FluxKontextPipeline, "
            "QwenImageEditPipeline or another pipeline whose call takes image and prompt"
        )
