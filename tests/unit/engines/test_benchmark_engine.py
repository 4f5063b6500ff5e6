"""The engine's benchmark at a size at which its times mean nothing."""

import json
import os
import subprocess
import sys

import pytest

from tests.paths import REPOSITORY


@pytest.mark.slow
def test_the_benchmark_ends_with_its_figures():
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "engine.py"), "--tiny", "--rounds", "1"]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert figures["rows_per_prompt"] == 107 and figures["rows_per_prompt_plain"] == 112
    assert figures["encoder_calls_per_text"] == 1 and figures["encoder_calls_plain"] == 14
    assert figures["speedup_vs_plain"] > 0
    assert (figures["speedup_vs_released"] is None) == ("a released" in figures["skipped"])
