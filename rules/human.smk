# Human: blind rating sheets out, filled sheets in. Asked for by name only: {scenario}_human_sheets, {scenario}_human_scores.
# Reads   results/{scenario}/dictionary.jsonl and its images; {ratings_folder}/{scenario}/{rater}.xlsx
# Writes  results/{scenario}/human/sheets/{rater}.xlsx and key.jsonl, human/ratings.csv, human/main.csv;
#         resources/human/{scenario}/{code}.jsonl, the key of every workbook ever made, since people's work hangs on it


rule human_sheets:
    """Write a workbook a rater: prompts with their images in random order, and nothing of where an image came from."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        parameters="results/parameters/human_sheets.json",
    output:
        key="results/{scenario}/human/sheets/key.jsonl",
        workbooks=expand("results/{{scenario}}/human/sheets/{rater}.xlsx", rater=RATERS),
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
    """Read the filled workbooks, find out which image each rating is of, and average."""
    input:
        workbooks=expand("{folder}/{{scenario}}/{rater}.xlsx", folder=config["human"]["ratings_folder"], rater=RATERS),
        parameters="results/parameters/human_scores.json",
    output:
        ratings="results/{scenario}/human/ratings.csv",
        table="results/{scenario}/human/main.csv",
    log:
        "logs/human_scores/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Reading the ratings of {wildcards.scenario}"
    script:
        "../scripts/human_scores.py"
