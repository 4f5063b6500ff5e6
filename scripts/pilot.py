"""Prints what the pilot took: GPU memory, disk, minutes and dollars."""

import os
import time
from pathlib import Path

from detailscribe.operations.pilot.account import pilot_account
from detailscribe.workflow.job import job
from detailscribe.workflow.start import PILOT

with job(snakemake) as running:
    started = float(os.environ.get(PILOT, time.time()))
    running.say(pilot_account(Path("results"), time.time() - started))
