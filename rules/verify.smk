# Verify, retry and gc: look at what is on disk; the next run remakes what the first two took away.
# Reads   every manifest, image and exchange that is there
# Writes  nothing; moves changed images to results/{scenario}/changed/ and removes outputs to be made again; gc_delete
#         removes files that nothing names any more


rule verify:
    """Check every digest on disk."""
    log:
        "logs/verify.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        scenarios=STUDY.scenarios,
    message:
        "Checking the digest of every image and exchange"
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
    """List files that no manifest names any more: images of old settings and removed prompts, leftovers of kills."""
    log:
        "logs/gc.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        delete=False,
    message:
        "Looking for files that nothing names any more"
    script:
        "../scripts/gc.py"


rule gc_delete:
    """Remove what gc lists. An older setting's images are then drawn again when it comes back."""
    log:
        "logs/gc_delete.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        delete=True,
    message:
        "Removing files that nothing names any more"
    script:
        "../scripts/gc.py"
