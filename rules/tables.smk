# Tables: the cleaned dictionary, the tables of a scenario and of the whole study, and their figures.
# Reads   every output of a scenario
# Writes  results/{scenario}/dictionary.jsonl, dropped.tsv, tables/{scores,main,strata,optimism,judges,published}.csv,
#         tables/main.{md,tex}, tables/{scores,images}.parquet, figures/{differences,main,wins,compute}.{svg,png},
#         figures/one_column/ the same; results/tables/{main,pooled,optimism,judges,published}.csv and
#         pooled.{md,tex}


rule clean_dictionary:
    """Keep the prompts that have every image, and list everything that is missing with its reason."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        outputs=lambda wildcards: FILES.rows_of(wildcards.scenario),
        parameters="results/parameters/clean.json",
    output:
        dictionary="results/{scenario}/dictionary.jsonl",
        dropped="results/{scenario}/dropped.tsv",
    log:
        "logs/clean_dictionary/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Cleaning {wildcards.scenario}"
    script:
        "../scripts/clean_dictionary.py"


rule tabulate_scenario:
    """Scores as one file, and the tables of a scenario: every selection, differences, tests, optimism, judges."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        dictionary="results/{scenario}/dictionary.jsonl",
        dropped="results/{scenario}/dropped.tsv",
        scores=lambda wildcards: FILES.of_stage(wildcards.scenario, "score"),
        costs=lambda wildcards: FILES.costs_in_tables(wildcards.scenario),
        parameters="results/parameters/tabulate.json",
    output:
        scores="results/{scenario}/tables/scores.csv",
        main=report("results/{scenario}/tables/main.csv", caption="captions/tables_main.rst", category="{scenario}"),
        strata=report(
            "results/{scenario}/tables/strata.csv", caption="captions/tables_strata.rst", category="{scenario}"
        ),
        optimism=report(
            "results/{scenario}/tables/optimism.csv", caption="captions/tables_optimism.rst", category="{scenario}"
        ),
        judges=report(
            "results/{scenario}/tables/judges.csv", caption="captions/tables_judges.rst", category="{scenario}"
        ),
        markdown="results/{scenario}/tables/main.md",
        latex="results/{scenario}/tables/main.tex",
    log:
        "logs/tabulate_scenario/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Tabulating {wildcards.scenario}"
    script:
        "../scripts/tabulate_scenario.py"


rule write_parquet:
    """Scores and manifests as Parquet, one typed table each, for other programs."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        table="results/{scenario}/tables/scores.csv",
        scores=lambda wildcards: FILES.of_stage(wildcards.scenario, "score"),
        manifests=lambda wildcards: FILES.manifests(wildcards.scenario),
        parameters="results/parameters/parquet.json",
    output:
        scores="results/{scenario}/tables/scores.parquet",
        images="results/{scenario}/tables/images.parquet",
    log:
        "logs/write_parquet/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Writing {wildcards.scenario} as Parquet"
    script:
        "../scripts/write_parquet.py"


rule pool_tables:
    """The tables of all configured scenarios below each other, and one table over all their prompts."""
    input:
        tables=expand("results/{scenario}/tables/main.csv", scenario=config["study"]),
        scores=expand("results/{scenario}/tables/scores.csv", scenario=config["study"]),
        costs=[file for scenario in config["study"] for file in FILES.costs_in_tables(scenario)],
        parameters="results/parameters/pool.json",
    output:
        main=report("results/tables/main.csv", caption="captions/tables_main.rst", category="the study"),
        pooled=report("results/tables/pooled.csv", caption="captions/tables_main.rst", category="the study"),
        optimism=report("results/tables/optimism.csv", caption="captions/tables_optimism.rst", category="the study"),
        judges=report("results/tables/judges.csv", caption="captions/tables_judges.rst", category="the study"),
        markdown="results/tables/pooled.md",
        latex="results/tables/pooled.tex",
    log:
        "logs/pool_tables.log",
    localrule: True
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
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing {wildcards.scenario} with the paper"
    script:
        "../scripts/compare_published.py"


rule compare_pooled:
    """The paper's numbers over all prompts beside ours, with a verdict."""
    input:
        table="results/tables/pooled.csv",
        parameters="results/parameters/compare.json",
    output:
        "results/tables/published.csv",
    log:
        "logs/compare_pooled.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing the whole study with the paper"
    script:
        "../scripts/compare_published.py"


rule plot_scenario:
    """Figures of the main table: differences from the baseline, means, win rates, score against compute."""
    input:
        table="results/{scenario}/tables/main.csv",
        parameters="results/parameters/plot.json",
        look="results/parameters/figures.json",
    output:
        [
            report(
                f"results/{{scenario}}/figures/{name}.svg",
                caption=f"captions/figures_{name}.rst",
                category="{scenario}",
            )
            for name in FIGURES
        ],
        [f"results/{{scenario}}/{file}" for file in further_figure_files(FIGURES)],
    log:
        "logs/plot_scenario/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Plotting {wildcards.scenario}"
    script:
        "../scripts/plot_scenario.py"
