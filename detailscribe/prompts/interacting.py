"""Download of the InterActing prompt files from their pinned commit, with a check of their digests."""

import urllib.error
import urllib.request
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import file_sha256
from detailscribe.study.interacting import COMMIT, SHA256

BASE_URL = f"https://raw.githubusercontent.com/gxy000/DetailScribe/{COMMIT}/InterActing/data/original_prompt"
TIMEOUT_S = 60


def fetch_prompt_file(name: str, target: Path, folder: str = "", base_url: str = BASE_URL) -> None:
    """Copy one InterActing file from a folder, or download it from its pinned commit, and check its digest.

    Raises:
        SetupError: missing in the folder, not reachable, or different from the published file; no file is written.
    """
    with atomic_write(target) as temporary:
        if folder:
            source = Path(folder) / name
            if not source.is_file():
                raise SetupError(f"interacting_folder: no file {source}; put it there, or leave the value empty")
            temporary.write_bytes(source.read_bytes())
            origin = str(source)
        else:
            origin = f"{base_url}/{name}"
            try:
                with urllib.request.urlopen(origin, timeout=TIMEOUT_S) as response:
                    temporary.write_bytes(response.read())
            except (urllib.error.URLError, OSError) as error:
                raise SetupError(
                    f"cannot download {origin} ({error}); check the network, or give a folder that holds {name} "
                    "with `--config interacting_folder=FOLDER`"
                ) from error
        sha256 = file_sha256(temporary)
        if sha256 != SHA256[name]:
            raise SetupError(
                f"{origin} has SHA-256 {sha256}, published is {SHA256[name]}; use the file of commit {COMMIT}"
            )
