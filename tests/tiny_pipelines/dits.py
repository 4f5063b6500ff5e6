"""Tiny random text-to-image pipelines with a diffusion transformer, of 2022 to 2024: name of the class, parts, call."""

import diffusers
import transformers

from tests.tiny_pipelines import parts


def one(text_encoder, transformer, vae, scheduler=None, length=64, **more):
    """The usual five parts."""
    return {
        "text_encoder": text_encoder,
        "tokenizer": parts.tokenizer(length),
        "transformer": transformer.eval(),
        "vae": vae,
        "scheduler": scheduler or parts.flow(),
        **more,
    }


def stable_diffusion_3():
    encoders = {"text_encoder_2": parts.clip(projected=True), "tokenizer_2": parts.tokenizer()}
    encoders |= {"text_encoder_3": parts.t5(32), "tokenizer_3": parts.tokenizer(64)}
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=4,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    return one(parts.clip(projected=True), transformer, parts.shifted_vae(), length=32, **encoders)


def pixart():
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=16,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=16,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        num_embeds_ada_norm=1000,
    )
    return one(parts.t5(), transformer, parts.vae(), diffusers.DDIMScheduler(), 300)


def sana(scheduler=None, **options):
    transformer = diffusers.SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=16,
        **options,
    )
    return one(parts.gemma2(), transformer, parts.dc_vae(), scheduler, 300)


def sana_sprint():
    return sana(diffusers.SCMScheduler(), guidance_embeds=True, qk_norm="rms_norm_across_heads")


def aura_flow():
    transformer = diffusers.AuraFlowTransformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=16,
        out_channels=4,
        pos_embed_max_size=256,
    )
    return one(parts.t5(kind="UMT5EncoderModel"), transformer, parts.vae())


def flux_transformer(**options):
    return diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        **options,
    )


def flux():
    second = {"text_encoder_2": parts.t5(), "tokenizer_2": parts.tokenizer(64)}
    return one(parts.clip(), flux_transformer(guidance_embeds=True), parts.shifted_vae(), length=32, **second)


def lumina():
    transformer = diffusers.LuminaNextDiT2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        hidden_size=16,
        num_layers=1,
        num_attention_heads=2,
        num_kv_heads=2,
        multiple_of=16,
        learn_sigma=True,
        qk_norm=True,
        cross_attention_dim=16,
    )
    config = transformers.GemmaConfig(hidden_size=16, head_dim=8, **parts.GROUPED)
    return one(transformers.GemmaForCausalLM(config).eval(), transformer, parts.eighth_vae(), length=256)


def lumina2():
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        hidden_size=16,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=2,
        multiple_of=16,
        axes_dim_rope=[4, 2, 2],
        cap_feat_dim=16,
    )
    return one(parts.gemma2(), transformer, parts.eighth_vae(), length=128)


def chroma():
    transformer = diffusers.ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=[4, 4, 8],
        approximator_hidden_dim=16,
        approximator_layers=1,
        approximator_num_channels=16,
    )
    return one(parts.t5(), transformer, parts.shifted_vae())


def cogview3():
    transformer = diffusers.CogView3PlusTransformer2DModel(
        patch_size=2,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        out_channels=4,
        text_embed_dim=16,
        time_embed_dim=8,
        condition_dim=2,
        pos_embed_max_size=16,
        sample_size=16,
    )
    return one(parts.t5(), transformer, parts.vae(), diffusers.CogVideoXDDIMScheduler())


def cogview4():
    transformer = diffusers.CogView4Transformer2DModel(
        patch_size=2,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        out_channels=4,
        text_embed_dim=16,
        time_embed_dim=8,
        condition_dim=4,
    )
    config = transformers.GlmConfig(hidden_size=16, head_dim=8, pad_token_id=0, **parts.GROUPED)
    scheduler = parts.flow(base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True, time_shift_type="linear")
    return one(transformers.GlmForCausalLM(config).eval(), transformer, parts.vae(), scheduler)


def prx_transformer(**options):
    return diffusers.PRXTransformer2DModel(
        patch_size=2, context_in_dim=16, hidden_size=16, mlp_ratio=2.0, num_heads=2, depth=1, axes_dim=[4, 4], **options
    )


def prx():
    return one(parts.gemma2(), prx_transformer(in_channels=4), parts.vae(shift_factor=0.0))


def prx_pixel():
    transformer = prx_transformer(in_channels=3, bottleneck_size=8, resolution_embeds=True)
    made = one(parts.qwen3(), transformer, None, prompt_max_tokens=32)
    return {name: part for name, part in made.items() if name != "vae"}


def bria():
    transformer = diffusers.BriaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=None,
        axes_dims_rope=[0, 4, 4],
    )
    return one(parts.t5(), transformer, parts.vae(shift_factor=0.0))


NO_BINS = {"use_resolution_binning": False}
SHORT = {"max_sequence_length": 32}
PIPELINES = {
    "StableDiffusion3Pipeline": (stable_diffusion_3, SHORT),
    "PixArtAlphaPipeline": (pixart, NO_BINS | SHORT),
    "PixArtSigmaPipeline": (pixart, NO_BINS | SHORT),
    "SanaPipeline": (sana, NO_BINS | SHORT | {"complex_human_instruction": None}),
    "SanaSprintPipeline": (
        sana_sprint,
        NO_BINS | SHORT | {"complex_human_instruction": None, "intermediate_timesteps": None},
    ),
    "AuraFlowPipeline": (aura_flow, SHORT),
    "FluxPipeline": (flux, SHORT),
    "FluxKontextPipeline": (flux, SHORT),
    "LuminaPipeline": (lumina, {}),
    "Lumina2Pipeline": (lumina2, {"max_sequence_length": 128}),
    "ChromaPipeline": (chroma, SHORT),
    "CogView3PlusPipeline": (cogview3, SHORT),
    "CogView4Pipeline": (cogview4, SHORT),
    "PRXPipeline": (prx, NO_BINS),
    "PRXPixelPipeline": (prx_pixel, NO_BINS),
    "BriaPipeline": (bria, SHORT),
}
