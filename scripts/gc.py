"""Lists files that nothing names any more, by folder; with `delete` removes them. Each one's name is in the log."""

import sys
from collections import defaultdict
from pathlib import Path

from detailscribe.operations.garbage import remove, unnamed
from detailscribe.workflow.job import job

with job(snakemake) as running:
    files = unnamed(Path("results"), Path("resources/exchanges"))
    sizes = defaultdict(list)
    for path in files:
        print(path, file=sys.stderr)
        sizes[path.parent].append(path.lstat().st_size)
    if snakemake.params.delete:
        remove(files)
    sentences = [f"{folder}: {len(size)} files, {sum(size) / 1e6:.1f} MB" for folder, size in sizes.items()]
    total = f"{len(files)} files, {sum(map(sum, sizes.values())) / 1e6:.1f} MB"
    way_out = "removed" if snakemake.params.delete else "that nothing names any more; gc_delete removes them"
    running.say([*sentences, f"{total} {way_out}; each one's name is in {snakemake.log[0]}"])
