# Verify and retry: look at what is on disk; the next run remakes what these two took away.
# Reads   every manifest, image and exchange that is there
# Writes  nothing; moves changed images to results/{scenario}/changed/ and removes outputs to be made again


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
