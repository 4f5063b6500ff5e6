"""Python imports this at the start of every process that has this folder on its path."""

from tests import stub_models

stub_models.install()
