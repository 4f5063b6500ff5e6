# Cost: estimate of a run, availability of its models, the cost of the recorded answers, and that of each method.
# Reads   the study, ledgers and exchanges on disk; every output that names an exchange; manifests, the dictionary, scores
# Writes  results/{scenario}/tables/{cost,method_costs,budget}.csv, figures/budget.{svg,png}, results/tables/cost.csv;
#         `plan` and `preflight` only print


rule tabulate_cost:
    """Calls, tokens and dollars of the recorded answers of a scenario, by stage."""
    input:
        outputs=lambda wildcards: FILES.rows_with_exchanges(wildcards.scenario),
        written=lambda wildcards: FILES.exchanges_of_prompts(wildcards.scenario),
        parameters="results/parameters/cost.json",
    output:
        report("results/{scenario}/tables/cost.csv", caption="captions/tables_cost.rst", category="{scenario}"),
    log:
        "logs/tabulate_cost/{scenario}.log",
    localrule: True
    conda:
        "../envs/chat.yaml"
    message:
        "Calculating the cost of {wildcards.scenario}"
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


rule count_costs:
    """Steps, seconds, calls, tokens and dollars per prompt of each method, with everything that it needs."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        outputs=lambda wildcards: FILES.rows_with_costs(wildcards.scenario),
        seconds=lambda wildcards: FILES.measured_seconds(wildcards.scenario),
        parameters="results/parameters/method_costs.json",
    output:
        "results/{scenario}/tables/method_costs.csv",
    log:
        "logs/count_costs/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Counting what the methods of {wildcards.scenario} cost"
    script:
        "../scripts/count_costs.py"


rule tabulate_budget:
    """Each method's costs, and its score against best of N at equal steps and at equal seconds."""
    input:
        scores="results/{scenario}/tables/scores.csv",
        costs="results/{scenario}/tables/method_costs.csv",
        parameters="results/parameters/budget.json",
        look="results/parameters/figures.json",
    output:
        table=report(
            f"results/{{scenario}}/tables/{BUDGET}.csv",
            caption="captions/tables_budget.rst",
            category="{scenario}",
        ),
        svg=report(
            f"results/{{scenario}}/figures/{BUDGET}.svg",
            caption="captions/figures_budget.rst",
            category="{scenario}",
        ),
        figures=[f"results/{{scenario}}/{file}" for file in further_figure_files([BUDGET])],
    log:
        "logs/tabulate_budget/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Tabulating the costs of {wildcards.scenario}"
    script:
        "../scripts/tabulate_budget.py"


rule preflight:
    """Check that every model of the study exists at its endpoint, and report when it retires."""
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        models=[STUDY.endpoint_and_model(*each) for each in STUDY.llm_stages()],
        folder=workflow.basedir,
    message:
        "Checking the models at their endpoints"
    script:
        "../scripts/preflight.py"


rule plan:
    """Report what a run would make, why, and at what cost."""
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
