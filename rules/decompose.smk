# Decompose: the interactions of a prompt, each as the contact of two parts.
# Reads   results/{scenario}/shards/{shard}.jsonl
# Writes  results/{scenario}/decompositions/{shard}.jsonl


rule decompose_prompts:
    """Ask a language model for the interactions of each prompt of a shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        parameters="results/parameters/decompose.json",
        weights=FILES.served_weights("decompose"),
    output:
        "results/{scenario}/decompositions/{shard}.jsonl",
    log:
        "logs/decompose_prompts/{scenario}/{shard}.log",
    benchmark:
        "benchmarks/decompose_prompts/{scenario}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    threads: FILES.server_threads("decompose")
    resources:
        gpu=FILES.gpus("decompose"),
        api_calls=FILES.api_calls("decompose"),
    params:
        endpoint=STUDY.endpoint_of("decompose"),
    message:
        "Decomposing {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/decompose_prompts.py"
