"""The miniature: the same bytes every time, small, and pictures that answer to prompt and seed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detailscribe import miniature as module
from detailscribe.loading import load_engine


def contents(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def engine(miniature):
    model = {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(miniature / "sd3"),
        "revision": "",
        "precision": "fp32",
        "offload": "none",
        "size_px": 64,
        "max_sequence_length": 96,
        "compile": "none",
        "batch": "image",
        "call": {},
    }
    return load_engine(model, {"steps": 28, "guidance": 4.5, "swap_pooled": False})


def test_another_process_builds_the_same_bytes(miniature, miniature_texts, tmp_path):
    code = (
        "import sys, pathlib; from detailscribe.miniature import build; build(pathlib.Path(sys.argv[1]), sys.argv[2:])"
    )
    # Hash order and the number of threads are what changes between processes and machines.
    different = os.environ | {"PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    again = tmp_path / "deeper" / "again"
    root = Path(module.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, again, *miniature_texts], check=True, cwd=root, env=different)
    assert contents(again) == contents(miniature)
    assert [path.name for path in again.parent.iterdir()] == ["again"]


def test_it_is_small(miniature):
    assert sum(file.stat().st_size for file in miniature.rglob("*") if file.is_file()) < 10 * 2**20


def test_building_leaves_other_random_numbers_alone_and_replaces_a_folder(tmp_path):
    import torch

    folder = tmp_path / "miniature"
    folder.mkdir()
    (folder / "old").write_text("")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    module.build(folder, ["One text is enough."])
    assert torch.equal(torch.rand(1), expected)
    assert sorted(path.name for path in folder.iterdir()) == ["blip_vqa", "clip", "image_reward", "sd3"]


def test_a_build_that_fails_leaves_nothing(miniature_texts, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_save_clip", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        module.build(tmp_path / "miniature", miniature_texts)
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_colourful_and_follow_prompt_and_seed(engine, miniature_texts):
    def draw(prompt, seed):
        return np.asarray(engine.generate(prompt, seed), float)

    first = draw(miniature_texts[0], 1)
    assert first.std(axis=(0, 1)).min() > 20  # each of the three colours varies over the picture
    assert (first.max(axis=2) - first.min(axis=2)).mean() > 20  # and they vary apart
    for other in [draw(miniature_texts[1], 1), draw(miniature_texts[0], 2)]:
        assert np.abs(first - other).mean() > 10


def test_any_text_can_be_read(engine):
    tokenizers = [engine.pipe.tokenizer, engine.pipe.tokenizer_2, engine.pipe.tokenizer_3]
    for tokenizer in tokenizers:
        ids = tokenizer("Quizzical zebras, 42 of them: ¿qué?").input_ids
        assert len(ids) > 10
        assert max(ids) < len(tokenizer)
        assert tokenizer.decode(tokenizer("a beaver").input_ids, skip_special_tokens=True).strip() == "a beaver"
    assert [tokenizer.pad_token for tokenizer in tokenizers] == ["<|endoftext|>", "!", "<pad>"]
    assert all(
        id != engine.pipe.tokenizer.unk_token_id for id in engine.pipe.tokenizer("Ünïcode ≠ ascii").input_ids[1:-1]
    )
