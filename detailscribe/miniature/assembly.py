"""Model folders of the miniature, built from the shipped weights in the real models' file formats.

Adds what is not trained: configs, tokenizers and the full vocabularies.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from torch import nn

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers, diffusers and open_clip
from detailscribe.miniature import weights_info
from detailscribe.miniature.models import blip, clip, sd3, vqa
from detailscribe.miniature.models.bert_tokens import bert_words
from detailscribe.miniature.models.clip_tokens import VOCABULARY, expand_vocabulary, open_clip_tokenizer
from detailscribe.miniature.models.sd3_text import CLIP_TOKENS, clip_text_encoder, t5_tokenizer
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.vlm.processor import write_folder


def build_miniature(folder: Path) -> None:
    """Build `folder` atomically, replacing an existing one.

    It gets `sd3` (a diffusers pipeline), `clip` (an open_clip folder), `image_reward`, `blip_vqa`, and `vlm` (a LLaVA).
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        unfinished.chmod(0o755)
        with torch.random.fork_rng(devices=[]):
            sd3_pipeline().save_pretrained(unfinished / "sd3")
            _write_clip(unfinished / "clip")
            reward_state = load_part("reward").model.state_dict()
            blip.write_image_reward(unfinished / "image_reward", reward_state, bert_words(), vqa.SIZES)
            blip.write_blip_vqa(unfinished / "blip_vqa", load_part("vqa").model, bert_words())
            write_folder(load_part("vlm").model, unfinished / "vlm")
        for file in unfinished.rglob("*.safetensors"):
            file.chmod(0o644)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def sd3_pipeline():
    """The Stable Diffusion 3 pipeline, with CLIP's whole vocabulary."""
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    denoiser = load_part("sd3")
    autoencoder = load_part("autoencoder")
    autoencoder.register_to_config(**{name: weights_info()[name] for name in ("scaling_factor", "shift_factor")})
    # SD3's second tokenizer pads with "!", its first with the end token.
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=sd3.SHIFT),
        tokenizer=clip_tokenizer("<|endoftext|>"),
        tokenizer_2=clip_tokenizer("!"),
        tokenizer_3=t5_tokenizer(),
        text_encoder=_with_full_vocabulary(denoiser.first, 3),
        text_encoder_2=_with_full_vocabulary(denoiser.second, 2),
        text_encoder_3=denoiser.third,
        transformer=denoiser.transformer,
        vae=autoencoder,
    )


def clip_tokenizer(pad_token: str, tokens: int = CLIP_TOKENS):
    """CLIP's tokenizer in transformers' form, from open_clip's vocabulary; it truncates at `tokens` tokens."""
    from transformers import CLIPTokenizer

    original = open_clip_tokenizer()
    merges = sorted(original.bpe_ranks, key=original.bpe_ranks.__getitem__)
    vocab = dict(original.encoder)
    vocab["<|startoftext|>"], vocab["<|endoftext|>"] = vocab.pop("<start_of_text>"), vocab.pop("<end_of_text>")
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=tokens, pad_token=pad_token)


def _with_full_vocabulary(encoder: nn.Module, layers: int) -> nn.Module:
    """A text encoder with CLIP's whole vocabulary instead of the small one."""
    full = clip_text_encoder(layers, VOCABULARY)
    state = encoder.state_dict()
    embedding = "text_model.embeddings.token_embedding.weight"
    full.load_state_dict(state | {embedding: expand_vocabulary(state[embedding])})
    return full.eval()


def _write_clip(folder: Path) -> None:
    """Write the open_clip folder; this model takes CLIP-normalised images instead of images in [-1, 1]."""
    from safetensors.torch import save_file

    folder.mkdir()
    config = json.dumps({"model_cfg": clip.CONFIG}, indent=2) + "\n"
    (folder / "open_clip_config.json").write_text(config, encoding="utf-8")
    state = clip.with_normalised_input(clip.full_state(load_part("clip")))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "open_clip_model.safetensors")
