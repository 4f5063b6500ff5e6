"""resources/miniature/: the demo models, and digests.json (SHA-256 of each file), which is written last."""

import json
from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.digests import file_sha256
from detailscribe.workflow.job import job

with job(snakemake):
    from detailscribe.miniature.assembly import build_miniature

    digests = Path(snakemake.output[0])
    build_miniature(digests.parent)
    files = sorted(path for path in digests.parent.rglob("*") if path.is_file() and path != digests)
    table = {str(path.relative_to(digests.parent)): file_sha256(path) for path in files}
    write_text(digests, json.dumps(table, indent=2) + "\n")
