"""Tiny random vision-language model: LLaVA of some ten thousand weights with processor and chat template, made offline.

Its vocabulary is the bytes and a few bracketed words, so that some of its random answers can be read.
Run as a script with a folder, in a process without torchvision.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

SIDE_PX, PATCH_PX = 28, 14
CONTEXT = 8192  # tokens; a token of a prompt is one byte
WORDS = [f"<{grade}>" for grade in range(7)]
WORDS += [
    f"<A {animal} holds a small spoon.>" for animal in ("fox", "hen", "goat", "crow", "mouse", "newt", "seal", "wasp")
]
ENDS = 16  # bytes that end an answer, those of control characters: answers of 17 tokens on average
SPREAD = 0.6  # standard deviation of the weights: large, so that answers differ by prompt and image
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}\n{% endfor %}assistant: "
)


def build_tiny_vlm(folder: Path, words: Sequence[str] = WORDS) -> None:
    """Write model, processor and chat template; the same files each time.

    Args:
        words: Tokens of more than one byte.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<end>",
        pad_token="<end>",
        extra_special_tokens={"image_token": "<image>"},
    )
    fast.add_tokens(list(words))
    side = {"height": SIDE_PX, "width": SIDE_PX}
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": SIDE_PX}, crop_size=side),
        fast,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE_PX, patch_size=PATCH_PX, num_hidden_layers=2, **size),
        text_config=LlamaConfig(
            vocab_size=len(fast),
            max_position_embeddings=CONTEXT,
            num_hidden_layers=1,
            initializer_range=SPREAD,
            **size,
        ),
        image_token_index=fast.convert_tokens_to_ids("<image>"),
        image_seq_length=(SIDE_PX // PATCH_PX) ** 2,
    )
    model = LlavaForConditionalGeneration(config)
    # `transformers serve` samples only where the model's own settings say so, whatever temperature a request has.
    ends = fast.convert_tokens_to_ids(["<end>", *letters[-ENDS:]])
    model.generation_config = GenerationConfig(do_sample=True, eos_token_id=ends, pad_token_id=ends[0])
    model.save_pretrained(folder)


if __name__ == "__main__":
    # A torchvision that was built for another torch cannot decode images; without one, transformers takes Pillow.
    sys.modules["torchvision"] = None  # type: ignore[assignment]
    build_tiny_vlm(Path(sys.argv[1]))
