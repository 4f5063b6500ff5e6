"""Download of the InterActing prompt files at their pinned commit, with a check of their digests."""

import urllib.error
import urllib.request
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import file_sha256
from detailscribe.study.interacting import COMMIT, SHA256

ADDRESS = f"https://raw.githubusercontent.com/gxy000/DetailScribe/{COMMIT}/InterActing/data/original_prompt"
TIMEOUT_S = 60


def fetch_prompt_file(name: str, target: Path, folder: str = "", address: str = ADDRESS) -> None:
    """Fetch one InterActing file from a folder or from its pinned commit, and check its digest.

    Raises:
        SetupError: not in the folder, not reachable, or other bytes than published; nothing is left behind.
    """
    with atomic_write(target) as temporary:
        if folder:
            source = Path(folder) / name
            if not source.is_file():
                raise SetupError(f"interacting_folder: no file {source}; put it there, or leave the value empty")
            temporary.write_bytes(source.read_bytes())
            place = str(source)
        else:
            place = f"{address}/{name}"
            try:
                with urllib.request.urlopen(place, timeout=TIMEOUT_S) as answer:
                    temporary.write_bytes(answer.read())
            except (urllib.error.URLError, OSError) as error:
                raise SetupError(
                    f"cannot download {place} ({error}); check the network, or name a folder that holds {name} "
                    "with `--config interacting_folder=FOLDER`"
                ) from error
        found = file_sha256(temporary)
        if found != SHA256[name]:
            raise SetupError(
                f"{place} has SHA-256 {found}, published is {SHA256[name]}; take the file of commit {COMMIT}"
            )
