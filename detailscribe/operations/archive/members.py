"""Members of a study archive: which files it may hold, how large, and what the paths in their rows may be.

An archive is a `.tar.gz` that begins with the manifest: `format` (3 if it holds seconds of images, otherwise 2 if it
holds records of weights, otherwise 1), `exchanges` (their number), `images` (whether generated images are included) and
`files` {name: sha256, bytes}.
"""

import re
from pathlib import Path
from typing import Any

from detailscribe.engines.weight_records import RECORDS_FOLDER
from detailscribe.files.rows import decode_line
from detailscribe.images.image_file import IMAGE_FILE, names_own_image
from detailscribe.images.seconds import seconds_problem
from detailscribe.llm.exchange_store import DIGEST, load_exchange
from detailscribe.llm.response_body import SUFFIX as BODY_SUFFIX
from detailscribe.llm.response_body import unpacked_body
from detailscribe.operations.archive.weight_records import check_portable_record

FORMATS = FORMAT, FORMAT_WITH_RECORDS, FORMAT_WITH_SECONDS = 1, 2, 3
MANIFEST = "manifest.json"
STORE = Path("resources/exchanges")
MAX_BYTES = 64 * 2**20  # of a member, and of the manifest
# Nothing else is packed or unpacked, and nothing outside these folders.
_LEDGER = r"results/([a-z][a-z0-9_]{0,99})/ledgers/images/([a-z][a-z0-9_-]{0,99})/([0-9]{3}-of-[0-9]{3})\.jsonl"
_SECONDS = _LEDGER.replace("/images/", "/seconds/")
MEMBER = re.compile(
    r"resources/exchanges/(?P<start>[0-9a-f]{2})/(?P=start)[0-9a-f]{62}\.(json|body\.json\.gz|png|jpeg|gif|webp)"
    r"|resources/weights/[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,249}\.json"
    r"|resources/written/[a-z][a-z0-9_]{0,99}\.(jsonl|rejected\.tsv|exchanges\.txt)"
    rf"|{_LEDGER}|{_SECONDS}|results/{IMAGE_FILE.pattern}"
)


def check_content(name: str, path: Path) -> None:
    """Check every path and every digest of an exchange that a member names: each is one of the layout's own.

    Args:
        name: Of the member.
        path: Its file.

    Raises:
        ValueError: what is wrong; the message does not name the member.
    """
    if name.startswith(f"{STORE}/") and name.endswith(".json"):
        load_exchange(path)
    elif is_weight_record(name):
        check_portable_record(path)
    elif name.endswith(BODY_SUFFIX):
        unpacked_body(path)
    elif name.endswith(".exchanges.txt"):
        for digest in path.read_text(encoding="utf-8").split():
            if not DIGEST.fullmatch(digest):
                raise ValueError(f"{digest[:80]!r} is not the digest of an exchange")
    elif is_seconds(name):
        for line in path.read_bytes().split(b"\n"):
            _check_seconds_line(line)
    elif place := re.fullmatch(_LEDGER, name):
        for line in path.read_bytes().split(b"\n"):
            _check_ledger_line(line, place.groups())


def is_weight_record(name: str) -> bool:
    """Whether a member is the record of fetched weights."""
    return name.startswith(f"{RECORDS_FOLDER}/")


def is_seconds(name: str) -> bool:
    """Whether a member holds the measured seconds of images."""
    return re.fullmatch(_SECONDS, name) is not None


def _check_seconds_line(line: bytes) -> None:
    try:
        row: Any = decode_line(line)
    except ValueError:
        return  # truncated: never read as a row
    if problem := seconds_problem(row):
        raise ValueError(problem)


def _check_ledger_line(line: bytes, place: tuple[str, ...]) -> None:
    try:
        row: Any = decode_line(line)
    except ValueError:
        return  # truncated: never read as a row
    if not isinstance(row, dict) or not names_own_image(row, *place):
        named = row.get("file") if isinstance(row, dict) else row
        raise ValueError(f"a row names {str(named)[:80]!r}, which is not its own image in {'/'.join(place)}")
    exchange = row.get("exchange")
    if exchange is not None and not (isinstance(exchange, str) and DIGEST.fullmatch(exchange)):
        raise ValueError(f"a row names {str(exchange)[:80]!r}, which is not the digest of an exchange")
