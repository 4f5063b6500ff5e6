"""Tiny random pipelines whose denoiser takes text and image in one sequence, or keeps the text: class, parts, call."""

import diffusers
import torch
import transformers
from diffusers.pipelines.ideogram4.pipeline_ideogram4 import QWEN3_VL_ACTIVATION_LAYERS

from tests.tiny_pipelines import parts
from tests.tiny_pipelines.dits import one


def ideogram4():
    """Text, padded to `max_sequence_length`, and image are one sequence; guidance has a transformer of its own."""

    def transformer():
        return diffusers.Ideogram4Transformer2DModel(
            in_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            intermediate_size=16,
            adaln_dim=16,
            llm_features_dim=len(QWEN3_VL_ACTIVATION_LAYERS) * 8,
            rope_theta=10_000,
            mrope_section=(2, 1, 1),
        ).eval()

    vae = diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        block_out_channels=(8,),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=32,
        patch_size=(2, 2),
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()
    encoder = parts.qwen3_vl(8, layers=max(QWEN3_VL_ACTIVATION_LAYERS) + 1)
    return one(encoder, transformer(), vae, length=128, unconditional_transformer=transformer())


def qwen_image21():
    """The transformer fills a cache of the text's keys and values in the first step, and reads it in the others."""
    transformer = diffusers.QwenImage21Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=16,
        axes_dims_rope=(8, 4, 4),
        causal_condition=True,
    )
    vae = diffusers.AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    ).eval()
    made = one(parts.qwen3_vl(kind="Qwen3VLForConditionalGeneration"), transformer, vae)
    return {name: part for name, part in made.items() if name != "tokenizer"} | {"processor": parts.Processor(512)}


def omnigen():
    """The transformer embeds the tokens of the text itself."""
    transformer = diffusers.OmniGenTransformer2DModel(
        hidden_size=16,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=16,
        num_layers=1,
        in_channels=4,
        time_step_dim=4,
        vocab_size=64,
        pad_token_id=0,
        rope_scaling={"long_factor": [1, 2, 3, 4], "short_factor": [1, 2, 3, 4]},
    )
    made = one(None, transformer, parts.eighth_vae(), parts.flow(invert_sigmas=True, num_train_timesteps=1))
    return {name: part for name, part in made.items() if name != "text_encoder"}


def bria_fibo():
    """Each block of the transformer gets another layer of the text encoder."""
    words = transformers.SmolLM3Config(hidden_size=16, head_dim=8, pad_token_id=0, **parts.GROUPED)
    transformer = diffusers.BriaFiboTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        text_encoder_dim=16,
        pooled_projection_dim=None,
        axes_dims_rope=[0, 4, 4],
    )
    vae = diffusers.AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        num_res_blocks=1,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
        temperal_downsample=[False, True, True],
        z_dim=16,
    ).eval()
    return one(transformers.SmolLM3ForCausalLM(words).eval(), transformer, vae)


class GlmProcessor(parts.Processor):
    """Adds what a language model generates an image's tokens from: the grids of the large and the small image."""

    def apply_chat_template(self, messages, **options):
        for name in ("target_h", "target_w"):
            options.pop(name)
        found = self.tokenizer.apply_chat_template(messages, **options)
        grids = torch.tensor([[1, 1, 1], [1, 1, 1]])
        return transformers.BatchEncoding({**found, "image_grid_thw": grids, "images_per_sample": torch.tensor([2])})


def glm_image():
    """A language model samples tokens of the image first, with the random numbers of the process."""
    text = {"hidden_size": 32, **parts.GROUPED, "vision_vocab_size": 16, "pad_token_id": 0}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0}
    sight = {"depth": 1, "hidden_size": 32, "num_heads": 2, "image_size": 32, "patch_size": 8, "intermediate_size": 32}
    config = transformers.GlmImageConfig(
        text_config=text,
        vision_config=sight,
        vq_config={"embed_dim": 16, "num_embeddings": 16, "latent_channels": 16},
        image_start_token_id=4,
        image_end_token_id=5,
        image_token_id=6,
    )
    transformer = diffusers.GlmImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        text_embed_dim=16,
        time_embed_dim=16,
        condition_dim=8,
        prior_vq_quantizer_codebook_size=64,
    )
    vae = parts.vae(blocks=(4, 4, 4, 4), latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    language = transformers.GlmImageForConditionalGeneration(config).eval()
    return one(parts.t5(), transformer, vae, processor=GlmProcessor(128), vision_language_encoder=language)


PIPELINES = {
    "GlmImagePipeline": (glm_image, {"max_sequence_length": 64}),
    "Ideogram4Pipeline": (ideogram4, {"max_sequence_length": 64}),
    "QwenImage21Pipeline": (qwen_image21, {"true_cfg_scale": 3.0, "negative_prompt": " "}),
    "OmniGenPipeline": (omnigen, {}),
    "BriaFiboPipeline": (bria_fibo, {"negative_prompt": "a branch"}),
}
