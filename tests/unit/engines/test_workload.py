"""Expected memory and work of a model, from its config files: against real runs, real weights and known numbers."""

import functools

import pytest
import torch
import yaml
from torch.profiler import ProfilerActivity, profile

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.engines.load import load_engine
from detailscribe.engines.workload.architectures import PUBLISHED, Part, architecture
from detailscribe.engines.workload.live_bytes import LiveBytes, measure
from detailscribe.engines.workload.profile_memory import (
    PHASES,
    ExpectedMemory,
    expected_memory,
    memory_note,
    weight_bytes,
)
from detailscribe.engines.workload.sd3_work import SD3Work
from detailscribe.engines.workload.tables import (
    largest_batch,
    memory_table,
    replace_table,
    work_table,
)
from detailscribe.errors import SetupError
from tests.paths import REPOSITORY
from tests.small_sd3 import GENERATION, entry

CONFIG = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
LARGE = {name: CONFIG["image_models"][f"sd35_large_{name}"] for name in ("paper", "24gb", "exact", "fast", "faster")}
DOCUMENT = REPOSITORY / "docs" / "gpu.md"


def allocated(compute) -> int:
    """Most bytes that a computation on the CPU has allocated at once, by torch's allocator."""
    with torch.no_grad():
        compute()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            kept = compute()
    assert kept is not None
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def small(large: dict[str, Part]) -> dict[str, Part]:
    """An architecture of the same kind with narrower parts."""
    narrow = {
        "transformer": {"num_layers": 4, "num_attention_heads": 4, "caption_projection_dim": 256},
        "vae": {"block_out_channels": [32, 64, 128, 128]},
        "text_encoder": {"num_hidden_layers": 2, "vocab_size": 100},
        "text_encoder_2": {"num_hidden_layers": 3, "vocab_size": 100},
        "text_encoder_3": {"num_layers": 2, "d_ff": 1024, "vocab_size": 100, "num_heads": 8},
    }
    return large | {
        name: Part(large[name].library, large[name].name, large[name].config | more) for name, more in narrow.items()
    }


def on_cpu(module: torch.nn.Module) -> torch.nn.Module:
    """The module with small random weights."""
    real = module.to_empty(device="cpu")
    for tensor in real.state_dict().values():
        tensor.normal_(0, 0.02)
    for tensor in real.buffers():
        if not tensor.is_floating_point():  # positions
            tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape))
    return real


@pytest.mark.parametrize("kind", ["step", "text", "decoding"])
def test_the_expected_bytes_are_those_that_a_real_run_allocates(kind):
    """To the byte, but for scratch that kernels of the CPU allocate themselves: those of convolutions a quarter."""
    parts = small(PUBLISHED["stabilityai/stable-diffusion-3.5-large"])
    expected = SD3Work(parts, torch.float32, 256, 128)
    real = SD3Work(parts, torch.float32, 256, 128)
    if kind == "step":
        transformer = on_cpu(real.modules["transformer"])
        inputs = {"hidden_states": (6, 16, 32, 32), "encoder_hidden_states": (6, 77 + 128, 4096)}
        inputs |= {"pooled_projections": (6, 2048), "timestep": (6,)}
        predicted = expected.step(6).peak_bytes

        def compute():
            return transformer(**{name: torch.zeros(shape) for name, shape in inputs.items()}, return_dict=False)
    elif kind == "decoding":
        vae, predicted = on_cpu(real.modules["vae"]), expected.decoding().peak_bytes

        def compute():
            return vae.decode(torch.zeros(1, 16, 32, 32), return_dict=False)
    else:
        t5, predicted = on_cpu(real.modules["text_encoder_3"]), expected.text().peak_bytes  # the largest of the three

        def compute():
            return t5(torch.ones(1, 128, dtype=torch.long))

    measured = allocated(compute)
    with torch.no_grad(), LiveBytes() as live:
        compute()
    assert live.peak == predicted, "the same operators on real tensors"
    assert predicted <= measured <= predicted * (1.35 if kind == "decoding" else 1.02)


def test_memory_ends_with_the_last_reference():
    with torch.no_grad(), LiveBytes() as live:
        one = torch.empty(1000, device="meta")
        view = one[:10]
        assert (live.live, live.peak) == (4000, 4000)
        del one
        assert live.live == 4000, "a view keeps the memory"
        del view
        assert live.live == 0
    weight = torch.empty(1000, device="meta")
    assert measure(lambda: weight.t().view(10, 100)).peak_bytes == 0, "a view of a weight is no new memory"
    product = measure(lambda: torch.empty(4, 8, device="meta") @ torch.empty(8, 2, device="meta"))
    assert product.flop == 2 * 4 * 8 * 2
    assert product.peak_bytes == 4 * (4 * 8 + 8 * 2 + 4 * 2)


def test_weights_of_the_published_models():
    count = {}
    for path, parts in PUBLISHED.items():
        modules = {name: part.build(torch.bfloat16) for name, part in parts.items()}
        count[path] = {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
    large, medium, first = (count[path] for path in PUBLISHED)
    assert large["transformer"] == pytest.approx(8.06e9, rel=0.001)
    assert medium["transformer"] == pytest.approx(2.24e9, rel=0.002)
    assert first["transformer"] == pytest.approx(2.03e9, rel=0.001)
    assert large["text_encoder"] == 123_650_304
    assert large["text_encoder_2"] == 694_659_840
    assert large["text_encoder_3"] == 4_762_310_656
    assert large["vae"] == 83_819_683


def test_the_architecture_of_a_folder_is_that_of_its_weights(miniature, tmp_path):
    model = entry(miniature / "sd3")
    engine = load_engine(model, GENERATION)
    parts = architecture(model["path"])
    assert set(parts) == {"text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae"}
    for precision, dtype in [("fp32", torch.float32), ("bf16", torch.bfloat16)]:
        for name, part in parts.items():
            real = getattr(engine.pipe, name).state_dict().values()
            size = sum(tensor.numel() for tensor in real) * dtype.itemsize
            assert weight_bytes(part.build(dtype), name, precision) == size
    with pytest.raises(SetupError, match="no model folder"):
        architecture(str(tmp_path / "nothing"))
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(SetupError, match="holds a FluxPipeline: memory and work are known for"):
        architecture(str(tmp_path))


def test_the_work_of_the_miniature_is_that_of_a_real_run(miniature):
    from torch.utils.flop_counter import FlopCounterMode

    engine = load_engine(entry(miniature / "sd3"), GENERATION)
    work = SD3Work(architecture(str(miniature / "sd3")), torch.float32, 64, 96)
    with FlopCounterMode(display=False) as counter:
        engine.generate("a fox", 7)
    rows = 2 * GENERATION["steps"]
    # On a CPU the counter leaves attention out, whose kernel it does not know.
    expected = 2 * work.text().flop + rows * work.step(1).flop + work.decoding().flop
    assert 0.8 * expected < counter.get_total_flops() <= expected


@pytest.mark.slow
def test_every_offload_and_precision_says_what_is_where():
    memory = {name: expected_memory(model, largest_batch(model, CONFIG)) for name, model in LARGE.items()}
    assert all(list(each.gpu) == list(PHASES) for each in memory.values())
    encoders, vae = 11.16e9, 0.17e9
    transformer = {"bf16": 16.3e9, "nf4": 4.7e9, "fp8": 10.9e9}
    near = functools.partial(pytest.approx, rel=0.03)
    assert memory["exact"].gpu["texts"] == near(encoders + vae + transformer["bf16"] + 0.1e9)
    assert memory["exact"].gpu["denoising"] == near(encoders + vae + transformer["bf16"] + 2.2e9)
    assert memory["exact"].main == 0
    assert memory["paper"].gpu["texts"] == near(encoders + 0.1e9)
    assert memory["paper"].gpu["denoising"] == near(transformer["nf4"] + 0.6e9)
    assert memory["paper"].gpu["decoding"] == near(vae + 1.6e9)
    assert memory["24gb"].gpu["texts"] == near(encoders + transformer["nf4"] + 0.1e9)
    assert memory["24gb"].main == near(encoders + vae)
    assert memory["24gb"].smallest_gpu_gib <= 24 < memory["exact"].smallest_gpu_gib
    assert memory["faster"].gpu["texts"] == near(encoders + vae + transformer["fp8"] + 0.1e9)
    swapped = expected_memory(LARGE["exact"] | {"offload": "encoders"}, 8)
    assert swapped.gpu["texts"] == near(encoders + 0.1e9), "a bf16 transformer makes room"
    assert swapped.main == near(encoders + vae + transformer["bf16"]), "all are in main memory when they are loaded"
    assert expected_memory(LARGE["exact"], 2).gpu_peak < memory["exact"].gpu_peak
    states = 5 * 8 * 64 * 64 * 2432 * 2  # a block cache's, in bf16
    cached = expected_memory(LARGE["exact"] | {"block_cache": 0.1}, 8)
    assert cached.gpu["denoising"] == memory["exact"].gpu["denoising"] + states
    assert ExpectedMemory({"texts": 10**15}, 0, 0).smallest_gpu_gib is None


def test_a_gpu_that_is_too_small_is_told_what_was_expected(monkeypatch, miniature):
    assert "these settings are expected to need 30.3 GiB" in memory_note(LARGE["exact"], 8)

    class Card:
        total_memory = 24 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Card())
    assert memory_note(LARGE["exact"], 8).endswith("need 30.3 GiB, and this GPU has 24.0")
    assert memory_note(CONFIG["image_models"]["flux_dev"], 1) == "", "another kind of model"


def test_shared_steps_count_once():
    assert refinement_steps([0, 1, 2, 4], 28) == 107
    assert refinement_steps([0], 28) == 28
    assert refinement_steps([4, 4], 28) == 28


def test_a_table_takes_the_place_of_the_one_with_its_head():
    document = "# Title\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\ntext\n\n| c |\n| - |\n"
    table = "| a | b |\n| - | - |\n| 3 | 4 |\n| 5 | 6 |"
    assert replace_table(document, table) == document.replace("| 1 | 2 |\n", "| 3 | 4 |\n| 5 | 6 |\n")
    assert replace_table(document, "| c |\n| - |\n| 7 |") == f"{document}| 7 |\n"
    with pytest.raises(ValueError, match=r"\| d \|"):
        replace_table(document, "| d |")


@pytest.mark.slow
def test_the_document_has_the_tables_of_the_command():
    document = DOCUMENT.read_text(encoding="utf-8")
    memory, work = memory_table(CONFIG), work_table(CONFIG)
    assert memory in document, "run `python -m detailscribe.engines.workload --write docs/gpu.md`"
    assert work in document, "run `python -m detailscribe.engines.workload --write docs/gpu.md`"
    large = next(line for line in work.splitlines() if "3.5-large" in line).split(" | ")
    row, text, decoding, image, prompt = map(float, (cell.strip(" |") for cell in large[1:]))
    assert row == pytest.approx(33.34, abs=0.005)
    assert (text, decoding) == (pytest.approx(4.96, abs=0.01), pytest.approx(10.5, abs=0.05))
    assert image == pytest.approx(1.88, abs=0.005)
    # With the texts of a prompt encoded in one job for each image set, 11 instead of 6, it is 27.6.
    assert prompt == pytest.approx(27.53, abs=0.01)
    assert prompt + 5 * text / 1000 == pytest.approx(27.55, abs=0.01)
    assert prompt == pytest.approx((820 * row + 6 * text + 15 * decoding) / 1000, rel=0.001)
