"""The shipped weights, and the folders that the study loads: the same files as those of the real models.

Shipped are the trained tensors in half precision and small vocabularies; `build` widens them to single precision and
adds configs and tokenizers, which are not learnt.
"""

import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers, diffusers and open_clip
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import ABOUT, WEIGHTS, about, autoencoder, blip, clip, detector, reward, sd3, vqa

LIMIT_BYTES = 16_000_000
MODULES = {"autoencoder": autoencoder, "clip": clip, "sd3": sd3, "vqa": vqa, "reward": reward, "detector": detector}
BEGUN_FROM = {"vqa": "clip", "reward": "vqa", "sd3": "clip"}  # whose weights a part takes over before it learns
KEPT = {"reward": "model.vision.", "sd3": "first."}  # what of these never changes, and is not shipped twice


def pack(parts: dict[str, torch.nn.Module], folder: Path, told: dict) -> None:
    """Write the shipped files.

    Args:
        parts: Trained models by the names in MODULES.
        told: What else is told of them, in `weights.json`.

    Raises:
        ValueError: they are larger than may be shipped.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for name, model in parts.items():
        state = detector.folded(model) if name == "detector" else model.state_dict()
        kept = {key: tensor for key, tensor in state.items() if not key.startswith(_left_out(name))}
        save_file({key: tensor.detach().cpu().half().contiguous() for key, tensor in kept.items()},
                  folder / f"{name}.safetensors")  # fmt: skip
    files = {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    size = sum((folder / name).stat().st_size for name in files)
    if size > LIMIT_BYTES:
        raise ValueError(f"the weights have {size:,} bytes, more than {LIMIT_BYTES:,}")
    write_text(folder / ABOUT, json.dumps({**told, "bytes": size, "files": files}, indent=2) + "\n")


def build(folder: Path) -> None:
    """Make `folder`/sd3, a diffusers pipeline, `folder`/clip, an open_clip folder, `folder`/image_reward and
    `folder`/blip_vqa; whole or not at all. It is replaced if it is there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        unfinished.chmod(0o755)
        with torch.random.fork_rng(devices=[]):
            pipeline().save_pretrained(unfinished / "sd3")
            _write_clip(unfinished / "clip")
            rewarding = trained("reward").model
            blip.write_image_reward(unfinished / "image_reward", rewarding.state_dict(), vqa.words(), vqa.SIZES)
            blip.write_blip_vqa(unfinished / "blip_vqa", trained("vqa").model, vqa.words())
        for file in unfinished.rglob("*.safetensors"):
            file.chmod(0o644)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _left_out(name: str) -> tuple[str, ...]:
    """How tensors of a part begin that are not shipped with it: what it took over, and what only its training used."""
    return ("entity_", *([KEPT[name]] if name in KEPT else []))


@lru_cache
def trained(name: str) -> torch.nn.Module:
    """A part with its shipped weights, in single precision."""
    from safetensors.torch import load_file

    model = MODULES[name].build()
    if name in KEPT:
        MODULES[name].begin(model, trained(BEGUN_FROM[name]))
    state = {key: tensor.float() for key, tensor in load_file(WEIGHTS / f"{name}.safetensors").items()}
    missing, surplus = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.startswith(_left_out(name))]
    if missing or surplus:
        raise ValueError(f"{name}.safetensors is not of this code: missing {missing[:3]}, unknown {surplus[:3]}")
    return model.eval()


def pipeline():
    """The Stable Diffusion 3 pipeline."""
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    drawer = trained("sd3")
    decoder = trained("autoencoder")
    decoder.register_to_config(**{name: about()[name] for name in ("scaling_factor", "shift_factor")})
    encoders = [_wide(drawer.first, 3), _wide(drawer.second, 2)]
    # SD3's second tokenizer pads with "!", its first with the end token.
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=sd3.SHIFT),
        tokenizer=clip_tokenizer("<|endoftext|>"),
        tokenizer_2=clip_tokenizer("!"),
        tokenizer_3=sd3.t5_tokenizer(),
        text_encoder=encoders[0],
        text_encoder_2=encoders[1],
        text_encoder_3=drawer.third,
        transformer=drawer.transformer,
        vae=decoder,
    )


def _wide(encoder: torch.nn.Module, layers: int) -> torch.nn.Module:
    """A text encoder over CLIP's whole vocabulary."""
    wide = sd3.text_encoder(layers, clip.VOCABULARY)
    state = encoder.state_dict()
    words = "text_model.embeddings.token_embedding.weight"
    wide.load_state_dict(state | {words: clip.widened(state[words])})
    return wide.eval()


def clip_tokenizer(pad_token: str, tokens: int = sd3.CLIP_TOKENS):
    """CLIP's tokenizer in transformers' form, from the vocabulary that open_clip brings; it cuts at so many tokens."""
    from transformers import CLIPTokenizer

    ours = clip.tokenizer()
    merges = sorted(ours.bpe_ranks, key=ours.bpe_ranks.__getitem__)
    vocab = dict(ours.encoder)
    vocab["<|startoftext|>"], vocab["<|endoftext|>"] = vocab.pop("<start_of_text>"), vocab.pop("<end_of_text>")
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=tokens, pad_token=pad_token)


def _write_clip(folder: Path) -> None:
    """The open_clip folder, which takes pictures normalised as CLIP's instead of in [-1, 1]."""
    from safetensors.torch import save_file

    folder.mkdir()
    config = json.dumps({"model_cfg": clip.CONFIG}, indent=2) + "\n"
    (folder / "open_clip_config.json").write_text(config, encoding="utf-8")
    state = clip.normalising(clip.full(trained("clip")))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "open_clip_model.safetensors")
