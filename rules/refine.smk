# Refine: images are drawn again from images, refined prompts or both; by default the initial image is denoised again,
# and the refined prompt replaces the original one after step k.
# Reads   results/{scenario}/shards/{shard}.jsonl, critiques/{critic}/{shard}.jsonl, rewrites/{rewriter}/{shard}.jsonl;
#         the image sets and selections that refiners start from
# Writes  results/{scenario}/images/{critic}-k{k}/{shard}.jsonl, one per k (or images/{critic}/ for a critic that
#         starts from noise), and the images in {shard}/ beside each; so for every refiner
# One job draws all refinements that wait for the same earlier ones, with one load of one image model: refine_images
# those of images that are no refinements, refine_images_2 those of their images, and so on. The candidates of a critic
# share the first steps.

for JOB in STUDY.graph.jobs:

    rule:
        name:
            JOB.rule
        input:
            prompts="results/{scenario}/shards/{shard}.jsonl",
            critiques=FILES.inputs_of_refinements(JOB, "critiques"),
            rewrites=FILES.inputs_of_refinements(JOB, "rewrites"),
            sources=FILES.inputs_of_refinements(JOB, "sources"),
            parameters=[f"results/parameters/refine-{each.name}.json" for each in JOB.refinements],
            images=FILES.image_folder(*JOB.image_sets),
            weights=FILES.weights(FILES.image_model_weights(JOB.image_model)),
        output:
            expand("results/{{scenario}}/images/{image_set}/{{shard}}.jsonl", image_set=JOB.image_sets),
        log:
            f"logs/{JOB.rule}/{{scenario}}/{{shard}}.log",
        benchmark:
            f"benchmarks/{JOB.rule}/{{scenario}}/{{shard}}.tsv"
        conda:
            "../envs/diffusion.yaml"
        threads: FILES.gpu_threads(FILES.image_model_weights(JOB.image_model))
        resources:
            **FILES.memory_of_refinements(JOB),
            gpu=1,
        params:
            refinements=JOB.refinements,
            machine=STUDY.machine_with(JOB.image_model),
        message:
            "Refining {wildcards.scenario} {wildcards.shard}"
        script:
            "../scripts/refine_images.py"
