"""Members of a study archive: which files it may hold, and its manifest.

An archive is a `.tar.gz` that begins with the manifest: `format`, `exchanges` (their number), `images` (whether
generated images are included) and `files` {name: sha256, bytes}.
"""

import re
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
STORE = Path("resources/exchanges")
# Nothing else is packed or unpacked, and nothing outside these folders.
MEMBER = re.compile(
    r"resources/exchanges/[0-9a-f]{2}/[0-9a-f]{64}\.(json|body\.json\.gz|png|jpeg|gif|webp)"
    r"|resources/written/[a-z][a-z0-9_]*\.(jsonl|rejected\.tsv|exchanges\.txt)"
    r"|results/[a-z][a-z0-9_]*/ledgers/images/[\w.-]+/\d{3}-of-\d{3}\.jsonl"
    r"|results/[a-z][a-z0-9_]*/images/[\w.-]+/\d{3}-of-\d{3}/[\w.-]+\.(jpg|png)"
)
