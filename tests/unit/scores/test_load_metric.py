"""Loading of a metric's module: by name or file, with clear errors, and cheap."""

import subprocess
import sys

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.scores import clip_score, load_metric
from tests.paths import REPOSITORY


def test_metrics_are_found_by_name(tmp_path, monkeypatch):
    assert load_metric("clip_score") is clip_score
    monkeypatch.syspath_prepend(tmp_path)
    own = "ALGORITHM = 1\nLIBRARIES = ()\ndef load(parameters): ...\n"
    (tmp_path / "own_metric.py").write_text(own)
    (tmp_path / "half_metric.py").write_text("ALGORITHM = 1\n")
    (tmp_path / "dependent_metric.py").write_text("import a_missing_package\n" + own)
    assert load_metric("own_metric").ALGORITHM == 1
    with pytest.raises(InputError, match="half_metric lacks LIBRARIES, load"):
        load_metric("half_metric")
    with pytest.raises(InputError, match=r"no metric module 'some\.metric'"):
        load_metric("some.metric")
    with pytest.raises(SetupError, match="needs the package a_missing_package"):
        load_metric("dependent_metric")


def test_importing_a_metric_is_cheap():
    names = ("clip_score", "pick_score", "image_reward", "image_reward_package", "blip_vqa", "vqa_score")
    names += ("preference.hps_v2", "preference.hps_v3")
    imports = ", ".join(f"detailscribe.scores.{name}" for name in names)
    code = f"import sys, {imports}; sys.exit(bool({{'torch', 'numpy', 'PIL'}} & {{*sys.modules}}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
