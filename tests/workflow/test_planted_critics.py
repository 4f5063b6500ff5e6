"""Critics of planted skill in a study of its own: the main table ranks them."""

import shutil
import subprocess

import pandas as pd
import pytest

from tests.paths import REPOSITORY
from tests.workflow.small_study import SNAKEMAKE, Study

PROMPTS = "config/prompts/planted.jsonl"
TABLE = "results/planted/tables/main.csv"
SKILLS = (50, 60, 80, 100)


@pytest.mark.slow
def test_the_main_table_ranks_critics_by_their_skill(tmp_path):
    """And a perfect critic is surely better than a coin; 60 % is too near to one to tell."""
    (tmp_path / PROMPTS).parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / PROMPTS, tmp_path / PROMPTS)
    settings = ["--configfile", str(REPOSITORY / "config/planted.yaml"), "--cores", "2"]
    command = [*SNAKEMAKE, "--snakefile", str(REPOSITORY / "Snakefile"), *settings, TABLE]
    env = Study(tmp_path, real=True).env()
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    table = pd.read_csv(tmp_path / TABLE)
    marks = table[(table["metric"] == "judge-main") & table["headline"]].set_index("method")
    means = {skill: marks.loc[f"planted_{skill}", "mean"] for skill in SKILLS}
    assert means[50] < means[80] < means[100]
    perfect = marks.loc["planted_100"]
    assert perfect["baseline"] == "planted_50" and perfect["difference_low95"] > 0 and perfect["p_holm"] < 0.05
