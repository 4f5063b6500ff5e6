"""Packing of a store's exchanges with their images and response bodies, one archive per folder (`files/packing.py`)."""

from pathlib import Path

from detailscribe.files.packed import files_in
from detailscribe.files.packing import pack, unpack
from detailscribe.llm.exchange_store import DIGEST_START, load_exchange


def pack_exchanges(store: Path) -> tuple[int, int, list[str]]:
    """Pack every intact exchange of a store; what belongs to none stays as it is.

    Returns:
        The number of files packed, of archives written, and a message per damaged exchange.
    """
    names: dict[Path, list[str]] = {}
    messages = []
    for folder in _folders(store):
        for path in files_in(folder):
            if path.suffix == ".json" and path.is_file():
                try:
                    exchange = load_exchange(path)
                except ValueError as error:
                    messages.append(f"{error}; it stays as it is: run `snakemake verify`")
                    continue
                beside = [exchange["reply"]["image"], (exchange.get("body") or {}).get("file")]
                names.setdefault(folder, []).extend(name for name in [path.name, *beside] if name)
    return pack(names), len(names), messages


def unpack_exchanges(store: Path) -> int:
    """Write the packed exchanges of a store back as files; returns their number."""
    return unpack(_folders(store))


def _folders(store: Path) -> list[Path]:
    return sorted(path for path in store.glob("*") if path.is_dir() and DIGEST_START.fullmatch(path.name))
