# Judge: questions to vision-language judges beyond one mark per image: parts of the decomposition, remarks of critiques,
# and pairs of images.
# Reads   results/{scenario}/shards/{shard}.jsonl, decompositions, critiques, every image set's manifest, the scores of the
#         metric that selects among the images of a method
# Writes  results/{scenario}/parts/{shard}.jsonl, scores/judge-{judge}/{shard}.jsonl of judges that are asked about parts,
#         audits/{judge}/{shard}.jsonl, pairs/{judge}/{shard}.jsonl,
#         tables/parts.csv, critique_audit.csv, pairs.csv, strengths.csv, rankings.csv, figures/strengths.{svg,png}


rule list_parts:
    """List the interactions and entities of each decomposition of one shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        decompositions="results/{scenario}/decompositions/{shard}.jsonl",
        parameters="results/parameters/parts.json",
    output:
        "results/{scenario}/parts/{shard}.jsonl",
    log:
        "logs/list_parts/{scenario}/{shard}.log",
    localrule: True
    conda:
        "../envs/phrases.yaml"
    message:
        "Listing the parts of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/list_parts.py"


rule judge_parts:
    """Ask a judge, about every image of one shard, whether it shows each part of the decomposition."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        parts="results/{scenario}/parts/{shard}.jsonl",
        manifests=MANIFESTS,
        sets="results/parameters/sets.json",
        parameters="results/parameters/judge-{judge}.json",
        weights=lambda wildcards: FILES.served_weights("judge", wildcards.judge),
    output:
        "results/{scenario}/scores/judge-{judge}/{shard}.jsonl",
    log:
        "logs/judge_parts/{scenario}/{judge}/{shard}.log",
    benchmark:
        "benchmarks/judge_parts/{scenario}/{judge}/{shard}.tsv"
    wildcard_constraints:
        judge=FILES.judges_asked("parts"),
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("judge", wildcards.judge)
    resources:
        gpu=lambda wildcards: FILES.gpus("judge", wildcards.judge),
        api_calls=lambda wildcards: FILES.api_calls("judge", wildcards.judge),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("judge", wildcards.judge),
    message:
        "Judge {wildcards.judge} on the parts of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/judge_parts.py"


rule audit_critiques:
    """Ask a judge whether each fault that a critique names is in the image, and in the refined ones."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        critiques=FILES.critiques_of_auditor,
        manifests=FILES.images_of_auditor,
        sets="results/parameters/sets.json",
        parameters="results/parameters/judge-{judge}.json",
        weights=lambda wildcards: FILES.served_weights("judge", wildcards.judge),
    output:
        "results/{scenario}/audits/{judge}/{shard}.jsonl",
    log:
        "logs/audit_critiques/{scenario}/{judge}/{shard}.log",
    benchmark:
        "benchmarks/audit_critiques/{scenario}/{judge}/{shard}.tsv"
    wildcard_constraints:
        judge=FILES.judges_asked("remarks"),
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("judge", wildcards.judge)
    resources:
        gpu=lambda wildcards: FILES.gpus("judge", wildcards.judge),
        api_calls=lambda wildcards: FILES.api_calls("judge", wildcards.judge),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("judge", wildcards.judge),
    message:
        "Judge {wildcards.judge} on the critiques of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/audit_critiques.py"


rule judge_pairs:
    """Let a judge choose between the images of two methods, for every scheduled pair of one shard."""
    input:
        prompts="results/{scenario}/shards/{shard}.jsonl",
        manifests=FILES.images_of_pair_judge,
        selectors=FILES.scores_of_pair_judge,
        sets="results/parameters/sets.json",
        parameters="results/parameters/judge-{judge}.json",
        weights=lambda wildcards: FILES.served_weights("judge", wildcards.judge),
    output:
        "results/{scenario}/pairs/{judge}/{shard}.jsonl",
    log:
        "logs/judge_pairs/{scenario}/{judge}/{shard}.log",
    benchmark:
        "benchmarks/judge_pairs/{scenario}/{judge}/{shard}.tsv"
    wildcard_constraints:
        judge=FILES.judges_asked("pairs"),
    conda:
        "../envs/chat.yaml"
    threads: lambda wildcards: FILES.server_threads("judge", wildcards.judge)
    resources:
        gpu=lambda wildcards: FILES.gpus("judge", wildcards.judge),
        api_calls=lambda wildcards: FILES.api_calls("judge", wildcards.judge),
    params:
        endpoint=lambda wildcards: STUDY.endpoint_of("judge", wildcards.judge),
    message:
        "Judge {wildcards.judge} on pairs of {wildcards.scenario} {wildcards.shard}"
    script:
        "../scripts/judge_pairs.py"


rule tabulate_parts:
    """Which parts of the prompts each method shows, and which are missing before and after."""
    input:
        dictionary="results/{scenario}/dictionary.jsonl",
        scores=lambda wildcards: FILES.rows_of_judges(wildcards.scenario, "parts"),
        parameters="results/parameters/parts_table.json",
    output:
        report("results/{scenario}/tables/parts.csv", caption="captions/tables_parts.rst", category="{scenario}"),
    log:
        "logs/tabulate_parts/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Tabulating the parts of {wildcards.scenario}"
    script:
        "../scripts/tabulate_parts.py"


rule tabulate_audit:
    """How often each critic is right, and how often re-denoising fixes what it names."""
    input:
        audits=lambda wildcards: FILES.rows_of_judges(wildcards.scenario, "remarks"),
        parameters="results/parameters/critique_audit.json",
    output:
        report(
            "results/{scenario}/tables/critique_audit.csv",
            caption="captions/tables_critique_audit.rst",
            category="{scenario}",
        ),
    log:
        "logs/tabulate_audit/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Auditing the critiques of {wildcards.scenario}"
    script:
        "../scripts/tabulate_audit.py"


rule tabulate_pairs:
    """Win rates, position bias and Bradley-Terry strengths of the compared methods, beside the order of all metrics."""
    input:
        pairs=lambda wildcards: FILES.rows_of_judges(wildcards.scenario, "pairs"),
        main="results/{scenario}/tables/main.csv",
        parameters="results/parameters/pairs_table.json",
        look="results/parameters/figures.json",
    output:
        pairs=report("results/{scenario}/tables/pairs.csv", caption="captions/tables_pairs.rst", category="{scenario}"),
        strengths=report(
            "results/{scenario}/tables/strengths.csv", caption="captions/tables_strengths.rst", category="{scenario}"
        ),
        rankings=report(
            "results/{scenario}/tables/rankings.csv", caption="captions/tables_rankings.rst", category="{scenario}"
        ),
        svg=report(
            "results/{scenario}/figures/strengths.svg", caption="captions/figures_strengths.rst", category="{scenario}"
        ),
        figures=[f"results/{{scenario}}/{file}" for file in further_figure_files(["strengths"])],
    log:
        "logs/tabulate_pairs/{scenario}.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Tabulating the pairs of {wildcards.scenario}"
    script:
        "../scripts/tabulate_pairs.py"
