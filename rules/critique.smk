# Critique: a vision-language model looks at an image, by default the initial one, and answers with a refined prompt.
# Reads   results/{scenario}/shards/, the image set or selection that the critic looks at (by default
#         images/original-{first seed}/) and, for a critic that is shown them, decompositions/
# Writes  results/{scenario}/critiques/{critic}/{shard}.jsonl


rule critique_images:
    """Let one critic criticise the image of each prompt of a shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        decompositions=FILES.decompositions_of_critic,
        images=FILES.image_of_critic,
        parameters="results/parameters/critique-{critic}.json",
        weights=lambda wildcards: FILES.served_weights("critique", wildcards.critic),
    output:
        "results/{scenario}/critiques/{critic}/{shard}.jsonl",
    log:
        "logs/critique_images/{scenario}/{critic}/{shard}.log",
    benchmark:
        "benchmarks/critique_images/{scenario}/{critic}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("critique", wildcards.critic)
    resources:
        gpu=lambda wildcards: FILES.gpus("critique", wildcards.critic),
        api_calls=lambda wildcards: FILES.api_calls("critique", wildcards.critic),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("critique", wildcards.critic),
    message:
        "Critique {wildcards.critic} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/critique_images.py"
