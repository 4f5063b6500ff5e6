# Prompts: the four InterActing files, prompts written from topics, and the shards of every scenario.
# Reads   a scenario's JSON lines file; a list of topics
# Writes  resources/interacting/{file}, resources/written/{topics}.jsonl,
#         results/{scenario}/prompts.jsonl and shards/{shard}.jsonl (written before planning if the file exists)


rule fetch_interacting:
    """Fetch one InterActing file at its pinned commit or from a folder, and check its digest."""
    output:
        "resources/interacting/{file}",
    log:
        "logs/fetch_interacting/{file}.log",
    wildcard_constraints:
        file="functional_600.jsonl|compositional_200.jsonl|multi_subject_200.jsonl|toy_data_001.jsonl",
    conda:
        "../envs/chat.yaml"
    resources:
        api_calls=1,
    params:
        folder=config["interacting_folder"],
    message:
        "Fetching {wildcards.file}"
    script:
        "../scripts/fetch_interacting.py"


rule write_prompts:
    """Write a prompt for each topic of a list; duplicates and prompts that lost their topic are rejected."""
    input:
        topics=lambda wildcards: config["topics"][wildcards.topics]["file"],
        parameters="results/parameters/write-{topics}.json",
        weights=lambda wildcards: FILES.served_weights("write"),
    output:
        prompts="resources/written/{topics}.jsonl",
        rejected="resources/written/{topics}.rejected.tsv",
        exchanges="resources/written/{topics}.exchanges.txt",
    log:
        "logs/write_prompts/{topics}.log",
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("write")
    resources:
        gpu=lambda wildcards: FILES.gpus("write"),
        api_calls=lambda wildcards: FILES.api_calls("write"),
    message:
        "Writing prompts for the topics of {wildcards.topics}"
    script:
        "../scripts/write_prompts.py"


for scenario in STUDY.scenarios:

    rule:
        name:
            f"split_{scenario}"
        input:
            prompt_file(scenario),
        output:
            prompts=f"results/{scenario}/prompts.jsonl",
            shards=expand(f"results/{scenario}/shards/{{shard}}.jsonl", shard=STUDY.shards(scenario)),
        log:
            f"logs/split_prompts/{scenario}.log",
        localrule: True
        conda:
            "../envs/tables.yaml"
        params:
            scenario=scenario,
        message:
            "Splitting a scenario into shards by the digest of the ids"
        script:
            "../scripts/split_prompts.py"
