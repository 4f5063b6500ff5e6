"""Shipped weights and the model folders built from them."""

import pytest
import torch
from PIL import Image

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import WEIGHTS, assembly, shipped, weights_info
from detailscribe.miniature.vlm.processor import processor
from detailscribe.miniature.vlm.tokens import part_question
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import Scene
from tests.miniature_cache import build_in_new_process, file_digests


def test_the_shipped_weights_are_those_in_their_description():
    info, sizes = weights_info(), {path.name: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    assert info["files"] == {path.name: file_sha256(path) for path in sorted(WEIGHTS.glob("*.safetensors"))}
    assert set(sizes) == {f"{name}.safetensors" for name in shipped.MODULES}
    assert info["bytes"] == sum(sizes.values()) <= 20_000_000
    assert sizes["vlm.safetensors"] <= 8_000_000
    assert set(info["plans"]) == set(shipped.MODULES)
    assert len(info["commit"]) == 40
    assert info["autoencoder"]["psnr_db"] >= 30
    assert info["autoencoder"]["entities_found"] >= 0.97


def test_the_vision_language_model_is_loaded_as_servers_load_it(miniature, sprites):
    """By its folder alone, with the classes that its files name; its logits are those of the shipped weights."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    reader = AutoProcessor.from_pretrained(miniature / "vlm")
    model = AutoModelForImageTextToText.from_pretrained(miniature / "vlm", dtype=torch.float32).eval()
    image = Image.fromarray(draw_scene(Scene("row", "cat", "cake", "at night"), sprites))
    content = [{"type": "text", "text": part_question("cakes")}, *[{"type": "image"}] * 2]
    asked = [{"role": "system", "content": "Look."}, {"role": "user", "content": content}]
    texts = [each.apply_chat_template(asked, add_generation_prompt=True) for each in (reader, processor())]
    assert texts[0] == texts[1] and texts[0].startswith("system: Look.\nuser: <image><image>part: cakes\nassistant: ")
    inputs = [each(text=texts[0], images=[image, image], return_tensors="pt") for each in (reader, processor())]
    for name, tensor in inputs[1].items():
        assert torch.equal(inputs[0][name], tensor), name
    with torch.no_grad():
        logits, expected = (each(**inputs[0]).logits for each in (model, shipped.load_part("vlm").model))
    assert torch.allclose(logits, expected, atol=1e-5)
    assert model.generation_config.eos_token_id == reader.tokenizer.eos_token_id
    assert model.generation_config.do_sample is False


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
    assert sorted(path.name for path in folder.iterdir()) == ["blip_vqa", "clip", "image_reward", "sd3", "vlm"]


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
