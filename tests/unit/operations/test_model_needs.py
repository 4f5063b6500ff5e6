"""Main memory that a job with an image model asks a scheduler for, and GPU memory of the metrics in the table."""

import pytest

from detailscribe.operations.pilot.model_needs import LEAST_MB, main_memory_mb, model_needs
from tests.unit.study.configured import CONFIG, configured_study


@pytest.mark.parametrize(
    ("model", "memory_mb"),
    [
        ({"path": "Qwen/Qwen-Image", "offload": "model"}, 71_470),  # 57.7 GB of weights, a tenth, and 8 GB
        ({"path": "Qwen/Qwen-Image", "offload": "none"}, LEAST_MB),
        ({"path": "stabilityai/stable-diffusion-3.5-large", "offload": "model"}, LEAST_MB),
        ({"path": "lab/nobody-knows", "offload": "model"}, LEAST_MB),
    ],
)
def test_weights_that_move_need_main_memory_for_all_of_them(model, memory_mb):
    models = CONFIG["image_models"] | {"second": CONFIG["image_models"]["miniature"] | model}
    assert main_memory_mb(configured_study(image_models=models), "second") == memory_mb


@pytest.mark.parametrize(
    ("entry", "memory_gb"),
    [
        ({"module": "vqa_score", "model": "Qwen/Qwen2.5-VL-7B-Instruct", "revision": "main"}, 19.6),
        ({"module": "preference.hps_v3", "model": "MizzenAI/HPSv3", "revision": "main", "precision": "bf16"}, 18.5),
        ({"module": "vqa_score", "model": "Qwen/Qwen2.5-VL-7B-Instruct", "precision": "fp32"}, None),
        ({"module": "vqa_score", "model": "lab/nobody-knows"}, None),
        ({"module": "pick_score", "model": "yuvalkirstain/PickScore_v1", "revision": ""}, None),
    ],
)
def test_a_metric_in_the_table_needs_its_memory_and_others_are_counted(entry, memory_gb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    need = model_needs(configured_study(metrics={"seen": entry}))[-1]
    assert (need.memory_gb, need.is_here, need.is_metric) == (memory_gb, False, memory_gb is None)
    assert need.model == (entry["model"] if memory_gb else "score-seen")
