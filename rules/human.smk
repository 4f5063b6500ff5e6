# Human: blind rating sheets out, filled sheets in. Targets that run only by name: {scenario}_human_sheets, _human_scores,
# _human_pair_sheets, _human_pair_scores, _human_agreement (with assisted.csv and worth.csv); human_released for the ratings of the released study.
# Reads   results/{scenario}/dictionary.jsonl and its images; {ratings_folder}/{scenario}/{rater}.xlsx, .xlsm, .csv;
#         {ratings_folder}/{scenario}/pairs/*.csv; results/{scenario}/scores/{by}/ of the metric that selects for pairs;
#         results/{scenario}/tables/scores.csv and manifests; the released study's workbooks and dictionaries
# Writes  results/{scenario}/human/sheets/: send/{rater}.xlsx, {rater}.html and README.txt, and keep/key.jsonl;
#         human/{ratings,comments,main,raters,reliability,agreement,assisted,worth}.csv, agreement.svg and .png;
#         results/tables/released/; human/pair_sheets/: send/{rater}.html and README.txt, and keep/key.jsonl; human/{pairs,pair_main,strengths,pair_raters,pair_reliability}.csv;
#         resources/human/{scenario}/{code}.jsonl, the key of every workbook ever made, which filled sheets depend on, and
#         pairs/{code}.jsonl, that of every page of pairs


rule human_sheets:
    """Write one workbook and one page per rater: prompts with their images in random order, without their origin."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        parameters="results/parameters/human_sheets.json",
    output:
        key="results/{scenario}/human/sheets/keep/key.jsonl",
        note="results/{scenario}/human/sheets/send/README.txt",
        workbooks=expand("results/{{scenario}}/human/sheets/send/{rater}.xlsx", rater=config["human"]["raters"]),
        pages=expand("results/{{scenario}}/human/sheets/send/{rater}.html", rater=config["human"]["raters"]),
    log:
        "logs/human_sheets/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Writing the rating sheets of {wildcards.scenario}"
    script:
        "../scripts/human_sheets.py"


rule human_scores:
    """Read the filled sheets, assign each rating to its image, average, and measure the agreement of the raters."""
    input:
        filled=FILES.filled_sheets,
        folder=FILES.ratings_folder,
        parameters="results/parameters/human_scores.json",
    output:
        ratings="results/{scenario}/human/ratings.csv",
        comments="results/{scenario}/human/comments.csv",
        main="results/{scenario}/human/main.csv",
        raters="results/{scenario}/human/raters.csv",
        reliability="results/{scenario}/human/reliability.csv",
    log:
        "logs/human_scores/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Reading the ratings of {wildcards.scenario}"
    script:
        "../scripts/human_scores.py"


rule human_pair_sheets:
    """Write one page per rater: pairs of images of a prompt in random order, without their origin."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        scores=FILES.scores_of_human_pairs,
        parameters="results/parameters/human_pair_sheets.json",
    output:
        key="results/{scenario}/human/pair_sheets/keep/key.jsonl",
        note="results/{scenario}/human/pair_sheets/send/README.txt",
        pages=expand("results/{{scenario}}/human/pair_sheets/send/{rater}.html", rater=pair_raters(config)),
    log:
        "logs/human_pair_sheets/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Writing the pages of pairs of {wildcards.scenario}"
    script:
        "../scripts/human_pair_sheets.py"


rule human_pair_scores:
    """Read the exported choices, assign each to its two images, and compare the methods and the raters."""
    input:
        filled=FILES.filled_pairs,
        folder=FILES.pairs_folder,
        parameters="results/parameters/human_pair_scores.json",
    output:
        pairs="results/{scenario}/human/pairs.csv",
        pair_main="results/{scenario}/human/pair_main.csv",
        strengths="results/{scenario}/human/strengths.csv",
        pair_raters="results/{scenario}/human/pair_raters.csv",
        pair_reliability="results/{scenario}/human/pair_reliability.csv",
    log:
        "logs/human_pair_scores/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        choices=lambda wildcards: FILES.folder_of_choices(wildcards.scenario),
    message:
        "Reading the choices of {wildcards.scenario}"
    script:
        "../scripts/human_pair_scores.py"


rule human_agreement:
    """How often each metric and judge prefers the image that the raters prefer."""
    input:
        ratings="results/{scenario}/human/ratings.csv",
        scores="results/{scenario}/tables/scores.csv",
        dictionary="results/{scenario}/dictionary.jsonl",
        manifests=lambda wildcards: FILES.manifests(wildcards.scenario),
        parameters="results/parameters/human_agreement.json",
        look="results/parameters/figures.json",
    output:
        table="results/{scenario}/human/agreement.csv",
        figures=expand("results/{{scenario}}/human/agreement.{kind}", kind=["svg", "png"]),
    log:
        "logs/human_agreement/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing the metrics of {wildcards.scenario} with its ratings"
    script:
        "../scripts/human_agreement.py"


rule human_assisted:
    """Means and differences from the people's ratings of few prompts and each judge's scores of all of them."""
    input:
        ratings="results/{scenario}/human/ratings.csv",
        scores="results/{scenario}/tables/scores.csv",
        dictionary="results/{scenario}/dictionary.jsonl",
        parameters="results/parameters/human_assisted.json",
    output:
        table="results/{scenario}/human/assisted.csv",
    log:
        "logs/human_assisted/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Combining the ratings of {wildcards.scenario} with its scores"
    script:
        "../scripts/human_assisted.py"


rule human_worth:
    """How often each metric and judge agrees with the study's people, beside what a benchmark measured of it."""
    input:
        ratings=FILES.ratings_beside_pairs,
        choices=FILES.human_pairs,
        judged=lambda wildcards: FILES.rows_of_judges(wildcards.scenario, "pairs"),
        scores="results/{scenario}/tables/scores.csv",
        dictionary="results/{scenario}/dictionary.jsonl",
        manifests=lambda wildcards: FILES.manifests(wildcards.scenario),
        parameters="results/parameters/human_worth.json",
    output:
        table="results/{scenario}/human/worth.csv",
    log:
        "logs/human_worth/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing the metrics of {wildcards.scenario} with its people"
    script:
        "../scripts/human_worth.py"


rule human_released:
    """Tables of the released study's own ratings, beside the numbers that the paper reports for them."""
    input:
        FILES.listing("human-released"),
        parameters="results/parameters/human_released.json",
    output:
        expand(
            "results/tables/released/{name}.csv",
            name=["ratings", "main", "raters", "reliability", "published"],
        ),
    log:
        "logs/human_released.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        folder=config["human"]["released_folder"],
    message:
        "Reading the released ratings"
    script:
        "../scripts/human_released.py"
