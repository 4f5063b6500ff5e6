"""Engine of any pipeline: small FLUX and Qwen-Image against plain pipeline calls, and SD3 against its own engine."""

import json

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.any_pipeline import PipelineEngine
from detailscribe.engines.load import load_engine
from detailscribe.engines.pipelines.call import PipelineCall
from detailscribe.errors import InputError, SetupError
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import ImageRecipes
from tests.refining import requests_from_critiques
from tests.small_sd3 import KS, P0, P1, STEPS, entry, levels_apart, share_pipelines

SETTINGS = {"steps": STEPS, "guidance": 3.5, "swap_pooled": False}


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


@pytest.fixture(scope="module")
def flux(miniature, tmp_path_factory):
    """A folder with a FLUX whose parts are the miniature's, or as small."""
    from diffusers import FluxPipeline, FluxTransformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextConfig, CLIPTextModel

    sd3 = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3")
    torch.manual_seed(0)
    like = sd3.text_encoder.config.to_dict()
    pipe = FluxPipeline(
        scheduler=sd3.scheduler,
        vae=sd3.vae,
        text_encoder=CLIPTextModel(CLIPTextConfig(**{key: like[key] for key in like if key != "architectures"})),
        tokenizer=sd3.tokenizer,
        text_encoder_2=sd3.text_encoder_3,
        tokenizer_2=sd3.tokenizer_3,
        transformer=FluxTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=4,
            joint_attention_dim=sd3.text_encoder_3.config.d_model,
            pooled_projection_dim=like["hidden_size"],
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
    )
    return save(pipe, tmp_path_factory.mktemp("flux"))


@pytest.fixture(scope="module")
def qwen(miniature, tmp_path_factory):
    """A folder with a Qwen-Image, which does not pad its texts."""
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import CLIPTokenizer, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

    words = json.loads(CLIPTokenizer.from_pretrained(miniature / "sd3" / "tokenizer").backend_tokenizer.to_str())
    letters = {token: i for i, token in enumerate(sorted(words["model"]["vocab"], key=words["model"]["vocab"].get))}
    tokenizer = Qwen2Tokenizer(vocab={**letters, "<|endoftext|>": len(letters)}, merges=[])
    text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text |= {"num_key_value_heads": 2, "vocab_size": len(tokenizer) + 8, "max_position_embeddings": 2048}
    text |= {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}}
    sight = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
    torch.manual_seed(0)
    pipe = QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=sight)),
        tokenizer=tokenizer,
        transformer=QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            axes_dims_rope=(8, 4, 4),
        ),
    )
    return save(pipe, tmp_path_factory.mktemp("qwen"))


def save(pipe, folder):
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(folder)
    return folder, pipe


def plain(pipe, prompt, seed, max_sequence_length=96, **more):
    size = {"height": 64, "width": 64, "max_sequence_length": max_sequence_length, "num_inference_steps": STEPS}
    return pipe(prompt, generator=torch.Generator("cpu").manual_seed(seed), **size, **more).images[0]


def share_apart(one, other) -> float:
    """Share of values that differ: rounding moves one in thousands by a level, another k many."""
    return float((np.asarray(one) != np.asarray(other)).mean())


def test_flux_by_config_alone_is_its_own_pipeline(flux):
    folder, pipe = flux
    engine = load_engine(entry(folder, pipeline="FluxPipeline", batch="image"), SETTINGS)
    images = engine.refine(P0, P1, 7, KS)
    with torch.no_grad():
        embeds = pipe.encode_prompt(P1, max_sequence_length=96)[0]
    for k in KS[1:]:
        swap = {"callback_on_step_end": lambda _, i, t, tensors, k=k: {"prompt_embeds": embeds} if i == k else {}}
        assert share_apart(images[k], plain(pipe, P0, 7, guidance_scale=3.5, **swap)) < 0.001
    assert share_apart(images[0], plain(pipe, P1, 7, guidance_scale=3.5)) < 0.001
    first = engine.generate(P0, 7)
    assert (first.size, first.mode) == ((64, 64), "RGB")
    assert share_apart(first, plain(pipe, P0, 7, guidance_scale=3.5)) < 0.001
    different = [first, *images.values()]
    assert all(share_apart(a, b) > 0.01 for i, a in enumerate(different) for b in different[:i])


def test_flux_generates_a_stage_of_the_workflow(flux, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = entry(flux[0], pipeline="FluxPipeline")
    stage = {key: value for key, value in model.items() if key not in ("offload", "batch")}
    saving = {"format": "png"}
    parameters = {"algorithm": 1, "model": stage, "generation": SETTINGS | saving, "seed": 7, "batch": "image"}
    parameters["candidates"] = {"mine-k0": 0, "mine-k1": 1}
    image_generator = ImageGenerator(parameters, {"offload": "none", "batch": "image"})
    critique = {"status": "ok", "reason": "", "refined_prompt": P1}
    image_requests = requests_from_critiques([{"id": "a", "prompt": P0}], {"a": critique}, ImageRecipes(parameters))
    image_generator.generate_shard("s", "000-of-001", list(parameters["candidates"]), image_requests, lambda: None)
    rows = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("results/s/images/*/*.jsonl"))]
    assert [(row["status"], row["k"]) for row in rows] == [("ok", 0), ("ok", 1)]
    assert len({row["sha256"] for row in rows}) == 2


def test_qwen_image_continues_with_a_text_of_another_length(qwen):
    """The reference puts p0's latents into a run of p1, so that nothing of p0's text can stay behind."""
    folder, pipe = qwen
    call = {"true_cfg_scale": 3.0, "negative_prompt": " ", "max_sequence_length": 512}
    model = entry(folder, pipeline="QwenImagePipeline", batch="image", call=call)
    assert len({pipe.encode_prompt(text, max_sequence_length=512)[0].shape for text in (P0, P1)}) == 2
    images = load_engine(model, SETTINGS).refine(P0, P1, 7, [1, 4])
    for k in [1, 4]:
        kept = {}
        plain(
            pipe,
            P0,
            7,
            callback_on_step_end=lambda _, i, t, all, kept=kept: kept.update({i: all["latents"]}) or {},
            **call,
        )
        put = {"callback_on_step_end": lambda _, i, t, all, k=k, kept=kept: {"latents": kept[k]} if i == k else {}}
        reference = np.asarray(plain(pipe, P1, 7, **put, **call))
        assert np.mean(np.asarray(images[k]) != reference) < 1e-3 < np.mean(np.asarray(images[5 - k]) != reference)


def test_the_engine_of_sd3_and_that_of_any_pipeline_agree(miniature):
    generation = SETTINGS | {"swap_pooled": True}
    engine = load_engine(entry(miniature / "sd3"), generation)
    other = PipelineEngine(PipelineCall(engine.pipe, 64, 96, {}, STEPS, 3.5), swap_pooled=True)
    ours, theirs = engine.refine(P0, P1, 7, KS), other.refine(P0, P1, 7, KS)
    assert all(levels_apart(ours[k], theirs[k]) <= 1 for k in KS)


def test_what_a_pipeline_cannot_do_is_refused(flux, qwen):
    model = entry(flux[0], pipeline="FluxPipeline", batch="image")
    with pytest.raises(
        SetupError, match="^QwenImageEditPipeline edits an image, .*: choose a pipeline that docs/image-"
    ):
        load_engine(model | {"pipeline": "QwenImageEditPipeline"}, SETTINGS)
    with pytest.raises(InputError, match="call: FluxPipeline has no argument 'cfg'"):
        load_engine(model | {"call": {"cfg": 2}}, SETTINGS)
    with pytest.raises(InputError, match="size_px must be a size that the model generates, got 72: it generated 64"):
        load_engine(model | {"size_px": 72}, SETTINGS).generate(P0, 7)
    with pytest.raises(InputError, match=f"k must be from 0 to {STEPS - 1}"):
        load_engine(model, SETTINGS).refine(P0, P1, 7, [STEPS])
    with pytest.raises(InputError, match="diffusers .* has no 'NoSuchPipeline'"):
        index = json.loads((flux[0] / "model_index.json").read_text())
        (flux[0] / "model_index.json").write_text(json.dumps(index | {"_class_name": "NoSuchPipeline"}))
        try:
            load_engine(model | {"pipeline": "NoSuchPipeline"}, SETTINGS)
        finally:
            (flux[0] / "model_index.json").write_text(json.dumps(index))


def test_an_image_that_is_not_finite_is_an_error_and_not_black(flux, monkeypatch):
    engine = load_engine(entry(flux[0], pipeline="FluxPipeline", batch="image"), SETTINGS)
    monkeypatch.setattr(engine.call, "run", lambda seed, **arguments: np.full((64, 64, 3), np.nan))
    with pytest.raises(FloatingPointError, match="not finite"):
        engine.generate(P0, 7)
