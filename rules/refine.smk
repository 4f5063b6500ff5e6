# Refine: the initial image is denoised again; the refined prompt replaces the original one after step k.
# Reads   results/{scenario}/shards/{shard}.jsonl, critiques/{critic}/{shard}.jsonl
# Writes  results/{scenario}/images/{critic}-k{k}/{shard}.jsonl, one per k (or images/{critic}/ for a critic that
#         starts from noise), and the images in {shard}/ beside each
# One job generates all candidates of a critic, which share the model, the encoded texts and the first steps.

for critic in config["critics"]:

    rule:
        name:
            f"refine_{critic}"
        input:
            prompts="results/{scenario}/shards/{shard}.jsonl",
            critiques=f"results/{{scenario}}/critiques/{critic}/{{shard}}.jsonl",
            parameters=f"results/parameters/refine-{critic}.json",
            images=FILES.image_folder(*STUDY.candidates(critic)),
            weights=FILES.weights("model"),
        output:
            expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=STUDY.candidates(critic)),
        log:
            f"logs/refine_images/{{scenario}}/{critic}/{{shard}}.log",
        benchmark:
            f"benchmarks/refine_images/{{scenario}}/{critic}/{{shard}}.tsv"
        conda:
            "../envs/diffusion.yaml"
        resources:
            gpu=1,
        params:
            offload=STUDY.image_model["offload"],
        message:
            "Refining {wildcards.scenario} {wildcards.shard}"
        script:
            "../scripts/refine_images.py"
