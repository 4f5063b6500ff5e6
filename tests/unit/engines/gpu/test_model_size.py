"""Number of weights of a model, from its files."""

import json

import pytest
import torch
from safetensors.torch import save_file

from detailscribe.engines.gpu.model_size import FULL_SIZE, model_weights, weight_count
from detailscribe.errors import SetupError


def test_the_weights_of_a_folder_are_counted_as_torch_counts_them(miniature):
    from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers

    from diffusers import StableDiffusion3Pipeline  # isort: skip

    pipe = StableDiffusion3Pipeline.from_pretrained(miniature / "sd3")
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    loaded = sum(tensor.numel() for part in parts for tensor in part.parameters())
    counted = weight_count(miniature / "sd3")
    assert loaded <= counted <= 1.05 * loaded, "tied and constant tensors may be in the files, too"
    assert counted < FULL_SIZE


def test_files_without_shapes_count_by_their_size_and_damaged_ones_do_not_stop(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").write_bytes(bytes(4000))
    assert weight_count(tmp_path) == 1000
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(())}, tmp_path / "unet" / "model.safetensors", {"format": "pt"})
    assert weight_count(tmp_path) == 16, "the same weights in a better format"
    (tmp_path / "torn.safetensors").write_bytes(b"\xff" * 80)
    assert weight_count(tmp_path) == 16 + 20
    (tmp_path / "list.safetensors").write_bytes((2).to_bytes(8, "little") + b"[]")
    assert weight_count(tmp_path) == 16 + 20 + 2


def test_a_repository_counts_once_it_is_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_weights("resources/miniature/sd3", "") == 0, "it is built later"
    assert model_weights("lab/large", "main") is None
    save_file({"a": torch.zeros(3, 5)}, tmp_path / "a.safetensors")
    record = {"folder": str(tmp_path), "files": {"a.safetensors": "x"}, "commit": "c0ffee"}
    (tmp_path / "resources/weights").mkdir(parents=True)
    (tmp_path / "resources/weights/lab--large@main.json").write_text(json.dumps(record))
    assert model_weights("lab/large", "main") == 15
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(SetupError, match="is no longer in"):
        model_weights("lab/large", "main")
