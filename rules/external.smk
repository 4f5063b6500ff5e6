# External: images that the diffusion model did not make, from an image model at an endpoint, a folder or a table.
# Reads   results/{scenario}/shards/{shard}.jsonl; a folder of images, or a table that names them
# Writes  results/{scenario}/images/{external}/{shard}.jsonl and the images in {shard}/ beside it


rule gather_external:
    """Request the image of each prompt of a shard from an image model, or import it from a folder or by a table."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        parameters="results/parameters/external-{external}.json",
        images=FILES.image_folder("{external}"),
        folder=lambda wildcards: FILES.listing(f"external-{wildcards.external}"),
    output:
        "results/{scenario}/images/{external}/{shard}.jsonl",
    log:
        "logs/gather_external/{scenario}/{external}/{shard}.log",
    benchmark:
        "benchmarks/gather_external/{scenario}/{external}/{shard}.tsv"
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("external", wildcards.external),
    message:
        "Gathering {wildcards.external} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/gather_external.py"
