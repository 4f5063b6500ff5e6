# Tables: the cleaned dictionary, the tables of a scenario and of the whole study, and their figures.
# Reads   every output of a scenario
# Writes  results/{scenario}/dictionary.jsonl, dropped.tsv, tables/main.csv, tables/published.csv, figures/main.svg;
#         results/tables/main.csv


rule clean_dictionary:
    """Keep the prompts that have every image, and list everything that is missing and why."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        outputs=lambda wildcards: [
            file
            for stage in STAGES
            if stage not in ("tables", "report")
            for file in stage_files(wildcards.scenario, stage)
        ],
        parameters="results/parameters/clean.json",
    output:
        dictionary="results/{scenario}/dictionary.jsonl",
        dropped="results/{scenario}/dropped.tsv",
    log:
        "logs/clean_dictionary/{scenario}.log",
    conda:
        "../envs/tables.yaml"
    message:
        "Cleaning {wildcards.scenario}"
    script:
        "../scripts/clean_dictionary.py"


rule tabulate_scenario:
    """Means by method, selection and metric over the prompts that have every image."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        scores=lambda wildcards: stage_files(wildcards.scenario, "score"),
        parameters="results/parameters/tabulate.json",
    output:
        report("results/{scenario}/tables/main.csv", caption="captions/tables_main.rst", category="{scenario}"),
    log:
        "logs/tabulate_scenario/{scenario}.log",
    conda:
        "../envs/tables.yaml"
    message:
        "Tabulating {wildcards.scenario}"
    script:
        "../scripts/tabulate_scenario.py"


rule pool_tables:
    """One table of all configured scenarios, each under its name."""
    input:
        tables=expand("results/{scenario}/tables/main.csv", scenario=config["study"]),
        parameters="results/parameters/pool.json",
    output:
        report("results/tables/main.csv", caption="captions/tables_main.rst", category="the study"),
    log:
        "logs/pool_tables.log",
    conda:
        "../envs/tables.yaml"
    message:
        "Pooling the tables of the study"
    script:
        "../scripts/pool_tables.py"


rule compare_published:
    """The paper's numbers for this scenario beside ours, with a verdict; only a header where the paper has none."""
    input:
        table="results/{scenario}/tables/main.csv",
        parameters="results/parameters/compare.json",
    output:
        report(
            "results/{scenario}/tables/published.csv", caption="captions/tables_published.rst", category="{scenario}"
        ),
    log:
        "logs/compare_published/{scenario}.log",
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing {wildcards.scenario} with the paper"
    script:
        "../scripts/compare_published.py"


rule plot_scenario:
    """One picture of the main table: a panel a metric, a mark a method."""
    input:
        table="results/{scenario}/tables/main.csv",
        parameters="results/parameters/plot.json",
    output:
        report("results/{scenario}/figures/main.svg", caption="captions/figures_main.rst", category="{scenario}"),
    log:
        "logs/plot_scenario/{scenario}.log",
    conda:
        "../envs/tables.yaml"
    message:
        "Plotting {wildcards.scenario}"
    script:
        "../scripts/plot_scenario.py"
