"""The small vision-language model's processor and its folder in transformers' form, as servers read it."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers
from detailscribe.miniature.models.vqa_questions import PATCH_PX
from detailscribe.miniature.vlm.tokens import CHAT_TEMPLATE, IMAGE, tokenizer
from detailscribe.miniature.world.arrangements import SIDE_PX


@lru_cache
def processor() -> Any:
    """CLIP's image processor at 96 x 96 pixels, the tokenizer and the chat template."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    side = {"height": SIDE_PX, "width": SIDE_PX}
    return LlavaProcessor(
        CLIPImageProcessor(size=side, do_center_crop=False),
        tokenizer(),
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=CHAT_TEMPLATE,
    )


def write_folder(model: Any, folder: Path) -> None:
    """Write model and processor.

    Args:
        model: Of `network.llava`.
    """
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
