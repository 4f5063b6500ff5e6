"""Shipped weights and the model folders built from them."""

import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import WEIGHTS, assembly, shipped, weights_info
from tests.miniature_cache import build_in_new_process, file_digests


def test_the_shipped_weights_are_those_in_their_description():
    info = weights_info()
    assert info["files"] == {path.name: file_sha256(path) for path in sorted(WEIGHTS.glob("*.safetensors"))}
    assert info["bytes"] == sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors")) <= 16_000_000
    assert len(info["commit"]) == 40
    assert info["autoencoder"]["psnr_db"] >= 30
    assert info["autoencoder"]["entities_found"] >= 0.97


@pytest.mark.slow
def test_another_process_builds_the_same_bytes(miniature, tmp_path):
    """Really builds twice: hash order and the number of threads are what differs between processes and machines."""
    one, other = tmp_path / "deeper" / "one", tmp_path / "deeper" / "other"
    build_in_new_process(one)
    build_in_new_process(other, PYTHONHASHSEED="7", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="2")
    assert file_digests(one) == file_digests(other) == file_digests(miniature)
    assert sorted(path.name for path in one.parent.iterdir()) == ["one", "other"]


def test_a_build_keeps_the_random_state_and_replaces_a_folder(tmp_path):
    folder = tmp_path / "miniature"
    folder.mkdir()
    (folder / "old").write_text("")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assembly.build_miniature(folder)
    assert torch.equal(torch.rand(1), expected)
    assert sorted(path.name for path in folder.iterdir()) == ["blip_vqa", "clip", "image_reward", "sd3"]


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "_write_clip", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        assembly.build_miniature(tmp_path / "miniature")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_do_not_fit_the_code_are_refused(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(1)}, tmp_path / "reward.safetensors")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="does not fit this code"):
        shipped.load_part.__wrapped__("reward")
