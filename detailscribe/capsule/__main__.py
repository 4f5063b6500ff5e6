"""Command line of capsules: verify, replay, compare.

`python -m detailscribe.capsule verify FILE`, `... replay FILE [--folder F]`, `... compare A B [--page F] [--table F]`.
A capsule is made by `snakemake capsule`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from detailscribe.errors import InputError, SetupError


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0: all is well, 1: something differs or could not be replayed, 2: the capsule cannot be read."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "verify":
            from detailscribe.capsule.check.verify import verify_capsule

            return verify_capsule(options.file)
        if options.command == "replay":
            from detailscribe.capsule.check.replay import replay_capsule

            return replay_capsule(options.file, options.folder)
        from detailscribe.capsule.compare.command import compare_capsules

        return compare_capsules(options.a, options.b, options.page, options.table)
    except (InputError, SetupError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.capsule", description="Check, replay, compare capsules."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify", help="check digests, profile, and that tables follow from scores and exchanges"
    )
    verify.add_argument("file", type=Path, help="the capsule")
    replay = commands.add_parser("replay", help="make the tables again from the capsule alone and compare their bytes")
    replay.add_argument("file", type=Path, help="the capsule")
    replay.add_argument("--folder", type=Path, help="empty folder to work in and keep; by default a temporary one")
    compare = commands.add_parser("compare", help="what differs between two capsules or folders of studies")
    compare.add_argument("a", type=Path, help="a capsule, or the folder of a study")
    compare.add_argument("b", type=Path, help="the other one")
    compare.add_argument("--page", type=Path, help="HTML file to write besides the table on the terminal")
    compare.add_argument("--table", type=Path, help="CSV file to write: every difference")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
