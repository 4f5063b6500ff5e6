"""SD3 engine: the denoising loop against diffusers' own pipeline, caching, batching, offloading."""

import pytest
import torch

from detailscribe.engines.load import load_engine
from detailscribe.errors import InputError, SetupError
from tests.small_sd3 import GENERATION, KS, P0, P1, STEPS, entry, forget_pipelines, levels_apart, share_pipelines

OTHER_P0 = "A circle of sunflowers with a single red rose."
OTHER_P1 = "A circle of sunflowers with a single red rose. The rose is in the centre, and eight sunflowers touch."
BATCHES = ["candidates", "image"]


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3")


@pytest.fixture(scope="module")
def pipe(miniature):
    from diffusers import StableDiffusion3Pipeline

    pipe = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3")
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Reference:
    """Output of diffusers' own pipeline: an image, and the latents that it was decoded from."""

    def __init__(self, pipe, prompt, seed, guidance=4.5, steps=STEPS, swap=lambda i: {}):
        def at_step_end(pipe, i, time, tensors):
            self.latents = tensors["latents"]
            return swap(i)

        self.image = pipe(
            prompt,
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=64,
            width=64,
            max_sequence_length=96,
            generator=torch.Generator("cpu").manual_seed(seed),
            callback_on_step_end=at_step_end,
        ).images[0]


@torch.no_grad()
def by_callback(pipe, prompt, refined, seed, k, guidance=4.5, steps=STEPS, swap_pooled=False) -> Reference:
    """How the released code refines: a full run of p1, or one of p0 whose callback swaps embeddings after index k."""
    if k == 0:
        return Reference(pipe, refined, seed, guidance, steps)
    embeds, negative, pooled, negative_pooled = pipe.encode_prompt(refined, None, None, max_sequence_length=96)
    swap = {"prompt_embeds": (negative, embeds)} | (
        {"pooled_prompt_embeds": (negative_pooled, pooled)} if swap_pooled else {}
    )
    swap = {name: torch.cat(halves) if guidance > 1 else halves[1] for name, halves in swap.items()}
    return Reference(pipe, prompt, seed, guidance, steps, lambda i: dict(swap) if i == k else {})


def same(engine, latents, expected) -> bool:
    """Bit for bit, image by image; a batch rounds its sums in another order, which guidance makes larger."""
    if engine.batch_candidates:
        return bool((latents - expected).abs().max() < 5e-4)
    return torch.equal(latents, expected)


@pytest.mark.parametrize("guidance", [4.5, 2.0, 1.0])
def test_refining_is_the_callback_of_the_released_code(model, pipe, guidance):
    engines = [load_engine(model | {"batch": batch}, GENERATION | {"guidance": guidance}) for batch in BATCHES]
    for prompt, refined, seed in [(P0, P1, 2628670643), (OTHER_P0, OTHER_P1, 7)]:
        expected = {k: by_callback(pipe, prompt, refined, seed, k, guidance) for k in KS}
        for engine in engines:
            latents = engine.denoise(prompt, refined, seed, KS)
            images = engine.refine(prompt, refined, seed, KS)
            assert list(images) == list(latents) == KS
            for k in KS:
                assert same(engine, latents[k], expected[k].latents)
                assert levels_apart(images[k], expected[k].image) <= 1
        first = engines[0].generate(prompt, seed)
        assert levels_apart(first, Reference(pipe, prompt, seed, guidance).image) <= 1
        # Otherwise the comparison above would not depend on k.
        different = [first, *images.values()]
        assert all(levels_apart(a, b) > 2 for i, a in enumerate(different) for b in different[:i])


@pytest.mark.parametrize("batch", BATCHES)
def test_every_k(model, pipe, batch):
    ks = list(range(STEPS))
    engine = load_engine(model | {"batch": batch}, GENERATION)
    latents = engine.denoise(P0, P1, 7, ks)
    for k in ks:
        assert same(engine, latents[k], by_callback(pipe, P0, P1, 7, k).latents)


def test_refining_at_the_published_length(model, pipe):
    image = load_engine(model, GENERATION | {"steps": 28}).refine(P0, P1, 2628670643, [2])[2]
    assert levels_apart(image, by_callback(pipe, P0, P1, 2628670643, 2, steps=28).image) <= 1


def test_pooled_embedding_can_be_swapped_too(model, pipe):
    both = load_engine(model, GENERATION | {"swap_pooled": True}).refine(P0, P1, 7, KS)
    released = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    for k in KS[1:]:
        assert levels_apart(both[k], by_callback(pipe, P0, P1, 7, k, swap_pooled=True).image) <= 1
        assert levels_apart(both[k], released[k]) > 4
    assert levels_apart(both[0], released[0]) == 0


@pytest.mark.parametrize("kind", ["dynamic shift", "second order", "multistep"])
def test_other_schedulers_fork_with_their_state(model, pipe, kind, monkeypatch):
    from diffusers import FlowMatchHeunDiscreteScheduler, UniPCMultistepScheduler

    engine, config = load_engine(model, GENERATION), pipe.scheduler.config
    scheduler = {
        "dynamic shift": lambda: type(pipe.scheduler).from_config(config, use_dynamic_shifting=True),
        "second order": lambda: FlowMatchHeunDiscreteScheduler(shift=3.0),
        "multistep": lambda: UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }[kind]()
    monkeypatch.setattr(pipe, "scheduler", scheduler)
    monkeypatch.setattr(engine.pipe, "scheduler", scheduler)
    images = engine.refine(P0, P1, 7, [1, 4])
    for k in [1, 4]:
        assert levels_apart(images[k], by_callback(pipe, P0, P1, 7, k).image) <= 1


def test_model_without_the_t5_encoder(miniature, tmp_path):
    from diffusers import StableDiffusion3Pipeline

    whole = miniature / "sd3"
    small = StableDiffusion3Pipeline.from_pretrained(whole, text_encoder_3=None, tokenizer_3=None)
    small.set_progress_bar_config(disable=True)
    small.save_pretrained(tmp_path / "small")
    image = load_engine(entry(tmp_path / "small"), GENERATION).refine(P0, P1, 7, [1])[1]
    assert levels_apart(image, by_callback(small, P0, P1, 7, 1).image) <= 1


def test_half_precision_is_that_of_the_pipeline(miniature):
    from diffusers import StableDiffusion3Pipeline

    half = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3", dtype=torch.bfloat16)
    half.set_progress_bar_config(disable=True)
    engine = load_engine(entry(miniature / "sd3", precision="bf16", offload="model"), GENERATION)
    assert levels_apart(engine.refine(P0, P1, 7, [1])[1], by_callback(half, P0, P1, 7, 1).image) <= 1


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("guidance", "rows_a_step"), [(4.5, 2), (1.0, 1)])
def test_work_is_counted_and_shared(model, batch, guidance, rows_a_step):
    """The published schedule takes 107 steps per prompt; one pipeline call per image takes 4 x 28 = 112."""
    engine = load_engine(model | {"batch": batch}, GENERATION | {"guidance": guidance, "steps": 28})
    engine.refine(P0, P1, 7, KS)
    rows = rows_a_step * 107
    texts = 1 + rows_a_step  # p0, p1 and, with guidance, the empty one
    assert engine.counts == {"encoder_calls": texts, "transformer_rows": rows}
    engine.generate(P1, 8)
    assert engine.counts == {"encoder_calls": texts, "transformer_rows": rows + rows_a_step * 28}
    assert engine.refine(P0, P1, 7, []) == {}
    assert engine.counts["transformer_rows"] == rows + rows_a_step * 28


def test_candidates_of_a_prompt_are_one_batch_in_the_transformer_and_are_decoded_alone(model, monkeypatch):
    for batch, calls in [("candidates", STEPS), ("image", 5 + 8 + 6 + 5 + 3)]:
        engine, rows, decoded = load_engine(model | {"batch": batch}, GENERATION), [], []
        forward, decode = engine.pipe.transformer.forward, engine.pipe.vae.decode
        monkeypatch.setattr(
            engine.pipe.transformer,
            "forward",
            lambda hidden_states, kept=forward, seen=rows, **more: (
                seen.append(len(hidden_states)) or kept(hidden_states, **more)
            ),
        )
        monkeypatch.setattr(
            engine.pipe.vae,
            "decode",
            lambda latents, kept=decode, seen=decoded, **more: seen.append(len(latents)) or kept(latents, **more),
        )
        engine.refine(P0, P1, 7, KS)
        assert (len(rows), sum(rows)) == (calls, 2 * (5 + 8 + 6 + 5 + 3))
        assert decoded == [1, 1, 1, 1]
        if batch == "candidates":
            assert rows == [4, 4, 6, 8, 8, 8, 8, 8]  # p0 and k=0; then k=1, k=2; k=4 replaces p0


def test_texts_are_encoded_once_and_earlier_ones_forgotten(model):
    engine = load_engine(model, GENERATION)
    engine.prepare([P0, P1, P0])
    assert engine.counts["encoder_calls"] == 3
    engine.refine(P0, P1, 7, [1])
    assert engine.counts["encoder_calls"] == 3
    engine.prepare([P1, OTHER_P0])
    assert engine.counts["encoder_calls"] == 4
    engine.generate(P0, 7)
    assert engine.counts["encoder_calls"] == 5


def test_a_text_that_cannot_be_encoded_fails_only_its_own_prompt(model, monkeypatch):
    engine = load_engine(model, GENERATION)
    encode = engine.pipe.encode_prompt

    def encode_all_but_one(text, *more, **options):
        if text == P1:
            raise ValueError("cannot read this")
        return encode(text, *more, **options)

    monkeypatch.setattr(engine.pipe, "encode_prompt", encode_all_but_one)
    engine.prepare([P0, P1])
    assert engine.generate(P0, 7).size == (64, 64)
    with pytest.raises(ValueError, match="cannot read this"):
        engine.refine(P0, P1, 7, [1])


CLIP, T5, VAE, TRANSFORMER = "CLIPTextModelWithProjection", "T5EncoderModel", "AutoencoderKL", "SD3Transformer2DModel"
TEXT_ENCODERS = [CLIP, CLIP, T5]


def moves(engine, monkeypatch) -> list[tuple[str, str]]:
    """What is moved where from now on; `cpu:0`, another name of the CPU, stands for the GPU."""
    moved = []
    move = torch.nn.Module.to

    def record(part, device):
        moved.append((type(part).__name__, str(device)))
        return move(part, device)

    engine.device = torch.device("cpu", 0)
    monkeypatch.setattr(torch.nn.Module, "to", record)
    return moved


def taken(moved: list[tuple[str, str]], number: int) -> list[tuple[str, str]]:
    """The next moves, those of one phase."""
    phase = sorted(moved[:number])
    del moved[:number]
    return phase


def test_encoders_leave_the_gpu_before_denoising(model, monkeypatch):
    engine = load_engine(model | {"offload": "encoders"}, GENERATION)
    expected = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    moved = moves(engine, monkeypatch)
    engine.prepare([P0, P1])
    images = engine.refine(P0, P1, 7, KS)
    assert {k: image.tobytes() for k, image in images.items()} == {k: i.tobytes() for k, i in expected.items()}
    assert taken(moved, 2) == [(name, "cpu") for name in (VAE, TRANSFORMER)]
    assert taken(moved, 3) == [(name, "cpu:0") for name in TEXT_ENCODERS]
    assert taken(moved, 3) == [(name, "cpu") for name in TEXT_ENCODERS]
    assert taken(moved, 2) == [(name, "cpu:0") for name in (VAE, TRANSFORMER)]
    assert moved == [], "decoding is the same phase"


def test_a_quantised_transformer_stays_on_the_gpu_with_the_encoders(model, monkeypatch):
    engine = load_engine(model | {"offload": "encoders"}, GENERATION)
    monkeypatch.setattr(engine.pipe.transformer, "is_quantized", True, raising=False)
    moved = moves(engine, monkeypatch)
    engine.prepare([P0, P1])
    engine.generate(P0, 7)
    assert moved
    assert TRANSFORMER not in {name for name, _ in moved}


def test_with_model_offload_the_encoders_move_once_for_all_texts_and_each_part_only_for_its_phase(model, monkeypatch):
    engine = load_engine(model | {"offload": "model"}, GENERATION)
    expected = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    moved = moves(engine, monkeypatch)
    engine.prepare([P0, P1, OTHER_P0, OTHER_P1])
    assert taken(moved, 2) == [(name, "cpu") for name in (VAE, TRANSFORMER)]
    assert taken(moved, 3) == [(name, "cpu:0") for name in TEXT_ENCODERS]
    assert moved == []
    images = engine.refine(P0, P1, 7, KS)
    assert {k: image.tobytes() for k, image in images.items()} == {k: i.tobytes() for k, i in expected.items()}
    assert taken(moved, 4) == [(name, "cpu") for name in (VAE, *TEXT_ENCODERS)]
    assert taken(moved, 1) == [(TRANSFORMER, "cpu:0")]
    assert taken(moved, 4) == [(name, "cpu") for name in (CLIP, CLIP, TRANSFORMER, T5)]
    assert moved == [(VAE, "cpu:0")], "once for all candidates"


def test_a_run_of_the_refined_prompt_alone_never_encodes_the_original(model):
    engine = load_engine(model, GENERATION)
    image = engine.refine(P0, P1, 7, [0])[0]
    assert engine.counts == {"encoder_calls": 2, "transformer_rows": 2 * STEPS}
    assert image.tobytes() == engine.generate(P1, 7).tobytes()


def test_a_candidate_in_a_batch_of_its_own_does_not_depend_on_the_other_ks(model):
    model = model | {"batch": "image"}
    together = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    for ks in [[0], [1], [2], [4], [4, 1], [2, 2]]:
        for k, image in load_engine(model, GENERATION).refine(P0, P1, 7, ks).items():
            assert image.tobytes() == together[k].tobytes()


def test_a_batch_depends_only_on_its_composition(model):
    engine = load_engine(model, GENERATION)
    together = engine.refine(P0, P1, 7, KS)
    engine.refine(OTHER_P0, OTHER_P1, 7, KS)
    for other in [engine, load_engine(model, GENERATION)]:
        again = other.refine(P0, P1, 7, KS[::-1])
        assert {k: image.tobytes() for k, image in again.items()} == {k: i.tobytes() for k, i in together.items()}


def test_generating_is_deterministic(model):
    engine = load_engine(model, GENERATION)
    first = engine.generate(P0, 7)
    assert (first.mode, first.size) == ("RGB", (64, 64))
    torch.manual_seed(99)
    engine.generate(OTHER_P0, 7)
    assert engine.generate(P0, 7).tobytes() == first.tobytes()
    forget_pipelines()
    assert load_engine(model, GENERATION).generate(P0, 7).tobytes() == first.tobytes()
    assert engine.generate(P0, 8).tobytes() != first.tobytes()


def test_switch_after_the_last_step_changes_nothing(model):
    engine = load_engine(model, GENERATION)
    assert engine.refine(P0, P1, 7, [STEPS - 1])[STEPS - 1].tobytes() == engine.generate(P0, 7).tobytes()
    for k in [-1, STEPS]:
        with pytest.raises(InputError, match=f"k must be from 0 to {STEPS - 1} with {STEPS} steps, got {k}"):
            engine.refine(P0, P1, 7, [1, k])


def test_other_sizes(miniature, pipe):
    image = load_engine(entry(miniature / "sd3", size_px=96), GENERATION).generate(P0, 7)
    assert image.size == (96, 96)


def test_out_of_memory_is_a_setup_error_with_remedies(model, monkeypatch):
    engine = load_engine(model, GENERATION)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine.pipe.vae, "decode", full)
    for generate in [lambda: engine.generate(P0, 7), lambda: engine.refine(P0, P1, 7, [1])]:
        with pytest.raises(SetupError, match=r"memory.*64 px.*batch.*offload.*precision.*size_px") as caught:
            generate()
        assert "64 px; these settings are expected to need 1.0 GiB; " in str(caught.value)


def test_overflow_is_not_a_black_image(model):
    engine = load_engine(model, GENERATION)
    engine.guidance = float("inf")
    with pytest.raises(FloatingPointError, match="not finite"):
        engine.generate(P0, 7)
