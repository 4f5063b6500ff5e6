"""Tiny random image-editing pipelines: FLUX.1 Kontext and Qwen-Image-Edit."""

import diffusers
import torch
import transformers

from tests.tiny_pipelines import dits, parts, recent

CALLS = {
    "FluxKontextPipeline": {"max_sequence_length": 32, "_auto_resize": False},
    "QwenImageEditPipeline": {"true_cfg_scale": 2.0, "negative_prompt": " "},
    "QwenImageEditPlusPipeline": {"true_cfg_scale": 2.0, "negative_prompt": " "},
}


class SeeingProcessor(parts.Processor):
    """Prepares images as Qwen2-VL does; each is one image token per four patches."""

    def __init__(self):
        super().__init__(512)
        self.eyes = transformers.Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=56 * 56, patch_size=14)

    def __call__(self, text=None, images=None, **options):
        seen = self.eyes(images=images, return_tensors="pt")
        counts = iter((seen["image_grid_thw"].prod(-1) // self.eyes.merge_size**2).tolist())
        spread = []
        for one in text:
            first, *others = one.split("<|image_pad|>")
            spread.append(first + "".join("<|image_pad|>" * next(counts) + other for other in others))
        return transformers.BatchFeature({**self.tokenizer(spread, padding=True, return_tensors="pt"), **seen})


def qwen_image_edit():
    encoder = parts.qwen25_vl(
        image_token_id=4, vision_start_token_id=5, vision_end_token_id=6, vision={"patch_size": 14}
    )
    made = dits.one(encoder, recent.qwen_transformer(), parts.qwen_vae(), length=512)
    return made | {"processor": SeeingProcessor()}


def build(name):
    torch.manual_seed(0)
    made = dits.flux() if name == "FluxKontextPipeline" else qwen_image_edit()
    pipe = getattr(diffusers, name)(**made)
    pipe.set_progress_bar_config(disable=True)
    for weight in pipe.transformer.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=1.2 / weight[0].numel() ** 0.5)
    return pipe
