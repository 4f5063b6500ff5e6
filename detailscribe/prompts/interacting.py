"""The InterActing prompt files: where they are published, and the digests that tell whether they arrived whole."""

import urllib.error
import urllib.request
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import file_sha256

COMMIT = "ff94a1bfc479474d72545fc50bd73c93a085f8f4"
ADDRESS = f"https://raw.githubusercontent.com/gxy000/DetailScribe/{COMMIT}/InterActing/data/original_prompt"
TIMEOUT_S = 60
SHA256 = {
    "functional_600.jsonl": "6e15b596cc818822669f3d6802b441bd3d4b3d53b09c5e72d5a21f0c32e28f21",
    "compositional_200.jsonl": "6706730223a3a3bb5d462e13bec28fc139de9caa5bb64cd142625ae527ac91c9",
    "multi_subject_200.jsonl": "c0def35f494ae9cd403dfe3f13aee9db50b1e9fa066e1d4964cdf9f533e0c382",
    "toy_data_001.jsonl": "6842369e538cedb352431574cc436c3bcfb848e0c8a52a72c23166d5af535c3a",
}


def fetch(name: str, target: Path, folder: str = "", address: str = ADDRESS) -> None:
    """Bring one InterActing file, from a folder or from its pinned commit, and check its digest.

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
