# Report: a site of static pages a scenario, and one over the whole study. Its folder is whole: copy it anywhere.
# Reads   every output of a scenario; human/ratings.csv where it is there
# Writes  results/{scenario}/report/, results/report/; declared is index.html, written last, so that the pages and small
#         images of an earlier run stay and only what changed is made


rule write_report:
    """A page a prompt, with its images, critiques and scores, under an overview of the scenario."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        dictionary="results/{scenario}/dictionary.jsonl",
        dropped=["results/{scenario}/dropped.tsv"],
        main=["results/{scenario}/tables/main.csv"],
        tables=[f"results/{{scenario}}/tables/{name}.csv" for name in FILES.report_tables],
        figures=[f"results/{{scenario}}/figures/{name}.svg" for name in FILES.figures],
        decompositions=lambda wildcards: FILES.of_stage(wildcards.scenario, "decompose"),
        critiques=lambda wildcards: FILES.of_stage(wildcards.scenario, "critique"),
        manifests=lambda wildcards: FILES.manifests(wildcards.scenario),
        scores=lambda wildcards: FILES.of_stage(wildcards.scenario, "score"),
        ratings=FILES.ratings,
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
        figures=expand("results/{scenario}/figures/main.svg", scenario=config["study"]),
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
