"""Errors of the device are told from those of a prompt, and end a job with one sentence."""

import subprocess
import sys

import pytest
import torch

from detailscribe.engines.gpu.device_errors import (
    BROKEN,
    SEVERITY,
    DeviceError,
    device_error,
    friendly_device_errors,
    image_device_errors,
)
from detailscribe.engines.load import load_engine
from detailscribe.errors import SetupError
from tests.device_faults import FAULTS, OF_DEVICES, fault
from tests.paths import REPOSITORY
from tests.small_sd3 import GENERATION, P0, P1, entry, share_pipelines

REMEDIES = {
    "broken": ("the GPU or its driver failed (", "run again", "nvidia-smi", "xid"),
    "no code": ("have no code for this GPU", "install a build of torch for this GPU"),
    "memory": ("the GPU memory is too small for", "end other programs on the GPU"),
    "main memory": ("the main memory of this machine is too small", "mem_mb"),
    "compiler": ("could not be compiled (", "C++ compiler", "set compile to none"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_error_is_the_devices_or_the_prompts(name):
    found = device_error(fault(name))
    assert (found.kind if found else None) == FAULTS[name][1]
    if found:
        assert "\n" not in str(found) and "what was finished is kept" in str(found)
        assert all(words in str(found) for words in REMEDIES[found.kind])


def test_every_kind_is_tried():
    assert {kind for _, kind in FAULTS.values()} == {*SEVERITY, None}


@pytest.mark.parametrize("name", OF_DEVICES)
def test_a_device_error_is_translated_once_and_names_where_it_was(name):
    error = fault(name)
    with pytest.raises(DeviceError) as caught, friendly_device_errors("the prompt a-fox"), image_device_errors(64):
        raise error
    assert caught.value.__cause__.__cause__ is error or caught.value.__cause__ is error
    named = caught.value.kind == BROKEN
    assert ("at the prompt a-fox; " in str(caught.value)) is named
    assert str(caught.value).endswith("if it always stops at the prompt a-fox, correct or remove that") is named


@pytest.mark.parametrize("name", [name for name, (_, kind) in FAULTS.items() if kind is None])
def test_any_other_error_passes_as_it_is(name):
    error = fault(name)
    with pytest.raises(type(error)) as caught, friendly_device_errors("the prompt a-fox"):
        raise error
    assert caught.value is error


def test_the_message_says_what_was_found_in_few_words():
    long = device_error(RuntimeError("CUDA error: " + "x" * 9000))
    assert len(str(long)) < 700 and "x…)" in str(long)
    full = str(device_error(fault("memory"), what="an image of 64 px", lighter="set batch to image"))
    assert "too small for an image of 64 px (1.19 GiB of its 23.65 GiB are free)" in full
    assert full.endswith(": set batch to image, or end other programs on the GPU")
    assert "an illegal memory access was encountered)" in str(device_error(fault("illegal address"))), "one line of it"
    assert "(AssertionError)" not in str(device_error(fault("cpu build")))


def test_it_imports_no_torch():
    modules = "detailscribe.engines.gpu.device_errors, detailscribe.engines.gpu.usable"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr


@pytest.fixture
def model(miniature, monkeypatch):
    share_pipelines(monkeypatch)
    return entry(miniature / "sd3")


def raising(error: Exception, after: int = 0):
    """A function that raises from its call number `after` on, and before that calls what it replaces."""
    calls = []

    def replace(real):
        def call(*arguments, **options):
            calls.append(1)
            if len(calls) > after:
                raise error
            return real(*arguments, **options)

        return call

    return replace


@pytest.mark.parametrize("name", ["illegal address", "memory", "cublas", "no kernel", "cause", "cpu"])
@pytest.mark.parametrize("part", ["transformer", "vae", "encoders", "pixels"])
def test_a_real_engine_stops_wherever_the_device_fails(model, monkeypatch, name, part):
    engine, error = load_engine(model, GENERATION), fault(name)
    where = {
        "transformer": (engine.pipe.transformer, "forward", 3),
        "vae": (engine.pipe.vae, "decode", 0),
        "encoders": (engine.pipe, "encode_prompt", 0),
        "pixels": (engine.pipe.image_processor, "postprocess", 0),  # a copy to main memory raises what came before
    }[part]
    target, method, after = where
    monkeypatch.setattr(target, method, raising(error, after)(getattr(target, method)))
    with pytest.raises(DeviceError) as caught:
        engine.prepare([P0, P1]) if part == "encoders" else engine.refine(P0, P1, 7, [1])
    assert caught.value.kind == FAULTS[name][1]
    with pytest.raises(DeviceError):
        engine.generate(P0, 7)


@pytest.mark.parametrize("name", ["tokenizer", "value", "shape"])
def test_a_text_that_cannot_be_encoded_waits_for_its_own_prompt(model, monkeypatch, name):
    engine, error = load_engine(model, GENERATION), fault(name)
    real = engine.pipe.encode_prompt

    def encode(text, *arguments, **options):
        if text == P1:
            raise error
        return real(text, *arguments, **options)

    monkeypatch.setattr(engine.pipe, "encode_prompt", encode)
    engine.prepare([P1, P0])
    assert engine.generate(P0, 7).size == (64, 64)
    with pytest.raises(type(error)):
        engine.generate(P1, 7)


@pytest.mark.parametrize("name", ["illegal address", "memory", "no kernel", "python", "cpu build"])
def test_a_model_that_the_device_cannot_hold_is_not_said_to_be_damaged(model, monkeypatch, name):
    monkeypatch.setattr("detailscribe.engines.load._load_pipeline", raising(fault(name))(None))
    with pytest.raises(DeviceError) as caught:
        load_engine(model, GENERATION)
    assert caught.value.kind == FAULTS[name][1] and "damaged" not in str(caught.value)
    monkeypatch.setattr("detailscribe.engines.load._load_pipeline", raising(ValueError("torn"))(None))
    with pytest.raises(SetupError, match="could not be loaded"):
        load_engine(model, GENERATION)


def test_the_kinds_of_prompts_are_those_of_torch_too():
    """What a prompt does to torch is no error of the device: real errors, not made ones."""
    for action in (lambda: torch.zeros(2) + torch.zeros(3), lambda: torch.nn.Embedding(2, 2)(torch.tensor([9]))):
        with pytest.raises((RuntimeError, IndexError)) as caught:
            action()
        assert device_error(caught.value) is None
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert device_error(caught.value).kind == "main memory"
    with pytest.raises((RuntimeError, AssertionError)) as caught:
        torch.zeros(1).cuda(99)
    assert device_error(caught.value).kind == BROKEN
