# Pilot: the first step on a new machine. `snakemake pilot` makes toy_data_001 with one seed less, says before its first
# job what it needs, and at the end what it took.
# Reads   everything of toy_data_001
# Writes  nothing; the study takes over the images, answers and scores


rule pilot:
    """Every file of toy_data_001, and what they took."""
    input:
        FILES.of_all_stages(PILOT_SCENARIO) if RUN.is_pilot else [],
    log:
        "logs/pilot.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "The pilot is complete"
    script:
        "../scripts/pilot.py"
