# Score: one row per image and metric, the seed that one metric selects, and checks of judges and of token limits.
# Reads   results/{scenario}/shards/{shard}.jsonl and every image set's manifest; sets.json lists the image sets,
#         so that one that is configured again is scored
# Writes  results/{scenario}/scores/{metric}/{shard}.jsonl, scores/judge-{judge}/{shard}.jsonl,
#         noun_phrases/{shard}.jsonl, selections/multi_seed/{shard}.jsonl,
#         tables/judge_repeats.csv, tables/truncation.csv, tables/truncation_shares.csv

MANIFESTS = expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=STUDY.image_sets())


rule find_noun_phrases:
    """Find the noun phrases of each prompt of one shard, or take the user's own."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        parameters="results/parameters/phrases-{scenario}.json",
    output:
        "results/{scenario}/noun_phrases/{shard}.jsonl",
    log:
        "logs/find_noun_phrases/{scenario}/{shard}.log",
    localrule: True
    conda:
        "../envs/phrases.yaml"
    message:
        "Finding the noun phrases of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/find_noun_phrases.py"


rule score_images:
    """Score every image of one shard with a metric that runs here."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=MANIFESTS,
        selected=FILES.selected_by,
        sets="results/parameters/sets.json",
        parameters="results/parameters/score-{metric}.json",
        weights=lambda wildcards: FILES.weights(f"score-{wildcards.metric}"),
        phrases=FILES.phrases_of_metric,
    output:
        "results/{scenario}/scores/{metric}/{shard}.jsonl",
    log:
        "logs/score_images/{scenario}/{metric}/{shard}.log",
    benchmark:
        "benchmarks/score_images/{scenario}/{metric}/{shard}.tsv"
    wildcard_constraints:
        metric=FILES.metrics_of_environment("scores"),
    conda:
        "../envs/scores.yaml"
    threads: lambda wildcards: FILES.gpu_threads(f"score-{wildcards.metric}")
    resources:
        gpu=1,
    message:
        "Scoring {wildcards.scenario} {wildcards.shard} by {wildcards.metric}"
    script:
        "../scripts/score_images.py"


rule score_images_by_package:
    """Score with the image-reward package, which cannot be imported together with current transformers."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=MANIFESTS,
        selected=FILES.selected_by,
        sets="results/parameters/sets.json",
        parameters="results/parameters/score-{metric}.json",
        weights=lambda wildcards: FILES.weights(f"score-{wildcards.metric}"),
        phrases=FILES.phrases_of_metric,
    output:
        "results/{scenario}/scores/{metric}/{shard}.jsonl",
    log:
        "logs/score_images_by_package/{scenario}/{metric}/{shard}.log",
    benchmark:
        "benchmarks/score_images_by_package/{scenario}/{metric}/{shard}.tsv"
    wildcard_constraints:
        metric=FILES.metrics_of_environment("image_reward"),
    conda:
        "../envs/image_reward.yaml"
    threads: lambda wildcards: FILES.gpu_threads(f"score-{wildcards.metric}")
    resources:
        gpu=1,
    message:
        "Scoring {wildcards.scenario} {wildcards.shard} by {wildcards.metric} with the package"
    script:
        "../scripts/score_images.py"


rule judge_images:
    """Let a vision-language judge grade every image of one shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=MANIFESTS,
        selected=FILES.selected_by,
        sets="results/parameters/sets.json",
        parameters="results/parameters/judge-{judge}.json",
        weights=lambda wildcards: FILES.served_weights("judge", wildcards.judge),
    output:
        "results/{scenario}/scores/judge-{judge}/{shard}.jsonl",
    log:
        "logs/judge_images/{scenario}/{judge}/{shard}.log",
    benchmark:
        "benchmarks/judge_images/{scenario}/{judge}/{shard}.tsv"
    wildcard_constraints:
        judge=FILES.judges_asked("prompt"),
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("judge", wildcards.judge)
    resources:
        gpu=lambda wildcards: FILES.gpus("judge", wildcards.judge),
        api_calls=lambda wildcards: FILES.api_calls("judge", wildcards.judge),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("judge", wildcards.judge),
    message:
        "Judge {wildcards.judge} on {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/judge_images.py"


rule select_seed:
    """Select the best of the seeds for each prompt of one shard by one metric."""
    input:
        scores=f"results/{{scenario}}/scores/{config['seed_selector']}/{{shard}}.jsonl",
        parameters="results/parameters/select.json",
    output:
        "results/{scenario}/selections/multi_seed/{shard}.jsonl",
    log:
        "logs/select_seed/{scenario}/{shard}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Selecting the seeds of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/select_seed.py"


rule tabulate_repeats:
    """Agreement of each judge with itself, if it grades an image more than once."""
    input:
        scores=lambda wildcards: FILES.judge_scores(wildcards.scenario),
        parameters="results/parameters/repeats.json",
    output:
        "results/{scenario}/tables/judge_repeats.csv",
    log:
        "logs/tabulate_repeats/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Comparing the repeats of the judges on {wildcards.scenario}"
    script:
        "../scripts/tabulate_repeats.py"


rule count_tokens:
    """Count how much of each text the image model's encoders and the metrics read."""
    input:
        prompts="results/{scenario}/prompts.jsonl",
        texts=FILES.texts_of_scenario,
        phrases=lambda wildcards: FILES.noun_phrases(wildcards.scenario),
        parameters="results/parameters/truncation.json",
        weights=FILES.reader_weights(),
    output:
        tokens="results/{scenario}/tables/truncation.csv",
        shares="results/{scenario}/tables/truncation_shares.csv",
    log:
        "logs/count_tokens/{scenario}.log",
    localrule: True
    conda:
        "../envs/scores.yaml"
    message:
        "Counting the tokens of {wildcards.scenario}"
    script:
        "../scripts/count_tokens.py"
