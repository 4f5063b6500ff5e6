"""Loading an image model: every way to fail, precisions, compilation."""

import json
import shutil

import pytest
import torch

from detailscribe.engines import load, precision
from detailscribe.engines.load import load_engine
from detailscribe.engines.workload.architectures import architecture
from detailscribe.engines.workload.profile_memory import weight_bytes
from detailscribe.errors import InputError, SetupError
from tests.small_sd3 import GENERATION, P0, P1, entry, levels_apart

HUB = "no-such-owner/no-such-model"


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
@pytest.mark.parametrize("name", ["nf4", "fp16", "fp8"])
def test_some_precisions_need_a_gpu(model, name):
    with pytest.raises(SetupError, match=f"{name} needs a CUDA GPU"):
        load_engine(model | {"precision": name}, GENERATION)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "resources/models/nothing"}, "no model folder at 'resources/models/nothing'"),
        ({"path": HUB}, "not on this machine and the hub was not reached"),
        ({"pipeline": "FluxPipeline", "batch": "image"}, "holds a StableDiffusion3Pipeline, not a FluxPipeline"),
    ],
)
def test_models_that_cannot_be_found(model, changes, message):
    with pytest.raises(SetupError, match=message) as caught:
        load_engine(model | changes, GENERATION)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int8"}, "precision must be one of fp32, bf16, fp16, nf4, fp8, got 'int8'"),
        ({"size_px": 72}, "size_px must be a multiple of 16 for this model, got 72"),
        ({"size_px": 0}, "size_px must be a multiple of 16"),
        ({"max_sequence_length": 513}, "max_sequence_length must be from 1 to 512, got 513"),
        ({"call": {"prompt_3": "a"}}, "call is for pipelines other than"),
        (
            {"pipeline": "FluxPipeline"},
            "FluxPipeline generates each image in its own pipeline call: set batch to",
        ),
    ],
)
def test_values_outside_their_range(model, changes, message):
    with pytest.raises(InputError, match=message):
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


@pytest.mark.parametrize("offload", ["none", "encoders", "model"])
def test_weights_that_stay_on_the_gpu_are_read_past_main_memory(model, monkeypatch, offload):
    """The CPU, named as the place of loading, stands for the GPU."""
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    placed = {}
    for kind in (SD3Transformer2DModel, StableDiffusion3Pipeline):
        read = kind.from_pretrained

        def record(*args, read=read, name=kind.__name__, **options):
            placed.setdefault(name, options["device_map"])
            return read(*args, **{key: value for key, value in options.items() if key != "quantization_config"})

        monkeypatch.setattr(kind, "from_pretrained", record)
    expected = load_engine(model, GENERATION).generate(P0, 7)
    assert set(placed.values()) == {None}
    monkeypatch.setattr(load, "loading_device", lambda: "cpu")
    placed.clear()
    image = load_engine(model | {"offload": offload}, GENERATION).generate(P0, 7)
    place = "cpu" if offload == "none" else None
    assert placed == {"StableDiffusion3Pipeline": place, "SD3Transformer2DModel": place}
    assert image.tobytes() == expected.tobytes()

    monkeypatch.setattr(load, "check_precision", lambda name: None)
    monkeypatch.setattr(load, "quantization_config", lambda name: None)
    placed.clear()
    load_engine(model | {"offload": offload, "precision": "fp8"}, GENERATION)
    assert placed["SD3Transformer2DModel"] == "cpu", "quantised where it is read to, in every case"


def test_the_place_of_loading_is_the_gpu_or_main_memory(monkeypatch):
    for device, place in [("cpu", None), ("cuda", "cuda")]:
        monkeypatch.setattr(load, "default_device", lambda device=device: torch.device(device))
        assert load.loading_device() == place


def test_fp8_says_what_it_needs(model, monkeypatch):
    monkeypatch.setattr(precision, "default_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    with pytest.raises(SetupError, match=r"compute capability 8\.9, this one has 8\.0: set precision to bf16"):
        load_engine(model | {"precision": "fp8"}, GENERATION)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"needs the package torchao: install requirements-gpu\.txt"):
        load_engine(model | {"precision": "fp8"}, GENERATION)


def test_fp8_quantises_the_large_layers_alone(model, miniature):
    """With only the weights in 8 bits, which a CPU supports; the layers are those of full fp8."""
    torchao = pytest.importorskip("torchao.quantization", reason="torchao is of requirements-gpu.txt")
    from diffusers import SD3Transformer2DModel

    config = precision.quantization_config("fp8")
    config.quant_type = torchao.Float8WeightOnlyConfig()
    folder = miniature / "sd3" / "transformer"
    small = SD3Transformer2DModel.from_pretrained(folder, dtype=torch.bfloat16, quantization_config=config)
    changed = {name for name, p in small.named_parameters() if type(p.data) not in (torch.Tensor, torch.nn.Parameter)}
    layers = [name for name in changed if name.startswith("transformer_blocks.0.")]
    assert {"transformer_blocks.0.attn.to_q.weight", "transformer_blocks.0.ff.net.2.weight"} <= set(layers)
    assert not [name for name in changed if "norm" in name or "embed" in name or "proj_out" in name]
    plain = [tensor for name, tensor in small.state_dict().items() if name not in changed]
    eight = [p.data for name, p in small.named_parameters() if name in changed]
    stored = [*plain, *(tensor.qdata for tensor in eight), *(tensor.scale for tensor in eight)]
    meta = architecture(model["path"])["transformer"].build(torch.bfloat16)
    assert weight_bytes(meta, "transformer", "fp8") == sum(tensor.nbytes for tensor in stored)

    exact = SD3Transformer2DModel.from_pretrained(folder, dtype=torch.bfloat16)
    torch.manual_seed(0)
    size = exact.config
    inputs = {
        "hidden_states": torch.randn(2, size.in_channels, size.sample_size, size.sample_size, dtype=torch.bfloat16),
        "encoder_hidden_states": torch.randn(2, 9, size.joint_attention_dim, dtype=torch.bfloat16),
        "pooled_projections": torch.randn(2, size.pooled_projection_dim, dtype=torch.bfloat16),
        "timestep": torch.tensor([900.0, 300.0]),
    }
    with torch.no_grad():
        velocity, other = (each(**inputs, return_dict=False)[0].float() for each in (exact, small))
    assert 0 < (other - velocity).norm() / velocity.norm() < 0.1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_blocks_generate_the_same_images_whatever_was_generated_before(model):
    plain = load_engine(model, GENERATION).refine(P0, P1, 7, [0, 1])
    torch._dynamo.reset()
    engine = load_engine(model | {"compile": "regions"}, GENERATION)
    compiled = engine.refine(P0, P1, 7, [0, 1])
    for k, image in compiled.items():
        assert levels_apart(image, plain[k]) <= 2
    # Another engine, whose first batch has another number of rows.
    torch._dynamo.reset()
    other = load_engine(model | {"compile": "regions"}, GENERATION)
    other.generate(P0, 8)
    assert {k: i.tobytes() for k, i in other.refine(P0, P1, 7, [0, 1]).items()} == {
        k: image.tobytes() for k, image in compiled.items()
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU another compiler is used")
def test_a_missing_compiler_is_a_setup_error(model, monkeypatch):
    from torch._inductor import config

    torch._dynamo.reset()
    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "force_disable_caches", True)
    engine = load_engine(model | {"compile": "regions"}, GENERATION)
    with pytest.raises(SetupError, match="could not be compiled .*set compile to none") as caught:
        engine.generate(P0, 7)
    assert "\n" not in str(caught.value)
