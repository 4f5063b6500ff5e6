"""Tiny real models with random weights: the whole study runs on them without a network, and its numbers mean nothing.

The classes, the files and the sampling are those of Stable Diffusion 3.5, CLIP, ImageReward and BLIP; only the sizes
are not. All weights come from fixed random streams, so two builds from the same texts are the same files, byte by byte.
"""

import json
import math
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from detailscribe import (
    miniature_scores,
    torch_setup,  # noqa: F401 - before transformers, diffusers and open_clip
)

VERSION = 1  # raise it when the bytes of a build change

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS, T5_WORDS = 3000, 3000  # sizes of the trained vocabularies, at most
WIDTH = 64  # of the transformer and of the T5 encoder; the two CLIP encoders have half of it each

# Chosen by eye, so that pictures are colourful clouds and follow the prompt, the k and the seed: seeds of the parts,
# factors on the spread of some weights (1 / sqrt(inputs) else), and the shape of a 3 x 3 convolution.
SEEDS = {"text_encoder": 0, "text_encoder_2": 1, "text_encoder_3": 2, "transformer": 3, "vae": 15, "clip": 5}
GAINS = {
    r"text_embedder\.linear_2": 0.4,
    r"context_embedder|add_v_proj|to_out|to_add_out|^proj_out": 2.0,
    r"transformer_blocks.*norm1": 1.5,
    r"decoder\.conv_out": 1.3,
}
BLUR = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16


def build(folder: Path, texts: list[str]) -> None:
    """Make `folder`/sd3, a diffusers pipeline, `folder`/clip, an open_clip folder, and the models of
    `miniature_scores`; whole or not at all.

    Args:
        folder: Replaced if it is there.
        texts: What the tokenizers learn their vocabulary from. They decide the weights' identity: pass a fixed list.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        unfinished.chmod(0o755)
        with torch.random.fork_rng(devices=[]):
            _sd3(texts).save_pretrained(unfinished / "sd3")
            _save_clip(unfinished / "clip")
            miniature_scores.save(unfinished, texts)
        for file in unfinished.rglob("*.safetensors"):
            file.chmod(0o644)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sd3(texts: list[str]):
    """The pipeline: 16 latent channels at 1/8 of the image's side, as in the real one; 512 px at most."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

    # SD3's second tokenizer pads with "!", its first with the end token.
    tokenizers = [_clip_tokenizer(texts, EOS), _clip_tokenizer(texts, "!"), _t5_tokenizer(texts)]
    half = WIDTH // 2
    clips = [
        CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=half,
                intermediate_size=WIDTH,
                projection_dim=half,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=77,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                hidden_act="gelu",
            )
        )
        for tokenizer in tokenizers[:2]
    ]
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizers[2]),
            d_model=WIDTH,
            d_kv=16,
            d_ff=WIDTH,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    )
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=WIDTH // 16,
        caption_projection_dim=WIDTH,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=2 * half,
        pos_embed_max_size=32,
        qk_norm="rms_norm",
        dual_attention_layers=(0,),
    )
    vae = AutoencoderKL(
        sample_size=64,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.5305,
        shift_factor=0.0609,
    )
    parts = {
        "text_encoder": clips[0],
        "text_encoder_2": clips[1],
        "text_encoder_3": t5,
        "transformer": transformer,
        "vae": vae,
    }
    for name, part in parts.items():
        _fill(part, SEEDS[name])
    return StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        tokenizer_3=tokenizers[2],
        **parts,
    )


def _save_clip(folder: Path) -> None:
    """A CLIP with open_clip's own vocabulary of 49408 tokens, which is most of its size, and 32 px pictures."""
    import open_clip
    from safetensors.torch import save_file

    config = {
        "embed_dim": 32,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    model = open_clip.CLIP(**config)
    _fill(model, SEEDS["clip"])
    # A direction that all texts and pictures share, so that scores lie about where real ones do and seldom at 0.
    with torch.no_grad():
        for norm, projection, size in (
            (model.visual.ln_post, model.visual.proj, 5.2),
            (model.ln_final, model.text_projection, 2.6),
        ):
            norm.weight[0], norm.bias[0] = 0, size
            projection[0] = torch.eye(32)[0]
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}, indent=2) + "\n", encoding="utf-8")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")


def _fill(model: torch.nn.Module, seed: int) -> None:
    """Replace every parameter: norms by 1, biases by 0, the rest by a uniform stream, exact on every machine."""
    stream = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2 and name.endswith(("weight", "bias", "scale")):
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            smooth = parameter.shape[2:] == BLUR.shape
            drawn = (*parameter.shape[:2], 1, 1) if smooth else tuple(parameter.shape)
            inputs = 1 if "embedding" in name or "shared" in name else math.prod(drawn[1:])
            gain = next((gain for pattern, gain in GAINS.items() if re.search(pattern, name)), 1.0)
            values = (stream.random(drawn, dtype=np.float32) - 0.5) * np.float32(gain * math.sqrt(12 / inputs))
            parameter.copy_(torch.from_numpy(values * BLUR if smooth else values))


def _clip_tokenizer(texts: Iterable[str], pad_token: str):
    """Byte-pair encoding trained on the texts, in CLIP's form; every byte is known, alone and as the end of a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    like = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = like.normalizer, like.pre_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=CLIP_WORDS,
            # Named first, the word ends get their numbers from here; otherwise from a hash order, new in each run.
            special_tokens=[BOS, EOS, *(f"{letter}</w>" for letter in letters)],
            initial_alphabet=letters,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    learnt = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in learnt["merges"]]
    return CLIPTokenizer(vocab=learnt["vocab"], merges=merges, model_max_length=77, pad_token=pad_token)


def _t5_tokenizer(texts: Iterable[str]):
    """Whole words by frequency, and printable ASCII, as the pieces of a Unigram model in T5's form.

    Counted rather than trained: the trainer's sums, and so its scores, differ in the last digits from run to run.
    """
    from transformers import T5Tokenizer

    letters = ["▁", *map(chr, range(33, 127))]
    words = Counter(f"▁{word}" for text in texts for word in text.split())
    pieces = {"<pad>": 0.0, "</s>": 0.0, "<unk>": 0.0} | {letter: -12.0 for letter in letters}
    for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0]))[: T5_WORDS - len(pieces)]:
        pieces[word] = round(math.log(count / words.total()), 4)
    vocab = [*pieces.items(), *((f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1))]
    return T5Tokenizer(vocab=vocab, model_max_length=512)
