"""The profiles hold machine facts alone, and the slurm profile knows what each rule needs."""

import re

import pytest
import yaml
import yte

from detailscribe.workflow.rule_files import GPU_THREADS
from detailscribe.workflow.rule_names import LLM_RULES
from tests.paths import REPOSITORY

PROFILES = sorted((REPOSITORY / "profiles").glob("*/config.yaml"))


def rules() -> dict[str, str]:
    """Text of each rule by its name; rules named by an expression under that expression."""
    found = {}
    for path in sorted((REPOSITORY / "rules").glob("*.smk")):
        for text in re.split(r"^(?= *rule\b)", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            name = re.match(r" *rule (\w+):", text) or re.search(r'name:\s+(f?"\S+"|[\w.]+)', text)
            found[name[1]] = text
    return found


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_a_profile_sets_no_value_of_the_study(path):
    with open(path, encoding="utf-8") as file:
        profile = yte.process_yaml(file, require_use_yte=True)
    assert not set(profile) & {"config", "configfile", "configfiles", "directory", "forceall", "until"}
    # What every profile must say, because one replaces the other: files decide, and the pipeline's lock guards.
    assert profile["rerun-triggers"] == "mtime" and profile["rerun-incomplete"] and profile["nolock"]


@pytest.mark.parametrize("account", ["", "my-lab"])
def test_the_slurm_profile_follows_its_four_values(account):
    text = (REPOSITORY / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8")
    values = {"account": account, "gpu_partition": "a100-long", "cpu_partition": "short", "gpu_hours": 7}
    assert set(yaml.safe_load(text.partition("executor:")[0])["__variables__"]) == set(values)
    for name, value in values.items():
        text, count = re.subn(rf"^  {name}: \S+", f"  {name}: {value!r}", text, flags=re.M)
        assert count == 1, name
    profile = yte.process_yaml(text, require_use_yte=True)
    defaults = profile["default-resources"]
    assert defaults.get("slurm_account") == (repr(account) if account else None)
    assert profile["slurm-no-account"] is not bool(account)
    # Snakemake evaluates these as Python; a partition's name must come out as it went in.
    assert eval(defaults["slurm_partition"]) == "a100-long"
    assert eval(defaults["runtime"], {"attempt": 2}) == 14 * 60
    for rule, entry in profile["set-resources"].items():
        assert eval(entry["slurm_partition"], {"threads": 1}) == "short"
        if rule in LLM_RULES and rule != "gather_external":  # it may start the server of its model
            serving = {"threads": GPU_THREADS, "attempt": 2}
            assert eval(entry["slurm_partition"], serving) == "a100-long"
            assert eval(entry["runtime"], serving) == 14 * 60 and eval(entry["mem_mb"], serving) == 64000


def test_each_rule_is_a_gpu_job_or_runs_beside_snakemake_or_is_listed_as_a_job_without_gpu():
    text = (REPOSITORY / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8")
    listed = set(yte.process_yaml(text, require_use_yte=True)["set-resources"])
    kinds = {
        name: ("gpu=1" in text, "localrule: True" in text, name in listed) for name, text in rules().items()
    }  # a GPU job takes the defaults
    wrong = [name for name, kind in kinds.items() if sum(kind) != 1]
    assert not wrong, f"{wrong}: say gpu=1, localrule: True, or list the rule in profiles/slurm/config.yaml"
    assert listed <= set(kinds)
    assert {"generate_images", "score_images"} <= {name for name, kind in kinds.items() if kind[0]}
