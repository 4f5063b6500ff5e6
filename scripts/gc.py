"""Prints the number of unreferenced files per folder, with `delete` after removing them; the log lists each file."""

import sys
from pathlib import Path

from detailscribe.operations.garbage import remove_files, sizes_by_folder, unreferenced_files
from detailscribe.workflow.job import job

with job(snakemake) as running:
    files = unreferenced_files(Path("results"), Path("resources/exchanges"))
    for file in files:
        print(file, file=sys.stderr)
    *folders, total = sizes_by_folder(files)
    if snakemake.params.delete:
        remove_files(files)
    outcome = "removed" if snakemake.params.delete else "are unreferenced; gc_delete removes them"
    running.say([*folders, f"{total} {outcome}; listed in {snakemake.log[0]}"])
