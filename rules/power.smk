# Power: which difference the study can find, and the prompts, draws, raters and dollars that a difference needs.
# Reads   results/{scenario}/tables/scores.csv or scores so far, human/ratings.csv, pairs; else config/published.tsv and
#         published_spreads.tsv, or a table of the user's
# Writes  results/power.csv, power.svg, power.png. They are no declared outputs, so that each call plans again


rule power:
    """Plan sample sizes from a pilot, from published spreads or from a table."""
    log:
        "logs/power.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        folder=workflow.basedir,
    message:
        "Planning which differences the study can find"
    script:
        "../scripts/power.py"
