"""Pipeline classes: the lists against the installed diffusers and the documentation, and each refusal's sentence."""

import inspect
import re

import pytest

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.pipelines.known import (
    REFUSED,
    TAKEOVER,
    call_arguments,
    check_editing,
    check_text_to_image,
)
from detailscribe.errors import SetupError
from tests.paths import REPOSITORY
from tests.tiny_pipelines.table import PIPELINES

VARIANTS = ("PAG", "Control", "LatentConsistency")  # in the names of variants of other classes


def class_of(name):
    import diffusers

    return getattr(diffusers, name)


def test_each_text_to_image_class_of_diffusers_was_tried_or_is_refused():
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    classes = {one.__name__ for one in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}
    originals = {name for name in classes if not any(word in name for word in VARIANTS)}
    assert originals <= {*PIPELINES, *REFUSED}
    assert not set(PIPELINES) & set(REFUSED)
    assert set(TAKEOVER) <= set(PIPELINES)


def test_the_documentation_lists_these_classes():
    text = (REPOSITORY / "docs" / "image-models.md").read_text(encoding="utf-8")
    lines = text.partition("## Editing models")[0].splitlines()
    listed: dict[str, list[str]] = {"tried": [], "refused": []}
    for line in lines:
        if line.startswith("| `"):
            names, remark = line.split("|")[1:3]
            listed["refused" if remark.strip().startswith("refused") else "tried"] += re.findall(r"`(\w+)`", names)
    assert (sorted(listed["tried"]), sorted(listed["refused"])) == (sorted(PIPELINES), sorted(REFUSED))


@pytest.mark.parametrize("name", PIPELINES)
def test_tried_classes_pass(name):
    check_text_to_image(class_of(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("HeliosPipeline", "makes videos"),
        ("WanPipeline", "makes videos"),
        ("StableCascadeCombinedPipeline", "settles the image in the steps of its prior"),
        ("WuerstchenCombinedPipeline", "settles the image in the steps of its prior"),
        ("QwenImageEditPipeline", "edits an image, and here it is to generate one from a text"),
        ("FluxInpaintPipeline", "edits an image"),
        ("FluxFillPipeline", "edits an image"),
        ("StableDiffusionInstructPix2PixPipeline", "edits an image"),
        ("Kandinsky5I2IPipeline", "edits an image"),
        ("StableCascadeDecoderPipeline", "has no argument height"),
        ("ShapEPipeline", "has no argument height"),
        ("DDPMPipeline", "has no argument height"),
    ],
)
def test_classes_that_make_no_image_from_a_text_are_refused(name, reason):
    with pytest.raises(SetupError, match=f"^{name} {reason}.*: choose a pipeline that docs/image-models.md lists$"):
        check_text_to_image(class_of(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FluxPipeline", "its call has no argument image"),
        ("FluxPriorReduxPipeline", "its call has no argument generator"),
        ("FluxFillPipeline", "its call needs mask_image"),
        ("StableDiffusionXLControlNetInpaintPipeline", "its call needs control_image"),
        ("ChronoEditPipeline", "it makes videos"),
    ],
)
def test_classes_that_edit_no_image_are_refused(name, reason):
    with pytest.raises(SetupError, match=f"^{name} edits no image by an instruction, because {reason}: choose Flux"):
        check_editing(class_of(name))


@pytest.mark.parametrize(
    "name",
    ["FluxKontextPipeline", "QwenImageEditPipeline", "QwenImageEditPlusPipeline", "LongCatImageEditPipeline"]
    + ["Flux2Pipeline", "Flux2KleinPipeline", "StableDiffusionXLInstructPix2PixPipeline"],
)
def test_editing_classes_pass(name):
    check_editing(class_of(name))


@pytest.mark.parametrize("name", [*PIPELINES, "FluxKontextPipeline", "QwenImageEditPipeline"])
def test_the_source_of_diffusers_tells_the_arguments_of_a_call(name):
    known = inspect.signature(class_of(name).__call__).parameters.values()
    assert call_arguments(name) == tuple(each.name for each in known if each.kind is not each.VAR_KEYWORD)


def test_the_arguments_of_an_unknown_class_are_not_known():
    assert call_arguments("NoPipeline") == ()
