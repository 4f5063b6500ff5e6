"""Words of the small vision-language model: its tokenizer, its chat template, and the texts of its tasks.

A word is one token, with its capital or without; any other printable text is read letter by letter.
"""

from functools import lru_cache

from detailscribe.miniature.world.captions import world_words

IMAGE, END, PAD, UNKNOWN = "<image>", "</s>", "<pad>", "<unk>"
IMAGE_TOKENS = 36  # patches of an image
ROLES = ("user", "assistant", "system")
TASK_WORDS = "critique parts part mark compare not image Everything that names can be seen keep prompt Not checked"
OPENINGS = ("A", "An", "In", "On", "At")  # first words of a prompt, which stand in brackets without a blank
MARKS = ("1", "2", "3", "4", "5")
# The images of a message come first, so that questions about one image begin alike.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] != 'text' %}<image>{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@lru_cache
def vocabulary() -> tuple[str, ...]:
    """All tokens by id: special ones, letters, words behind a blank."""
    letters = ["▁", "\n", *map(chr, range(33, 127))]
    words = {form for word in world_words() if word.isalpha() for form in (word, word.capitalize())}
    words |= set(TASK_WORDS.split()) | set(ROLES) | set(MARKS) | {"<"}
    openings = [word for word in OPENINGS if word not in letters]
    return PAD, END, UNKNOWN, IMAGE, *letters, *openings, *(f"▁{word}" for word in sorted(words))


@lru_cache
def tokenizer():
    """The tokenizer in transformers' form."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = vocabulary()
    scores = [(piece, -1.0 if len(piece) > 1 else -10.0) for piece in pieces]
    inner = Tokenizer(models.Unigram(scores, unk_id=pieces.index(UNKNOWN)))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    inner.decoder = decoders.Metaspace(prepend_scheme="always")
    inner.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (PAD, END, UNKNOWN, IMAGE)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=1024,
        extra_special_tokens={"image_token": IMAGE},
    )


def critique_question(prompt: str, parts: tuple[str, ...] = ()) -> str:
    """The request for a critique, with the decomposition at hand or without."""
    return f"critique: {prompt}" + (f" parts: {'; '.join(parts)}" if parts else "")


def part_question(part: str) -> str:
    """Whether an image shows a part: yes or no."""
    return f"part: {part}"


def mark_question(prompt: str) -> str:
    """How well an image shows a prompt: 1 to 5."""
    return f"mark: {prompt}"


def pair_question(prompt: str) -> str:
    """Which of two images shows a prompt better: 1 (the first, clearly) to 5 (the second, clearly)."""
    return f"compare: {prompt}"
