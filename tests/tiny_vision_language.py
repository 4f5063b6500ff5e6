"""Tiny vision-language models with random weights in transformers' form: Qwen2-VL, HPSv3 on it, and LLaVA."""

import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers

SPECIAL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
]
WORDS = ["Yes", "yes", " Yes", " yes", "No", "no", " No", " no", " fox", " show"]
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}IMAGE"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_IMAGE, LLAVA_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>\n"
VISION = {"depth": 2, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2, "hidden_size": 48, "patch_size": 14}
TEXT = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
TEXT |= {"num_key_value_heads": 1, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6}
TEXT |= {"bos_token_id": None, "eos_token_id": None}
ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}


def tokenizer(words: list[str] = WORDS):
    """A byte-level tokenizer whose tokens are the bytes and these words with their beginnings."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: list[tuple[str, str]] = []
    for word in words:
        bare = word.strip()
        steps = [(bare[:end], bare[end]) for end in range(1, len(bare))] + [("Ġ", bare)] * word.startswith(" ")
        merges += [step for step in steps if "".join(step) not in pieces]
        pieces += [piece for piece in map("".join, steps) if piece not in pieces]
    inner = Tokenizer(models.BPE(vocab={piece: n for n, piece in enumerate(pieces)}, merges=merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.add_tokens(SPECIAL, special_tokens=True)
    return made


def randomise(model, seed: int, std: float = 0.3):
    """Weights of every matrix drawn anew, large enough that inputs make a difference; norms near one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = noise * std if parameter.ndim > 1 else parameter.data + 0.1 * noise
    return model


def qwen2_vl_config(words):
    from transformers import Qwen2VLConfig

    ids = {name: words.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start")}
    return Qwen2VLConfig(
        vision_config={**VISION, "spatial_merge_size": 2, "temporal_patch_size": 2},
        text_config={**TEXT, "vocab_size": len(words), "rope_parameters": dict(ROPE)},
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )


def qwen2_vl_processor(words, template: str = TEMPLATE):
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    return Qwen2VLProcessor(
        Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=28 * 28 * 64),
        words,
        Qwen2VLVideoProcessor(),
        chat_template=template.replace("IMAGE", QWEN_IMAGE),
    )


def save_qwen2_vl(folder, words: list[str] = WORDS, template: str = TEMPLATE, seed: int = 0):
    """Write a tiny Qwen2-VL with its processor into a folder; its network."""
    from transformers import Qwen2VLForConditionalGeneration

    vocabulary = tokenizer(words)
    model = randomise(Qwen2VLForConditionalGeneration(qwen2_vl_config(vocabulary)), seed).eval()
    model.save_pretrained(folder)
    qwen2_vl_processor(vocabulary, template).save_pretrained(folder)
    return model


def save_hps_v3(folder, seed: int = 1):
    """Write a tiny HPSv3 into a folder: Qwen2-VL's files, and the checkpoint with one more word and a head; its state.

    All but the head is in bfloat16, as published.
    """
    from safetensors.torch import load_file, save_file

    save_qwen2_vl(folder)
    state = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = torch.cat([state[name], 0.3 * torch.randn(1, state[name].shape[1], generator=generator)])
    state = {name: tensor.bfloat16() for name, tensor in state.items()}
    for layer, shape in {0: (1024, TEXT["hidden_size"]), 3: (16, 1024), 5: (2, 16)}.items():
        state[f"rm_head.{layer}.weight"] = 0.1 * torch.randn(shape, generator=generator)
        state[f"rm_head.{layer}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    save_file(state, folder / "HPSv3.safetensors")
    return state


def save_llava(folder, seed: int = 0):
    """Write a tiny LLaVA (CLIP's image tower, Llama) with its processor into a folder; its network."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    vocabulary = tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 32, "patch_size": 8, "projection_dim": 16, "model_type": "clip_vision_model"}
    text = {**sizes, "vocab_size": len(vocabulary), "max_position_embeddings": 512, "model_type": "llama"}
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=vocabulary.convert_tokens_to_ids("<|image_pad|>"),
        vision_feature_layer=-1,
    )
    model = randomise(LlavaForConditionalGeneration(config), seed).eval()
    model.save_pretrained(folder)
    side = {"height": 32, "width": 32}
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=side),
        vocabulary,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE.replace("IMAGE", LLAVA_IMAGE),
        image_token="<|image_pad|>",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return model
