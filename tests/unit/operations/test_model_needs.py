"""Main memory that a job with an image model asks a scheduler for."""

import pytest

from detailscribe.operations.pilot.model_needs import LEAST_MB, main_memory_mb
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
