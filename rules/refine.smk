# Refine: the initial image is denoised again; the refined prompt replaces the original one after step k.
# Reads   results/{scenario}/shards/{shard}.jsonl, critiques/{critic}/{shard}.jsonl
# Writes  results/{scenario}/images/{critic}-k{k}/{shard}.jsonl, one per k (or images/{critic}/ for a critic that
#         starts from noise), and the images in {shard}/ beside each
# One job generates the candidates of all critics, with one load of the model. The candidates of a critic share the
# first steps.

if config["critics"]:

    rule refine_images:
        """Generate the candidates of every critic for one shard."""
        input:
            prompts="results/{scenario}/shards/{shard}.jsonl",
            critiques=expand("results/{{scenario}}/critiques/{critic}/{{shard}}.jsonl", critic=config["critics"]),
            parameters=expand("results/parameters/refine-{critic}.json", critic=config["critics"]),
            images=FILES.image_folder(*STUDY.sets_by_stage()["refine"]),
            weights=FILES.weights("model"),
        output:
            expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=STUDY.sets_by_stage()["refine"]),
        log:
            "logs/refine_images/{scenario}/{shard}.log",
        benchmark:
            "benchmarks/refine_images/{scenario}/{shard}.tsv"
        conda:
            "../envs/diffusion.yaml"
        threads: FILES.gpu_threads("model")
        resources:
            gpu=1,
        params:
            machine=STUDY.machine,
        message:
            "Refining {wildcards.scenario} {wildcards.shard}"
        script:
            "../scripts/refine_images.py"
