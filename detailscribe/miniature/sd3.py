"""The miniature's Stable Diffusion 3: its transformer, its three text encoders and how they are trained.

The first text encoder is the text tower of the miniature's CLIP and stays as it is; the second and the T5 learn with
the transformer. Widths, depths and token limits are small; classes, sampling and file layout are the real ones.
"""

import hashlib
import math
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detailscribe.miniature import clip, world
from detailscribe.miniature.training import Plan, pixels

PLAN = Plan(steps=24000, rounds=2, batch=32, rate=1.5e-3, falls=0.5, average=0.999, half=True, compiled=False, seed=6)
WIDTH, LAYERS, HEAD = 192, 3, 64  # of the transformer
JOINT = 128  # width of the text it reads: two CLIP encoders side by side, or the T5
CLIP_TOKENS, T5_TOKENS = 16, 32  # the T5 alone reads a long prompt to its end, as in the real one
SHIFT = 3.0  # of the scheduler, as in Stable Diffusion 3.5
# What may stand in more places takes longer to learn, and is drawn up to three times as often.
DRAWN = tuple(name for name, plan in world.ARRANGEMENTS.items() for _ in range((len(plan.dx) * len(plan.dy) + 1) // 2))
UNCONDITIONAL = 0.1  # share of captions left out, for guidance
BOS, EOS = 49406, 49407


class Denoiser(nn.Module):
    """Everything that learns together: velocity of noisy latents under a caption."""

    def __init__(self):
        super().__init__()
        self.first, self.second = text_encoder(3), text_encoder(2)
        self.third = t5_encoder()
        self.transformer = transformer()
        self.first.requires_grad_(False)

    def forward(
        self, latents: torch.Tensor, sigmas: torch.Tensor, ids: torch.Tensor, ids_2: torch.Tensor, ids_3: torch.Tensor
    ) -> torch.Tensor:
        """Args: latents, n x 16 x 12 x 12; sigmas, n, in [0, 1]; tokens of the encoders, of `tokens`."""
        with torch.no_grad():
            first = self.first(ids, output_hidden_states=True)
        second = self.second(ids_2, output_hidden_states=True)
        read = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
        read = torch.cat([read, self.third(ids_3).last_hidden_state], 1)
        pooled = torch.cat([first.text_embeds, second.text_embeds], -1)
        return self.transformer(
            latents, encoder_hidden_states=read, pooled_projections=pooled, timestep=sigmas * 1000, return_dict=False
        )[0]


def build() -> Denoiser:
    """The model, untrained; layers that gate start at zero."""
    model = Denoiser()
    for name, weights in model.transformer.named_parameters():
        if "norm1.linear" in name or "norm1_context.linear" in name or name.startswith(("norm_out.linear", "proj_out")):
            nn.init.zeros_(weights)
    return model


def begin(model: Denoiser, trained_clip: nn.Module) -> None:
    """Take over the text tower of a trained CLIP."""
    model.first.load_state_dict(transformers_names(trained_clip.state_dict()), strict=False)


def transformer():
    """The transformer, untrained: 36 patches of 2 x 2 latents."""
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(
        sample_size=world.SIDE_PX // 8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=LAYERS,
        attention_head_dim=HEAD,
        num_attention_heads=WIDTH // HEAD,
        caption_projection_dim=WIDTH,
        joint_attention_dim=JOINT,
        pooled_projection_dim=JOINT,
        pos_embed_max_size=world.SIDE_PX // 16,
        qk_norm="rms_norm",
    )


def text_encoder(layers: int, words: int = 0):
    """A CLIP text encoder in transformers' form; over the small vocabulary, or over so many words."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    text = clip.CONFIG["text_cfg"]
    end = EOS if words else len(clip.used_tokens()) - 1
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=words or len(clip.used_tokens()),
            hidden_size=text["width"],
            intermediate_size=4 * text["width"],
            projection_dim=clip.CONFIG["embed_dim"],
            num_hidden_layers=layers,
            num_attention_heads=text["heads"],
            max_position_embeddings=CLIP_TOKENS,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
            hidden_act="gelu",
        )
    )


def t5_encoder():
    """A T5 encoder of two layers, untrained."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer()),
            d_model=JOINT,
            d_kv=32,
            d_ff=JOINT,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            is_encoder_decoder=False,
            use_cache=False,
        )
    )


def transformers_names(state: dict) -> dict:
    """The text tower of an open_clip model under transformers' names."""
    found = {
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"][:CLIP_TOKENS],
        "text_model.final_layer_norm.weight": state["ln_final.weight"],
        "text_model.final_layer_norm.bias": state["ln_final.bias"],
        "text_projection.weight": state["text_projection"].T.contiguous(),
    }
    parts = clip.PARTS | {"attn.out_proj": "self_attn.out_proj"}
    for name, tensor in state.items():
        if not name.startswith("transformer.resblocks."):
            continue
        _, _, layer, rest = name.split(".", 3)
        where = f"text_model.encoder.layers.{layer}"
        if rest.startswith("attn.in_proj_"):
            kind = rest.removeprefix("attn.in_proj_")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{where}.self_attn.{part}_proj.{kind}"] = piece.clone()
        else:
            part, kind = rest.rsplit(".", 1)
            found[f"{where}.{parts[part]}.{kind}"] = tensor
    return found


@lru_cache
def t5_tokenizer():
    """This world's words, and printable ASCII, as the pieces of a Unigram model in T5's form."""
    from transformers import T5Tokenizer

    letters = ["▁", *map(chr, range(33, 127))]
    pieces = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0} | {letter: -12.0 for letter in letters}
    words = [word for word in world.words() if word.isalpha()]
    counted = Counter(f"▁{form}" for word in words for form in (word, word.capitalize()))
    for word in sorted(counted):
        pieces.setdefault(word, round(math.log(1 / counted.total()), 4))
    vocab = [*pieces.items(), *((f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1))]
    return T5Tokenizer(vocab=vocab, model_max_length=512)


@lru_cache(maxsize=65536)
def _t5_ids(text: str) -> tuple[int, ...]:
    ids = t5_tokenizer()(text, truncation=True, max_length=T5_TOKENS).input_ids
    return (*ids, *[0] * (T5_TOKENS - len(ids)))


def tokens(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the encoders read, n x 16, n x 16 and n x 32, padded as the pipeline pads: end tokens, "!" and 0."""
    end = len(clip.used_tokens()) - 1
    third = torch.tensor([_t5_ids(text) for text in texts])
    first, second = (clip.small_ids(texts, padding, CLIP_TOKENS) for padding in (end, 0))
    return first, second, third


class Loss:
    """Flow matching under captions that are not always true."""

    def __init__(self, latents: "Latents", device: torch.device):
        self._latents, self._device = latents, device

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        pairs = [world.training_pair(world.random_scene(rng, arrangements=DRAWN), rng) for _ in range(batch)]
        clean = self._latents([drawn for drawn, _ in pairs]).to(self._device)
        texts = ["" if rng.random() < UNCONDITIONAL else text for _, text in pairs]
        # Levels of noise: half drawn around the middle, half evenly; half of all shifted as the scheduler shifts.
        level = torch.where(torch.rand(batch) < 0.5, torch.sigmoid(torch.randn(batch)), torch.rand(batch))
        level = torch.where(torch.rand(batch) < 0.5, SHIFT * level / (1 + (SHIFT - 1) * level), level)
        level = level.to(self._device)
        noise = torch.randn(clean.shape).to(self._device)
        at = level[:, None, None, None]
        velocity = model((1 - at) * clean + at * noise, level, *(each.to(self._device) for each in tokens(texts)))
        return ((velocity.float() - (noise - clean)) ** 2).mean()


class Latents:
    """Latents of every scene that may be trained on, encoded once and kept in a file named after what made them."""

    def __init__(self, folder: Path, autoencoder, sprites: dict, device: torch.device):
        scenes = sorted({_drawn(scene) for scene in every_scene()}, key=repr)
        self._rows = {scene: at for at, scene in enumerate(scenes)}
        made_by = hashlib.sha256(repr(scenes).encode())
        for tensor in autoencoder.state_dict().values():
            made_by.update(tensor.cpu().numpy().tobytes())
        place = folder / f"latents-{made_by.hexdigest()[:12]}.pt"
        if place.is_file():
            self._latents = torch.load(place, weights_only=True)
        else:
            self._latents = torch.cat(list(_encoded(scenes, autoencoder, sprites, device)))
            torch.save(self._latents, place)

    def __call__(self, scenes: list[world.Scene]) -> torch.Tensor:
        """Args: drawn scenes. Returns: n x 16 x 12 x 12, scaled."""
        return self._latents[[self._rows[_drawn(scene)] for scene in scenes]].float()


def every_scene() -> list[world.Scene]:
    """All that `world.training_pair` may draw for scenes of the training part."""
    from itertools import product

    found = []
    for name, plan in world.ARRANGEMENTS.items():
        for (first, second), dx, dy in product(world.pairings(name), plan.dx, plan.dy):
            for background, shown in product(world.BACKGROUNDS, ((True, True), (True, False), (False, True))):
                found.append(world.Scene(name, first, second, background, dx, dy, shown))
    return found


def _drawn(scene: world.Scene) -> tuple:
    """What can be seen of a scene."""
    first = scene.first if scene.shown[0] else None
    second = scene.second if scene.shown[1] else None
    return scene.arrangement, first, second, scene.background, scene.dx, scene.dy


@torch.no_grad()
def _encoded(scenes: list[tuple], autoencoder, sprites: dict, device: torch.device):
    factor, shift = autoencoder.config.scaling_factor, autoencoder.config.shift_factor
    for at in range(0, len(scenes), 64):
        images = []
        for name, first, second, background, dx, dy in scenes[at : at + 64]:
            shown = (first is not None, second is not None)
            whole = world.Scene(name, first or "cat", second or "cat", background, dx, dy, shown)
            images.append(world.draw(whole, sprites))
        latents = autoencoder.encode(pixels(images, device)).latent_dist.mean
        yield ((latents - shift) * factor).to("cpu", torch.float16)
