"""Packs images of finished shards, exchanges and reports; says what stays as it is, and why."""

from pathlib import Path

from detailscribe.operations.packing.exchanges import pack_exchanges
from detailscribe.operations.packing.images import pack_images
from detailscribe.report.packed_site import pack_sites
from detailscribe.workflow.job import job

with job(snakemake) as running:
    results, scenarios = Path("results"), list(snakemake.params.scenarios)
    images, image_archives, unfinished = pack_images(results, scenarios)
    exchanges, exchange_archives, damaged = pack_exchanges(Path("resources/exchanges"))
    pages, loose = pack_sites(results, scenarios)
    counts = f"{images} images packed into {image_archives} archives, {exchanges} files of exchanges into"
    rest = f"{exchange_archives}, {pages} files of reports packed; `snakemake unpack` writes them back"
    running.say([*unfinished, *damaged, *loose, f"{counts} {rest}"])
