"""Parquet tables of a scenario: scores and manifests, typed, one file each."""
