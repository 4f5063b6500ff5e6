"""Stable Diffusion 3.5 with random weights for the engine's benchmark: sizes, building on the device, saving once.

Weights are sampled on the device from a fixed seed, so that a second process on the same machine has the same ones
without reading a file. `large` has SD3.5-large's real sizes: transformer 8.06 billion weights, T5-XXL 4.76, CLIP-L
0.12, CLIP-G 0.69, autoencoder 0.08; 27.4 GB in bf16. Derived for a card that writes 2 TB/s: sampling takes well under a
second, constructing the 13.7 billion weights' modules in Python 5 to 15 s.
"""

import shutil
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers

# Sizes: image and texts, transformer (width, layers), T5 (width, layers, words), CLIPs (width, layers each), decoder's
# width. On a processor the mid-size one keeps the proportions between the weights of the parts: T5 has 0.6 times the
# transformer's, the two CLIPs 0.1 times, T5's feed-forward is 2.5 times its width.
SIZES: dict[str, dict] = {
    "large": {
        "px": 1024,
        "tokens": 512,
        "transformer": (2432, 38),
        "t5": (4096, 24, 32128),
        "clips": ((768, 12), (1280, 32)),
        "vae": 128,
    },
    "middle": {
        "px": 128,
        "tokens": 128,
        "transformer": (320, 6),
        "t5": (320, 11, 0),
        "clips": ((128, 3), (192, 4)),
        "vae": 16,
    },
    "tiny": {"px": 64, "tokens": 32, "transformer": (64, 2), "t5": (64, 2, 0), "clips": ((32, 2), (32, 2)), "vae": 8},
}
MEMORY_FOLDER = Path("/dev/shm")


def build(size: dict, device: torch.device, dtype: torch.dtype) -> Any:
    """A StableDiffusion3Pipeline of this size with random weights, made on the device.

    Args:
        size: A value of SIZES.
        device: Where the weights are made; "meta" for their shapes alone.
        dtype: Of weights and buffers.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    from detailscribe.miniature.assembly import clip_tokenizer
    from detailscribe.miniature.models.sd3_text import t5_tokenizer

    tokenizers = [clip_tokenizer("<|endoftext|>", 77), clip_tokenizer("!", 77), t5_tokenizer()]
    default = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            clips = [
                _clip(width, layers, each) for (width, layers), each in zip(size["clips"], tokenizers, strict=False)
            ]
            parts = {
                "text_encoder": clips[0],
                "text_encoder_2": clips[1],
                "text_encoder_3": _t5(size, len(tokenizers[2])),
                "transformer": _transformer(size),
                "vae": _autoencoder(size),
            }
    finally:
        torch.set_default_dtype(default)
    names = ("tokenizer", "tokenizer_2", "tokenizer_3")
    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        **{name: part.to(dtype).eval().requires_grad_(False) for name, part in parts.items()},
        **dict(zip(names, tokenizers, strict=True)),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def quiet() -> None:
    """Load diffusers and transformers, and switch off their remarks, as on texts that are cut."""
    import diffusers
    import transformers
    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # Both import a class when it is first asked for, which should not count as building.
    for name in ("AutoencoderKL", "SD3Transformer2DModel", "StableDiffusion3Pipeline"):
        getattr(diffusers, name)
    for name in ("CLIPTextModelWithProjection", "T5EncoderModel"):
        getattr(transformers, name)


class Model:
    """One random model for all ways: on the device, and on disk if a way has to read it from there.

    Args:
        name: A key of SIZES.
        device, dtype: As for `build`.

    Attributes:
        build_s, save_s: Seconds that building and saving took; None before.
    """

    def __init__(self, name: str, device: torch.device, dtype: torch.dtype):
        self.size, self.device, self.dtype = SIZES[name], device, dtype
        self.build_s: float | None = None
        self.save_s: float | None = None
        roomy = device.type == "cuda" and MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > 40e9
        self._folder = Path(tempfile.mkdtemp(prefix="detailscribe-", dir=MEMORY_FOLDER if roomy else None))
        self._pipe: Any = None

    def resident(self) -> Any:
        """The pipeline on the device; built at the first call."""
        if self._pipe is None:
            start = time.perf_counter()
            self._pipe = build(self.size, self.device, self.dtype)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            self.build_s = round(time.perf_counter() - start, 2)
        return self._pipe

    @cached_property
    def configs(self) -> Path:
        """A folder with the configuration files alone, which `load_engine` reads before the weights."""
        folder, pipe = self._folder / "configs", self.resident()
        pipe.save_config(folder)
        for name in ("transformer", "vae", "scheduler"):
            getattr(pipe, name).save_config(folder / name)
        return folder

    @cached_property
    def saved(self) -> Path:
        """A folder with the weights, for ways that quantise while they read, or keep modules in main memory."""
        start, folder = time.perf_counter(), self._folder / "model"
        self.resident().save_pretrained(folder, max_shard_size="10GB")
        self.save_s = round(time.perf_counter() - start, 2)
        return folder

    def leave_device(self) -> None:
        """Forget the pipeline, so that a way which reads from disk has the device for itself."""
        self._pipe = None

    def close(self) -> None:
        """Forget the pipeline and delete the files."""
        self._pipe = None
        shutil.rmtree(self._folder, ignore_errors=True)


def _head(size: dict) -> int:
    return 64 if size["px"] > 64 else 16


def _clip(width: int, layers: int, tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _t5(size: dict, words: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    width, layers, at_least = size["t5"]
    return T5EncoderModel(
        T5Config(
            vocab_size=max(words, at_least),
            d_model=width,
            d_kv=_head(size),
            d_ff=width * 5 // 2,
            num_layers=layers,
            num_heads=width // _head(size),
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    )


def _transformer(size: dict) -> Any:
    from diffusers import SD3Transformer2DModel

    width, layers = size["transformer"]
    return SD3Transformer2DModel(
        sample_size=size["px"] // 8,
        num_layers=layers,
        attention_head_dim=_head(size),
        num_attention_heads=width // _head(size),
        caption_projection_dim=width,
        joint_attention_dim=size["t5"][0],
        pooled_projection_dim=sum(clip_width for clip_width, _ in size["clips"]),
        out_channels=16,
        pos_embed_max_size=max(32, size["px"] // 16 * 3),
        qk_norm="rms_norm",
    )


def _autoencoder(size: dict) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=tuple(size["vae"] * factor for factor in (1, 2, 4, 4)),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=min(32, size["vae"]),
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.5305,
        shift_factor=0.0609,
    )
