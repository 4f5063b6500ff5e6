# Score: one row an image under each metric, and the seed that one of the metrics picks.
# Reads   results/{scenario}/shards/{shard}.jsonl and every image set's manifest; sets.json says which sets there are,
#         so that one that comes back is scored
# Writes  results/{scenario}/scores/{metric}/{shard}.jsonl, scores/judge-{judge}/{shard}.jsonl,
#         selections/multi_seed/{shard}.jsonl

MANIFESTS = expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=STUDY.image_sets())


rule score_images:
    """Score every image of one shard with a model of our own."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=MANIFESTS,
        sets="results/parameters/sets.json",
        parameters="results/parameters/score-{metric}.json",
        weights=lambda wildcards: weights_of(f"score-{wildcards.metric}"),
    output:
        "results/{scenario}/scores/{metric}/{shard}.jsonl",
    log:
        "logs/score_images/{scenario}/{metric}/{shard}.log",
    benchmark:
        "benchmarks/score_images/{scenario}/{metric}/{shard}.tsv"
    conda:
        "../envs/scores.yaml"
    resources:
        gpu=1,
    message:
        "Scoring {wildcards.scenario} {wildcards.shard} by {wildcards.metric}"
    script:
        "../scripts/score_images.py"


rule judge_images:
    """Ask a vision-language judge for a mark for every image of one shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=MANIFESTS,
        sets="results/parameters/sets.json",
        parameters="results/parameters/judge-{judge}.json",
    output:
        "results/{scenario}/scores/judge-{judge}/{shard}.jsonl",
    log:
        "logs/judge_images/{scenario}/{judge}/{shard}.log",
    benchmark:
        "benchmarks/judge_images/{scenario}/{judge}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        endpoint=lambda wildcards: STUDY.endpoint("judge", wildcards.judge),
    message:
        "Judge {wildcards.judge} on {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/judge_images.py"


rule select_seed:
    """Pick the best of the seeds for each prompt of one shard by one metric."""
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
