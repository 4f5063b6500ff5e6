# Report: one site of static pages per scenario, and one over the whole study. A site is one self-contained folder.
# Reads   every output of a scenario; tables of human/ that exist
# Writes  results/{scenario}/report/, results/report/; index.html is the declared output and is written last, so that
#         pages and thumbnails of an earlier run are kept and only changed ones are made


rule write_report:
    """One page per prompt, with its images, critiques and scores, and an overview of the scenario."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        dictionary="results/{scenario}/dictionary.jsonl",
        dropped=["results/{scenario}/dropped.tsv"],
        main=["results/{scenario}/tables/main.csv"],
        tables=[f"results/{{scenario}}/tables/{name}.csv" for name in [*report_tables(STUDY), *FILES.budget]],
        samples=["results/{scenario}/tables/scores.csv"],
        people=lambda wildcards: FILES.people(wildcards.scenario),
        figures=[
            f"results/{{scenario}}/figures/{name}.svg" for name in [*FIGURES, *FILES.budget, *judging_figures(STUDY)]
        ],
        narrow_figures=[
            f"results/{{scenario}}/figures/{ONE_COLUMN}/{name}.svg"
            for name in [*FIGURES, *FILES.budget, *judging_figures(STUDY)]
        ],
        decompositions=lambda wildcards: FILES.of_stage(wildcards.scenario, "decompose"),
        critiques=lambda wildcards: FILES.of_stage(wildcards.scenario, "critique"),
        rewrites=lambda wildcards: FILES.rewrites(wildcards.scenario),
        manifests=lambda wildcards: FILES.manifests(wildcards.scenario),
        scores=lambda wildcards: FILES.of_stage(wildcards.scenario, "score"),
        audits=lambda wildcards: FILES.of_stage(wildcards.scenario, "audit"),
        selections=lambda wildcards: FILES.selections(wildcards.scenario),
        ratings=FILES.ratings,
        choices=lambda wildcards: FILES.human_table(wildcards.scenario, "pairs"),
        captions=FILES.captions,
        parameters="results/parameters/report.json",
    output:
        "results/{scenario}/report/index.html",
    log:
        "logs/write_report/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    threads: 4
    message:
        "Reporting {wildcards.scenario}"
    script:
        "../scripts/write_report.py"


rule pool_reports:
    """The sites of the study's scenarios under one overview."""
    input:
        sites=expand("results/{scenario}/report/index.html", scenario=config["study"]),
        dropped=expand("results/{scenario}/dropped.tsv", scenario=config["study"]),
        main=[
            *(["results/tables/pooled.csv"] if len(config["study"]) > 1 else []),
            *expand("results/{scenario}/tables/main.csv", scenario=config["study"]),
        ],
        tables=[f"results/tables/{name}.csv" for name in ("optimism", "judges", "published", "cost")],
        people=[file for scenario in config["study"] for file in FILES.people(scenario)],
        samples=expand("results/{scenario}/tables/scores.csv", scenario=config["study"]),
        figures=expand(f"results/{{scenario}}/figures/{FIGURES[0]}.svg", scenario=config["study"]),
        narrow_figures=expand(f"results/{{scenario}}/figures/{ONE_COLUMN}/{FIGURES[0]}.svg", scenario=config["study"]),
        manifests=[file for scenario in config["study"] for file in FILES.manifests(scenario)],
        captions=FILES.captions,
        parameters="results/parameters/reports.json",
    output:
        "results/report/index.html",
    log:
        "logs/pool_reports.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Reporting the study"
    script:
        "../scripts/pool_reports.py"
