# Generate: images from text alone, one image set per seed, and one per rewriter at the first seed.
# One job generates them all, with one load of the model; those that are there are kept.
# Reads   results/{scenario}/shards/{shard}.jsonl, rewrites/{rewriter}/{shard}.jsonl
# Writes  results/{scenario}/rewrites/{rewriter}/{shard}.jsonl
#         results/{scenario}/images/{image_set}/{shard}.jsonl and the images in {shard}/ beside it
#         resources/miniature/: the demo models, if a config entry names them
from detailscribe.methods.generate import parameters_name

FROM_TEXT = STUDY.sets_by_stage()["generate"]


rule build_miniature:
    """Build the demo models, which replace the full-size ones; the digests of their files are written last."""
    input:
        parameters="results/parameters/miniature.json",
    output:
        f"{MINIATURE}/digests.json",
    log:
        "logs/build_miniature.log",
    conda:
        "../envs/diffusion.yaml"
    message:
        "Building the miniature models"
    script:
        "../scripts/build_miniature.py"


rule rewrite_prompts:
    """Ask a language model for a detailed description of each prompt, without an image."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        images=FILES.images_of_rewriter,
        parameters="results/parameters/rewrite-{rewriter}.json",
        weights=lambda wildcards: FILES.served_weights("rewrite", wildcards.rewriter),
    output:
        "results/{scenario}/rewrites/{rewriter}/{shard}.jsonl",
    log:
        "logs/rewrite_prompts/{scenario}/{rewriter}/{shard}.log",
    benchmark:
        "benchmarks/rewrite_prompts/{scenario}/{rewriter}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("rewrite", wildcards.rewriter)
    resources:
        gpu=lambda wildcards: FILES.gpus("rewrite", wildcards.rewriter),
        api_calls=lambda wildcards: FILES.api_calls("rewrite", wildcards.rewriter),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("rewrite", wildcards.rewriter),
    message:
        "Rewriting {wildcards.scenario} {wildcards.shard} for {wildcards.rewriter}"
    script:
        "../scripts/rewrite_prompts.py"


rule generate_images:
    """Generate the images of one shard that need text alone: every seed, and every rewritten prompt."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        rewrites=expand("results/{{scenario}}/rewrites/{rewriter}/{{shard}}.jsonl", rewriter=STUDY.rewritten),
        parameters=expand("results/parameters/{name}.json", name=map(parameters_name, FROM_TEXT)),
        images=FILES.image_folder(*FROM_TEXT),
        weights=FILES.weights("model"),
    output:
        expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=FROM_TEXT),
    log:
        "logs/generate_images/{scenario}/{shard}.log",
    benchmark:
        "benchmarks/generate_images/{scenario}/{shard}.tsv"
    conda:
        "../envs/diffusion.yaml"
    threads: FILES.gpu_threads("model")
    resources:
        gpu=1,
    params:
        machine=STUDY.machine,
    message:
        "Generating from text {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/generate_images.py"
