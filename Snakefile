# DetailScribe: a reproducible Snakemake pipeline, from prompts to tables. Each rule file states at its top what it reads
# and writes.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.9")


CONFIG = "config/config.yaml"


report: "rules/captions/study.rst"


configfile: CONFIG if Path(CONFIG).exists() else str(Path(workflow.basedir) / CONFIG)


include: "rules/common.smk"
include: "rules/prompts.smk"
include: "rules/decompose.smk"
include: "rules/weights.smk"
include: "rules/generate.smk"
include: "rules/critique.smk"
include: "rules/refine.smk"
include: "rules/select.smk"
include: "rules/external.smk"
include: "rules/score.smk"
include: "rules/judge.smk"
include: "rules/tables.smk"
include: "rules/human.smk"
include: "rules/cost.smk"
include: "rules/report.smk"
include: "rules/pilot.smk"
include: "rules/power.smk"
include: "rules/verify.smk"
include: "rules/capsule.smk"
include: "rules/pack.smk"


# Targets: the study, each scenario by name, and each stage of a scenario as {scenario}_{stage}.
rule all:
    input:
        "results/tables/main.csv",
        "results/tables/published.csv",
        "results/tables/cost.csv",
        "results/report/index.html",
        [FILES.of_all_stages(scenario) for scenario in config["study"]],
    message:
        "The study is complete"


for scenario in STUDY.scenarios:

    rule:
        name:
            unused_rule_name(scenario)
        input:
            FILES.of_all_stages(scenario),
        message:
            "The scenario is complete"

    for stage in [*STAGES, *BY_NAME]:

        rule:
            name:
                unused_rule_name(f"{scenario}_{stage}")
            input:
                FILES.of_stage(scenario, stage),
            message:
                "The stage is complete"


if workflow.is_main_process:
    refuse_unknown_targets(sys.argv[1:], [rule.name for rule in workflow.rules], STUDY.scenarios)
