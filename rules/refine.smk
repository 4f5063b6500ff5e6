# Refine: the first image is denoised again, with the refined prompt taking over after step k.
# Reads   results/{scenario}/shards/{shard}.jsonl, critiques/{critic}/{shard}.jsonl
# Writes  results/{scenario}/images/{critic}-k{k}/{shard}.jsonl, one a k (or images/{critic}/ for a critic that starts
#         from scratch), and the images in {shard}/ beside each
# One job draws all candidates of a critic: they share the model, the encoded texts and the first steps.

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
