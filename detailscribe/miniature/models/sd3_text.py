"""Text encoders of the miniature's Stable Diffusion 3: two CLIP encoders, a T5, the T5 tokenizer and token ids."""

import math
from collections import Counter
from functools import lru_cache

import torch

from detailscribe.miniature.models import clip
from detailscribe.miniature.models.clip_tokens import EOS, small_ids, used_tokens
from detailscribe.miniature.world.captions import world_words
from detailscribe.miniature.world.facts import ROOM_TOKENS

JOINT = 128  # width of the text features: of both CLIP encoders together, and of the T5
CLIP_TOKENS, T5_TOKENS = 16, ROOM_TOKENS  # only the T5 reads what follows the first sentence


def clip_text_encoder(layers: int, vocabulary: int = 0):
    """An untrained CLIP text encoder in transformers' form.

    Args:
        vocabulary: Number of tokens; the small vocabulary if 0.
    """
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    text = clip.CONFIG["text_cfg"]
    end = EOS if vocabulary else len(used_tokens()) - 1
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=vocabulary or len(used_tokens()),
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
    """An untrained T5 encoder with two layers."""
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


def to_transformers_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The text tower of an open_clip model, with transformers' tensor names and SD3's context length."""
    renamed = {
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"][:CLIP_TOKENS],
        "text_model.final_layer_norm.weight": state["ln_final.weight"],
        "text_model.final_layer_norm.bias": state["ln_final.bias"],
        "text_projection.weight": state["text_projection"].T.contiguous(),
    }
    layers = clip.transformers_layers(state, "transformer.resblocks.")
    renamed |= {f"text_model.encoder.layers.{name}": tensor for name, tensor in layers.items()}
    return renamed


@lru_cache
def t5_tokenizer():
    """A Unigram tokenizer in T5's form: this world's words, and printable ASCII characters."""
    from transformers import T5Tokenizer

    letters = ["▁", *map(chr, range(33, 127))]
    pieces = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0} | {letter: -12.0 for letter in letters}
    words = [word for word in world_words() if word.isalpha()]
    counts = Counter(f"▁{form}" for word in words for form in (word, word.capitalize()))
    for word in sorted(counts):
        pieces.setdefault(word, round(math.log(1 / counts.total()), 4))
    vocab = [*pieces.items(), *((f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1))]
    return T5Tokenizer(vocab=vocab, model_max_length=512)


def token_ids(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids for the three encoders, padded as the pipeline pads: with the end token, "!" and 0.

    Returns:
        (texts, 16), (texts, 16) and (texts, 30), int64.
    """
    end = len(used_tokens()) - 1
    third = torch.tensor([_t5_ids(text) for text in texts])
    first, second = (small_ids(texts, padding, CLIP_TOKENS) for padding in (end, 0))
    return first, second, third


@lru_cache(maxsize=65536)
def _t5_ids(text: str) -> tuple[int, ...]:
    ids = t5_tokenizer()(text, truncation=True, max_length=T5_TOKENS).input_ids
    return (*ids, *[0] * (T5_TOKENS - len(ids)))
