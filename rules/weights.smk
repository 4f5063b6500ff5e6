# Weights: files that image models, metrics and models that jobs serve need from the hub. A rule of its own fetches them,
# so that all other jobs run without a network.
# Reads   results/parameters/weights-{weights}.json; resources/weights/: commit and digests of what was fetched before
# Writes  results/weights/{weights}.json: repository, revision and commit of each; the files are in the hub's cache
# On a cluster this rule runs on the machine of the main process, which is the most likely to have a network.
# {weights} is model for the image model, model-{name} for one that draws an external set, score-{metric} for a metric,
# endpoint-{name} for a model that jobs serve.


rule weights:
    """Everything that the configured models need."""
    input:
        FILES.all_weights(),
    localrule: True
    message:
        "The weights that were to be fetched are complete"


rule fetch_weights:
    """Fetch the weights of one model and record their digests, or check what was fetched against its record."""
    input:
        parameters="results/parameters/weights-{weights}.json",
    output:
        "results/weights/{weights}.json",
    log:
        "logs/fetch_weights/{weights}.log",
    wildcard_constraints:
        weights="model|(model|score|endpoint)-[a-z0-9_]+",
    localrule: True
    conda:
        "../envs/diffusion.yaml"
    message:
        "Fetching the weights of {wildcards.weights}"
    script:
        "../scripts/fetch_weights.py"
