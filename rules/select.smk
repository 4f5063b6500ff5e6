# Select: the best of some image sets for each prompt, as a step of the graph that later steps start from.
# Reads   results/{scenario}/shards/{shard}.jsonl; the image sets and selections to choose from
# Writes  results/{scenario}/selections/{selection}/{shard}.jsonl, rows of a manifest; the scores are kept in
#         results/{scenario}/ledgers/scores/ (or as recorded answers), so that no image is scored twice


rule select_by_metric:
    """Choose the best of some image sets for each prompt of one shard by a metric that runs here."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        candidates=FILES.candidates_of_selection,
        parameters="results/parameters/select-{selection}.json",
        metric=lambda wildcards: f"results/parameters/score-{FILES.selector(wildcards)}.json",
        weights=lambda wildcards: FILES.weights(f"score-{FILES.selector(wildcards)}"),
        phrases=FILES.phrases_of_selection,
    output:
        "results/{scenario}/selections/{selection}/{shard}.jsonl",
    log:
        "logs/select_by_metric/{scenario}/{selection}/{shard}.log",
    benchmark:
        "benchmarks/select_by_metric/{scenario}/{selection}/{shard}.tsv"
    wildcard_constraints:
        selection=FILES.selections_by("scores"),
    conda:
        "../envs/scores.yaml"
    threads: lambda wildcards: FILES.gpu_threads(f"score-{FILES.selector(wildcards)}")
    resources:
        gpu=1,
    message:
        "Selecting {wildcards.selection} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/select_by_metric.py"


rule select_by_package:
    """Choose by the image-reward package, which cannot be imported together with current transformers."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        candidates=FILES.candidates_of_selection,
        parameters="results/parameters/select-{selection}.json",
        metric=lambda wildcards: f"results/parameters/score-{FILES.selector(wildcards)}.json",
        weights=lambda wildcards: FILES.weights(f"score-{FILES.selector(wildcards)}"),
        phrases=FILES.phrases_of_selection,
    output:
        "results/{scenario}/selections/{selection}/{shard}.jsonl",
    log:
        "logs/select_by_package/{scenario}/{selection}/{shard}.log",
    benchmark:
        "benchmarks/select_by_package/{scenario}/{selection}/{shard}.tsv"
    wildcard_constraints:
        selection=FILES.selections_by("image_reward"),
    conda:
        "../envs/image_reward.yaml"
    threads: lambda wildcards: FILES.gpu_threads(f"score-{FILES.selector(wildcards)}")
    resources:
        gpu=1,
    message:
        "Selecting {wildcards.selection} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/select_by_metric.py"


rule select_by_judge:
    """Let a judge choose the best of some image sets for each prompt of one shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        candidates=FILES.candidates_of_selection,
        parameters="results/parameters/select-{selection}.json",
        judge=lambda wildcards: f"results/parameters/{FILES.selector(wildcards)}.json",
        weights=lambda wildcards: FILES.served_weights("judge", FILES.judge(wildcards)),
    output:
        "results/{scenario}/selections/{selection}/{shard}.jsonl",
    log:
        "logs/select_by_judge/{scenario}/{selection}/{shard}.log",
    benchmark:
        "benchmarks/select_by_judge/{scenario}/{selection}/{shard}.tsv"
    wildcard_constraints:
        selection=FILES.selections_by("judge"),
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("judge", FILES.judge(wildcards))
    resources:
        gpu=lambda wildcards: FILES.gpus("judge", FILES.judge(wildcards)),
        api_calls=lambda wildcards: FILES.api_calls("judge", FILES.judge(wildcards)),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("judge", FILES.judge(wildcards)),
    message:
        "Selecting {wildcards.selection} of {wildcards.scenario} {wildcards.shard} by a judge"
    script:
        "../scripts/select_by_judge.py"
