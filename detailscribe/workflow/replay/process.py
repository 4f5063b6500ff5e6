"""Snakemake's process of a replay: its own output file, images by their recorded digests, scripts as forks."""

import os
import sys

from detailscribe.workflow.replay.absent_images import assume_recorded_images
from detailscribe.workflow.replay.forks import ScriptForks
from detailscribe.workflow.run_lock import RESULTS


def run_snakemake(arguments: list[str], cores: int, output: str) -> None:
    """Run Snakemake in the working folder, in this process.

    Args:
        arguments: Of its command line.
        cores: Scripts that may run at a time.
        output: File that everything printed is added to.
    """
    for number, (file, mode) in enumerate([(os.devnull, os.O_RDONLY), *[(output, os.O_WRONLY | os.O_APPEND)] * 2]):
        os.dup2(os.open(file, mode), number)
    assume_recorded_images(RESULTS)
    forks = ScriptForks(cores)
    forks.use_in_snakemake()
    from snakemake import cli

    sys.argv = ["snakemake", *arguments]
    cli.main(arguments)
