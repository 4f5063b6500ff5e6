"""Studies of the shipped configuration with changes."""

import yaml

from detailscribe.study.study import Study
from detailscribe.workflow.start import REMOVABLE
from tests.paths import REPOSITORY
from tests.workflow.small_study import merged

CONFIG = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))


def configured_study(**changes) -> Study:
    """The shipped study, `changes` merged into its configuration; a null removes an entry."""
    config = merged(CONFIG, changes)
    for group in REMOVABLE:
        config[group] = {name: entry for name, entry in config[group].items() if entry is not None}
    return Study(config, REPOSITORY)
