"""Image preparation: the centre crop, and independence of whether torchvision is installed."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from detailscribe.scores import load_metric
from detailscribe.scores.preparation import resize_and_crop
from tests.paths import REPOSITORY
from tests.sample_images import smooth_image
from tests.unit.scores.miniature_metrics import miniature_metrics


def test_wide_images_are_cropped_to_their_centre():
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste(smooth_image(100, 100), (100, 0))
    centre = resize_and_crop(wide, 224)
    assert centre.shape == (3, 224, 224)
    assert centre.dtype == np.float32
    # Away from the edges, where the filter reads across the border of the pasted part.
    assert np.abs(centre - resize_and_crop(smooth_image(100, 100), 224))[:, :, 5:-5].max() < 1e-6


WITHOUT_TORCHVISION = """
import importlib.util, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            raise ModuleNotFoundError(f"No module named {name}", name=name)

find_spec = importlib.util.find_spec
sys.meta_path.insert(0, Absent())
importlib.util.find_spec = lambda name, package=None: None if name == "torchvision" else find_spec(name, package)
from tests.unit.scores.test_preparation import scores_of
print("SCORES", json.dumps([scores_of(json.loads(sys.argv[1]), sys.argv[2]), "torchvision" in sys.modules]))
"""


def scores_of(metrics: dict[str, dict], file: str) -> dict[str, float]:
    scores = {}
    for name, parameters in metrics.items():
        phrases = [[["a fox", "a branch"]]] if name == "blip_vqa" else []
        scores[name] = load_metric(name).load(parameters).score(["A fox on a branch."], [Image.open(file)], *phrases)[0]
    return scores


@pytest.mark.slow
def test_scores_do_not_depend_on_whether_torchvision_is_installed(miniature, tmp_path):
    file = tmp_path / "a.png"
    smooth_image(101, 47).save(file)
    # open_clip itself imports torchvision, so clip_score needs it.
    metrics = {name: entry for name, entry in miniature_metrics(miniature).items() if name != "clip_score"}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCHVISION, json.dumps(metrics), file],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    scores, imported = json.loads(run.stdout.split("SCORES ")[1])
    assert not imported
    assert importlib.util.find_spec("torchvision")
    assert scores == pytest.approx(scores_of(metrics, file), abs=1e-5)
