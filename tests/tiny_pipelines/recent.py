"""Tiny random text-to-image pipelines with a diffusion transformer, of 2025 and 2026: class, parts, call."""

import diffusers
import transformers

from tests.tiny_pipelines import parts
from tests.tiny_pipelines.dits import SHORT, one


def flux2_transformer(**options):
    return diffusers.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        timestep_guidance_channels=256,
        axes_dims_rope=(4, 4, 4, 4),
        **options,
    )


def flux2():
    text = {"model_type": "mistral", "hidden_size": 16, "head_dim": 8, **parts.GROUPED}
    sight = {"model_type": "pixtral", "hidden_size": 16, "image_size": 30, "patch_size": 6, **parts.SMALL}
    config = transformers.Mistral3Config(text_config=text, vision_config=sight, image_token_index=4)
    encoder = transformers.Mistral3ForConditionalGeneration(config).eval()
    return one(encoder, flux2_transformer(), parts.flux2_vae(), length=512)


def flux2_klein():
    encoder = parts.qwen3(kind="Qwen3ForCausalLM")
    return one(encoder, flux2_transformer(guidance_embeds=False), parts.flux2_vae())


def krea2():
    transformer = diffusers.Krea2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=16,
        timestep_embed_dim=8,
        text_hidden_dim=16,
        num_text_layers=3,
        text_num_attention_heads=2,
        text_num_key_value_heads=1,
        text_intermediate_size=16,
        num_layerwise_text_blocks=1,
        num_refiner_text_blocks=1,
        axes_dims_rope=(4, 2, 2),
    )
    scheduler = parts.flow(use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15)
    return one(parts.qwen3_vl(), transformer, parts.qwen_vae(), scheduler, text_encoder_select_layers=(0, 1, 2))


def nucleus():
    transformer = diffusers.NucleusMoEImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
        moe_enabled=False,
        capacity_factors=[8.0],
    )
    made = one(parts.qwen3_vl(kind="Qwen3VLForConditionalGeneration", layers=8), transformer, parts.qwen_vae())
    return {name: part for name, part in made.items() if name != "tokenizer"} | {"processor": parts.Processor(256)}


def qwen_transformer():
    return diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(8, 4, 4),
    )


def qwen_image():
    return one(parts.qwen25_vl(), qwen_transformer(), parts.qwen_vae())


def z_image(siglip_dim=None):
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 32, 32],
        siglip_feat_dim=siglip_dim,
    )
    for name, token in transformer.named_parameters():
        if name.endswith("_pad_token"):
            token.data.fill_(1.0)
    return one(parts.qwen3(), transformer, parts.shifted_vae())


def z_image_omni():
    sight = transformers.Siglip2VisionConfig(hidden_size=16, patch_size=4, num_patches=16, **parts.SMALL)
    eye = {"siglip": transformers.Siglip2VisionModel(sight).eval(), "siglip_processor": None}
    return z_image(16) | eye


def ovis():
    transformer = diffusers.OvisImageTransformer2DModel(
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    return one(parts.qwen3(), transformer, parts.shifted_vae(), length=256)


def hidream():
    llama = transformers.LlamaConfig(hidden_size=16, head_dim=8, **parts.GROUPED)
    encoders = {"text_encoder_2": parts.clip(projected=True, length=128), "tokenizer_2": parts.tokenizer(128)}
    encoders |= {"text_encoder_3": parts.t5(), "tokenizer_3": parts.tokenizer(128)}
    encoders |= {"text_encoder_4": transformers.LlamaForCausalLM(llama).eval(), "tokenizer_4": parts.tokenizer(128)}
    transformer = diffusers.HiDreamImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=[16, 16],
        text_emb_dim=32,
        num_routed_experts=2,
        num_activated_experts=1,
        axes_dims_rope=(4, 2, 2),
        max_resolution=(32, 32),
        llama_layers=(0, 1),
    )
    first = parts.clip(projected=True, length=128)
    return one(first, transformer, parts.shifted_vae(), length=128, **encoders)


def hunyuan_image():
    transformer = diffusers.HunyuanImageTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=(1, 1),
        text_embed_dim=32,
        text_embed_2_dim=16,
        rope_axes_dim=(4, 4),
    )
    vae = diffusers.AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 32),
        layers_per_block=1,
        spatial_compression_ratio=2,
        sample_size=32,
        scaling_factor=0.5,
    ).eval()
    guiders = {
        name: diffusers.guiders.AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=start)
        for name, start in (("guider", 1), ("ocr_guider", 3))
    }
    second = {"text_encoder_2": parts.t5(), "tokenizer_2": transformers.ByT5Tokenizer()}
    return one(parts.qwen25_vl(), transformer, vae, parts.flow(shift=7.0), length=512, **second, **guiders)


def kandinsky5():
    transformer = diffusers.Kandinsky5Transformer3DModel(
        in_visual_dim=4,
        in_text_dim=32,
        in_text_dim2=16,
        time_dim=16,
        out_visual_dim=4,
        patch_size=(1, 2, 2),
        model_dim=16,
        ff_dim=16,
        num_text_blocks=1,
        num_visual_blocks=1,
        axes_dims=(4, 2, 2),
        visual_cond=False,
        attention_type="regular",
    )
    second = {"text_encoder_2": parts.clip(length=77), "tokenizer_2": parts.tokenizer(77)}
    made = one(parts.qwen25_vl(), transformer, parts.eighth_vae(), parts.flow(shift=7.0), **second)
    return made | {"tokenizer": parts.Processor(512)}


def longcat():
    transformer = diffusers.LongCatImageTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
    )
    return one(parts.qwen25_vl(), transformer, parts.shifted_vae(16), length=512, text_processor=parts.Processor(512))


def ernie():
    transformer = diffusers.ErnieImageTransformer2DModel(
        hidden_size=16,
        num_attention_heads=1,
        num_layers=1,
        ffn_hidden_size=16,
        in_channels=4,
        out_channels=4,
        patch_size=1,
        text_in_dim=16,
        rope_axes_dim=(8, 4, 4),
    )
    return one(parts.qwen3(), transformer, parts.flux2_vae())


KLEIN = {"text_encoder_out_layers": (1,), **SHORT}
PIPELINES = {
    "Flux2Pipeline": (flux2, KLEIN | {"max_sequence_length": 128}),
    "Flux2KleinPipeline": (flux2_klein, KLEIN),
    "Krea2Pipeline": (krea2, SHORT),
    "NucleusMoEImagePipeline": (nucleus, {"return_index": -1, "max_sequence_length": 256}),
    "QwenImagePipeline": (qwen_image, {"true_cfg_scale": 3.0, "negative_prompt": " "}),
    "ZImagePipeline": (z_image, SHORT),
    "ZImageOmniPipeline": (z_image_omni, SHORT),
    "OvisImagePipeline": (ovis, {}),
    "HiDreamImagePipeline": (hidream, {"max_sequence_length": 32}),
    "HunyuanImagePipeline": (hunyuan_image, {}),
    "Kandinsky5T2IPipeline": (kandinsky5, SHORT),
    "LongCatImagePipeline": (longcat, {"enable_prompt_rewrite": False}),
    "ErnieImagePipeline": (ernie, {}),
}
