# Common ground of all rules: the study of the configuration, and the files that rules declare. No rules.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))

from detailscribe.study.judging.human_pairs import pair_raters
from detailscribe.study.pilot import PILOT_SCENARIO
from detailscribe.study.stages import (
    BUDGET,
    BY_NAME,
    FIGURES,
    ONE_COLUMN,
    STAGES,
    further_figure_files,
    judging_figures,
    report_tables,
)
from detailscribe.study.study import MINIATURE
from detailscribe.workflow.failures import say_failures_at_exit
from detailscribe.workflow.user_input.repeated_keys import refuse_repeated_keys
from detailscribe.workflow.user_input.targets import refuse_unknown_targets
from detailscribe.workflow.rule_files import RuleFiles
from detailscribe.workflow.start import PILOT, WorkflowRun, start_pilot

# A pilot narrows the configuration, in this process and in those of its jobs.
if start_pilot(sys.argv[1:], workflow.is_main_process):

    envvars:
        PILOT,


if workflow.is_main_process:
    refuse_repeated_keys(workflow.configfiles)

RUN = WorkflowRun(config, Path(workflow.basedir), sys.argv[1:], workflow.is_main_process)
STUDY = RUN.study
FILES = RuleFiles(STUDY, Path(workflow.basedir))


onstart:
    here = workflow.local_exec and not workflow.touch and not workflow.deployment_settings.deployment_method
    gpus = workflow.global_resources.get("gpu")
    RUN.before_jobs(workflow.dag.needrun_jobs(), jobs_use_this_environment=here, gpus=getattr(gpus, "value", gpus))


onerror:
    say_failures_at_exit()


wildcard_constraints:
    scenario="|".join(STUDY.scenarios),
    shard=r"\d{3}-of-\d{3}",
    critic="|".join([*config["critics"], "none"]),
    rewriter="|".join([*config["rewriters"], "none"]),
    external="|".join([*config["external"], "none"]),
    metric="|".join([*config["metrics"], "none"]),
    judge="|".join([*config["judges"], "none"]),
    selection="|".join([*STUDY.graph.selections, "none"]),
    topics="|".join([*config["topics"], "none"]),


def prompt_file(scenario):
    """A scenario's prompt file. The user's own is watched through the shards; only a generated file counts by its time."""
    source = str(STUDY.source(scenario))
    return source if STUDY.is_generated(scenario) else ancient(source)


def unused_rule_name(name):
    """The name of a target, unless a rule has it already."""
    if workflow.is_rule(name):
        raise WorkflowError(f"scenarios: the target {name!r} is the name of a rule; rename the scenario")
    return name
