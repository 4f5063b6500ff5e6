"""Archive of all exchanges of a study, to share it with someone without an API key.

`python -m detailscribe.operations.archive pack ARCHIVE [--images]` in the study's folder, `... unpack ARCHIVE` in the
other one. With images, the generated images and their ledgers are included, so a replay needs no GPU either.
"""

import argparse
import sys
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study


def main(arguments: list[str]) -> int:
    """Pack or unpack, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.operations.archive",
        description="Pack all exchanges of the study in this folder into one archive, or unpack one here.",
    )
    parser.add_argument("command", choices=["pack", "unpack"])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--images", action="store_true", help="include the generated images and their ledgers")
    options = parser.parse_args(arguments)
    try:
        if options.command == "pack":
            print(pack_study(options.archive, Path(), options.images))
        else:
            print(unpack_study(options.archive, Path()))
    except (InputError, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
