"""Tiny random text-to-image pipelines with a U-Net, and those of the same years: name of the class, parts, call."""

import diffusers
import transformers

from tests.tiny_pipelines import parts


def stable_diffusion():
    return {
        "unet": parts.unet(cross_attention_dim=16),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False),
        "vae": parts.vae(),
        "text_encoder": parts.clip(),
        "tokenizer": parts.tokenizer(),
        "safety_checker": None,
        "feature_extractor": None,
    }


def stable_diffusion_xl():
    return {
        "unet": parts.unet(
            block_out_channels=(8, 16),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
            cross_attention_dim=32,
        ),
        "scheduler": diffusers.EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading"),
        "vae": parts.vae(),
        "text_encoder": parts.clip(),
        "tokenizer": parts.tokenizer(),
        "text_encoder_2": parts.clip(projected=True),
        "tokenizer_2": parts.tokenizer(),
    }


def deepfloyd_if():
    return {
        "unet": parts.unet(
            block_out_channels=(8, 16),
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            in_channels=3,
            out_channels=6,
            cross_attention_dim=32,
            encoder_hid_dim=32,
            attention_head_dim=4,
            addition_embed_type="text",
            addition_embed_type_num_heads=2,
            cross_attention_norm="group_norm",
            resnet_time_scale_shift="scale_shift",
            act_fn="gelu",
        ),
        "scheduler": diffusers.DDPMScheduler(variance_type="learned_range", thresholding=True),
        "text_encoder": parts.t5(32),
        "tokenizer": parts.tokenizer(),
        "watermarker": None,
        "safety_checker": None,
        "feature_extractor": None,
    }


def hunyuan_dit():
    words = transformers.BertConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=64
    )
    return {
        "transformer": diffusers.HunyuanDiT2DModel(
            sample_size=16,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            in_channels=4,
            cross_attention_dim=16,
            cross_attention_dim_t5=16,
            pooled_projection_dim=16,
            hidden_size=24,
            text_len=77,
            text_len_t5=256,
            activation_fn="gelu-approximate",
        ).eval(),
        "vae": parts.eighth_vae(),
        "scheduler": diffusers.DDPMScheduler(),
        "text_encoder": transformers.BertModel(words).eval(),
        "tokenizer": parts.tokenizer(77),
        "text_encoder_2": parts.t5(),
        "tokenizer_2": parts.tokenizer(256),
        "safety_checker": None,
        "feature_extractor": None,
    }


def movq(blocks=2):
    return diffusers.VQModel(
        block_out_channels=[32] * blocks,
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    ).eval()


def kandinsky3():
    return {
        "unet": diffusers.Kandinsky3UNet(
            in_channels=4,
            time_embedding_dim=4,
            groups=2,
            attention_head_dim=4,
            layers_per_block=2,
            block_out_channels=(16, 32),
            cross_attention_dim=4,
            encoder_hid_dim=16,
        ).eval(),
        "scheduler": diffusers.DDPMScheduler(),
        "movq": movq(4),
        "text_encoder": parts.t5(),
        "tokenizer": parts.tokenizer(128),
    }


def kandinsky_prior():
    image = transformers.CLIPVisionConfig(
        hidden_size=16,
        projection_dim=16,
        image_size=32,
        patch_size=16,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
    )
    return {
        "prior_prior": diffusers.PriorTransformer(
            num_attention_heads=2, attention_head_dim=8, embedding_dim=16, num_layers=1, num_embeddings=32
        ).eval(),
        "prior_image_encoder": transformers.CLIPVisionModelWithProjection(image).eval(),
        "prior_text_encoder": parts.clip(projected=True),
        "prior_tokenizer": parts.tokenizer(),
        "prior_scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", num_train_timesteps=1000
        ),
        "prior_image_processor": transformers.CLIPImageProcessor(crop_size=32, size=32),
    }


def kandinsky_decoder(**options):
    return {
        "unet": parts.unet(
            in_channels=4,
            out_channels=8,
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            block_out_channels=(8, 16),
            resnet_time_scale_shift="scale_shift",
            encoder_hid_dim=16,
            **options,
        ),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, prediction_type="epsilon"),
        "movq": movq(),
    }


def kandinsky():
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

    words = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = MCLIPConfig(numDims=16, transformerDimensions=16, vocab_size=64, **words)
    decoder = kandinsky_decoder(
        addition_embed_type="text_image", encoder_hid_dim_type="text_image_proj", cross_attention_dim=16
    )
    encoder = {"text_encoder": MultilingualCLIP(config).eval(), "tokenizer": parts.tokenizer(77)}
    return decoder | encoder | kandinsky_prior()


def kandinsky22():
    image = {"addition_embed_type": "image", "encoder_hid_dim_type": "image_proj", "cross_attention_dim": 8}
    return kandinsky_decoder(**image) | kandinsky_prior()


def dream_lite():
    kinds = {
        "down_block_types": ("DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D"),
        "up_block_types": ("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
    }
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1), "latent_channels": 4}
    return {
        "unet": diffusers.DreamLiteUNetModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            cross_attention_dim=16,
            attention_head_dim=4,
            layers_per_block=1,
            norm_num_groups=4,
            transformer_layers_per_block=1,
            **kinds,
        ).eval(),
        "vae": diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), **blocks
        ).eval(),
        "scheduler": parts.flow(),
        "text_encoder": parts.qwen3_vl(kind="Qwen3VLForConditionalGeneration"),
        "tokenizer": parts.tokenizer(512),
        "processor": parts.Processor(512),
    }


NO_BINS = {"use_resolution_binning": False}
PIPELINES = {
    "StableDiffusionPipeline": (stable_diffusion, {}),
    "StableDiffusionXLPipeline": (stable_diffusion_xl, {}),
    "IFPipeline": (deepfloyd_if, {}),
    "HunyuanDiTPipeline": (hunyuan_dit, NO_BINS),
    "Kandinsky3Pipeline": (kandinsky3, {}),
    "KandinskyCombinedPipeline": (kandinsky, {"prior_num_inference_steps": 2}),
    "KandinskyV22CombinedPipeline": (kandinsky22, {"prior_num_inference_steps": 2}),
    "DreamLitePipeline": (dream_lite, {}),
    "DreamLiteMobilePipeline": (dream_lite, {}),
}
