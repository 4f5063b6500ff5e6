"""CLIP tokens: its own tokenizer, the small vocabulary used in training, and expansion to CLIP's 49,408 tokens.

Training uses only the tokens of this world; the rows of all other tokens are zero in the full vocabulary.
"""

from functools import lru_cache

import numpy as np
import torch

from detailscribe.miniature.world.captions import world_words

TOKENS = 32  # context length in training; CLIPScore uses 77
VOCABULARY = 49408
BOS, EOS = 49406, 49407
PREFIX = "A photo depicts "  # of CLIPScore


@lru_cache
def open_clip_tokenizer():
    """CLIP's own tokenizer in open_clip's form."""
    import open_clip

    return open_clip.SimpleTokenizer()


@lru_cache
def used_tokens() -> tuple[int, ...]:
    """CLIP's ids of this world's tokens, ascending, so that the end token stays the highest; 0 is SD3's second
    padding.
    """
    text = " ".join([*world_words(), PREFIX, "There is nothing.", ".", ","])
    return tuple(sorted({0, BOS, EOS, *open_clip_tokenizer().encode(text)}))


def small_ids(texts: list[str], padding: int = 0, length: int = TOKENS) -> torch.Tensor:
    """Texts as ids of the small vocabulary; an unknown token is 0.

    Returns:
        (texts, length), int64.
    """
    ids = np.full((len(texts), length), padding)
    for row, text in enumerate(texts):
        tokens = _small_ids(text, length)
        ids[row, : len(tokens)] = tokens
    return torch.from_numpy(ids)


def expand_vocabulary(rows: torch.Tensor) -> torch.Tensor:
    """Embeddings of the small vocabulary as rows of CLIP's whole one.

    Args:
        rows: (used tokens, width), float32.

    Returns:
        (49408, width), float32; unused rows are zero.
    """
    full = rows.new_zeros(VOCABULARY, rows.shape[1])
    full[list(used_tokens())] = rows
    return full


@lru_cache
def _small_id_by_token() -> dict[int, int]:
    return {token: i for i, token in enumerate(used_tokens())}


@lru_cache(maxsize=65536)
def _small_ids(text: str, length: int) -> tuple[int, ...]:
    ids = _small_id_by_token()
    tokens = [ids.get(token, 0) for token in open_clip_tokenizer().encode(text)[: length - 2]]
    return (ids[BOS], *tokens, ids[EOS])
