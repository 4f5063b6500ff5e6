"""What people read on a figure, its width, and its style: settings that no number depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.scores.metric_facts import metric_labels
from detailscribe.study.methods import method_labels
from detailscribe.study.notices import study_notice
from detailscribe.tables.figures.style_file import read_style

if TYPE_CHECKING:
    from detailscribe.study.study import Study

# Both text columns, and one, of CVPR and ICML; ACL: 6.3 and 3.03; NeurIPS and ICLR: 5.5.
DEFAULTS: dict[str, Any] = {"width_in": 7.0, "column_in": 3.3, "style": ""}


@dataclass(frozen=True)
class Look:
    """Labels, width and style of a figure.

    Attributes:
        notice: Warning to print on the figure; empty for none.
        methods, metrics: What people read, by name.
        width_in: Width in inches.
        column_in: Width in inches of a figure in one column.
        style: Settings of matplotlib in place of ours, as text.
    """

    notice: str = ""
    methods: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    width_in: float = DEFAULTS["width_in"]
    column_in: float = DEFAULTS["column_in"]
    style: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: Mapping) -> Look:
        """The look in parameters, which may hold other keys besides."""
        return cls(**{name: parameters[name] for name in cls.__dataclass_fields__})

    @classmethod
    def read(cls, path: str) -> Look:
        """The look in a file of parameters."""
        return cls.of(json.loads(Path(path).read_text(encoding="utf-8")))

    def in_one_column(self) -> Look:
        """The same in one column."""
        return replace(self, width_in=self.column_in)

    def method(self, name: str) -> str:
        """What people read for a method."""
        return self.methods.get(name, name)

    def metric(self, name: str) -> str:
        """What people read for a metric."""
        return self.metrics.get(name, name)


def look_parameters(study: Study) -> dict:
    """The look of a study's figures, as `Look.of` reads it.

    Raises:
        InputError: the style file cannot be used; names file and line.
    """
    settings = DEFAULTS | study.config.get("figures", {})
    return {
        "notice": study_notice(study),
        "methods": method_labels(study),
        "metrics": metric_labels(study),
        "width_in": float(settings["width_in"]),
        "column_in": float(settings["column_in"]),
        "style": read_style(settings["style"], study.folder),
    }
