"""The denoising loop against diffusers' own pipeline, its bookkeeping, and every way in which loading can fail."""

import http.server
import json
import shutil
import threading

import numpy as np
import pytest
import torch

from detailscribe import weights
from detailscribe.diffusion import load_engine
from detailscribe.errors import InputError, SetupError
from detailscribe.weights import fetch, model_identity

P0 = "A fox and a parrot perch on a narrow branch."
P1 = "A fox and a parrot perch on a narrow branch. The claws of the parrot hold the branch, the fox is whole."
OTHER_P0 = "A circle of sunflowers with a single red rose."
OTHER_P1 = "A circle of sunflowers with a single red rose. The rose is in the centre, and eight sunflowers touch."
KS = [0, 1, 2, 4]
STEPS = 8
GENERATION = {"steps": STEPS, "guidance": 4.5, "swap_pooled": False}
HUB = "no-such-owner/no-such-model"


def entry(folder, **changes) -> dict:
    return {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(folder),
        "revision": "",
        "precision": "fp32",
        "offload": "none",
        "size_px": 64,
        "max_sequence_length": 96,
    } | changes


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3")


@pytest.fixture(scope="module")
def pipe(miniature):
    from diffusers import StableDiffusion3Pipeline

    pipe = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def by_callback(pipe, prompt, refined, seed, k, guidance=4.5, steps=STEPS, swap_pooled=False):
    """How the released code refines: a full run of p0 whose callback replaces the embeddings after step index k."""
    embeds, negative, pooled, negative_pooled = pipe.encode_prompt(refined, None, None, max_sequence_length=96)
    swap = {"prompt_embeds": (negative, embeds)} | (
        {"pooled_prompt_embeds": (negative_pooled, pooled)} if swap_pooled else {}
    )
    swap = {name: torch.cat(halves) if guidance > 1 else halves[1] for name, halves in swap.items()}
    return plain(
        pipe,
        prompt,
        seed,
        guidance,
        steps,
        callback_on_step_end=lambda _, i, time, tensors: dict(swap) if i == k else {},
    )


def plain(pipe, prompt, seed, guidance=4.5, steps=STEPS, **more):
    return pipe(
        prompt,
        num_inference_steps=steps,
        guidance_scale=guidance,
        height=64,
        width=64,
        max_sequence_length=96,
        generator=torch.Generator("cpu").manual_seed(seed),
        **more,
    ).images[0]


def levels_apart(one, other) -> int:
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.mark.parametrize("guidance", [4.5, 1.0])
def test_refining_is_the_callback_of_the_released_code(model, pipe, guidance):
    engine = load_engine(model, GENERATION | {"guidance": guidance})
    for prompt, refined in [(P0, P1), (OTHER_P0, OTHER_P1)]:
        for seed in [2628670643, 7]:
            images = engine.refine(prompt, refined, seed, KS)
            assert list(images) == KS
            assert levels_apart(images[0], plain(pipe, refined, seed, guidance)) <= 1
            for k in KS[1:]:
                assert levels_apart(images[k], by_callback(pipe, prompt, refined, seed, k, guidance)) <= 1
            first = engine.generate(prompt, seed)
            assert levels_apart(first, plain(pipe, prompt, seed, guidance)) <= 1
            # Else the comparison above would say nothing about k.
            different = [first, *images.values()]
            assert all(levels_apart(a, b) > 4 for i, a in enumerate(different) for b in different[:i])


def test_refining_at_the_published_length(model, pipe):
    image = load_engine(model, GENERATION | {"steps": 28}).refine(P0, P1, 2628670643, [2])[2]
    assert levels_apart(image, by_callback(pipe, P0, P1, 2628670643, 2, steps=28)) <= 1


def test_pooled_embedding_can_be_swapped_too(model, pipe):
    both = load_engine(model, GENERATION | {"swap_pooled": True}).refine(P0, P1, 7, KS)
    released = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    for k in KS[1:]:
        assert levels_apart(both[k], by_callback(pipe, P0, P1, 7, k, swap_pooled=True)) <= 1
        assert levels_apart(both[k], released[k]) > 4
    assert both[0] == released[0]


@pytest.mark.parametrize("kind", ["dynamic shift", "second order", "multistep"])
def test_other_schedulers_branch_with_their_state(model, pipe, kind, monkeypatch):
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
    engine.pipe.scheduler = scheduler
    images = engine.refine(P0, P1, 7, [1, 4])
    for k in [1, 4]:
        assert levels_apart(images[k], by_callback(pipe, P0, P1, 7, k)) <= 1


def test_model_without_the_t5_encoder(miniature, tmp_path):
    from diffusers import StableDiffusion3Pipeline

    whole = miniature / "sd3"
    small = StableDiffusion3Pipeline.from_pretrained(whole, text_encoder_3=None, tokenizer_3=None)
    small.set_progress_bar_config(disable=True)
    small.save_pretrained(tmp_path / "small")
    image = load_engine(entry(tmp_path / "small"), GENERATION).refine(P0, P1, 7, [1])[1]
    assert levels_apart(image, by_callback(small, P0, P1, 7, 1)) <= 1


def test_half_precision_is_that_of_the_pipeline(miniature):
    from diffusers import StableDiffusion3Pipeline

    half = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3", dtype=torch.bfloat16)
    half.set_progress_bar_config(disable=True)
    engine = load_engine(entry(miniature / "sd3", precision="bf16", offload="model"), GENERATION)
    assert levels_apart(engine.refine(P0, P1, 7, [1])[1], by_callback(half, P0, P1, 7, 1)) <= 1


@pytest.mark.parametrize(("guidance", "rows_a_step"), [(4.5, 2), (1.0, 1)])
def test_work_is_counted_and_shared(model, guidance, rows_a_step):
    engine = load_engine(model, GENERATION | {"guidance": guidance})
    engine.refine(P0, P1, 7, KS)
    shared, own = 5, STEPS + (STEPS - 2) + (STEPS - 3) + (STEPS - 5)
    rows = rows_a_step * (shared + own)
    texts = 1 + rows_a_step  # p0, p1 and, with guidance, the empty one
    assert engine.counts == {"encoder_calls": texts, "transformer_rows": rows}
    engine.generate(P1, 8)
    assert engine.counts == {"encoder_calls": texts, "transformer_rows": rows + rows_a_step * STEPS}
    assert engine.refine(P0, P1, 7, []) == {}
    assert engine.counts["transformer_rows"] == rows + rows_a_step * STEPS


def test_a_run_of_the_refined_prompt_alone_never_reads_the_first(model):
    engine = load_engine(model, GENERATION)
    image = engine.refine(P0, P1, 7, [0])[0]
    assert engine.counts == {"encoder_calls": 2, "transformer_rows": 2 * STEPS}
    assert image.tobytes() == engine.generate(P1, 7).tobytes()


def test_candidate_does_not_depend_on_what_else_is_asked(model):
    engine = load_engine(model, GENERATION)
    together = engine.refine(P0, P1, 7, KS)
    for ks in [[0], [1], [2], [4], [4, 1], [2, 2]]:
        for k, image in load_engine(model, GENERATION).refine(P0, P1, 7, ks).items():
            assert image.tobytes() == together[k].tobytes()


def test_generating_is_deterministic(model):
    engine = load_engine(model, GENERATION)
    first = engine.generate(P0, 7)
    assert (first.mode, first.size) == ("RGB", (64, 64))
    torch.manual_seed(99)
    engine.generate(OTHER_P0, 7)
    assert engine.generate(P0, 7).tobytes() == first.tobytes()
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


def test_full_card_is_a_sentence(model, monkeypatch):
    engine = load_engine(model, GENERATION)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine.pipe.vae, "decode", full)
    for draw in [lambda: engine.generate(P0, 7), lambda: engine.refine(P0, P1, 7, [1])]:
        with pytest.raises(SetupError, match=r"memory.*64 px.*precision.*offload.*size_px"):
            draw()


def test_overflow_is_not_a_black_image(model):
    engine = load_engine(model, GENERATION)
    engine.guidance = float("inf")
    with pytest.raises(FloatingPointError, match="not finite"):
        engine.generate(P0, 7)


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a card")
@pytest.mark.parametrize("precision", ["nf4", "fp16"])
def test_some_precisions_need_a_card(model, precision):
    with pytest.raises(SetupError, match=f"{precision} needs a CUDA card"):
        load_engine(model | {"precision": precision}, GENERATION)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path": "resources/models/nothing"}, "no model folder at 'resources/models/nothing'"),
        ({"path": HUB}, "not on this machine and the hub was not reached"),
        ({"pipeline": "FluxPipeline"}, "pipeline must be StableDiffusion3Pipeline"),
    ],
)
def test_models_that_cannot_be_had(model, changes, sentence):
    with pytest.raises(SetupError, match=sentence) as caught:
        load_engine(model | changes, GENERATION)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"precision": "int8"}, "precision must be one of fp32, bf16, fp16, nf4, got 'int8'"),
        ({"size_px": 72}, "size_px must be a multiple of 16 for this model, got 72"),
        ({"size_px": 0}, "size_px must be a multiple of 16"),
        ({"max_sequence_length": 513}, "max_sequence_length must be from 1 to 512, got 513"),
    ],
)
def test_values_outside_their_range(model, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        load_engine(model | changes, GENERATION)


def test_damaged_folders(miniature, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match=r"has no file model_index\.json"):
        load_engine(entry(tmp_path / "empty"), GENERATION)

    folder = shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    index = folder / "model_index.json"
    right = index.read_text()
    index.write_text(json.dumps(json.loads(right) | {"_class_name": "FluxPipeline"}))
    with pytest.raises(SetupError, match="holds a FluxPipeline"):
        load_engine(entry(folder), GENERATION)
    index.write_text(right[:20])
    with pytest.raises(SetupError, match="cannot be read"):
        load_engine(entry(folder), GENERATION)
    index.write_text(right)

    torn = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    torn.write_bytes(torn.read_bytes()[:5000])
    with pytest.raises(SetupError, match="could not be loaded") as caught:
        load_engine(entry(folder), GENERATION)
    torn.unlink()
    with pytest.raises(SetupError, match="could not be loaded"):
        load_engine(entry(folder), GENERATION)
    assert "\n" not in str(caught.value)


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that refuses in the ways of the real one, told apart by the name of the repository."""

    ANSWERS = {
        "gated": (403, "GatedRepo"),
        "missing": (404, "RepoNotFound"),
        "rewritten": (404, "RevisionNotFound"),
        "other-format": (404, "EntryNotFound"),
    }

    def do_HEAD(self):
        status, code = self.ANSWERS[self.path.split("/")[2]]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gated", "is gated: accept its licence at https://huggingface.co/lab/gated and set HF_TOKEN"),
        ("missing", "neither a folder here nor a repository that the hub shows: correct `path`"),
        ("rewritten", "has no revision 'v1'"),
        ("other-format", r"has no file model_index\.json"),
    ],
)
def test_refusals_of_the_hub(name, sentence, monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    with pytest.raises(SetupError, match=sentence) as caught:
        fetch(f"lab/{name}", "model_index.json", "v1")
    assert "\n" not in str(caught.value)
    server.shutdown()
    server.server_close()


def test_identity_of_a_small_folder_is_its_content(miniature, tmp_path):
    folder = shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    before = model_identity(entry(folder))
    assert before == model_identity(entry(miniature / "sd3", revision="of no account"))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note").write_text("left by a download")
    assert model_identity(entry(folder)) == before

    changed = folder / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    other = model_identity(entry(folder))
    assert other != before
    content[-1] ^= 1
    changed.write_bytes(content)
    changed.rename(changed.with_name("renamed.safetensors"))
    assert model_identity(entry(folder)) not in (before, other)


def test_identity_of_large_and_distant_models_is_their_revision(miniature, monkeypatch):
    distant = "stabilityai/stable-diffusion-3.5-large"
    assert model_identity(entry(distant, revision="abc")) == f"{distant}@abc"
    with pytest.raises(InputError, match="revision of the model 'stabilityai/.*is empty: a repository"):
        model_identity(entry(distant))
    monkeypatch.setattr(weights, "SMALL_FOLDER_BYTES", 1000)
    folder = miniature / "sd3"
    assert model_identity(entry(folder, revision="abc")) == f"{folder}@abc"
    with pytest.raises(InputError, match="is empty: a folder over 256 MiB"):
        model_identity(entry(folder))
    with pytest.raises(SetupError, match="no model folder"):
        model_identity(entry("/nowhere/at/all"))
