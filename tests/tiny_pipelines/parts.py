"""Parts of tiny random diffusers pipelines: tokenizers, text encoders, autoencoders and schedulers. No files needed."""

import diffusers
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.small_sd3 import P0, P1

SPECIAL = ["<pad>", "</s>", "<s>", "<unk>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ message.role }} : {% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' if part.type == 'image' else part.text }}"
    "{% endfor %}{% endif %}\n{% endfor %}"
)


def tokenizer(length=32, **options):
    """Words of the tests' prompts, each letter that they use, and one token for all others."""
    words = sorted({word.strip(".,") for word in f"{P0} {P1}".split()} | set(".,;:!?"))
    vocabulary = {word: i for i, word in enumerate(SPECIAL + words)}
    rules = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    rules.pre_tokenizer = pre_tokenizers.Whitespace()
    rules.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=rules,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL[4:],
        model_max_length=length,
        chat_template=TEMPLATE,
        **options,
    )
    made.padding_side = "right"
    return made


class Processor:
    """A processor without images: what pipelines call of it."""

    def __init__(self, length=32):
        self.tokenizer = tokenizer(length)

    def __call__(self, text=None, images=None, **options):
        assert images is None
        options.pop("images_kwargs", None)
        return self.tokenizer(text, **options.pop("text_kwargs", {}), **options)

    def apply_chat_template(self, messages, **options):
        found = self.tokenizer.apply_chat_template(messages, **options)
        return [found] if options["tokenize"] else found

    def __getattr__(self, name):
        return getattr(self.__dict__["tokenizer"], name)


SMALL = {"intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
GROUPED = {**SMALL, "num_key_value_heads": 2, "vocab_size": 64, "max_position_embeddings": 512}
SIGHT = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2}


def clip(size=16, projected=False, length=32):
    config = transformers.CLIPTextConfig(
        hidden_size=size,
        projection_dim=size,
        vocab_size=64,
        max_position_embeddings=length,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        **SMALL,
    )
    return (transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel)(config).eval()


def t5(size=16, kind="T5EncoderModel"):
    config = transformers.UMT5Config if kind.startswith("UMT5") else transformers.T5Config
    small = config(d_model=size, d_kv=8, d_ff=16, num_layers=1, num_heads=2, vocab_size=320)
    return getattr(transformers, kind)(small).eval()


def qwen3(size=16, kind="Qwen3Model"):
    return getattr(transformers, kind)(transformers.Qwen3Config(hidden_size=size, head_dim=8, **GROUPED)).eval()


def gemma2(size=16):
    return transformers.Gemma2Model(transformers.Gemma2Config(hidden_size=size, head_dim=8, **GROUPED)).eval()


def qwen3_vl(size=16, kind="Qwen3VLModel", layers=2):
    text = {**GROUPED, "hidden_size": size, "head_dim": 8, "num_hidden_layers": layers}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = transformers.Qwen3VLConfig(
        text_config=text, vision_config={**SIGHT, "out_hidden_size": size, "deepstack_visual_indexes": [0]}
    )
    return getattr(transformers, kind)(config).eval()


def qwen25_vl(size=32, **options):
    text = {**GROUPED, "hidden_size": size}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [size // 16, size // 16, size // 8]}
    text["rope_parameters"]["rope_theta"] = 10000.0
    config = transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config={**SIGHT, "out_hidden_size": size, **options.pop("vision", {})}, **options
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config).eval()


def vae(channels=4, blocks=(4, 4), **options):
    return diffusers.AutoencoderKL(
        block_out_channels=blocks,
        down_block_types=["DownEncoderBlock2D"] * len(blocks),
        up_block_types=["UpDecoderBlock2D"] * len(blocks),
        latent_channels=channels,
        norm_num_groups=1,
        sample_size=32,
        **options,
    ).eval()


def eighth_vae():
    """For pipelines that take a factor of 8 for granted."""
    return vae(blocks=(4, 4, 4, 4), shift_factor=0.0)


def shifted_vae(channels=4, **options):
    return vae(channels, shift_factor=0.0609, scaling_factor=1.5035, **options)


def flux2_vae():
    blocks = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)}
    return diffusers.AutoencoderKLFlux2(
        sample_size=32,
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=1,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        **blocks,
    ).eval()


def qwen_vae(channels=4):
    return diffusers.AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=channels,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * channels,
        latents_std=[1.0] * channels,
    ).eval()


def dc_vae():
    ways = {}
    for side in ("encoder", "decoder"):
        ways[f"{side}_block_types"] = ("ResBlock", "EfficientViTBlock")
        ways[f"{side}_block_out_channels"] = (8, 8)
        ways[f"{side}_qkv_multiscales"] = ((), (5,))
        ways[f"{side}_layers_per_block"] = (1, 1)
    return diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        **ways,
    ).eval()


def flow(**options):
    return diffusers.FlowMatchEulerDiscreteScheduler(**options)


def unet(**options):
    return diffusers.UNet2DConditionModel(
        **{
            "block_out_channels": (4, 8),
            "layers_per_block": 1,
            "sample_size": 16,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "norm_num_groups": 2,
            "attention_head_dim": 2,
            **options,
        }
    ).eval()
