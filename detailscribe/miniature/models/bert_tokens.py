"""BERT word pieces of the scene world: vocabulary, tokenizer, and fast token ids for training."""

import re
from functools import lru_cache

from detailscribe.miniature.models import blip
from detailscribe.miniature.world.captions import world_words


@lru_cache
def bert_words() -> list[str]:
    """The vocabulary, without [DEC] and [ENC]."""
    return blip.vocabulary([" ".join(world_words())])


def bert_tokenizer():
    """BERT's tokenizer over this vocabulary, in transformers' form."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab=dict(_id_by_word()))


@lru_cache(maxsize=65536)
def bert_ids(text: str, length: int, first: str = "[CLS]") -> tuple[int, ...]:
    """Token ids of a text of this world, truncated and padded with 0 to `length`; the same as BERT's tokenizer's."""
    ids = _id_by_word()
    pieces = [ids.get(word, ids["[UNK]"]) for word in re.findall(r"[a-z]+|[^a-z\s]", text.lower())]
    row = (ids[first], *pieces[: length - 2], ids["[SEP]"])
    return row + (0,) * (length - len(row))


@lru_cache
def _id_by_word() -> dict[str, int]:
    ids = {word: i for i, word in enumerate(bert_words())}
    return ids | {"[DEC]": len(ids), "[ENC]": len(ids) + 1}
