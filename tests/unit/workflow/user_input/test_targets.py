"""Targets that do not exist are refused with the nearest one; files and existing targets are not."""

import pytest
from snakemake.exceptions import WorkflowError

from detailscribe.workflow.user_input.targets import refuse_unknown_targets, targets_of

RULES = ["all", "demo", "mine", "demo_score", "demo_report", "plan", "power", "verify"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo_scor", "-n"], "no target 'demo_scor'; did you mean demo_score"),
        (["-n", "zebra"], "no target 'zebra'; targets are the scenarios (demo, mine)"),
        (["demo", "verfy", "--cores", "1"], "no target 'verfy'; did you mean verify"),
        (["plann", "--config", "image_model=x"], "no target 'plann'; did you mean plan"),
        (
            ["plan", "demo"],
            "plan: it reports and runs nothing, so it stands alone; it is about the scenarios of the key",
        ),
        (["demo", "mine", "power", "-n"], "write `study: [demo]` into a config file"),
        (["planx", "plany", "-n"], "no target 'plany'; did you mean plan"),
    ],
)
def test_an_unknown_target_is_named_with_the_nearest_one(arguments, said):
    with pytest.raises(WorkflowError) as error:
        refuse_unknown_targets(arguments, RULES, ["demo", "mine"])
    assert said in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-n"],
        ["demo", "--cores", "2"],
        ["results/demo/tables/main.csv"],
        ["main.csv", "-n"],
        ["--config", "x_y=1", "-n"],
        ["--cores", "all", "plan"],
        ["power", "-n"],
        ["plan", "--config", "image_model=x"],
        ["--configfile", "nothing", "--cores", "1"],
        ["demo", "--workflow-profile", "slurm"],
        ["--no-such-option", "value"],  # Snakemake's own message
    ],
)
def test_files_options_and_existing_targets_are_not_refused(arguments):
    refuse_unknown_targets(arguments, RULES, ["demo"])


def test_values_of_options_are_no_targets():
    assert targets_of(["demo", "plan", "--config", "a_b=1", "--cores", "2"]) == ["demo", "plan"]
