"""DetailScribe's study as functions: values in, values out; no Snakemake, no config file, no global seed."""
