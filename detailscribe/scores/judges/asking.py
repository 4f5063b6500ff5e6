"""Parameters that judges of every kind share: model, templates, options, scale, form of the reply, reading."""

from __future__ import annotations

from collections.abc import Collection

from detailscribe.methods.reply_parsing import judge_response_format
from detailscribe.study.judging.judges import SAMPLED, Judge, reading_parameters
from detailscribe.study.judging.probabilities import asking_options
from detailscribe.study.roles import BASE_VARIABLES, read_template, refresh_count
from detailscribe.study.served import served_model
from detailscribe.study.study import Study

VARIABLES = (*BASE_VARIABLES, "scale", "structured", "reading")  # of the templates of every judge


def asking_parameters(study: Study, judge: Judge, variables: Collection[str] = VARIABLES) -> dict:
    """What decides the answers of a judge, besides what its kind adds.

    With a reading by probability the answer is a mark alone: a template's text `direct`, if it has one, takes the place
    of its `user`.

    Args:
        variables: That its templates may use.

    Raises:
        InputError: as `read_template`.
    """
    entry = judge.entry
    structured, is_direct = entry["reply"] == "structured", judge.reading != SAMPLED
    schema = judge_response_format(judge.scale, reason=not is_direct) if structured else {}
    return {
        "model": entry["model"],
        "template": read_template(study, entry["template"], variables, is_direct),
        "scenario_templates": {
            scenario: read_template(study, template, variables, is_direct)
            for scenario, template in entry["scenario_templates"].items()
        },
        "options": asking_options(judge) | schema,
        "scale": judge.scale,
        "structured": structured,
        **refresh_count(study, f"judge-{judge.name}"),
        **served_model(study, entry["endpoint"]),
        "draws": entry["draws"],
        "topic_cut": study.config["quirks"]["judge_topic_cut"],
        # Absent unless it is used, so that a study without it keeps its parameter files and fingerprints.
        **reading_parameters(judge),
    }
