# Capsule: the finished scenarios of the study as one sealed zip, a Workflow Run RO-Crate.
# Reads   every result of the configured scenarios, their exchanges and records; config key `capsule`
# Writes  results/capsule.zip; results/publish/, from the capsule alone


rule capsule:
    """Write results/capsule.zip: what the tables were made from, without keys, paths and names of people."""
    log:
        "logs/capsule.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        folder=workflow.basedir,
    message:
        "Sealing the study"
    script:
        "../scripts/capsule.py"


rule publish:
    """Write results/publish/ from the capsule: metadata of CITATION.cff, checksums, Parquet, Croissant."""
    log:
        "logs/publish.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        folder=workflow.basedir,
    message:
        "Preparing the capsule for a data repository"
    script:
        "../scripts/publish.py"
