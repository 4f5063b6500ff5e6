"""Pipeline classes of diffusers: those that are refused as text-to-image or as editing models, and changed ones."""

import ast
import functools
import importlib.util
import inspect
from collections.abc import Collection
from pathlib import Path

from detailscribe.errors import SetupError

# Number of how a refined prompt takes over, of classes in which that draws other images than it once did. Raise it, or
# add a class, where the images of a prompt switch change.
TAKEOVER = {"GlmImagePipeline": 2}  # 1 kept the first prompt's image tokens
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
    known = inspect.signature(pipeline_class.__call__).parameters
    if problem := editing_problem(pipeline_class.__name__, known):
        raise SetupError(problem)


def editing_problem(name: str, arguments: Collection[str]) -> str:
    """Why a class does not edit an image by an instruction, with the remedy; empty if it does.

    Args:
        name: Of the class.
        arguments: Of its call.
    """
    reason = ""
    if missing := sorted({"prompt", "image", "num_inference_steps", "generator"} - set(arguments)):
        reason = f"its call has no argument {missing[0]}"
    elif needed := sorted({"mask_image", "control_image"} & set(arguments)):
        reason = f"its call needs {needed[0]}"
    elif "num_frames" in arguments:
        reason = "it makes videos"
    return reason and (
        f"{name} edits no image by an instruction, because {reason}: choose FluxKontextPipeline, "
        "QwenImageEditPipeline or another pipeline whose call takes image and prompt"
    )


@functools.cache
def call_arguments(name: str) -> tuple[str, ...]:
    """Arguments of the call of a pipeline class, read from the source of diffusers, which this does not import.

    Returns:
        None of them (an empty tuple) where diffusers is not installed or the class has no call of its own.
    """
    found = importlib.util.find_spec("diffusers")
    if found is None or found.origin is None:
        return ()
    for file in sorted((Path(found.origin).parent / "pipelines").rglob("pipeline_*.py")):
        text = file.read_text(encoding="utf-8")
        if f"class {name}(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and part.name == "__call__":
                        return tuple(each.arg for each in [*part.args.args, *part.args.kwonlyargs])
    return ()
