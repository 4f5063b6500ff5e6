# Cost: what a run would do and cost, whether its models exist, and what the study's answers did cost.
# Reads   the study, ledgers and exchanges on disk; every output that names an exchange
# Writes  results/{scenario}/tables/cost.csv, results/tables/cost.csv; `plan` and `preflight` only say


rule tabulate_cost:
    """Calls, tokens and dollars of a scenario's answers, by stage."""
    input:
        decompositions=lambda wildcards: FILES.of_stage(wildcards.scenario, "decompose"),
        critiques=lambda wildcards: FILES.of_stage(wildcards.scenario, "critique"),
        rewrites=lambda wildcards: FILES.rewrites(wildcards.scenario),
        external=lambda wildcards: FILES.of_stage(wildcards.scenario, "external"),
        judges=lambda wildcards: FILES.judge_scores(wildcards.scenario),
        parameters="results/parameters/cost.json",
    output:
        report("results/{scenario}/tables/cost.csv", caption="captions/tables_cost.rst", category="{scenario}"),
    log:
        "logs/tabulate_cost/{scenario}.log",
    localrule: True
    conda:
        "../envs/chat.yaml"
    message:
        "Adding up what {wildcards.scenario} cost"
    script:
        "../scripts/tabulate_cost.py"


rule pool_cost:
    """One cost table of all configured scenarios."""
    input:
        tables=expand("results/{scenario}/tables/cost.csv", scenario=config["study"]),
        parameters="results/parameters/pool.json",
    output:
        report("results/tables/cost.csv", caption="captions/tables_cost.rst", category="the study"),
    log:
        "logs/pool_cost.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Pooling the costs of the study"
    script:
        "../scripts/pool_cost.py"


rule preflight:
    """Ask every endpoint of the study whether its models exist, and when they retire."""
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        models=[STUDY.endpoint_and_model(*each) for each in STUDY.llm_stages()],
        known=FILES.known_models,
    message:
        "Asking the endpoints for their models"
    script:
        "../scripts/preflight.py"


rule plan:
    """Say what a run would make and why, and what it would cost."""
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../envs/chat.yaml"
    params:
        folder=workflow.basedir,
    message:
        "Planning the study"
    script:
        "../scripts/plan.py"
