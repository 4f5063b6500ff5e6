# Weights: what the image model and the metrics need from the hub, fetched by a rule of its own, so that machines without
# a network can do the rest.
# Reads   results/parameters/weights-{weights}.json; resources/weights/: commit and digests of what was fetched before
# Writes  results/weights/{weights}.json: repository, revision and commit of each; the files lie in the hub's cache
# On a cluster this runs where Snakemake does, which has a network if any machine has one.
# {weights} is model for the image model, score-{metric} for a metric.


rule weights:
    """Everything that the configured models need."""
    input:
        FILES.all_weights(),
    localrule: True
    message:
        "The weights are there"


rule fetch_weights:
    """Fetch the weights of one model and record their digests, or check what was fetched against its record."""
    input:
        parameters="results/parameters/weights-{weights}.json",
    output:
        "results/weights/{weights}.json",
    log:
        "logs/fetch_weights/{weights}.log",
    wildcard_constraints:
        weights="model|score-[a-z0-9_]+",
    localrule: True
    conda:
        "../envs/diffusion.yaml"
    message:
        "Fetching the weights of {wildcards.weights}"
    script:
        "../scripts/fetch_weights.py"
