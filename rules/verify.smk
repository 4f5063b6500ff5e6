# Verify, retry and gc: check what is on disk. The next run makes again what verify and retry removed.
# Reads   every manifest, image and exchange on disk
# Writes  nothing; verify moves changed images to results/{scenario}/changed/, changed rows, tables and exchanges to
#         results/changed/; verify and retry remove outputs that are to be made again; gc_delete removes unreferenced
#         files


rule verify:
    """Check images, exchanges, rows, tables and weights against their digests, and that files of rows are complete."""
    log:
        "logs/verify.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        scenarios=STUDY.scenarios,
    message:
        "Checking images, exchanges, weights and files of rows"
    script:
        "../scripts/verify.py"


rule retry:
    """Remove outputs that hold a failed row, so that the next run tries those rows again."""
    log:
        "logs/retry.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        scenarios=STUDY.scenarios,
    message:
        "Looking for rows that failed"
    script:
        "../scripts/retry.py"


rule gc:
    """List unreferenced files: images of earlier settings and removed prompts, leftovers of killed runs."""
    log:
        "logs/gc.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        delete=False,
    message:
        "Looking for unreferenced files"
    script:
        "../scripts/gc.py"


rule gc_delete:
    """Remove the files that gc lists. Images of an earlier setting are generated again if it returns."""
    log:
        "logs/gc_delete.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        delete=True,
    message:
        "Removing unreferenced files"
    script:
        "../scripts/gc.py"
