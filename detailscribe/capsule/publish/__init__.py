"""Publish folder of a capsule, for Zenodo or another data repository: metadata, checksums, Parquet, Croissant."""
