"""Tiny random text-to-image pipelines by the name of their class: `build(name)`, and the arguments of their calls."""

import torch

from tests.tiny_pipelines import dits, joint, recent, unets

PIPELINES = unets.PIPELINES | dits.PIPELINES | recent.PIPELINES | joint.PIPELINES
SIZE_PX = 32


def build(name):
    """A pipeline with random weights, of which each text makes another image of `size_of(name)` pixels."""
    import diffusers

    torch.manual_seed(0)
    pipe = getattr(diffusers, name)(**PIPELINES[name][0]())
    pipe.set_progress_bar_config(disable=True)
    for part, module in pipe.components.items():
        if isinstance(module, torch.nn.Module):
            module.eval()
        # As they are initialised, most denoisers hardly react to a text, and some return zeros.
        if any(word in part for word in ("transformer", "unet", "prior_prior", "language")):
            for weight in module.parameters():
                if weight.ndim > 1 and weight.numel():
                    torch.nn.init.normal_(weight, std=1.2 / weight[0].numel() ** 0.5)
    # What these set to sizes or lengths of their published models.
    if hasattr(pipe, "resolutions"):
        pipe.resolutions = [(SIZE_PX, SIZE_PX)]
    if name == "HunyuanImagePipeline":
        pipe.tokenizer_max_length = pipe.tokenizer_2_max_length = 64
    if name == "HiDreamImagePipeline":
        pipe.default_sample_size = SIZE_PX // pipe.vae_scale_factor
    return pipe


def size_of(name):
    """Width and height of the pipeline's images in pixels."""
    return 64 if name == "Kandinsky3Pipeline" else SIZE_PX


def call_of(name):
    """Further arguments of the pipeline's call."""
    return PIPELINES[name][1]
