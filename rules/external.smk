# External: images that the study's image model did not make, from an image model at an endpoint, a folder or a table, or
# drawn here by another image model.
# Reads   results/{scenario}/shards/{shard}.jsonl; a folder of images, or a table that names them
# Writes  results/{scenario}/images/{external}/{shard}.jsonl and the images in {shard}/ beside it


GATHERED = [name for name in config["external"] if name not in STUDY.drawn]


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
    wildcard_constraints:
        external="|".join([*GATHERED, "none"]),
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


rule draw_external:
    """Draw the image of each prompt of a shard with another image model, at the first seed."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        parameters="results/parameters/generate-{external}.json",
        images=FILES.image_folder("{external}"),
        weights=lambda wildcards: FILES.weights(FILES.drawn_weights_name(wildcards.external)),
    output:
        "results/{scenario}/images/{external}/{shard}.jsonl",
    log:
        "logs/draw_external/{scenario}/{external}/{shard}.log",
    benchmark:
        "benchmarks/draw_external/{scenario}/{external}/{shard}.tsv"
    wildcard_constraints:
        external="|".join([*STUDY.drawn, "none"]),
    conda:
        "../envs/diffusion.yaml"
    threads: lambda wildcards: FILES.gpu_threads(FILES.drawn_weights_name(wildcards.external))
    resources:
        gpu=1,
        mem_mb=lambda wildcards: FILES.drawing_memory_mb(wildcards.external),
    params:
        machine=lambda wildcards: STUDY.machine_with(STUDY.drawn[wildcards.external]),
    message:
        "Drawing {wildcards.external} of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/draw_external.py"
