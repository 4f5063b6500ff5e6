"""Tables of docs/gpu.md: expected memory and work of every Stable Diffusion 3 profile of a configuration.

Usage: python -m detailscribe.engines.workload [--config config/config.yaml] [--write docs/gpu.md]
"""

import argparse
from pathlib import Path

import yaml

from detailscribe.engines.workload.tables import memory_table, replace_table, work_table

parser = argparse.ArgumentParser(description="Expected memory and work of the Stable Diffusion 3 profiles.")
parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
parser.add_argument("--write", type=Path, help="document in which to replace the tables")
arguments = parser.parse_args()
config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
for table in (memory_table(config), work_table(config)):
    print(table, end="\n\n")
    if arguments.write:
        document = arguments.write.read_text(encoding="utf-8")
        arguments.write.write_text(replace_table(document, table), encoding="utf-8")
