"""NF4 weights by bitsandbytes on the CPU: the pipeline's own images, where modules move, and bytes of memory.

bitsandbytes is of requirements-gpu.txt; `make test-slow` installs it.
"""

import pytest
import torch

from detailscribe.engines import load, precision
from detailscribe.engines.load import load_engine
from detailscribe.engines.precision import is_quantized
from detailscribe.engines.workload.architectures import architecture
from detailscribe.engines.workload.profile_memory import weight_bytes
from tests.small_sd3 import GENERATION, KS, P0, P1, entry

bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is of requirements-gpu.txt")


@pytest.fixture
def nf4(miniature, monkeypatch):
    """The config entry of the miniature in NF4; diffusers wants a GPU for it, which bitsandbytes does not."""
    from diffusers.quantizers.bitsandbytes.bnb_quantizer import BnB4BitDiffusersQuantizer

    monkeypatch.setattr(BnB4BitDiffusersQuantizer, "validate_environment", lambda self, *_, **__: None)
    monkeypatch.setattr(precision, "NEED_CUDA", ())
    monkeypatch.setattr(load, "loading_device", lambda: "cpu")
    return entry(miniature / "sd3", precision="nf4", batch="image")


@torch.no_grad()
def by_the_pipeline(pipe, prompt, refined, seed, k):
    """An image of the pipeline's own call, whose callback replaces the text after step k, as the released code does."""
    embeds, negative, _, _ = pipe.encode_prompt(refined, None, None, max_sequence_length=96)
    swap = {"prompt_embeds": torch.cat([negative, embeds])}
    return pipe(
        prompt if k else refined,
        num_inference_steps=GENERATION["steps"],
        guidance_scale=GENERATION["guidance"],
        height=64,
        width=64,
        max_sequence_length=96,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=lambda _, i, time, tensors: dict(swap) if k and i == k else {},
    ).images[0]


def test_images_are_those_of_the_pipeline_bit_for_bit_whatever_moves(nf4):
    engine = load_engine(nf4, GENERATION)
    assert is_quantized(engine.pipe.transformer)
    assert not is_quantized(engine.pipe.vae)
    expected = {k: by_the_pipeline(engine.pipe, P0, P1, 7, k).tobytes() for k in KS}
    assert len(set(expected.values())) == len(KS)
    for offload in ("none", "encoders", "model"):
        engine = load_engine(nf4 | {"offload": offload}, GENERATION)
        engine.device = torch.device("cpu", 0)
        engine.prepare([P0, P1])
        images = engine.refine(P0, P1, 7, KS)
        assert {k: image.tobytes() for k, image in images.items()} == expected
        engine.prepare([P1])  # the encoders come back
        assert engine.generate(P1, 7).tobytes() == expected[0]
    exact = load_engine(nf4 | {"precision": "bf16"}, GENERATION).refine(P0, P1, 7, KS)
    assert all(image.tobytes() != expected[k] for k, image in exact.items()), "4 bits change every image"


def test_moving_4_bit_weights_keeps_them(nf4):
    transformer = load_engine(nf4, GENERATION).pipe.transformer
    layers = [layer for layer in transformer.modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == len([layer for layer in transformer.modules() if isinstance(layer, torch.nn.Linear)])
    before = [(layer.weight.clone(), layer.weight.quant_state.absmax.clone()) for layer in layers]
    transformer.to("cpu")
    for layer, (weight, absmax) in zip(layers, before, strict=True):
        assert layer.weight.dtype == torch.uint8
        assert torch.equal(layer.weight, weight)
        assert torch.equal(layer.weight.quant_state.absmax, absmax)
        assert layer.weight.quant_state.state2 is None, "scales in fp32, as released"


def test_expected_bytes_are_those_of_bitsandbytes(nf4):
    """But for the last block of a layer, which may be part of one."""
    transformer = load_engine(nf4, GENERATION).pipe.transformer
    layers = [layer for layer in transformer.modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)]
    tensors = list(transformer.state_dict(keep_vars=True).items())
    size = sum(
        tensor.numel() * tensor.element_size()
        for name, tensor in tensors
        if "quant_state" not in name and not name.endswith((".absmax", ".quant_map"))
    )
    size += sum(layer.weight.quant_state.absmax.nbytes for layer in layers)
    expected = weight_bytes(architecture(nf4["path"])["transformer"].build(torch.bfloat16), "transformer", "nf4")
    assert expected <= size <= expected + 4 * len(layers)
