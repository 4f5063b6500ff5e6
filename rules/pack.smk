# Pack and unpack: images, exchanges and report pages in archives, for file systems with a limit on the number of files.
# Reads   every manifest, image, exchange and report on disk
# Writes  packed.zip in the folder of a shard's images, in each folder of exchanges, and in the folders of a report;
#         every stage reads images and exchanges from there, and a file beside the archive wins


rule pack:
    """Pack the images of finished shards, all exchanges, and the pages of reports."""
    log:
        "logs/pack.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    params:
        scenarios=STUDY.scenarios,
    message:
        "Packing images, exchanges and reports"
    script:
        "../scripts/pack.py"


rule unpack:
    """Write everything that is packed back as files, byte for byte."""
    log:
        "logs/unpack.log",
    localrule: True
    conda:
        "../envs/tables.yaml"
    message:
        "Unpacking images, exchanges and reports"
    script:
        "../scripts/unpack.py"
