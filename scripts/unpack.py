"""Writes packed images, exchanges and reports back as files."""

from pathlib import Path

from detailscribe.operations.packing.exchanges import unpack_exchanges
from detailscribe.operations.packing.images import unpack_images
from detailscribe.report.packed_site import unpack_sites
from detailscribe.workflow.job import job

with job(snakemake) as running:
    results = Path("results")
    images, exchanges = unpack_images(results), unpack_exchanges(Path("resources/exchanges"))
    pages = unpack_sites(results)
    running.say([f"{images} images, {exchanges} files of exchanges and {pages} files of reports unpacked"])
