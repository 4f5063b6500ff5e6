# Generate: images from text alone, one image set per seed, and one per rewriter at the first seed.
# Reads   results/{scenario}/shards/{shard}.jsonl, rewrites/{rewriter}/{shard}.jsonl
# Writes  results/{scenario}/rewrites/{rewriter}/{shard}.jsonl
#         results/{scenario}/images/{image_set}/{shard}.jsonl and the images in {shard}/ beside it
#         resources/miniature/: the demo models, if a config entry names them


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
        parameters="results/parameters/rewrite-{rewriter}.json",
    output:
        "results/{scenario}/rewrites/{rewriter}/{shard}.jsonl",
    log:
        "logs/rewrite_prompts/{scenario}/{rewriter}/{shard}.log",
    benchmark:
        "benchmarks/rewrite_prompts/{scenario}/{rewriter}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("rewrite", wildcards.rewriter),
    message:
        "Rewriting {wildcards.scenario} {wildcards.shard} for {wildcards.rewriter}"
    script:
        "../scripts/rewrite_prompts.py"


rule generate_images:
    """Generate the images of one shard from the prompts, or from the rewritten prompts."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        texts=FILES.text_of_image_set,
        parameters=FILES.generation_parameters,
        images=FILES.image_folder("{image_set}"),
        weights=FILES.weights("model"),
    output:
        "results/{scenario}/images/{image_set}/{shard}.jsonl",
    log:
        "logs/generate_images/{scenario}/{image_set}/{shard}.log",
    benchmark:
        "benchmarks/generate_images/{scenario}/{image_set}/{shard}.tsv"
    wildcard_constraints:
        image_set="|".join([*STUDY.originals(), *config["rewriters"]]),
    conda:
        "../envs/diffusion.yaml"
    resources:
        gpu=1,
    params:
        offload=STUDY.image_model["offload"],
    message:
        "Generating {wildcards.image_set} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/generate_images.py"
